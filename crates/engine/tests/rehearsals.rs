//! The check of determinism. Method: jobs with a closure that is not, and with ones that are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use waterclock_base::world::World;
use waterclock_base::{Error, Settings};
use waterclock_engine::{Engine, StorageLevel};

fn checking() -> Engine {
    let mut settings = Settings::default();
    (settings.threads, settings.default_parallelism) = (2, 2);
    settings.check_determinism = true;
    Engine::new(settings, World::real())
}

/// Operator, line of the call, and why.
fn named(error: Error) -> (String, u32, &'static str) {
    match error {
        Error::Determinism { operator, site, why, .. } => (operator, site.line(), why),
        other => panic!("{other:?}"),
    }
}

/// A closure that counts how often it was called.
fn counting() -> impl Fn() -> u32 + Clone {
    let count = Arc::<AtomicU32>::default();
    move || count.fetch_add(1, Ordering::Relaxed)
}

#[test]
fn a_closure_that_counts_is_named_among_others() {
    let (engine, count) = (checking(), counting());
    let numbers = engine.parallelize((0..100u32).collect(), 4).map(|n| n + 1);
    let (line, stamped) = (line!(), numbers.map(move |n| (n % 3, n + count())));
    let sums = stamped.filter(|(_, n)| *n < u32::MAX).reduce_by_key(|a, b| a + b).map(|(_, sum)| sum);
    let (operator, at, why) = named(sums.collect().unwrap_err());
    assert_eq!((operator.as_str(), at), ("map", line));
    assert!(why.contains("each time"), "{why}");
}

#[test]
fn a_function_that_does_not_commute_is_named() {
    let engine = checking();
    let pairs = engine.parallelize((0..100i64).map(|n| (n % 3, n)).collect(), 4);
    let (line, differences) = (line!(), pairs.reduce_by_key(|a, b| a - b));
    let (operator, at, why) = named(differences.map_values(|n| n * 2).collect().unwrap_err());
    assert_eq!((operator.as_str(), at), ("reduce_by_key", line));
    assert!(why.contains("order"), "{why}");
}

#[test]
fn what_has_effects_is_done_once() {
    let engine = checking();
    let (seen, effects) = (engine.accumulator("seen", 0, |sum, n: i32| *sum += n), counting());
    let (adder, effect) = (seen.clone(), effects.clone());
    let numbers = engine.parallelize(vec![1, 2, 3, 4], 2).map(move |n| {
        adder.add(n);
        n
    });
    numbers.for_each(move |_| _ = effect()).unwrap();
    assert_eq!((seen.value(), effects()), (10, 4));
}

#[test]
fn jobs_that_do_the_same_every_time_pass() {
    let engine = checking();
    let words = engine.parallelize("to be or not to be that is".split(' ').collect::<Vec<_>>(), 3);
    let pairs = words.map(|word| (word.len() as u64, word.len() as u64));
    let kept = pairs.persist(StorageLevel::MemoryOnly).unwrap();
    let sums = kept.reduce_by_key(|a, b| a + b).map(|(n, sum)| (sum, n));
    let grouped = sums.group_by_key().map_values(|all| all.iter().max().copied());
    assert_eq!(grouped.sorted().unwrap(), [(3, Some(3)), (4, Some(4)), (12, Some(2))]);
    assert_eq!(kept.join(&sums).count().unwrap(), 2);
    assert_eq!(sums.take(1).unwrap().len(), 1);
    assert_eq!(kept.map(|(n, _)| n).reduce(|a, b| a.max(b)).unwrap(), 4);
}
