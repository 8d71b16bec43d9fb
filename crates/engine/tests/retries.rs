//! Goal: a task that fails is tried again, four times in all, and what counts is counted once.
//! Method: closures that fail at chosen attempts, on the pool and on the job's own thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use waterclock_base::world::World;
use waterclock_base::{Error, Settings};
use waterclock_engine::Engine;

/// True for the first `times` calls.
fn fails(times: u32) -> impl Fn() -> bool + Clone + Send + Sync + 'static {
    let calls = Arc::new(AtomicU32::new(0));
    move || calls.fetch_add(1, Ordering::SeqCst) < times
}

#[test]
fn a_task_may_fail_three_times_and_its_accumulators_count_once() {
    for count in [20u64, 20_000] {
        let engine = Engine::local(2);
        let sum = engine.accumulator("sum", 0u64, |sum, n: u64| *sum += n);
        let (adder, fail) = (sum.clone(), fails(3));
        let rdd = engine.parallelize((0..count).collect(), 2).map(move |n| {
            adder.add(1);
            assert!(n != count - 1 || !fail(), "not yet");
            n
        });
        assert_eq!(rdd.count().unwrap(), count);
        assert_eq!(sum.value(), count);
    }
}

#[test]
fn the_fourth_failure_is_the_jobs() {
    for (attempts, failures) in [(4, 4), (1, 1), (2, 2)] {
        let mut settings = Settings::default();
        settings.task_attempts = attempts;
        let engine = Engine::new(settings, World::real());
        let fail = fails(failures);
        let rdd = engine.parallelize(vec![1], 1).map(move |n: u32| {
            assert!(!fail(), "failed");
            n
        });
        assert!(matches!(rdd.count(), Err(Error::Task { attempts: tried, .. }) if tried == attempts));
        assert_eq!(rdd.count().unwrap(), 1);
    }
}

#[test]
fn a_map_task_that_fails_twice_fills_its_buckets_once() {
    let engine = Engine::local(2);
    for count in [30u64, 30_000] {
        let fail = fails(2);
        let pairs = engine.parallelize((0..count).collect(), 3).map(move |n| {
            assert!(n != count / 2 || !fail(), "not yet");
            (n % 5, 1u64)
        });
        let counts = pairs.reduce_by_key(|a, b| a + b).sorted().unwrap();
        assert_eq!(counts, (0..5).map(|key| (key, count / 5)).collect::<Vec<_>>());
    }
}

#[test]
fn an_error_that_a_closure_returns_is_tried_again_as_well() {
    let engine = Engine::local(2);
    let fail = fails(2);
    let rdd = engine.parallelize(vec![1, 2, 3], 1);
    let flaky = move |_, _: std::vec::IntoIter<i32>| if fail() { Err("not yet".into()) } else { Ok(()) };
    rdd.try_for_each_partition(flaky).unwrap();
    let error = rdd.try_for_each_partition(|_, _| Err("never".into())).unwrap_err();
    let Error::Task { operator, source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(operator, "try_for_each_partition");
    assert!(matches!(&**source, Error::User { batch: None, .. }), "{source:?}");
}
