//! Old values in new types.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::text::Text;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Old {
    id: u32,
    count: u32,
    name: String,
    at: Option<(i8, f32)>,
    home: Home,
    seen: BTreeMap<String, Vec<Step>>,
    tree: Tree,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Home {
    street: String,
    zip: u16,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Step {
    Stop,
    Wait(u8),
    Move(i16, i16),
    Say { times: u8, what: String },
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tree {
    kids: Vec<Tree>,
    weight: u8,
}

/// The same, changed in every way that is allowed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    home: NewHome,
    id: u32,
    #[serde(alias = "name", alias = "called")]
    title: Text,
    #[serde(default)]
    added: Vec<u8>,
    maybe: Option<u64>,
    count: i64,
    at: Option<(i64, f64)>,
    seen: BTreeMap<String, Vec<NewStep>>,
    tree: Option<NewTree>,
}
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NewHome {
    zip: Option<u32>,
    #[serde(default = "here")]
    country: String,
    street: String,
}
fn here() -> String {
    "here".into()
}
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum NewStep {
    Jump,
    Say {
        what: String,
        times: u64,
    },
    #[serde(alias = "Wait")]
    Pause(u16),
    Stop,
    Move(i32, i128),
}
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NewTree {
    #[serde(default)]
    name: String,
    weight: u16,
    kids: Vec<NewTree>,
}

impl From<Old> for New {
    fn from(old: Old) -> Self {
        let steps = |steps: Vec<Step>| steps.into_iter().map(NewStep::from).collect();
        New {
            home: NewHome { zip: Some(old.home.zip.into()), country: here(), street: old.home.street },
            id: old.id,
            title: old.name.into(),
            added: Vec::new(),
            maybe: None,
            count: old.count.into(),
            at: old.at.map(|(x, y)| (x.into(), y.into())),
            seen: old.seen.into_iter().map(|(key, value)| (key, steps(value))).collect(),
            tree: Some(old.tree.into()),
        }
    }
}
impl From<Step> for NewStep {
    fn from(old: Step) -> Self {
        match old {
            Step::Stop => NewStep::Stop,
            Step::Wait(time) => NewStep::Pause(time.into()),
            Step::Move(x, y) => NewStep::Move(x.into(), y.into()),
            Step::Say { times, what } => NewStep::Say { what, times: times.into() },
        }
    }
}
impl From<Tree> for NewTree {
    fn from(old: Tree) -> Self {
        let kids = old.kids.into_iter().map(NewTree::from).collect();
        NewTree { name: String::new(), weight: old.weight.into(), kids }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Stop),
        any::<u8>().prop_map(Step::Wait),
        any::<(i16, i16)>().prop_map(|(x, y)| Step::Move(x, y)),
        (any::<u8>(), ".{0,5}").prop_map(|(times, what)| Step::Say { times, what }),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = any::<u8>().prop_map(|weight| Tree { kids: Vec::new(), weight });
    leaf.prop_recursive(4, 12, 3, |inner| {
        (prop::collection::vec(inner, 0..3), any::<u8>()).prop_map(|(kids, weight)| Tree { kids, weight })
    })
}

fn old() -> impl Strategy<Value = Old> {
    let home = (".{0,9}", any::<u16>()).prop_map(|(street, zip)| Home { street, zip });
    let at = prop::option::of((any::<i8>(), -1e9f32..1e9));
    let seen = prop::collection::btree_map(".{0,3}", prop::collection::vec(step(), 0..4), 0..3);
    (any::<u32>(), any::<u32>(), ".{0,20}", at, home, seen, tree())
        .prop_map(|(id, count, name, at, home, seen, tree)| Old { id, count, name, at, home, seen, tree })
}

proptest! {
    #[test]
    fn every_allowed_change_keeps_the_values(old in old()) {
        let bytes = bytes_of(&old);
        let mut rest = &bytes[..];
        prop_assert_eq!(read_as::<New>(&Schema::of::<Old>(), &mut rest).unwrap(), New::from(old));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn an_unchanged_type_is_read_as_by_postcard(old in old()) {
        prop_assert_eq!(reread::<Old, Old>(&old).unwrap(), decode(&mut &bytes_of(&old)[..]).unwrap());
    }
}

#[test]
fn allowed_changes_convert() {
    assert_eq!(change::<Old, New>(), Ok(SchemaChange::Converts));
    assert_eq!(change::<Old, Old>(), Ok(SchemaChange::Same));
    assert_eq!(change::<(Text, Vec<Tree>), (String, Vec<Tree>)>(), Ok(SchemaChange::Same));
    assert_eq!(change::<Tree, Option<Tree>>(), Ok(SchemaChange::Converts));
    assert_eq!(change::<Option<u8>, Option<Option<u16>>>(), Ok(SchemaChange::Converts));
    assert_eq!(reread::<_, Option<Option<u16>>>(&Some(7u8)).unwrap(), Some(Some(7)));
}

/// postcard alone gives wrong numbers here.
#[test]
fn a_field_in_the_middle_gets_wider() {
    #[derive(Serialize, Deserialize)]
    struct Narrow {
        a: u8,
        b: u32,
        c: i8,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Wide {
        a: u8,
        b: u64,
        c: i8,
    }
    assert_eq!(change::<Narrow, Wide>(), Ok(SchemaChange::Converts));
    assert_eq!(
        reread::<_, Wide>(&Narrow { a: 1, b: u32::MAX, c: -1 }).unwrap(),
        Wide { a: 1, b: 4_294_967_295, c: -1 }
    );
}

#[test]
fn numbers_only_get_wider() {
    fn pair<Old: Serialize + DeserializeOwned + Default, New: DeserializeOwned>() -> bool {
        let converts = change::<Old, New>().is_ok();
        assert_eq!(reread::<Old, New>(&Old::default()).is_ok(), converts, "reading agrees");
        converts
    }
    assert!(pair::<u8, u64>() && pair::<u32, i64>() && pair::<i8, i128>() && pair::<u64, u128>());
    assert!(pair::<f32, f64>() && pair::<u64, i128>());
    assert!(!pair::<u64, u32>() && !pair::<u32, i32>() && !pair::<i8, u64>() && !pair::<u128, i128>());
    assert!(!pair::<f64, f32>() && !pair::<u8, f64>() && !pair::<bool, u8>() && !pair::<u32, char>());
}

#[derive(Debug, Deserialize)]
#[expect(dead_code)]
struct Renamed {
    home: RenamedHome,
}
#[derive(Debug, Deserialize)]
#[expect(dead_code)]
struct RenamedHome {
    street: String,
    post_code: u16,
}

#[test]
fn a_renamed_field_is_refused_by_name() {
    let mismatch = change::<Old, Renamed>().unwrap_err();
    assert_eq!(mismatch.path(), "value.home.post_code");
    assert_eq!(
        mismatch.to_string(),
        "`value.home.post_code`, a u16, was not written and has no default; add `#[serde(default)]`, or \
         `#[serde(alias = \"..\")]` with its old name if it was renamed (the old fields are: street, zip)"
    );
    #[derive(Serialize, Deserialize)]
    struct Housed {
        home: Home,
    }
    let error = reread::<_, Renamed>(&Housed { home: Home { street: "Kai".into(), zip: 7 } }).unwrap_err();
    assert!(error.to_string().contains("`home`: missing field `post_code`"), "{error}");
}

#[test]
fn what_does_not_fit_is_named() {
    fn told<Old: DeserializeOwned, New: DeserializeOwned>() -> String {
        let text = change::<Old, New>().unwrap_err().to_string();
        text.split([';', '(']).next().unwrap_or_default().trim_end().to_owned()
    }
    #[expect(dead_code)]
    #[derive(Deserialize)]
    struct Moved {
        steps: BTreeMap<String, (u8, Step)>,
    }
    #[expect(dead_code)]
    #[derive(Deserialize)]
    struct Fewer {
        steps: BTreeMap<String, (u8, Few)>,
    }
    #[expect(dead_code)]
    #[derive(Deserialize)]
    enum Few {
        Stop,
        Wait(u8),
        Say { times: u8, what: String },
    }
    assert_eq!(told::<Moved, Fewer>(), "`value.steps[value].1::Move`, written as a variant",);
    assert_eq!(
        told::<Vec<Vec<u32>>, Vec<Vec<i32>>>(),
        "`value[][]` was written as u32 and is i32 now, which does not hold all of its values"
    );
    assert_eq!(told::<BTreeMap<u64, ()>, BTreeMap<u32, ()>>().split(' ').next(), Some("`value[key]`"));
    assert!(matches!(
        change::<(u8, u8), (u8, u8, u8)>(),
        Err(SchemaMismatch::Length { old_length: 2, new_length: 3, .. })
    ));
    assert!(matches!(change::<Option<u8>, u8>(), Err(SchemaMismatch::Type { .. })));
    assert!(matches!(change::<Tree, Vec<Tree>>(), Err(SchemaMismatch::Type { .. })));
}

#[test]
fn a_change_inside_a_recursive_type_is_found() {
    #[expect(dead_code)]
    #[derive(Deserialize)]
    struct Other {
        kids: Vec<Other>,
        weight: i8,
    }
    #[expect(dead_code)]
    #[derive(Deserialize)]
    struct Deep {
        kids: Vec<Other>,
        weight: u8,
    }
    assert_eq!(change::<Tree, Other>().unwrap_err().path(), "value.weight");
    assert_eq!(change::<Tree, Deep>().unwrap_err().path(), "value.kids[].weight");
}

#[test]
fn two_fields_dont_become_one() {
    #[expect(dead_code)]
    #[derive(Deserialize)]
    struct One {
        #[serde(alias = "zip")]
        street: String,
    }
    assert!(matches!(change::<Home, One>(), Err(SchemaMismatch::Twice { .. })));
}

#[test]
fn what_cant_be_traced_keeps_its_version() {
    let version = |version| Schema::Opaque { version };
    assert_eq!(version(1).change_to(&version(1)), Ok(SchemaChange::Same));
    assert!(matches!(version(1).change_to(&version(2)), Err(SchemaMismatch::Version { .. })));
    assert!(matches!(version(1).change_to(&Schema::Unit), Err(SchemaMismatch::Version { .. })));
    let bytes = bytes_of(&7u64);
    assert_eq!(read_as::<u64>(&version(1), &mut &bytes[..]).unwrap(), 7);
}

#[test]
fn keys_and_content_of_variants_keep_their_form() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Inline {
        At(Home),
    }
    #[derive(Serialize, Deserialize)]
    enum Named {
        At { zip: u16, street: String },
    }
    // The bytes of both are alike, so one is read as the other.
    let home = Home { street: "Kai".into(), zip: 7 };
    let named = Named::At { zip: 7, street: "Kai".into() };
    assert_eq!(reread::<_, Inline>(&named).unwrap(), Inline::At(home));
    let map = BTreeMap::from([((1u8, 'a'), 2u8)]);
    assert_eq!(
        reread::<_, BTreeMap<(u64, char), Option<u8>>>(&map).unwrap(),
        BTreeMap::from([((1, 'a'), Some(2))])
    );
}

/// A type that is read by hand, in order alone.
#[derive(Debug, PartialEq)]
struct ByHand(u8, u16);
impl<'de> Deserialize<'de> for ByHand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> serde::de::Visitor<'de> for InOrder {
            type Value = ByHand;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("two numbers")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut elements: A) -> Result<ByHand, A::Error> {
                let mut missing = || A::Error::invalid_length(0, &"two numbers");
                let first = elements.next_element()?.ok_or_else(&mut missing)?;
                Ok(ByHand(first, elements.next_element()?.ok_or_else(missing)?))
            }
        }
        deserializer.deserialize_struct("ByHand", &["a", "b"], InOrder)
    }
}

#[test]
fn a_type_that_is_read_in_order_alone_can_be_part_of_one_that_changed() {
    #[derive(Serialize, Deserialize)]
    struct Parts {
        a: u8,
        b: u16,
    }
    #[derive(Serialize, Deserialize)]
    struct Before {
        parts: Parts,
        gone: u8,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct After {
        count: Option<u8>,
        parts: ByHand,
    }
    assert_eq!(Schema::of::<ByHand>(), Schema::of::<Parts>());
    let before = Before { parts: Parts { a: 1, b: 2 }, gone: 3 };
    assert_eq!(reread::<_, After>(&before).unwrap(), After { count: None, parts: ByHand(1, 2) });
}
