//! The bytes of schemas, and damaged bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::text::Text;

#[expect(dead_code)]
#[derive(Deserialize)]
struct Tree {
    kids: Vec<Tree>,
    at: Option<(i64, char)>,
    of: Kind,
}
#[expect(dead_code)]
#[derive(Deserialize)]
enum Kind {
    Leaf,
    Node { name: String },
}

/// The table of docs/format.md, whose bytes were put together by hand.
#[test]
fn schemas_have_the_documented_bytes() {
    let documented: BTreeMap<&str, Vec<u8>> = include_str!("../../../../../docs/format.md")
        .lines()
        .skip_while(|line| *line != "## Schemas")
        .take_while(|line| *line != "## Object files")
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix("` |")?.split_once(" | `"))
        .filter_map(|(schema, hex)| {
            let bytes = hex.split(' ').map(|byte| u8::from_str_radix(byte, 16));
            Some((schema, bytes.collect::<Result<_, _>>().ok()?))
        })
        .collect();
    let written = BTreeMap::from([
        ("`()`", Schema::of::<()>()),
        ("`bool`", Schema::of::<bool>()),
        ("`u64`", Schema::of::<u64>()),
        ("`i128`", Schema::of::<i128>()),
        ("`f32`", Schema::of::<f32>()),
        ("`(char, String)`", Schema::of::<(char, String)>()),
        ("`CString`", Schema::of::<std::ffi::CString>()),
        ("`BTreeMap<Text, Option<u8>>`", Schema::of::<BTreeMap<Text, Option<u8>>>()),
        ("`Kind`", Schema::of::<Kind>()),
        ("`Tree`", Schema::of::<Tree>()),
        ("untraced, version 300", Schema::Opaque { version: 300 }),
    ]);
    let written: BTreeMap<_, _> = written.iter().map(|(name, schema)| (*name, bytes_of(schema))).collect();
    assert_eq!(written, documented);
    for bytes in documented.values() {
        let schema: Schema = decode(&mut &bytes[..]).unwrap();
        assert_eq!(bytes_of(&schema), *bytes, "read back and written again");
    }
}

#[test]
fn lengths_are_not_trusted() {
    fn fails<T: DeserializeOwned>(bytes: &[u8]) -> String {
        let mut rest = bytes;
        let error = read_as::<u8>(&Schema::of::<T>(), &mut rest).unwrap_err();
        assert_eq!(rest.len(), bytes.len(), "nothing is read");
        error.to_string()
    }
    // 2^63 elements, with and without bytes of their own.
    let many = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
    for text in
        [fails::<Vec<u8>>(&many), fails::<Vec<((), [(); 3])>>(&many), fails::<BTreeMap<(), ()>>(&many)]
    {
        assert!(text.contains("9223372036854775808 elements"), "{text}");
    }
    assert!(fails::<String>(&many).contains("end"));
}

#[test]
fn nesting_is_not_trusted() {
    #[derive(Debug, Deserialize)]
    struct Nest(#[expect(dead_code)] Vec<Nest>);
    // Each byte is a sequence of one element.
    let bytes = vec![1u8; 1_000_000];
    let error = read_as::<Nest>(&Schema::of::<Nest>(), &mut &bytes[..]).unwrap_err();
    assert!(error.to_string().contains("nested deeper than 256 levels"), "{error}");

    let option_of_option = vec![7u8; 1_000_000];
    assert!(decode::<Schema>(&mut &option_of_option[..]).is_err());
    // As deep as it may be, and one level more; the innermost is `()`.
    let nested = |depth: usize| [vec![7u8; depth], vec![0]].concat();
    assert!(decode::<Schema>(&mut &nested(128)[..]).is_ok());
    assert!(decode::<Schema>(&mut &nested(129)[..]).is_err());
    assert!(decode::<Schema>(&mut &nested(128)[..]).is_ok(), "a failure leaves nothing behind");
}

#[test]
fn schemas_that_refer_to_nothing_are_refused() {
    let nothing = Schema::Option(Box::new(Schema::Recursive { up: 7 }));
    assert!(read_as::<Option<u8>>(&nothing, &mut &[1u8, 1][..]).is_err());
    assert!(matches!(nothing.change_to(&Schema::of::<Option<u8>>()), Err(SchemaMismatch::Type { .. })));
    let endless = Schema::Tuple(vec![Schema::Recursive { up: 0 }; 2]);
    assert!(read_as::<(u8, u8)>(&endless, &mut &[1u8, 1][..]).is_err());
}

proptest! {
    #[test]
    fn damaged_bytes_give_an_error_or_a_value(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = read_as::<Tree>(&Schema::of::<Tree>(), &mut &bytes[..]);
    }

    /// Bytes below 16 are mostly numbers of kinds, so that schemas come of them.
    #[test]
    fn damaged_schemas_give_an_error_or_a_schema(
        schema in prop::collection::vec(0u8..16, 0..40),
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        if let Ok(schema) = decode::<Schema>(&mut &schema[..]) {
            let _ = read_as::<Tree>(&schema, &mut &bytes[..]);
            let _ = schema.change_to(&Schema::of::<Tree>());
            let _ = Schema::of::<Tree>().change_to(&schema);
        }
    }
}
