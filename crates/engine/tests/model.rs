//! Goal: any chain of operations gives exactly the partitions that its description says: the records, their
//! order, and which partition they are in.
//! Method: random chains over random records, run by the engine and by a model of a few lines for each
//! operation on plain lists of lists. Of a sorted dataset the model takes over where it was cut.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use proptest::prelude::*;
use waterclock_base::Settings;
use waterclock_base::world::World;
use waterclock_engine::{Engine, Keyed, Partitioner, Rdd, StorageLevel};

const GROUPS: u32 = 64;
const PARALLELISM: usize = 3;

type Parts = Vec<Vec<i64>>;

#[derive(Clone, Debug)]
enum Op {
    Map(i64),
    Filter(i64),
    FlatMap(u8),
    SumPartitions,
    Union(Parts),
    Repartition(usize),
    Coalesce(usize),
    Distinct(usize),
    Sort(bool, usize),
    Subtract(Parts),
    Intersection(Parts, usize),
    Cartesian(Vec<i64>),
    ZipWithIndex,
    ReduceByKey(i64, usize),
    GroupByKey(i64, usize),
    Join(i64, Parts, usize),
    FullOuterJoin(i64, Parts, usize),
    Persist,
}

fn parts() -> impl Strategy<Value = Parts> {
    prop::collection::vec(prop::collection::vec(-20i64..20, 0..8), 0..4)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (-9i64..9).prop_map(Op::Map),
        (1i64..4).prop_map(Op::Filter),
        (0u8..3).prop_map(Op::FlatMap),
        Just(Op::SumPartitions),
        parts().prop_map(Op::Union),
        (1usize..6).prop_map(Op::Repartition),
        (1usize..6).prop_map(Op::Coalesce),
        (1usize..6).prop_map(Op::Distinct),
        (any::<bool>(), 1usize..5).prop_map(|(ascending, n)| Op::Sort(ascending, n)),
        parts().prop_map(Op::Subtract),
        (parts(), 1usize..5).prop_map(|(other, n)| Op::Intersection(other, n)),
        prop::collection::vec(-20i64..20, 0..3).prop_map(Op::Cartesian),
        Just(Op::ZipWithIndex),
        (1i64..5, 1usize..6).prop_map(|(keys, n)| Op::ReduceByKey(keys, n)),
        (1i64..5, 1usize..6).prop_map(|(keys, n)| Op::GroupByKey(keys, n)),
        (1i64..5, parts(), 1usize..5).prop_map(|(keys, other, n)| Op::Join(keys, other, n)),
        (1i64..5, parts(), 1usize..5).prop_map(|(keys, other, n)| Op::FullOuterJoin(keys, other, n)),
        Just(Op::Persist),
    ]
}

fn keyed(keys: i64) -> impl Fn(i64) -> (i64, i64) + Copy + Send + Sync + 'static {
    move |n| (n.rem_euclid(keys), n)
}

/// One number out of a list, in which the order counts.
fn digest(list: impl IntoIterator<Item = i64>) -> i64 {
    list.into_iter().fold(5, |sum: i64, n| sum.wrapping_mul(31).wrapping_add(n)) % 1000
}

fn row(key: i64, left: Option<i64>, right: Option<i64>) -> i64 {
    digest([key, left.unwrap_or(-77), right.unwrap_or(-78)])
}

/// The operation, by the engine.
fn run(rdd: &Rdd<i64>, op: &Op) -> Rdd<i64> {
    let engine = rdd.engine();
    let other = |parts: &Parts| engine.from_partitions(parts.clone());
    let into = |n: &usize| Keyed::new().partitions(*n);
    match op.clone() {
        Op::Map(add) => rdd.map(move |n| n + add),
        Op::Filter(by) => rdd.filter(move |n| n % by == 0),
        Op::FlatMap(times) => rdd.flat_map(move |n| (0..i64::from(times)).map(move |i| n + i)),
        Op::SumPartitions => rdd.map_partitions(|part| [part.sum()]),
        Op::Union(parts) => rdd.union(&other(&parts)),
        Op::Repartition(n) => rdd.repartition(n),
        Op::Coalesce(n) => rdd.coalesce(n),
        Op::Distinct(n) => rdd.distinct_with(Keyed::new().partitions(n)),
        Op::Sort(ascending, n) => rdd.sort_by(|n| n / 3, ascending, n).unwrap(),
        Op::Subtract(parts) => rdd.subtract(&other(&parts)),
        Op::Intersection(parts, n) => rdd.intersection_with(&other(&parts), Keyed::new().partitions(n)),
        Op::Cartesian(list) => rdd.cartesian(&engine.parallelize(list, 2)).map(|(a, b)| a * 3 + b),
        Op::ZipWithIndex => rdd.zip_with_index().map(|(n, index)| n + index as i64),
        Op::ReduceByKey(keys, n) => {
            let pairs = rdd.map(keyed(keys));
            pairs.reduce_by_key_with(|a, b| a + b, into(&n)).map(|(key, sum)| key * 100 + sum % 100)
        }
        Op::GroupByKey(keys, n) => {
            rdd.map(keyed(keys)).group_by_key_with(into(&n)).map(|(key, list)| key + digest(list))
        }
        Op::Join(keys, parts, n) => {
            let joined = rdd.map(keyed(keys)).join_with(&other(&parts).map(keyed(keys)), into(&n));
            joined.map(|(key, (a, b))| row(key, Some(a), Some(b)))
        }
        Op::FullOuterJoin(keys, parts, n) => {
            let joined = rdd.map(keyed(keys)).full_outer_join_with(&other(&parts).map(keyed(keys)), into(&n));
            joined.map(|(key, (a, b))| row(key, a, b))
        }
        Op::Persist => rdd.map(|n| n).persist(StorageLevel::MemoryAndDisk).unwrap(),
    }
}

/// In which partition a key is.
fn place(key: &i64, partitions: usize) -> usize {
    Partitioner::hash(partitions, GROUPS).partition(key)
}

/// For each of so many partitions its keys in the order in which they come, each with its values.
fn grouped(pairs: &[(i64, i64)], partitions: usize) -> Vec<Vec<(i64, Vec<i64>)>> {
    let mut groups: Vec<Vec<(i64, Vec<i64>)>> = vec![Vec::new(); partitions];
    for (key, value) in pairs {
        let group = &mut groups[place(key, partitions)];
        match group.iter_mut().find(|(other, _)| other == key) {
            Some((_, values)) => values.push(*value),
            None => group.push((*key, vec![*value])),
        }
    }
    groups
}

/// The rows of a join of these pairs; a side that may be missing gives a row where the other has the key.
fn joined(left: &[(i64, i64)], right: &[(i64, i64)], partitions: usize, outer: bool) -> Parts {
    let both: Vec<(i64, i64)> = left.iter().chain(right).copied().collect();
    let keys = grouped(&both, partitions);
    let values = |side: &[(i64, i64)], key: i64| -> Vec<Option<i64>> {
        let values: Vec<_> = side.iter().filter(|pair| pair.0 == key).map(|pair| Some(pair.1)).collect();
        if values.is_empty() && outer { vec![None] } else { values }
    };
    let rows = |key: i64| {
        let right = values(right, key);
        let row = move |a: Option<i64>| right.clone().into_iter().map(move |b| row(key, a, b));
        values(left, key).into_iter().flat_map(row).collect::<Vec<_>>()
    };
    keys.into_iter().map(|part| part.into_iter().flat_map(|(key, _)| rows(key)).collect()).collect()
}

fn each(parts: &Parts, f: impl Fn(&i64) -> Vec<i64>) -> Parts {
    parts.iter().map(|part| part.iter().flat_map(&f).collect()).collect()
}

fn cut(list: &[i64], partitions: usize) -> Parts {
    (0..partitions)
        .map(|i| list[i * list.len() / partitions..(i + 1) * list.len() / partitions].to_vec())
        .collect()
}

/// The operation, by the model. Of a sort it only looks whether the engine's partitions are in order.
fn model(parts: Parts, op: &Op, found: impl FnOnce() -> Parts) -> Parts {
    match op {
        Op::Map(add) => each(&parts, |n| vec![n + add]),
        Op::Filter(by) => each(&parts, |n| if n % by == 0 { vec![*n] } else { vec![] }),
        Op::FlatMap(times) => each(&parts, |n| (0..i64::from(*times)).map(|i| n + i).collect()),
        Op::SumPartitions => parts.iter().map(|part| vec![part.iter().sum()]).collect(),
        Op::Union(other) => [parts, other.clone()].concat(),
        Op::Repartition(n) => {
            let mut spread = vec![Vec::new(); *n];
            for (i, part) in parts.iter().enumerate() {
                part.iter().enumerate().for_each(|(j, record)| spread[(i + j) % n].push(*record));
            }
            spread
        }
        Op::Coalesce(n) => {
            let n = parts.len().min(*n);
            (0..n).map(|i| parts[i * parts.len() / n..(i + 1) * parts.len() / n].concat()).collect()
        }
        Op::Sort(ascending, n) => in_order(found(), parts.concat(), *ascending, *n),
        Op::Cartesian(list) => {
            let across = cut(list, 2);
            let pair = |a: &Vec<i64>, b: &Vec<i64>| -> Vec<i64> {
                a.iter().flat_map(|a| b.iter().map(move |b| a * 3 + b)).collect()
            };
            parts.iter().flat_map(|a| across.iter().map(move |b| pair(a, b))).collect()
        }
        Op::ZipWithIndex => {
            let mut index = 0..;
            parts.iter().map(|part| part.iter().zip(&mut index).map(|(n, i)| n + i).collect()).collect()
        }
        Op::Persist => parts,
        _ => keyed_model(&parts, op),
    }
}

fn in_order(found: Parts, all: Vec<i64>, ascending: bool, partitions: usize) -> Parts {
    let mut sorted = all;
    sorted.sort_by_key(|n| if ascending { n / 3 } else { -(n / 3) });
    assert_eq!(found.concat(), sorted);
    assert!(found.len() <= partitions, "{} partitions instead of at most {partitions}", found.len());
    found
}

/// The operations that spread records by key.
fn keyed_model(parts: &Parts, op: &Op) -> Parts {
    let all = parts.concat();
    let pairs = |keys: &i64, list: &[i64]| list.iter().copied().map(keyed(*keys)).collect::<Vec<_>>();
    let singles = |list: &[i64]| list.iter().map(|n| (*n, 0)).collect::<Vec<_>>();
    match op {
        Op::Distinct(n) => rows(grouped(&singles(&all), *n), |(key, _)| key),
        Op::Subtract(other) => {
            let (n, others) = (parts.len(), other.concat());
            let mut rest = vec![Vec::new(); n];
            all.iter().filter(|n| !others.contains(n)).for_each(|k| rest[place(k, n)].push(*k));
            rest
        }
        Op::Intersection(other, n) => {
            let others = other.concat();
            let both: Vec<i64> = all.into_iter().filter(|n| others.contains(n)).collect();
            rows(grouped(&singles(&both), *n), |(key, _)| key)
        }
        Op::ReduceByKey(keys, n) => {
            let sum = |(key, list): (i64, Vec<i64>)| key * 100 + list.iter().sum::<i64>() % 100;
            rows(grouped(&pairs(keys, &all), *n), sum)
        }
        Op::GroupByKey(keys, n) => rows(grouped(&pairs(keys, &all), *n), |(key, list)| key + digest(list)),
        Op::Join(keys, other, n) => joined(&pairs(keys, &all), &pairs(keys, &other.concat()), *n, false),
        Op::FullOuterJoin(keys, other, n) => {
            joined(&pairs(keys, &all), &pairs(keys, &other.concat()), *n, true)
        }
        other => unreachable!("{other:?} does not spread by key"),
    }
}

fn rows(groups: Vec<Vec<(i64, Vec<i64>)>>, row: impl Fn((i64, Vec<i64>)) -> i64) -> Parts {
    groups.into_iter().map(|part| part.into_iter().map(&row).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_chain_of_operations_gives_what_the_model_gives(
        start in parts(),
        ops in prop::collection::vec(op(), 0..6),
        threads in prop_oneof![Just(1usize), Just(2), Just(5)],
        budget in prop_oneof![Just(1u64 << 30), Just(200)],
    ) {
        let mut settings = Settings::default();
        settings.threads = threads;
        settings.default_parallelism = PARALLELISM;
        settings.key_groups = GROUPS;
        settings.memory_budget = budget;
        let engine = Engine::new(settings, World::real());
        let mut rdd = engine.from_partitions(start.clone());
        let mut expected = start;
        for op in &ops {
            rdd = run(&rdd, op);
            expected = model(expected, op, || rdd.collect_partitions().unwrap());
            if expected.iter().map(Vec::len).sum::<usize>() > 3000 || expected.len() > 60 {
                break;
            }
        }
        prop_assert_eq!(rdd.collect_partitions().unwrap(), expected.clone());
        let all = expected.concat();
        prop_assert_eq!(rdd.count().unwrap(), all.len() as u64);
        prop_assert_eq!(rdd.take(3).unwrap(), all.iter().copied().take(3).collect::<Vec<_>>());
        let mut sorted = all.clone();
        sorted.sort_unstable();
        prop_assert_eq!(rdd.take_ordered(4).unwrap(), sorted.iter().copied().take(4).collect::<Vec<_>>());
        prop_assert_eq!(rdd.top(4).unwrap(), sorted.iter().rev().copied().take(4).collect::<Vec<_>>());
        prop_assert_eq!(rdd.max().ok(), sorted.last().copied());
        prop_assert_eq!(rdd.fold(0, |a, b| a + b).unwrap(), all.iter().sum::<i64>());
        prop_assert_eq!(rdd.tree_aggregate(0, |a, b| a + b, |a, b| a + b, 2).unwrap(), all.iter().sum::<i64>());
        prop_assert_eq!(rdd.to_local_iterator().collect::<Result<Vec<_>, _>>().unwrap(), all);
    }
}
