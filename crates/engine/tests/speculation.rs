//! Goal: with speculation a task that hangs at its first attempt does not keep its job; the first result
//! counts, once, and the copy that lost is told to stop.
//! Method: a closure that waits, in its first copy only, until the job is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use waterclock_base::Settings;
use waterclock_base::world::World;
use waterclock_engine::Engine;

fn speculating(threads: usize) -> Engine {
    let mut settings = Settings::default();
    settings.threads = threads;
    settings.default_parallelism = threads;
    settings.speculation = true;
    Engine::new(settings, World::real())
}

/// Waits at the first call, until released.
#[derive(Clone, Default)]
struct Hang {
    calls: Arc<AtomicU32>,
    released: Arc<AtomicBool>,
}

impl Hang {
    fn first_time(&self) {
        if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            while !self.released.load(Ordering::SeqCst) {
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
    }
}

#[test]
fn the_second_copy_of_a_hanging_task_ends_the_job_and_counts_once() {
    let engine = speculating(3);
    let sum = engine.accumulator("sum", 0u64, |sum, n: u64| *sum += n);
    let (adder, hang) = (sum.clone(), Hang::default());
    let waits = hang.clone();
    let rdd = engine.parallelize((0..80u64).collect(), 8).map(move |n| {
        adder.add(1);
        if n == 37 {
            waits.first_time();
        }
        n
    });
    assert_eq!(rdd.collect().unwrap(), (0..80).collect::<Vec<_>>());
    assert_eq!(hang.calls.load(Ordering::SeqCst), 2);
    hang.released.store(true, Ordering::SeqCst);
    // The engine goes on; what the first copy brings later is not counted.
    assert_eq!(engine.range(0..10_000, 8).count().unwrap(), 10_000);
    assert_eq!(sum.value(), 80);
}

#[test]
fn a_hanging_map_task_of_a_shuffle_is_overtaken_too() {
    let engine = speculating(3);
    let hang = Hang::default();
    let waits = hang.clone();
    let pairs = engine.parallelize((0..90u64).collect(), 9).map(move |n| {
        if n == 89 {
            waits.first_time();
        }
        (n % 4, n)
    });
    let mut expected = vec![Vec::new(); 4];
    (0..90).for_each(|n| expected[n as usize % 4].push(n));
    let groups = pairs.group_by_key().sorted().unwrap();
    assert_eq!(groups, (0..4).zip(expected).collect::<Vec<_>>());
    hang.released.store(true, Ordering::SeqCst);
}

#[test]
fn the_copy_that_lost_stops_at_its_next_chunk() {
    let engine = speculating(2);
    let hang = Hang::default();
    let (waits, after) = (hang.clone(), Arc::new(AtomicU32::new(0)));
    let counter = after.clone();
    let rdd = engine.range(0..400_000, 4).map(move |n| {
        if n == 0 {
            waits.first_time();
        } else if waits.released.load(Ordering::SeqCst) {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        n
    });
    assert_eq!(rdd.count().unwrap(), 400_000);
    hang.released.store(true, Ordering::SeqCst);
    drop(rdd);
    drop(engine); // Waits for the workers.
    assert!(after.load(Ordering::SeqCst) < 3000, "{after:?}");
}

#[test]
fn a_copy_that_panics_does_not_end_the_job() {
    let engine = speculating(3);
    let hang = Hang::default();
    let (waits, panics) = (hang.clone(), Arc::new(AtomicU32::new(0)));
    let seen = panics.clone();
    let rdd = engine.parallelize((0..8u64).collect(), 8).map(move |n| {
        if n == 5 {
            let call = waits.calls.load(Ordering::SeqCst);
            if call == 1 && seen.fetch_add(1, Ordering::SeqCst) == 0 {
                // The copy fails while the first attempt still hangs; that one then finishes.
                waits.released.store(true, Ordering::SeqCst);
                panic!("the copy");
            }
            waits.first_time();
        }
        n
    });
    assert_eq!(rdd.collect().unwrap(), (0..8).collect::<Vec<_>>());
    assert_eq!(panics.load(Ordering::SeqCst), 1);
}
