//! Goal: results have the partitions that the original gives them, and impossible numbers are told.
//! Method: the counts of the golden family `partitions` as far as they are those of datasets, one by one.

use waterclock_base::world::World;
use waterclock_base::{Error, Settings};
use waterclock_engine::{Engine, Keyed, Partitioner, PartitionerId};

/// As the golden cases: default parallelism 2.
fn engine() -> Engine {
    let mut settings = Settings::default();
    settings.threads = 2;
    settings.default_parallelism = 2;
    settings.key_groups = 100;
    Engine::new(settings, World::real())
}

#[test]
fn without_a_number_the_partitions_are_the_originals() {
    let engine = engine();
    let (a, b) = (engine.parallelize(vec![1u64, 2, 2, 3], 3), engine.parallelize(vec![3u64, 4], 2));
    let pairs = a.map(|n| (n, n));
    assert_eq!(a.map(|n| n + 1).partitions(), 3); // s-partitions-001
    assert_eq!(a.repartition(5).partitions(), 5); // 008
    assert_eq!(a.union(&b).partitions(), 5); // 009
    assert_eq!(a.distinct().partitions(), 3); // 011
    assert_eq!(a.cartesian(&b).partitions(), 6); // 014
    assert_eq!(pairs.reduce_by_key(|a, b| a + b).partitions(), 2); // 015
    assert_eq!(pairs.reduce_by_key_with(|a, b| a + b, Keyed::new().partitions(5)).partitions(), 5); // 016
    assert_eq!(pairs.group_by_key_with(Keyed::new().partitions(3)).partitions(), 3); // 017
    assert_eq!(pairs.join(&b.map(|n| (n, n))).partitions(), 2); // 021
    assert_eq!(pairs.join_with(&b.map(|n| (n, n)), Keyed::new().partitions(4)).partitions(), 4); // 022
    assert_eq!(pairs.cogroup_with(&pairs, Keyed::new().partitions(1)).partitions(), 1); // 024
    assert_eq!(a.subtract(&b).partitions(), 3);
    assert_eq!(a.intersection(&b).partitions(), 2);
    assert_eq!(a.zip_with_index().partitions(), 3);
    assert_eq!(a.sample(false, 0.5, 1).partitions(), 3);
}

/// s-partitions-012: a sorted dataset has fewer partitions where its keys are too few.
#[test]
fn a_sorted_dataset_has_as_many_partitions_as_the_originals() {
    let batches: [&[i32]; 6] = [&[1, 3, 2, 2, 2, 1], &[2, 3], &[1], &[3, 3, 3, 3], &[], &[1, 3, 3, 3]];
    let engine = engine();
    let counts = batches.map(|batch| {
        let sorted = engine.parallelize(batch.to_vec(), 3).sort_by(|n| *n, true, 2).unwrap();
        let mut expected = batch.to_vec();
        expected.sort_unstable();
        assert_eq!(sorted.collect().unwrap(), expected);
        sorted.partitions()
    });
    assert_eq!(counts, [2, 2, 1, 2, 1, 2]);
}

/// s-partitions-032 and 018 to 020: what keeps keys in their place keeps the partitioner.
#[test]
fn equally_spread_datasets_stay_so() {
    let engine = engine();
    let pairs = engine.parallelize((0..50u64).map(|n| (n % 7, n)).collect(), 3);
    let reduced = pairs.reduce_by_key_with(|a, b| a + b, Keyed::new().partitions(3));
    let spread = Some(&PartitionerId::Hash { partitions: 3, groups: 100 });
    assert_eq!(reduced.union(&reduced).partitions(), 3);
    assert_eq!(reduced.union(&reduced).partitioner(), spread);
    assert_eq!(reduced.map_values(|n| n + 1).filter(|(_, n)| n % 2 == 0).partitioner(), spread);
    assert_eq!(reduced.map(|pair| pair).partitioner(), None);
    assert_eq!(reduced.map(|pair| pair).union(&reduced).partitions(), 6);
}

#[test]
fn without_options_the_widest_partitioner_of_the_inputs_is_followed() {
    let engine = engine();
    let pairs = engine.parallelize((0..50u64).map(|n| (n % 7, n)).collect(), 4);
    let into = |n| pairs.partition_by(Keyed::new().partitions(n));
    assert_eq!(into(3).join(&into(5)).partitions(), 5);
    assert_eq!(into(3).join_with(&into(5), Keyed::new()).partitions(), 2);
    assert_eq!(into(5).reduce_by_key(|a, b| a + b).partitions(), 5);
    assert_eq!(into(5).subtract_by_key(&into(3)).partitions(), 5);
    // One partition is a tenth of ten, and below the default.
    let wide = engine.parallelize((0..50u64).map(|n| (n, n)).collect(), 10);
    assert_eq!(wide.join(&into(1)).partitions(), 2);
    assert_eq!(wide.join(&into(2)).partitions(), 2);
    assert_eq!(wide.join(&into(2)).partitioner(), into(2).partitioner());
    // A partitioner of the program's own is followed through what keeps keys in place.
    let own = pairs.partition_by(Keyed::new().partitioner(Partitioner::new(6, |key| *key as usize)));
    let derived = own.map_values(|n| n + 1).filter(|_| true);
    assert_eq!(pairs.join(&derived).partitioner(), own.partitioner());
    let rows = |rdd: &waterclock_engine::Rdd<(u64, (u64, u64))>| rdd.sorted();
    let expected = rows(&pairs.join_with(&derived.map(|pair| pair), Keyed::new().partitions(2))).unwrap();
    assert_eq!(rows(&pairs.join(&derived)).unwrap(), expected);
}

#[test]
fn no_partitions_hold_nothing() {
    let engine = engine();
    let pairs = engine.parallelize(vec![(1u64, 1u64), (2, 2)], 2);
    let none = || Keyed::new().partitions(0);
    let reduced = pairs.reduce_by_key_with(|a, b| a + b, none());
    assert_eq!((reduced.partitions(), reduced.count().unwrap()), (0, 0));
    assert_eq!(pairs.group_by_key_with(none()).collect().unwrap(), []);
    assert_eq!(pairs.join_with(&pairs, none()).collect().unwrap(), []);
    assert_eq!(pairs.subtract_by_key_with(&pairs, none()).collect().unwrap(), []);
    assert_eq!(pairs.keys().distinct_with(none()).collect().unwrap(), []);
    assert_eq!(pairs.sort_by_key(true, 0).unwrap().collect().unwrap().len(), 2);
}

#[test]
fn datasets_without_partitions_work_everywhere() {
    let engine = engine();
    let none = engine.empty::<(u64, u64)>();
    let some = engine.parallelize(vec![(1u64, 1u64)], 2);
    assert_eq!(none.union(&some).collect().unwrap(), [(1, 1)]);
    assert_eq!(none.cartesian(&some).partitions(), 0);
    assert_eq!(none.full_outer_join(&some).collect().unwrap(), [(1, (None, Some(1)))]);
    assert_eq!(none.reduce_by_key(|a, b| a + b).collect().unwrap(), []);
    assert_eq!(none.sort_by_key(true, 3).unwrap().collect().unwrap(), []);
    assert_eq!(none.distinct().partitions(), 0);
    assert_eq!((none.repartition(3).partitions(), none.coalesce(3).partitions()), (3, 0));
    assert_eq!(none.zip_with_index().collect().unwrap(), []);
    assert_eq!(none.take(3).unwrap(), []);
    assert_eq!(none.tree_aggregate(7, |sum, _| sum, |a, _| a, 2).unwrap(), 7);
    assert!(none.is_empty().unwrap());
    assert!(matches!(none.first(), Err(Error::Action { call: "first", .. })));
    assert!(matches!(none.reduce(|a, _| a), Err(Error::Action { call: "reduce", .. })));
    assert!(matches!(none.max(), Err(Error::Action { call: "max", .. })));
    assert!(matches!(none.values().mean(), Err(Error::Action { call: "mean", .. })));
    assert_eq!(none.values().sum().unwrap(), 0);
    assert_eq!(none.values().stats().unwrap().count(), 0);
}

/// The error of the definition behind that of a task.
fn definition<T>(result: Result<T, Error>, call: &str, numbers: [&str; 2]) {
    match result.err() {
        Some(Error::Task { operator, site, source, .. }) => {
            assert_eq!(operator, call);
            assert!(site.file().ends_with("partition_counts.rs"), "{site}");
            match *source {
                Error::Definition { call: named, why, .. } => {
                    assert_eq!(named, call);
                    assert!(numbers.iter().all(|number| why.contains(number)), "{why}");
                }
                other => panic!("{call}: {other:?}"),
            }
        }
        other => panic!("{call}: {other:?}"),
    }
}

#[test]
fn impossible_definitions_name_their_numbers() {
    let engine = engine();
    let pairs = engine.parallelize(vec![(1u64, 1u64), (2, 2)], 2);
    let many = || Keyed::new().partitions(101);
    let wide = ["101", "100"];
    definition(pairs.reduce_by_key_with(|a, b| a + b, many()).count(), "reduce_by_key", wide);
    definition(pairs.group_by_key_with(many()).count(), "group_by_key", wide);
    definition(pairs.partition_by(many()).count(), "partition_by", wide);
    definition(pairs.join_with(&pairs, many()).count(), "join", wide);
    definition(pairs.cogroup3_with(&pairs, &pairs, many()).count(), "cogroup3", wide);
    definition(pairs.subtract_by_key_with(&pairs, many()).count(), "subtract_by_key", wide);
    definition(pairs.distinct_with(Keyed::new().partitions(101)).count(), "distinct", wide);
    definition(pairs.repartition(0).count(), "repartition", ["0", "at least one"]);
    definition(pairs.coalesce(0).count(), "coalesce", ["0", "at least one"]);
    definition(pairs.zip(&pairs.coalesce(1)).count(), "zip", ["2", "1"]);
    definition(pairs.zip_partitions(&pairs.coalesce(1), |a, _| a).count(), "zip_partitions", ["2", "1"]);
    definition(pairs.sample(false, 1.5, 1).count(), "sample", ["1.5", "0 to 1"]);
    definition(pairs.sample(true, -0.5, 1).count(), "sample", ["-0.5", "at least 0"]);
    definition(pairs.random_split(&[0.0, 0.0], 1)[1].count(), "random_split", ["0.0", "shares"]);
    // As many partitions as there are groups, and what takes its number from its input, are fine.
    assert_eq!(pairs.partition_by(Keyed::new().partitions(100)).count().unwrap(), 2);
    let wide = engine.parallelize((0..300u64).collect(), 300);
    assert_eq!((wide.distinct().partitions(), wide.distinct().count().unwrap()), (100, 300));
    assert_eq!(wide.subtract(&wide).partitions(), 100);
}

#[test]
fn a_zip_of_unequal_partitions_names_the_counts() {
    let engine = engine();
    let (a, b) = (
        engine.from_partitions(vec![vec![1, 2], vec![3]]),
        engine.from_partitions(vec![vec![1], vec![2, 3]]),
    );
    let error = a.zip(&b).count().unwrap_err();
    let Error::Task { operator, source, partition, .. } = &error else { panic!("{error:?}") };
    assert_eq!((operator.as_str(), partition.0), ("zip", 0));
    assert!(
        matches!(&**source, Error::Action { why, .. } if why.contains("2 records") && why.contains("meet 1"))
    );
}
