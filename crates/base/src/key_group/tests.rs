//! Tests of the key hash: its vectors, its quality, and who owns which group.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Page(&'static str);
#[derive(Serialize)]
struct Click {
    user: u32,
    page: &'static str,
}
#[derive(Serialize)]
enum Event {
    Start,
    Wait(u64),
    Stop,
    Say { times: i8, what: &'static str },
}

/// A key that serde is told about by a closure.
struct By<F>(F);
impl<F: Fn(&mut KeyHasher) -> Result<(), Failed>> By<F> {
    fn hash(&self) -> u64 {
        let mut hasher = KeyHasher { state: START };
        self.0(&mut hasher).unwrap();
        multiply(hasher.state ^ LAST, LAST_FACTOR)
    }
}

struct Broken;
impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("no"))
    }
}

/// The vectors of docs/format.md, which were made by another program.
#[test]
fn version_1_is_as_documented() {
    assert_eq!(KEY_HASH_VERSION, 1);
    let documented: BTreeMap<&str, u64> = include_str!("../../../../docs/format.md")
        .lines()
        .take_while(|line| *line != "## Schemas")
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix("` |")?.split_once(" | `"))
        .filter_map(|(key, hash)| Some((key, u64::from_str_radix(hash, 16).ok()?)))
        .collect();
    let computed = BTreeMap::from([
        ("`\"\"`", key_hash("")),
        ("`\"a\"`", key_hash("a")),
        ("`\"water\"`", key_hash("water")),
        ("`\"seven77\"`", key_hash("seven77")),
        ("`\"eight888\"`", key_hash("eight888")),
        ("`\"fifteen letters\"`", key_hash("fifteen letters")),
        ("`\"sixteen letters!\"`", key_hash("sixteen letters!")),
        ("100 times `x`", key_hash(&"x".repeat(100))),
        ("`0`", key_hash(&0)),
        ("`7`", key_hash(&7)),
        ("`-1`", key_hash(&-1)),
        ("2^64 - 1", key_hash(&u64::MAX)),
        ("2^64", key_hash(&(1u128 << 64))),
        ("-2^127", key_hash(&i128::MIN)),
        ("`true`", key_hash(&true)),
        ("`'w'`", key_hash(&'w')),
        ("`0.0`", key_hash(&0.0)),
        ("`1.5`", key_hash(&1.5)),
        ("NaN", key_hash(&f64::NAN)),
        ("`()`", key_hash(&())),
        ("`None`", key_hash(&None::<u8>)),
        ("`Some(7)`", key_hash(&Some(7))),
        ("bytes `00 ff`", By(|s: &mut KeyHasher| s.serialize_bytes(&[0, 255])).hash()),
        ("`(\"ab\",\"c\")`", key_hash(&("ab", "c"))),
        ("`(\"a\",\"bc\")`", key_hash(&("a", "bc"))),
        ("sequence `[\"ab\",\"c\"]`", key_hash(&["ab", "c"][..])),
        ("map `{\"a\": 1}`", key_hash(&BTreeMap::from([("a", 1)]))),
        ("struct `Click { user: 7, page: \"x\" }`", key_hash(&Click { user: 7, page: "x" })),
        ("variant 2 `Stop`", key_hash(&Event::Stop)),
        ("variant 1 `Wait(7)`", key_hash(&Event::Wait(7))),
        ("variant 3 `Say { times: 1, what: \"x\" }`", key_hash(&Event::Say { times: 1, what: "x" })),
        ("an error", key_hash(&Broken)),
    ]);
    assert_eq!(computed, documented);
}

#[test]
fn what_is_the_same_key() {
    assert_eq!(key_hash(&crate::Text::from("a text of more than 15")), key_hash("a text of more than 15"));
    assert_eq!(key_hash(&"a".to_owned()), key_hash(&'a'.to_string()));
    assert_eq!(key_hash(&Page("a")), key_hash("a"));
    assert_eq!(key_hash(&5u8), key_hash(&5i128));
    assert_eq!(key_hash(&-5i8), key_hash(&-5i128));
    assert_eq!(key_hash(&(1.5f32, -0.0f32, -f32::NAN)), key_hash(&(1.5, 0.0, f64::NAN)));
    assert_eq!(key_hash(&("a", Broken)), key_hash(&Broken));
    // A sequence that does not know its length is the same as one that does.
    let unknown = By(|s: &mut KeyHasher| {
        let mut elements = s.serialize_seq(None)?;
        ser::SerializeSeq::serialize_element(&mut elements, &1)?;
        ser::SerializeSeq::end(elements)
    });
    assert_eq!(unknown.hash(), key_hash(&vec![1]));
}

#[test]
fn what_is_not() {
    let different = [
        key_hash(&1),
        key_hash(&-1),
        key_hash(&u64::MAX),
        key_hash(&1.0),
        key_hash(&true),
        key_hash(&'\u{1}'),
        key_hash("\u{1}"),
        key_hash("\u{1}\0"),
        key_hash(&(1,)),
        key_hash(&vec![1]),
        key_hash(&(vec![1], vec![2, 3])),
        key_hash(&(vec![1, 2], vec![3])),
        key_hash(&vec![vec![1], vec![]]),
        key_hash(&vec![vec![], vec![1]]),
        key_hash(&Some(1)),
        key_hash(&Some(())),
        key_hash(&None::<()>),
        key_hash(&()),
        key_hash(&Event::Start),
        key_hash(&Event::Stop),
    ];
    for (i, hash) in different.iter().enumerate() {
        assert!(!different[..i].contains(hash), "{i}");
    }
}

/// Each bit of a key changes each bit of the hash about every other time.
#[test]
fn every_bit_counts() {
    fn check<K>(name: &str, bits: u32, key: impl Fn(u64) -> K, hash: impl Fn(&K, u32) -> u64) {
        const ROUNDS: u64 = 2000;
        for bit in 0..bits {
            let mut changes = [0_u32; 64];
            for round in 0..ROUNDS {
                let key = key(round);
                let changed = hash(&key, u32::MAX) ^ hash(&key, bit);
                (0..64).for_each(|i| changes[i] += u32::from(changed >> i & 1 == 1));
            }
            for (i, count) in changes.iter().enumerate() {
                let share = f64::from(*count) / ROUNDS as f64;
                assert!((0.42..0.58).contains(&share), "{name}: bit {bit} changes bit {i} in {share}");
            }
        }
    }
    let flip = |n: u64, bit: u32| if bit < 64 { n ^ 1 << bit } else { n };
    check("small numbers", 64, |round| round, |n, bit| key_hash(&flip(*n, bit)));
    check("pairs", 64, |round| round, |n, bit| key_hash(&(7u8, flip(*n, bit))));
    check("pairs, first", 64, |round| round, |n, bit| key_hash(&(flip(*n, bit), 7u8)));
    for length in [3, 5, 8, 9, 16, 23, 24, 25, 40] {
        let key = |round: u64| {
            let text = format!("{round:0>width$}", width = length as usize).into_bytes();
            text[text.len() - length as usize..].to_vec()
        };
        check("bytes", 8 * length, key, |bytes: &Vec<u8>, bit| {
            let mut bytes = bytes.clone();
            if bit < 8 * length {
                bytes[bit as usize / 8] ^= 1 << (bit % 8);
            }
            By(|s: &mut KeyHasher| s.serialize_bytes(&bytes)).hash()
        });
    }
}

#[test]
fn keys_are_spread_evenly() {
    fn check(name: &str, hashes: impl Iterator<Item = u64>) {
        let mut sizes = [0_u32; 1024];
        hashes.for_each(|hash| sizes[group_of_hash(hash, 1024) as usize] += 1);
        // 100 on the average: six standard deviations.
        assert!(sizes.iter().all(|size| (40..=160).contains(size)), "{name}: {sizes:?}");
    }
    let numbers = 0..102_400_u64;
    check("numbers", numbers.clone().map(|n| key_hash(&n)));
    check("multiples", numbers.clone().map(|n| key_hash(&(n << 40))));
    check("texts", numbers.clone().map(|n| key_hash(&n.to_string())));
    check("urls", numbers.clone().map(|n| key_hash(&format!("https://example.org/page/{n}.html"))));
    check("pairs", numbers.map(|n| key_hash(&(n / 320, n % 320))));
}

#[test]
fn none_of_something_is_no_panic() {
    assert_eq!((group_of_hash(u64::MAX, 0), key_group("a", 0)), (0, 0));
    assert_eq!(partition_of_group(0, 0, 0), 0);
    assert_eq!(partition_of_group(5, 0, 3), 0);
    assert_eq!(partition_of_group(5, 8, 0), 0);
    assert_eq!(partition_of_group(u32::MAX, u32::MAX, usize::MAX), usize::MAX - 1);
    assert_eq!(partition_of_group(99, 8, 3), 2);
}

fn check_partitions(groups: u32, partitions: usize) {
    let bound = |p: usize| (p as u128 * u128::from(groups) / partitions as u128) as u32;
    for partition in 0..partitions {
        for group in bound(partition)..bound(partition + 1) {
            assert_eq!(partition_of_group(group, groups, partitions), partition, "{group} of {groups}");
        }
    }
}

proptest! {
    #[test]
    fn a_partition_owns_its_groups(groups in 1..5000_u32, partitions in 1..300_usize) {
        check_partitions(groups, partitions);
    }

    #[test]
    fn the_owner_owns(group in any::<u32>(), groups in 1..=u32::MAX, partitions in 1..=usize::MAX) {
        let group = group % groups;
        let owner = partition_of_group(group, groups, partitions) as u128;
        let bound = |p: u128| p * u128::from(groups) / partitions as u128;
        let owned = bound(owner)..bound(owner + 1);
        prop_assert!(owned.contains(&u128::from(group)));
    }
}
