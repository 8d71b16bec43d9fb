//! Goal: jobs that run at the same time over one shuffle produce its map side once; each job's result is right.
//! Method: threads that begin together; an accumulator counts the calls of a closure above the shuffle.

use std::sync::{Arc, Barrier};

use waterclock_base::world::spawn;
use waterclock_engine::Engine;

#[test]
fn the_map_side_of_a_shared_shuffle_runs_once() {
    for (round, count) in [40u64, 20_000].into_iter().cycle().take(40).enumerate() {
        let engine = Engine::local(3);
        let calls = engine.accumulator("calls", 0u64, |sum, n: u64| *sum += n);
        let counter = calls.clone();
        let pairs = engine.parallelize((0..count).collect(), 4).map(move |n| {
            counter.add(1);
            (n % 10, 1u64)
        });
        let counts = pairs.reduce_by_key(|a, b| a + b);
        let start = Arc::new(Barrier::new(3));
        let jobs: Vec<_> = (0..3)
            .map(|_| {
                let (counts, start) = (counts.clone(), start.clone());
                spawn("job", move || {
                    start.wait();
                    counts.map(|row| row).sorted()
                })
            })
            .collect();
        for job in jobs {
            let rows = job.join().map_err(|_| "a job panicked").unwrap().unwrap();
            assert_eq!(rows, (0..10).map(|key| (key, count / 10)).collect::<Vec<_>>());
        }
        assert_eq!(calls.value(), count, "round {round}");
    }
}

#[test]
fn a_job_that_fails_hands_the_shared_stage_to_the_one_that_waits() {
    let engine = Engine::local(2);
    for _ in 0..20 {
        let pairs = engine.parallelize((0..20_000u64).collect(), 4).map(|n| {
            assert!(n != 7, "seven");
            (n % 10, 1u64)
        });
        let counts = pairs.reduce_by_key(|a, b| a + b);
        let other = counts.clone();
        let job = spawn("job", move || other.count());
        assert!(counts.count().is_err());
        assert!(matches!(job.join(), Ok(Err(_))));
    }
}
