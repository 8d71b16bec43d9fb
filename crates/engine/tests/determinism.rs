//! Goal: a result does not depend on how many threads computed it, in which order tasks ended, or on the seed
//! of hash maps, which is drawn anew for each engine: partitions, records and their order are the same.
//! Method: one program of many operations, under all of these.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use waterclock_base::Settings;
use waterclock_base::world::World;
use waterclock_engine::{Engine, Keyed};

type Partitions = Vec<Vec<(String, u64)>>;

fn engine(threads: usize, speculation: bool) -> Engine {
    let mut settings = Settings::default();
    settings.threads = threads;
    settings.default_parallelism = 3;
    settings.speculation = speculation;
    Engine::new(settings, World::real())
}

/// The partitions of datasets that went through every kind of operation.
fn program(engine: &Engine) -> Vec<Partitions> {
    let numbers = engine.range(0..20_000, 7).map(|n| n as u64);
    let pairs = numbers.map(|n| (format!("key {}", n * n % 97), n));
    let sums = pairs.reduce_by_key(|a, b| a.wrapping_mul(31).wrapping_add(b));
    let groups = pairs.group_by_key_with(Keyed::new().partitions(5));
    let lists =
        groups.map_values(|list| list.into_iter().fold(7, |a: u64, b| a.wrapping_mul(31).wrapping_add(b)));
    let joined = sums.join(&lists).map_values(|(a, b)| a ^ b);
    let few = numbers.filter(|n| n % 3 == 0).map(|n| n % 1000);
    let named =
        |rdd: waterclock_engine::Rdd<u64>| rdd.map(|n| (String::new(), n)).collect_partitions().unwrap();
    vec![
        sums.collect_partitions().unwrap(),
        lists.collect_partitions().unwrap(),
        joined.collect_partitions().unwrap(),
        pairs.union(&sums).repartition(4).collect_partitions().unwrap(),
        pairs.sort_by_key(false, 3).unwrap().collect_partitions().unwrap(),
        pairs.full_outer_join(&sums).map_values(|(a, b)| a.or(b).unwrap_or(0)).collect_partitions().unwrap(),
        pairs.subtract_by_key(&sums.filter(|(_, n)| n % 2 == 0)).collect_partitions().unwrap(),
        named(few.distinct()),
        named(few.intersection(&numbers.filter(|n| n % 7 == 0))),
        named(few.subtract(&numbers.filter(|n| n % 7 == 0))),
        named(few.sample(true, 0.3, 7)),
        named(few.zip_with_index().map(|(n, index)| n ^ index)),
        vec![few.count_by_value().unwrap().into_iter().map(|(n, times)| (n.to_string(), times)).collect()],
        vec![pairs.top_by(100, |(_, n)| n % 10).unwrap()],
    ]
}

#[test]
fn the_result_is_the_same_for_any_number_of_threads() {
    let expected = program(&engine(1, false));
    for (threads, speculation) in [(2, false), (5, false), (5, true)] {
        for _ in 0..2 {
            let found = program(&engine(threads, speculation));
            for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(found, expected, "part {part}, {threads} threads, speculation {speculation}");
            }
        }
    }
}

#[test]
fn sums_of_floating_point_numbers_are_the_same_to_the_last_bit() {
    let sum = |threads| {
        let numbers = engine(threads, false).range(0..30_000, 11).map(|n| 1.0 / (n as f64 + 0.1));
        let by_key = numbers.map(|n| ((n * 1e6) as u64 % 10, n)).reduce_by_key(|a, b| a + b);
        let stats = numbers.stats().unwrap();
        let mut bits: Vec<u64> = by_key.values().collect().unwrap().into_iter().map(f64::to_bits).collect();
        bits.extend([numbers.sum().unwrap(), stats.mean(), stats.stdev()].map(f64::to_bits));
        bits
    };
    assert_eq!(sum(1), sum(5));
}
