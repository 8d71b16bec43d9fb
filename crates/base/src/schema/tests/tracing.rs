//! What a type's schema is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::num::{NonZeroI64, NonZeroU32};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::*;
use crate::text::Text;

fn shown<T: DeserializeOwned>() -> String {
    Schema::of::<T>().to_string()
}

#[test]
fn each_kind_of_value_is_told() {
    assert_eq!(shown::<()>(), "()");
    assert_eq!(shown::<(bool, char, f32, f64)>(), "(bool, char, f32, f64)");
    assert_eq!(shown::<(u8, u16, u32, u64, u128, usize)>(), "(u8, u16, u32, u64, u128, u64)");
    assert_eq!(shown::<(i8, i16, i32, i64, i128, isize)>(), "(i8, i16, i32, i64, i128, i64)");
    assert_eq!(shown::<Option<Vec<[u8; 2]>>>(), "option<[(u8, u8)]>");
    assert_eq!(shown::<HashMap<String, HashSet<u64>>>(), "map<string, [u64]>");
    assert_eq!(shown::<BTreeMap<(), ()>>(), "map<(), ()>");
    assert_eq!(shown::<std::ffi::CString>(), "bytes");
    assert_eq!(shown::<Result<u8, Box<str>>>(), "enum { Ok(u8), Err(string) }");
}

#[test]
fn types_of_the_standard_library_can_be_traced() {
    assert_eq!(shown::<Duration>(), "{ secs: u64, nanos: u32 }");
    assert_eq!(shown::<SystemTime>(), "{ secs_since_epoch: u64, nanos_since_epoch: u32 }");
    let bytes = |count: usize| vec!["u8"; count].join(", ");
    assert_eq!(shown::<IpAddr>(), format!("enum {{ V4({}), V6({}) }}", bytes(4), bytes(16)));
    assert_eq!(shown::<std::ops::Range<u32>>(), "{ start: u32, end: u32 }");
    assert_eq!(shown::<PathBuf>(), "string");
    // They refuse 0, and take 1.
    assert_eq!(shown::<(NonZeroU32, NonZeroI64)>(), "(u32, i64)");
}

#[test]
fn what_makes_no_difference_in_the_bytes_makes_none() {
    #[derive(Deserialize)]
    struct Wrapped(#[expect(dead_code)] Box<Text>);
    assert_eq!(Schema::of::<Wrapped>(), Schema::of::<String>());
    assert_eq!(Schema::of::<[u8; 3]>(), Schema::of::<(u8, u8, u8)>());
}

#[expect(dead_code)]
#[derive(Deserialize)]
enum Event {
    Start,
    Wait(u64),
    Move(i32, i32),
    Say { times: u8, what: Vec<Inner> },
}
#[expect(dead_code)]
#[derive(Deserialize)]
enum Inner {
    One(Option<u8>),
    Two,
    Three(char),
}

#[test]
fn every_variant_is_seen() {
    let inner = "enum { One(option<u8>), Two, Three(char) }";
    assert_eq!(
        shown::<(Event, Inner)>(),
        format!(
            "(enum {{ Start, Wait(u64), Move(i32, i32), Say {{ times: u8, what: [{inner}] }} }}, {inner})"
        )
    );
}

#[expect(dead_code)]
#[derive(Deserialize)]
struct Tree {
    kids: Vec<Tree>,
    weight: NonZeroU32,
}
#[expect(dead_code)]
#[derive(Deserialize)]
struct List {
    next: Option<Box<List>>,
    item: u8,
}
#[derive(Deserialize)]
struct Nest(#[expect(dead_code)] Vec<Nest>);
#[expect(dead_code)]
#[derive(Deserialize)]
enum Term {
    // The variants that end it come last.
    Add(Box<Term>, Box<Term>),
    Block(Box<Scope>),
    Neg(Box<Term>),
    Number(i64),
}
#[expect(dead_code)]
#[derive(Deserialize)]
struct Scope {
    first: Term,
    names: BTreeMap<String, Term>,
}

#[test]
fn types_may_contain_themselves() {
    assert_eq!(shown::<Tree>(), "{ kids: [itself], weight: u32 }");
    assert_eq!(shown::<List>(), "{ next: option<itself>, item: u8 }");
    assert_eq!(shown::<Nest>(), "[itself]");
    assert_eq!(Schema::of::<Nest>(), Schema::Sequence(Box::new(Schema::Recursive { up: 0 })));
    let inside = Schema::Struct(vec![
        SchemaField::new("kids", Schema::Sequence(Box::new(Schema::Recursive { up: 1 }))),
        SchemaField::new("weight", Schema::Integer { signed: false, bits: 32 }),
    ]);
    assert_eq!(Schema::of::<(Tree, bool)>(), Schema::Tuple(vec![inside, Schema::Bool]));
    assert_eq!(
        shown::<Term>(),
        "enum { Add(itself, itself), Block { first: itself, names: map<string, itself> }, Neg(itself), \
         Number(i64) }"
    );
}

#[test]
fn types_of_one_name_are_told_apart() {
    #[expect(dead_code)]
    #[derive(Deserialize)]
    struct Pair<T> {
        one: T,
        two: T,
    }
    assert_eq!(
        shown::<Pair<Pair<Option<u8>>>>(),
        "{ one: { one: option<u8>, two: option<u8> }, two: { one: option<u8>, two: option<u8> } }"
    );
}

#[test]
fn values_are_tried_until_one_is_accepted() {
    #[derive(Deserialize)]
    #[serde(try_from = "(String, u8)")]
    struct Date;
    impl TryFrom<(String, u8)> for Date {
        type Error = &'static str;
        fn try_from((date, month): (String, u8)) -> Result<Self, Self::Error> {
            if date.split('-').count() == 3 && month > 0 { Ok(Date) } else { Err("no date") }
        }
    }
    #[derive(Deserialize)]
    #[serde(try_from = "u8")]
    struct Panics;
    impl TryFrom<u8> for Panics {
        type Error = &'static str;
        fn try_from(value: u8) -> Result<Self, Self::Error> {
            assert!(value > 0);
            Ok(Panics)
        }
    }
    #[expect(dead_code)]
    #[derive(Deserialize)]
    struct Visit {
        on: Date,
        times: NonZeroU32,
        rate: Panics,
    }
    assert_eq!(shown::<Visit>(), "{ on: (string, u8), times: u32, rate: u8 }");
}

#[test]
fn what_cant_be_traced_is_opaque() {
    #[expect(dead_code)]
    #[derive(Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        more: BTreeMap<String, u8>,
    }
    #[expect(dead_code)]
    #[derive(Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        One { of: u8 },
        Two,
    }
    #[expect(dead_code)]
    #[derive(Deserialize)]
    #[serde(tag = "kind", content = "of")]
    enum Beside {
        One(u8),
        Two(String),
    }
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "u8")]
    struct Never;
    impl TryFrom<u8> for Never {
        type Error = &'static str;
        fn try_from(_: u8) -> Result<Self, Self::Error> {
            Err("no")
        }
    }
    #[derive(Deserialize)]
    struct Endless(#[expect(dead_code)] Box<Endless>);
    #[derive(Deserialize)]
    enum Empty {}
    struct Broken;
    impl<'de> Deserialize<'de> for Broken {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("a type of the program that can't be deserialised")
        }
    }
    let opaque = Schema::Opaque { version: 0 };
    assert_eq!(Schema::of::<Flat>(), opaque);
    assert_eq!(Schema::of::<Tagged>(), opaque);
    assert_eq!(Schema::of::<Beside>(), opaque);
    assert_eq!(Schema::of::<Never>(), opaque);
    assert_eq!(Schema::of::<(Never, u8)>(), opaque);
    assert_eq!(Schema::of::<Endless>(), opaque);
    assert_eq!(Schema::of::<Empty>(), opaque);
    assert_eq!(Schema::of::<(u8, Broken)>(), opaque);
}

#[test]
fn the_main_name_counts_where_there_are_several() {
    #[expect(dead_code)]
    #[derive(Deserialize)]
    struct Old {
        x: u8,
        m: Mode,
        last: bool,
    }
    #[expect(dead_code)]
    #[derive(Deserialize)]
    struct New {
        #[serde(alias = "a", alias = "z")]
        x: u8,
        m: Mode,
        #[serde(alias = "alast")]
        last: bool,
    }
    #[expect(dead_code)]
    #[derive(Deserialize)]
    enum Mode {
        #[serde(alias = "Paused")]
        Idle,
        #[serde(alias = "Going", alias = "Walking")]
        Busy(u8),
        #[serde(other)]
        Unknown,
    }
    let mode = "enum { Idle, Busy(u8), Unknown }";
    assert_eq!(shown::<Mode>(), mode);
    assert_eq!(shown::<New>(), format!("{{ x: u8, m: {mode}, last: bool }}"));
    assert_eq!(Schema::of::<New>(), Schema::of::<Old>());
}

#[test]
fn large_types_are_traced_or_given_up_soon() {
    macro_rules! many {
        ($($name:ident)*) => {
            #[expect(dead_code)]
            #[derive(Deserialize)]
            enum Many { $($name(Box<Many>, Vec<Many>),)* End }
        };
    }
    many! { A0 A1 A2 A3 A4 A5 A6 A7 A8 A9 B0 B1 B2 B3 B4 B5 B6 B7 B8 B9 C0 C1 C2 C3 C4 C5 C6 C7 C8 C9 }
    let Schema::Enum(variants) = Schema::of::<Many>() else { panic!("is an enum") };
    assert_eq!(variants.len(), 31);
    assert_eq!(variants[0].to_string(), "A0(itself, [itself])");

    #[derive(Deserialize)]
    struct Two<T>(T, T);
    type Wide = Two<Two<Two<Two<Two<Two<Two<Two<Two<Two<Two<Two<Two<Two<u8>>>>>>>>>>>>>>;
    assert_eq!(Schema::of::<Wide>(), Schema::Opaque { version: 0 });
}
