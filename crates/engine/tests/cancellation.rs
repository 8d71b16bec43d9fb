//! Goal: a cancelled job ends promptly, whatever its tasks are at, and leaves nothing behind that later jobs
//! trip over. A key whose hash is constant makes a job slow; that is said once, and can be cancelled.
//! Method: jobs that would take minutes are cancelled as soon as they are under way.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use waterclock_base::world::{Clock, SystemClock, World, lock, spawn};
use waterclock_base::{Error, Event, JobId, Result, Settings};
use waterclock_engine::{Compute, Define, Engine, Sink, Step, TaskCx};

/// All keys of this type are in one chain of the hash table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Clumsy(u64);

impl Hash for Clumsy {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Runs the job, cancels it once `seen` has reached `enough`, and tells how long the end took.
fn cancelled(
    engine: &Engine,
    seen: &Arc<AtomicU64>,
    enough: u64,
    job: impl FnOnce() -> Result<u64> + Send + 'static,
) {
    let clock = SystemClock::new();
    let running = spawn("job", job);
    while seen.load(Ordering::SeqCst) < enough {
        assert!(!running.is_finished(), "the job ended before it was cancelled");
        std::thread::yield_now();
    }
    let before = clock.now_micros();
    engine.cancel_all_jobs();
    let result = running.join().map_err(|_| "the job's thread panicked");
    let took = Duration::from_micros((clock.now_micros() - before).unsigned_abs());
    assert!(matches!(result, Ok(Err(Error::Cancelled { .. }))), "{result:?}");
    assert!(took < Duration::from_secs(5), "it took {took:?}");
}

fn counting(seen: &Arc<AtomicU64>) -> impl Fn(u64) -> u64 + Send + Sync + 'static {
    let seen = seen.clone();
    move |n| {
        seen.fetch_add(1, Ordering::SeqCst);
        n
    }
}

#[test]
fn a_job_of_long_partitions_stops_between_chunks() {
    let engine = Engine::local(2);
    let seen = Arc::new(AtomicU64::new(0));
    let endless = engine.range(0..i64::MAX, 2).map(|n| n as u64).map(counting(&seen));
    cancelled(&engine, &seen, 10_000, move || endless.count());
    let seen = Arc::new(AtomicU64::new(0));
    let endless = engine.parallelize(vec![0u64], 1).flat_map(std::iter::repeat).map(counting(&seen));
    cancelled(&engine, &seen, 10_000, move || endless.count());
    assert_eq!(engine.range(0..10_000, 4).count().unwrap(), 10_000);
}

#[test]
fn records_that_lie_ready_are_not_all_handed_on() {
    let engine = Engine::local(1);
    let seen = Arc::new(AtomicU64::new(0));
    let slow = {
        let count = counting(&seen);
        move |n: u64| {
            std::thread::park_timeout(Duration::from_micros(200));
            count(n)
        }
    };
    let kept = engine.parallelize((0..100_000u64).collect(), 1);
    kept.cache().unwrap().count().unwrap();
    let rdd = kept.map(slow);
    cancelled(&engine, &seen, 10, move || rdd.count());
    engine.range(0..10_000, 4).count().unwrap();
    assert!(seen.load(Ordering::SeqCst) < 10_000, "{seen:?}");
}

#[test]
fn a_job_that_waits_for_another_ones_stage_can_be_cancelled_too() {
    let engine = Engine::local(2);
    let seen = Arc::new(AtomicU64::new(0));
    let counts = engine.range(0..i64::MAX, 2).map(|n| n as u64).map(counting(&seen)).map(|n| (n % 2, n));
    let shared = counts.reduce_by_key(|a, b| a ^ b);
    let jobs = [shared.clone(), shared].map(|rdd| spawn("job", move || rdd.count()));
    while seen.load(Ordering::SeqCst) < 10_000 {
        std::thread::yield_now();
    }
    // One holds the stage; the other waits for it, or begins only now, or takes the stage over.
    while jobs.iter().any(|job| !job.is_finished()) {
        engine.cancel_all_jobs();
        std::thread::yield_now();
    }
    for job in jobs {
        assert!(matches!(job.join(), Ok(Err(Error::Cancelled { .. }))));
    }
    assert_eq!(engine.range(0..10_000, 4).count().unwrap(), 10_000);
}

#[test]
fn a_job_slowed_down_by_a_useless_hash_can_be_cancelled() {
    let engine = Engine::local(2);
    let seen = Arc::new(AtomicU64::new(0));
    let keys = engine.range(0..10_000_000, 2).map(|n| n as u64).map(counting(&seen));
    let counts = keys.map(|n| (Clumsy(n), 1u64)).reduce_by_key(|a, b| a + b);
    cancelled(&engine, &seen, 6_000, move || counts.count());
    assert_eq!(engine.range(0..10_000, 4).count().unwrap(), 10_000);
}

#[test]
fn a_useless_hash_gives_right_results_and_one_warning() {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let told = warnings.clone();
    let mut settings = Settings::default();
    settings.threads = 2;
    let engine = Engine::with_events(settings, World::real(), move |event| {
        if let Event::Warning { text } = event {
            lock(&told).push(text);
        }
    });
    let pairs = engine.range(0..5000, 2).map(|n| (Clumsy(n as u64 / 2), n as u64)).cache().unwrap();
    let sums = pairs.reduce_by_key(|a, b| a + b).sorted().unwrap();
    assert_eq!(sums, (0..2500).map(|n| (Clumsy(n), 4 * n + 1)).collect::<Vec<_>>());
    let groups = pairs.group_by_key().sorted().unwrap();
    assert_eq!(groups, (0..2500).map(|n| (Clumsy(n), vec![2 * n, 2 * n + 1])).collect::<Vec<_>>());
    assert_eq!(pairs.join(&pairs).count().unwrap(), 4 * 2500);
    let warnings = lock(&warnings);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("Clumsy") && warnings[0].contains("derive `Hash`"));
}

/// Tells the number of the job that computes it, and ends when it may.
struct Telling {
    job: mpsc::Sender<JobId>,
    until: Arc<AtomicU64>,
}

impl Compute<u64> for Telling {
    fn compute(&self, _: usize, cx: &TaskCx, _: &mut dyn Sink<u64>) -> Step {
        // Nobody may be listening any more.
        let _ = self.job.send(cx.id.job);
        while self.until.load(Ordering::SeqCst) == 0 {
            cx.check()?;
            std::thread::yield_now();
        }
        Ok(())
    }
}

#[test]
fn one_job_is_cancelled_and_the_others_go_on() {
    let engine = Engine::local(2);
    let until = Arc::new(AtomicU64::new(0));
    let begin = || {
        let (job, told) = mpsc::channel();
        let rdd = Define::new("telling", 1).build(&engine, Telling { job, until: until.clone() });
        let running = spawn("job", move || rdd.count());
        (running, told.recv().unwrap())
    };
    let ((first, number), (second, _)) = (begin(), begin());
    engine.cancel_job(number);
    let clock = SystemClock::new();
    let patience = clock.now_micros() + 5_000_000;
    while !first.is_finished() {
        assert!(!second.is_finished(), "the other job was cancelled");
        assert!(clock.now_micros() < patience, "no job was cancelled");
        std::thread::yield_now();
    }
    let ended = first.join().unwrap();
    assert!(matches!(ended, Err(Error::Cancelled { job }) if job == number), "{ended:?}");
    assert!(!second.is_finished());
    // One that has ended, or never was, is no error.
    engine.cancel_job(number);
    until.store(1, Ordering::SeqCst);
    assert_eq!(second.join().unwrap().unwrap(), 0);
}

#[test]
fn jobs_of_other_engines_go_on() {
    let (one, other) = (Engine::local(1), Engine::local(1));
    let seen = Arc::new(AtomicU64::new(0));
    let endless = one.range(0..i64::MAX, 1).map(|n| n as u64).map(counting(&seen));
    let going_on = spawn("other", move || other.range(0..300_000, 1).count());
    cancelled(&one, &seen, 10_000, move || endless.count());
    assert!(matches!(going_on.join(), Ok(Ok(300_000))));
}
