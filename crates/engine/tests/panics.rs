//! Goal: a closure that panics fails its task, and nothing else: the error names the operator, the line of the
//! program, the partition and the attempts; workers, later jobs and shared stages go on.
//! Method: each kind of closure panics, on the pool and on the job's own thread.

use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use waterclock_base::{Error, Fault, Result};
use waterclock_engine::{Engine, Keyed, Partitioner, Rdd};

/// Numbers in four partitions: few enough for the job's own thread, or so many that the pool is used.
fn numbers(engine: &Engine, many: bool) -> Rdd<u64> {
    let count = if many { 40_000 } else { 80 };
    engine.parallelize((0..count).collect(), 4)
}

fn boom(n: u64) -> u64 {
    assert!(n != 13, "thirteen");
    n
}

/// What is said about a job that failed in the first partition, at a line of this file.
fn check<T>(result: Result<T>, name: &str, many: bool) {
    match result.err() {
        Some(Error::Task { operator, site, partition, attempts, source }) => {
            assert_eq!((operator.as_str(), partition.0, attempts), (name, 0, 4), "many: {many}");
            assert!(site.file().ends_with("panics.rs"), "{name}: {site}");
            assert!(matches!(&*source, Error::Panic { message } if message == "thirteen"), "{source:?}");
            assert_eq!(source.fault(), Fault::User);
        }
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn the_operator_whose_closure_panics_is_named() {
    let engine = Engine::local(2);
    for many in [false, true] {
        let rdd = || numbers(&engine, many);
        let pairs = || rdd().map(|n| (n, n));
        check(rdd().map(boom).count(), "map", many);
        check(rdd().map(|n| n + 1).map(|n| boom(n - 1)).map(|n| n + 1).count(), "map", many);
        check(rdd().filter(|n| boom(*n) > 3).count(), "filter", many);
        check(rdd().flat_map(|n| [n, boom(n)]).count(), "flat_map", many);
        check(rdd().flat_map(|n| (0..2).map(move |_| boom(n))).count(), "flat_map", many);
        check(rdd().flat_map_into(|n, out| out(boom(*n))).count(), "flat_map_into", many);
        check(rdd().map_partitions(|part| part.map(boom)).count(), "map_partitions", many);
        check(rdd().zip_partitions(&rdd(), |a, _| a.map(boom)).count(), "zip_partitions", many);
        check(rdd().key_by(|n| boom(*n)).count(), "key_by", many);
        check(pairs().map_values(boom).count(), "map_values", many);
        check(rdd().map(|n| (0, n)).reduce_by_key(|a, b| a.max(boom(b))).count(), "reduce_by_key", many);
        let own = Partitioner::new(2, |n: &u64| boom(*n) as usize);
        check(pairs().partition_by(Keyed::new().partitioner(own)).count(), "partition_by", many);
        check(rdd().sort_by(|n| boom(*n), true, 2).map(|_| ()), "sort_by", many);
    }
}

#[test]
fn the_action_whose_closure_panics_is_named_also_below_a_flat_map() {
    let engine = Engine::local(2);
    for many in [false, true] {
        let rdd = || numbers(&engine, many).flat_map(|n| [n]);
        check(rdd().for_each(|n| assert_eq!(boom(n), n)), "for_each", many);
        check(
            rdd().for_each_partition(|part| part.for_each(|n| assert_eq!(boom(n), n))),
            "for_each_partition",
            many,
        );
        check(rdd().aggregate(0, |sum, n| sum + boom(n), |a, b| a + b), "aggregate", many);
        check(rdd().reduce(|a, b| a.max(boom(b))), "reduce", many);
        check(rdd().top_by(3, |n| boom(*n)), "top_by", many);
        check(rdd().map_partitions(|part| part).for_each(|n| assert_eq!(boom(n), n)), "for_each", many);
    }
}

#[test]
fn a_closure_that_panics_at_the_driver_is_an_error_too() {
    let engine = Engine::local(2);
    let join = |_: u64, _: u64| -> u64 { panic!("at the driver") };
    let error = numbers(&engine, false).aggregate(0, |sum, n| sum + n, join).unwrap_err();
    let Error::Panic { message } = &error else { panic!("{error:?}") };
    assert!(message.contains("in aggregate at") && message.contains("panics.rs"), "{message}");

    let broken = engine.accumulator("broken", 0u64, |_, _: u64| panic!("adding"));
    let adder = broken.clone();
    let error = numbers(&engine, false).for_each(move |n| adder.add(n)).unwrap_err();
    assert!(matches!(&error, Error::Panic { message } if message.contains("accumulator")), "{error:?}");
    assert_eq!(broken.value(), 0);
    assert_eq!(numbers(&engine, true).count().unwrap(), 40_000);
}

#[test]
fn a_failed_stage_can_be_asked_for_again() {
    let engine = Engine::local(2);
    for many in [false, true] {
        let healed = Arc::new(AtomicBool::new(false));
        let heals = healed.clone();
        let pairs = numbers(&engine, many).map(move |n| {
            assert!(n != 13 || heals.load(Ordering::SeqCst), "thirteen");
            (n % 3, 1u64)
        });
        let counts = pairs.reduce_by_key(|a, b| a + b);
        check(counts.collect(), "map", many);
        check(counts.collect(), "map", many);
        healed.store(true, Ordering::SeqCst);
        let sum: u64 = counts.values().sum().unwrap();
        assert_eq!(sum, if many { 40_000 } else { 80 });
    }
}

#[test]
fn the_other_tasks_of_a_failed_job_and_all_workers_survive() {
    let engine = Engine::local(2);
    for _ in 0..50 {
        assert!(numbers(&engine, true).map(|_| -> u64 { panic!("all of them") }).count().is_err());
    }
    let threads = engine.parallelize((0..2).collect::<Vec<u64>>(), 2).map(|n| {
        // Both tasks must run at the same time, or neither comes further: two workers are alive.
        static HERE: AtomicU32 = AtomicU32::new(0);
        HERE.fetch_add(1, Ordering::SeqCst);
        while HERE.load(Ordering::SeqCst) < 2 {
            std::thread::yield_now();
        }
        n
    });
    // More than a small stage, so that it is not run by the job's own thread.
    let large = engine.parallelize(vec![0u64; 10_000], 1).filter(|n| *n > 0);
    assert_eq!(threads.union(&large).collect().unwrap(), [0, 1]);
}

/// What panics once more when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the bomb went off");
    }
}

#[test]
fn a_panic_that_panics_when_it_is_dropped_is_caught() {
    let engine = Engine::local(2);
    for many in [false, true] {
        let error = numbers(&engine, many).map(|_| -> u64 { panic_any(Bomb) }).count().unwrap_err();
        assert!(error.full_text().contains("(no message)"), "{error:?}");
    }
    assert_eq!(numbers(&engine, true).count().unwrap(), 40_000);
}

#[test]
fn an_accumulator_is_usable_after_a_task_that_used_it_panicked() {
    let engine = Engine::local(2);
    let seen = engine.accumulator("seen", 0u64, |sum, n: u64| *sum += n);
    let counter = seen.clone();
    let counted = move |n: u64| {
        counter.add(1);
        boom(n)
    };
    assert!(numbers(&engine, false).map(counted.clone()).count().is_err());
    seen.reset(0);
    // Outside of a task it is added to at once: the thread that ran the failed task is not in it any more.
    seen.add(5);
    assert_eq!(seen.value(), 5);
    numbers(&engine, false).filter(|n| *n > 13).map(counted).count().unwrap();
    assert_eq!(seen.value(), 5 + 66);
}
