//! Goal: operators and actions give what their descriptions say where a plain example would not show it:
//! without records, with empty partitions, with duplicates, and where the order of values tells.
//! Method: tables, worked out by hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::cmp::Ordering;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use waterclock_base::{Error, Result};
use waterclock_engine::{Engine, Keyed, Partitioner, Rdd};

fn engine() -> Engine {
    Engine::local(2)
}

/// Letters, partition by partition: `"ab||c"` are three partitions.
fn letters(engine: &Engine, text: &str) -> Rdd<String> {
    engine.from_partitions(text.split('|').map(|part| part.chars().map(String::from).collect()).collect())
}

/// Pairs, partition by partition: `"a1 b2||a3"`.
fn pairs(engine: &Engine, text: &str) -> Rdd<(char, String)> {
    let pair = |word: &str| (word.chars().next().unwrap(), word[1..].to_owned());
    engine.from_partitions(text.split('|').map(|part| part.split_whitespace().map(pair).collect()).collect())
}

fn row(key: char, values: &str) -> (char, String) {
    (key, values.to_owned())
}

/// That the action failed by itself, and not in a task.
#[track_caller]
fn refused<T>(result: Result<T>, action: &str) {
    match result.err() {
        Some(Error::Action { call, .. }) => assert_eq!(call, action),
        other => panic!("{action}: {other:?}"),
    }
}

/// That the operation was impossible, for a reason that names this.
#[track_caller]
fn impossible<T>(result: Result<T>, reason: &str) {
    let error = result.err().unwrap();
    let Error::Task { source, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(&**source, Error::Definition { why, .. } if why.contains(reason)), "{error:?}");
}

#[test]
fn map_partitions_with_index_numbers_empty_partitions_too() {
    let engine = engine();
    let numbered = |rdd: Rdd<String>| {
        rdd.map_partitions_with_index(|n, part| [(n, part.collect::<String>())]).collect().unwrap()
    };
    assert_eq!(numbered(letters(&engine, "ab||b")), [(0, "ab".into()), (1, String::new()), (2, "b".into())]);
    assert_eq!(numbered(engine.empty()), []);
}

#[test]
fn a_random_split_puts_each_record_into_one_dataset() {
    let engine = engine();
    let all = engine.parallelize((0..3000).collect::<Vec<i32>>(), 3);
    let split = |seed| -> Vec<Vec<i32>> {
        let parts = all.random_split(&[1.0, 0.0, 2.0], seed);
        assert!(parts.iter().all(|part| part.partitions() == 3));
        parts.iter().map(|part| part.collect().unwrap()).collect()
    };
    let parts = split(7);
    assert!((850..1150).contains(&parts[0].len()) && parts[1].is_empty(), "{} records", parts[0].len());
    // Each keeps the order of the records.
    assert!(parts.iter().all(|part| part.is_sorted()));
    let mut together = parts.concat();
    together.sort_unstable();
    assert_eq!(together, (0..3000).collect::<Vec<_>>());
    assert_eq!(split(7), parts);
    assert_ne!(split(8), parts);
    // Partitions do not draw alike.
    let places = |from: i32| {
        let of = parts[0].iter().filter(move |n| (from..from + 1000).contains(*n));
        of.map(move |n| n - from).collect::<Vec<_>>()
    };
    assert_ne!(places(0), places(1000));
    // Equal records are drawn one by one.
    let equal = engine.parallelize(vec![5; 1000], 2).random_split(&[1.0, 1.0], 7);
    let counts = equal.iter().map(|part| part.count().unwrap()).collect::<Vec<_>>();
    assert!(counts.iter().sum::<u64>() == 1000 && (400..600).contains(&counts[0]), "{counts:?}");
    assert_eq!(engine.empty::<u8>().random_split(&[1.0, 1.0], 7)[1].collect().unwrap(), []);
    assert!(all.random_split(&[], 7).is_empty());
    for weights in [[1.0, -1.0], [f64::NAN, 1.0], [f64::INFINITY, 1.0]] {
        impossible(all.random_split(&weights, 7)[0].count(), "shares");
    }
}

#[test]
fn zip_partitions_hands_over_equal_partitions_of_each_dataset() {
    let engine = engine();
    let (a, b, c) = (letters(&engine, "ab||c"), letters(&engine, "x|yz|"), letters(&engine, "1|2|3"));
    let two = a.zip_partitions(&b, |a, b| a.rev().chain(b).collect::<Vec<_>>());
    assert_eq!(two.map_partitions(|p| [p.collect::<String>()]).collect().unwrap(), ["bax", "yz", "c"]);
    let three = a.zip_partitions3(&b, &c, |a, b, c| [a.chain(b).chain(c).collect::<String>()]);
    assert_eq!(three.collect().unwrap(), ["abx1", "yz2", "c3"]);
    let four = a.zip_partitions4(&b, &c, &a, |a, b, c, d| a.chain(b).chain(c).chain(d).collect::<Vec<_>>());
    assert_eq!(four.map_partitions(|p| [p.collect::<String>()]).collect().unwrap(), ["abx1ab", "yz2", "c3c"]);
    assert_eq!(four.partitions(), 3);
    // A function that gives nothing, and nothing to give it.
    assert_eq!(a.zip_partitions3(&b, &c, |_, _, _| None::<u8>).collect().unwrap(), []);
    let none = engine.empty::<u8>();
    assert_eq!(none.zip_partitions4(&none, &none, &none, |a, _, _, _| a).collect().unwrap(), []);
    let narrow = letters(&engine, "a|b");
    impossible(a.zip_partitions3(&b, &narrow, |a, _, _| a).count(), "[3, 3, 2]");
    impossible(a.zip_partitions4(&b, &c, &narrow, |a, _, _, _| a).count(), "[3, 3, 3, 2]");
}

#[test]
fn unique_ids_are_interleaved_over_all_partitions() {
    let engine = engine();
    let ids = |text| letters(&engine, text).zip_with_unique_id().collect_partitions().unwrap();
    let at = |letter: &str, id| (letter.to_owned(), id);
    assert_eq!(
        ids("ab||ccc"),
        [vec![at("a", 0), at("b", 3)], vec![], vec![at("c", 2), at("c", 5), at("c", 8)]]
    );
    assert_eq!(engine.empty::<u8>().zip_with_unique_id().collect().unwrap(), []);
    // No job runs where it is defined, nor one more where it is asked for.
    let seen = engine.accumulator("seen", 0, |sum, n: u32| *sum += n);
    let counter = seen.clone();
    let numbered = letters(&engine, "ab|c").map(move |letter| (counter.add(1), letter)).zip_with_unique_id();
    assert_eq!(seen.value(), 0);
    assert_eq!((numbered.count().unwrap(), seen.value()), (3, 3));
}

#[test]
fn records_are_keyed_in_place_and_grouped_in_order() {
    let engine = engine();
    let numbers = engine.from_partitions(vec![vec![11, 2, 1], vec![], vec![4, 2, 21]]);
    let keyed = numbers.key_by(|n| n % 10);
    assert_eq!(
        keyed.collect_partitions().unwrap(),
        [vec![(1, 11), (2, 2), (1, 1)], vec![], vec![(4, 4), (2, 2), (1, 21)]]
    );
    let grouped = numbers.group_by(|n| n % 10);
    assert_eq!(grouped.sorted().unwrap(), [(1, vec![11, 1, 21]), (2, vec![2, 2]), (4, vec![4])]);
    let by_sign = Partitioner::new(2, |key: &i32| usize::from(*key > 1));
    let grouped = numbers.group_by_with(|n| n % 10, Keyed::new().partitioner(by_sign));
    let expected = [vec![(1, vec![11, 1, 21])], vec![(2, vec![2, 2]), (4, vec![4])]];
    assert_eq!(grouped.collect_partitions().unwrap(), expected);
    assert_eq!(engine.empty::<i32>().group_by(|n| n % 10).collect().unwrap(), []);
}

#[test]
fn effects_see_each_record_once() {
    let engine = engine();
    let seen =
        engine.accumulator("seen", Vec::new(), |all: &mut Vec<String>, record: String| all.push(record));
    let told = |rdd: &Rdd<String>, whole: bool| {
        seen.reset(Vec::new());
        let teller = seen.clone();
        match whole {
            true => rdd.for_each_partition(move |part| teller.add(part.collect())).unwrap(),
            false => rdd.for_each(move |record| teller.add(record)).unwrap(),
        }
        let mut all = seen.value();
        if rdd.partitions() > 1 {
            all.sort();
        }
        all
    };
    assert_eq!(told(&letters(&engine, "ba||ac"), false), ["a", "a", "b", "c"]);
    assert_eq!(told(&letters(&engine, "ba||ac"), true), ["", "ac", "ba"]);
    // Within a partition in order.
    assert_eq!(told(&letters(&engine, "cabba"), false), ["c", "a", "b", "b", "a"]);
    assert!(told(&engine.empty(), false).is_empty() && told(&engine.empty(), true).is_empty());
}

#[test]
fn reductions_keep_the_order_of_partitions_and_positions() {
    let engine = engine();
    let wide: String = ('a'..='z').enumerate().map(|(n, c)| format!("{}{c}|", &"||"[n % 3..])).collect();
    let cases = ["a", "ab|cd", "|ab||c|", "aab|b", &wide];
    for text in cases {
        let (rdd, expected) = (letters(&engine, text), text.replace('|', ""));
        assert_eq!(rdd.reduce(|a, b| a + &b).unwrap(), expected);
        for depth in 0..5 {
            assert_eq!(rdd.tree_reduce(|a, b| a + &b, depth).unwrap(), expected, "depth {depth}");
        }
    }
    // A single record is not combined with anything.
    assert_eq!(letters(&engine, "|a|").reduce(|_, _| panic!("called")).unwrap(), "a");
    assert_eq!(letters(&engine, "|a|").tree_reduce(|_, _| panic!("called"), 2).unwrap(), "a");
    for none in [letters(&engine, "||"), letters(&engine, &"|".repeat(30)), engine.empty()] {
        refused(none.reduce(|a, _| a), "reduce");
        refused(none.tree_reduce(|a, _| a, 2), "tree_reduce");
    }
}

#[test]
fn tables_at_the_driver_have_a_row_for_each_key_in_order() {
    let engine = engine();
    let (some, none) = (pairs(&engine, "b1 a2 b3||c4 b5"), engine.empty::<(char, String)>());
    assert_eq!(some.keys().count_by_value().unwrap(), [('b', 3), ('a', 1), ('c', 1)]);
    assert_eq!(some.count_by_key().unwrap(), [('b', 3), ('a', 1), ('c', 1)]);
    let joined = some.reduce_by_key_locally(|a, b| a + &b).unwrap();
    assert_eq!(joined, [row('b', "135"), row('a', "2"), row('c', "4")]);
    let last = HashMap::from([row('b', "5"), row('a', "2"), row('c', "4")]);
    assert_eq!(some.collect_as_map().unwrap(), last);
    assert_eq!(none.keys().count_by_value().unwrap(), []);
    assert_eq!(none.count_by_key().unwrap(), []);
    assert_eq!(none.reduce_by_key_locally(|a, _| a).unwrap(), []);
    assert!(none.collect_as_map().unwrap().is_empty());
}

/// Ordered by rank alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ranked(i32, char);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

#[test]
fn least_and_greatest_are_the_first_of_equals() {
    let engine = engine();
    let ranked = |parts: &[&[(i32, char)]]| {
        let part = |part: &&[(i32, char)]| part.iter().map(|(rank, name)| Ranked(*rank, *name)).collect();
        engine.from_partitions(parts.iter().map(part).collect())
    };
    let cases: [(&[&[(i32, char)]], char, char); 3] = [
        (&[&[(3, 'a'), (-1, 'b'), (3, 'c')], &[], &[(-1, 'd'), (3, 'e')]], 'b', 'a'),
        (&[&[], &[(2, 'a')]], 'a', 'a'),
        (&[&[(2, 'a')], &[(1, 'b')], &[(3, 'c')]], 'b', 'c'),
    ];
    for (parts, least, greatest) in cases {
        let rdd = ranked(parts);
        assert_eq!((rdd.min().unwrap().1, rdd.max().unwrap().1), (least, greatest));
    }
    refused(ranked(&[&[], &[]]).min(), "min");
    refused(ranked(&[]).max(), "max");
}

#[test]
fn a_zero_begins_each_key_once_in_each_partition() {
    let engine = engine();
    let some = pairs(&engine, "a1 b2 a3||a4 a5");
    let listed = some.aggregate_by_key(vec![], |list, v| [list, vec![v]].concat(), |a, b| [a, b].concat());
    let list = |values: &str| values.chars().map(String::from).collect::<Vec<_>>();
    assert_eq!(listed.sorted().unwrap(), [('a', list("1345")), ('b', list("2"))]);
    let zeros = some.aggregate_by_key("0".to_owned(), |a, v| a + &v, |a, b| a + "+" + &b);
    assert_eq!(zeros.sorted().unwrap(), [row('a', "013+045"), row('b', "02")]);
    assert_eq!(
        some.fold_by_key("0".into(), |a, b| a + &b).sorted().unwrap(),
        [row('a', "013045"), row('b', "02")]
    );
    let one = some.fold_by_key_with("0".into(), |a, b| a + &b, Keyed::new().partitions(1));
    assert_eq!(one.collect_partitions().unwrap(), [[row('a', "013045"), row('b', "02")]]);
    let none = engine.empty::<(char, String)>();
    assert_eq!(none.aggregate_by_key(0, |n, _| n + 1, |a, b| a + b).collect().unwrap(), []);
    assert_eq!(none.fold_by_key("0".into(), |a, _| a).collect().unwrap(), []);
}

#[test]
fn each_key_is_sampled_by_its_own_fraction() {
    let engine = engine();
    let all = engine.parallelize((0..4000).map(|n| (n % 4, n)).collect::<Vec<_>>(), 3);
    let drawn = |replace, fractions: &[(i32, f64)], seed| -> Vec<Vec<i32>> {
        let sample = all.sample_by_key(replace, fractions.iter().copied().collect(), seed).collect().unwrap();
        assert!(sample.iter().all(|(key, n)| *key == n % 4));
        let of = |key| sample.iter().filter(|pair| pair.0 == key).map(|pair| pair.1).collect();
        (0..4).map(of).collect()
    };
    let fractions = [(0, 1.0), (1, 0.25), (2, 0.0)];
    let once = drawn(false, &fractions, 7);
    assert_eq!(once[0], (0..4000).step_by(4).collect::<Vec<_>>());
    assert!((200..300).contains(&once[1].len()), "{} records", once[1].len());
    assert!(once[1].is_sorted_by(|a, b| a < b) && once[2].is_empty() && once[3].is_empty());
    assert_eq!(drawn(false, &fractions, 7), once);
    assert_ne!(drawn(false, &fractions, 8), once);
    let often = drawn(true, &[(0, 2.0), (3, 0.5)], 7);
    assert!((1850..2150).contains(&often[0].len()), "{} records", often[0].len());
    assert!((420..580).contains(&often[3].len()) && often[1].is_empty() && often[2].is_empty());
    assert!(often[0].is_sorted() && !often[0].is_sorted_by(|a, b| a < b));
    impossible(all.sample_by_key(false, HashMap::from([(0, 1.5)]), 7).count(), "1.5");
    impossible(all.sample_by_key(true, HashMap::from([(0, -0.5)]), 7).count(), "-0.5");
    let none = engine.empty::<(i32, i32)>().sample_by_key(true, HashMap::from([(0, 3.0)]), 7);
    assert_eq!(none.collect().unwrap(), []);
}

#[test]
fn cogroups_of_several_datasets_have_every_key_and_every_value() {
    let engine = engine();
    let (a, b) = (pairs(&engine, "k1 m2|k3"), pairs(&engine, "n4||k5 k5"));
    let (c, none) = (pairs(&engine, "m6"), engine.empty::<(char, String)>());
    let list = |values: &str| values.chars().map(String::from).collect::<Vec<_>>();
    let two = [('k', (list("13"), list("55"))), ('m', (list("2"), list(""))), ('n', (list(""), list("4")))];
    assert_eq!(a.group_with(&b).sorted().unwrap(), two);
    assert_eq!(a.cogroup(&b).sorted().unwrap(), two);
    let three = [
        ('k', (list("13"), list("55"), list(""))),
        ('m', (list("2"), list(""), list("6"))),
        ('n', (list(""), list("4"), list(""))),
    ];
    assert_eq!(a.cogroup3(&b, &c).sorted().unwrap(), three);
    let four = three.map(|(key, (a, b, c))| (key, (list(""), c, b, a)));
    assert_eq!(none.cogroup4(&c, &b, &a).sorted().unwrap(), four);
    let wide = none.cogroup4_with(&c, &b, &a, Keyed::new().partitions(7));
    assert_eq!((wide.partitions(), wide.sorted().unwrap()), (7, four.to_vec()));
    assert_eq!(none.cogroup3(&none, &none).collect().unwrap(), []);
}

#[test]
fn repartitioned_pairs_are_sorted_by_key_and_stable() {
    let engine = engine();
    let some = pairs(&engine, "d1 a2 c3 a4||b5 a6 c7");
    let early = || Keyed::new().partitioner(Partitioner::new(3, |key: &char| usize::from(*key > 'b') * 2));
    let sorted = some.repartition_and_sort_within_partitions(early());
    let expected = [
        vec![row('a', "2"), row('a', "4"), row('a', "6"), row('b', "5")],
        vec![],
        vec![row('c', "3"), row('c', "7"), row('d', "1")],
    ];
    assert_eq!(sorted.collect_partitions().unwrap(), expected);
    // Keys are where the partitioner says: what is keyed next moves nothing.
    assert_eq!(sorted.group_by_key().partitioner(), sorted.partitioner());
    let none = engine.empty::<(char, String)>().repartition_and_sort_within_partitions(early());
    assert_eq!(none.collect_partitions().unwrap(), [[], [], []]);
}

#[test]
fn statistics_join_what_partitions_found() {
    let engine = engine();
    let stats = engine.from_partitions(vec![vec![-2, 4], vec![], vec![4, 10]]).stats().unwrap();
    assert_eq!((stats.count(), stats.sum(), stats.mean()), (4, 16.0, 4.0));
    assert_eq!((stats.min(), stats.max()), (-2.0, 10.0));
    assert_eq!((stats.variance(), stats.sample_variance()), (18.0, 24.0));
    assert_eq!((stats.stdev(), stats.sample_stdev()), (18f64.sqrt(), 24f64.sqrt()));
    let one = engine.from_partitions(vec![vec![], vec![-3.5]]).stats().unwrap();
    assert_eq!((one.min(), one.max(), one.stdev()), (-3.5, -3.5, 0.0));
    assert!(one.sample_stdev().is_nan());
    let none = engine.empty::<f64>().stats().unwrap();
    assert_eq!((none.count(), none.min(), none.max()), (0, f64::INFINITY, f64::NEG_INFINITY));
    assert!(none.mean().is_nan() && none.stdev().is_nan());
}

#[test]
fn histograms_count_each_number_in_one_range() {
    let engine = engine();
    let numbers = engine.from_partitions(vec![vec![1, 1, 6], vec![], vec![11, 2, 11]]);
    assert_eq!(numbers.histogram(2).unwrap(), (vec![1.0, 6.0, 11.0], vec![3, 3]));
    assert_eq!(numbers.histogram(1).unwrap(), (vec![1.0, 11.0], vec![6]));
    assert_eq!(numbers.histogram(5).unwrap(), (vec![1.0, 3.0, 5.0, 7.0, 9.0, 11.0], vec![3, 0, 1, 0, 2]));
    assert_eq!(numbers.histogram_between(vec![1.0, 2.0, 6.0, 10.0]).unwrap(), [2, 1, 1]);
    assert_eq!(numbers.histogram_between(vec![-5.0, 0.0]).unwrap(), [0]);
    let equal = engine.parallelize(vec![5, 5], 2);
    assert_eq!(equal.histogram(4).unwrap(), (vec![5.0, 5.0], vec![2]));
    let none = engine.empty::<f64>();
    assert_eq!(none.histogram_between(vec![0.0, 1.0, 2.0]).unwrap(), [0, 0]);
    refused(none.histogram(2), "histogram");
    refused(numbers.histogram(0), "histogram");
    refused(engine.parallelize(vec![1.0, f64::NAN, 2.0], 2).histogram(2), "histogram");
    refused(engine.parallelize(vec![1.0, f64::INFINITY], 2).histogram(2), "histogram");
    refused(engine.parallelize(vec![f64::MIN, f64::MAX], 2).histogram(2), "histogram");
    // The last of these was taken for an edge above all others.
    for edges in [vec![], vec![1.0], vec![1.0, 1.0], vec![2.0, 1.0], vec![0.0, f64::NAN]] {
        refused(numbers.histogram_between(edges), "histogram_between");
    }
}

#[test]
fn a_broadcast_value_is_one_for_all_tasks() {
    let engine = engine();
    let ranks = engine.broadcast(HashMap::from([('a', 1), ('b', 2)]));
    let here = std::ptr::from_ref(ranks.value()) as usize;
    let used = ranks.clone();
    let found = pairs(&engine, "a1 b2||c3 a4")
        .map(move |(key, _)| (used.get(&key).copied(), std::ptr::from_ref(used.value()) as usize));
    let expected = [Some(1), Some(2), None, Some(1)].map(|rank| (rank, here));
    assert_eq!(found.collect().unwrap(), expected);
    // It stays as long as somebody has it: the program's handle is not needed.
    drop(ranks);
    assert_eq!(found.count().unwrap(), 4);
}

#[test]
fn a_local_checkpoint_holds_the_records_and_forgets_the_lineage() {
    let engine = engine();
    let calls = engine.accumulator("calls", 0, |sum, n: u32| *sum += n);
    let mut rdd = pairs(&engine, "a1 b2 a3||c4").partition_by(Keyed::new().partitions(3));
    let expected = rdd.collect_partitions().unwrap();
    for _ in 0..50 {
        let counter = calls.clone();
        rdd = rdd.filter(move |_| (counter.add(1), true).1).local_checkpoint().unwrap();
    }
    assert_eq!(calls.value(), 50 * 4);
    assert_eq!(rdd.collect_partitions().unwrap(), expected);
    assert_eq!(rdd.to_debug_string().lines().count(), 1);
    assert_eq!(rdd.partitioner(), pairs(&engine, "").partition_by(Keyed::new().partitions(3)).partitioner());
    // Of the fifty only the last one is held, and that ends with it.
    let used = || engine.memory().used();
    let last = used();
    assert!(last > 0);
    rdd.cache().unwrap();
    drop(rdd);
    assert_eq!(used(), 0);
    assert_eq!(engine.empty::<u8>().local_checkpoint().unwrap().collect().unwrap(), []);
}
