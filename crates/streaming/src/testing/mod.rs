//! Virtual time: a program's streams under a clock that the test moves.
//!
//! Nothing sleeps. [`TestClock::advance_batches`] moves the clock by one batch interval at a time and returns
//! when the batch is committed or failed, so that a test sees the same on any machine.
//!
//! ```
//! use std::time::Duration;
//! use waterclock_streaming::{Stop, testing};
//!
//! let (ssc, clock) = testing::manual_context("totals", Duration::from_secs(1))?;
//! let seen = ssc.queue_stream(vec![vec![("a".to_owned(), 1)], vec![("a".into(), 2)]])
//!     .reduce_by_key(|a, b| a + b)
//!     .collect_batches();
//! ssc.start()?;
//! clock.advance_batches(2);
//! assert_eq!(seen.sorted_at(2), [("a".to_owned(), 2)]);
//! ssc.stop(Stop::Now)?;
//! # Ok::<(), waterclock_base::Error>(())
//! ```

mod disk; // a disk that loses what it may
mod simulation; // a program's life under crashes

use std::fmt::Debug;
use std::panic::Location;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use waterclock_base::world::{Clock, ManualClock, Signal, SystemClock, spawn};
use waterclock_base::{BatchTime, BoxError, Data, Record, Result};
use waterclock_engine::{Engine, Rdd};

use crate::context::{Builder, Stop, StreamingContext};
use crate::dstream::{DStream, define};
use crate::graph::{BatchCx, Derive, StreamCompute};

#[cfg(feature = "planted-faults")]
pub use crate::checkpoint::{Fault, plant};
pub use disk::{Crash, Failure, SimDisk};
pub use simulation::{SimFailure, SimJob, Simulation, Trace};

/// Moves the time of one context.
#[derive(Clone)]
pub struct TestClock {
    clock: Arc<ManualClock>,
    ssc: StreamingContext,
}

impl TestClock {
    /// Moves the time by `batches` batch intervals, one after the other, waiting for each batch to be
    /// committed or failed. Returns at once when the context is not active.
    pub fn advance_batches(&self, batches: u32) {
        let interval = self.ssc.settings().batch_interval;
        for _ in 0..batches {
            self.clock.advance(interval);
            self.wait();
        }
    }

    /// Moves the time by any amount, then waits for the batches that have become due.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.wait();
    }

    fn advance_to_next_batch(&self) {
        let (now, interval) = (self.clock.now(), self.ssc.settings().batch_interval);
        let next = now.next_multiple(interval, self.ssc.zero_time().unwrap_or_default());
        self.clock.advance(next.since(now));
        self.wait();
    }

    /// Moves the time by one batch interval and returns at once: the batch runs while the test goes on.
    pub fn tick_without_waiting(&self) {
        self.clock.advance(self.ssc.settings().batch_interval);
    }

    fn wait(&self) {
        if let Some(zero) = self.ssc.zero_time() {
            let due = self.clock.now().floor(self.ssc.settings().batch_interval, zero);
            if due > zero {
                self.ssc.inner.waiters.wait_for_batch(due);
            }
        }
    }

    /// The time that the context sees.
    pub fn now(&self) -> BatchTime {
        self.clock.now()
    }

    /// Stops the context gracefully while the time goes on, as it does outside of tests: no faster than real
    /// time until the receivers have stopped, then batch by batch.
    ///
    /// # Errors
    /// As [`StreamingContext::stop`].
    pub fn stop_gracefully(&self) -> Result<()> {
        let done = Arc::new(AtomicBool::new(false));
        let (clock, seen) = (self.clone(), done.clone());
        let ticking = spawn("test-clock", move || {
            let (real, nobody) = (SystemClock::new(), Signal::new());
            let receiving = || !clock.ssc.inner.sources_stopped.load(Ordering::Acquire);
            while !seen.load(Ordering::Acquire) {
                if !receiving() {
                    clock.advance_to_next_batch();
                    continue;
                }
                real.wait(Some(real.now_micros() + 1000), &nobody);
                if receiving() {
                    clock.clock.advance(Duration::from_millis(1));
                }
            }
        });
        let outcome = self.ssc.stop(Stop::Gracefully);
        done.store(true, Ordering::Release);
        // Panics in the ticking thread are none of the caller's.
        let _ = ticking.join();
        outcome
    }
}

/// A context under a clock that begins at the epoch and is moved by hand; two threads.
///
/// # Errors
/// As [`Builder::build`].
pub fn manual_context(app_name: &str, batch_interval: Duration) -> Result<(StreamingContext, TestClock)> {
    manual(StreamingContext::builder(app_name).batch_interval(batch_interval).threads(2))
}

/// A context as `builder` makes it, with its disk and network, under a clock that begins at the epoch and is
/// moved by hand.
///
/// # Errors
/// As [`Builder::build`].
pub fn manual(builder: Builder) -> Result<(StreamingContext, TestClock)> {
    let clock = ManualClock::new();
    let ssc = builder.clock(clock.clone()).build()?;
    Ok((ssc.clone(), TestClock { clock, ssc }))
}

/// [`StreamingContext::get_or_create`] under a clock that begins at `now` and is moved by hand.
///
/// # Errors
/// As `get_or_create`.
///
/// ```
/// # use std::time::Duration;
/// # use waterclock_base::BatchTime;
/// # use waterclock_streaming::{Stop, testing};
/// # let dir = tempfile::tempdir()?;
/// // Counts, is stopped, and goes on counting.
/// let mut seen = Vec::new();
/// for start in [0, 1000] {
///     let (mut counts, start) = (None, BatchTime::from_millis(start));
///     let (ssc, clock) = testing::get_or_create(dir.path(), start, |builder| {
///         let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
///         let words = ssc.queue_stream(vec![vec![("a", 1)], vec![("a", 10)]]).named("words");
///         let words = words.map(|(word, n)| (word.to_owned(), n));
///         let sum = |new: Vec<i32>, old: Option<i32>| Some(old.unwrap_or(0) + new.iter().sum::<i32>());
///         counts = Some(words.update_state_by_key(sum).named("counts").collect_batches());
///         Ok(ssc)
///     })?;
///     ssc.start()?;
///     clock.advance_batches(1);
///     seen.extend(counts.iter().flat_map(|counts| counts.all()));
///     ssc.stop(Stop::Now)?;
/// }
/// let at = BatchTime::from_millis;
/// assert_eq!(seen, [(at(1000), vec![("a".to_owned(), 1)]), (at(2000), vec![("a".to_owned(), 11)])]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn get_or_create(
    dir: impl Into<PathBuf>,
    now: BatchTime,
    create: impl FnOnce(Builder) -> Result<StreamingContext, BoxError>,
) -> Result<(StreamingContext, TestClock)> {
    let clock = ManualClock::at(now);
    let ssc = StreamingContext::get_or_create(dir, |builder| create(builder.clock(clock.clone())))?;
    Ok((ssc.clone(), TestClock { clock, ssc }))
}

/// A stream whose dataset of each time is what `script` gives for it; none where it gives none.
///
/// The script must give the same for the same time: it is asked again for a time whose dataset is no longer
/// remembered, as by [`DStream::slice`].
///
/// ```
/// # use std::time::Duration;
/// # use waterclock_base::BatchTime;
/// # use waterclock_streaming::{Stop, testing};
/// let (ssc, clock) = testing::manual_context("script", Duration::from_secs(1))?;
/// let times = testing::scripted(&ssc, |t, engine| Some(engine.parallelize(vec![t.as_millis()], 1)));
/// times.collect_batches();
/// ssc.start()?;
/// clock.advance_batches(3);
/// let all = times.slice(BatchTime::from_millis(1000), BatchTime::from_millis(3000))?;
/// let first: Vec<i64> = all.iter().map(|rdd| rdd.collect()).collect::<Result<Vec<_>, _>>()?.concat();
/// assert_eq!(first, [1000, 2000, 3000]);
/// ssc.stop(Stop::Now)?;
/// # Ok::<(), waterclock_base::Error>(())
/// ```
#[track_caller]
pub fn scripted<T: Data>(
    ssc: &StreamingContext,
    script: impl Fn(BatchTime, &Engine) -> Option<Rdd<T>> + Send + Sync + 'static,
) -> DStream<T> {
    let (graph, site) = (&ssc.inner.graph, Location::caller());
    let slide = graph.settings.batch_interval;
    let info = Derive { slide, ..Derive::new("scripted", site, Vec::new()) };
    define(graph, info, Ok(()), None, Scripted(script))
}

/// A stream that begins with a function of time.
struct Scripted<F>(F);

impl<T, F> StreamCompute<T> for Scripted<F>
where
    T: Data,
    F: Fn(BatchTime, &Engine) -> Option<Rdd<T>> + Send + Sync + 'static,
{
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        Ok((self.0)(t, cx.engine))
    }
}

/// Checks what an operation makes of batches of one second in two partitions: `expected` in partition
/// order, batch by batch.
///
/// # Panics
/// When something else comes out, or the stream can't run.
#[track_caller]
pub fn check_stream<T: Data, U: Record + PartialEq + Debug>(
    input: Vec<Vec<T>>,
    operation: impl FnOnce(DStream<T>) -> DStream<U>,
    expected: Vec<Vec<U>>,
) {
    let seen = run_stream(input, operation, expected.len());
    assert_eq!(seen, expected.into_iter().map(Some).collect::<Vec<_>>());
}

/// [`check_stream`] where the order of a batch's records does not matter.
///
/// # Panics
/// As `check_stream`.
#[track_caller]
pub fn check_stream_unordered<T: Data, U: Record + Ord + Debug>(
    input: Vec<Vec<T>>,
    operation: impl FnOnce(DStream<T>) -> DStream<U>,
    expected: Vec<Vec<U>>,
) {
    let sorted = |mut batch: Vec<U>| {
        batch.sort();
        batch
    };
    let seen: Vec<_> =
        run_stream(input, operation, expected.len()).into_iter().map(|b| b.map(sorted)).collect();
    assert_eq!(seen, expected.into_iter().map(|batch| Some(sorted(batch))).collect::<Vec<_>>());
}

/// Runs an operation over batches of one second in two partitions, and gives what each of the first
/// `batches` batches had; none where it had no dataset or failed.
///
/// # Panics
/// When the stream can't run.
#[track_caller]
pub fn run_stream<T: Data, U: Record>(
    input: Vec<Vec<T>>,
    operation: impl FnOnce(DStream<T>) -> DStream<U>,
    batches: usize,
) -> Vec<Option<Vec<U>>> {
    let run = || -> Result<Vec<Option<Vec<U>>>> {
        let (ssc, clock) = manual_context("run_stream", Duration::from_secs(1))?;
        let seen = operation(ssc.queue_stream(input)).collect_batches();
        ssc.start()?;
        clock.advance_batches(u32::try_from(batches).unwrap_or(u32::MAX));
        let seen = (1..).take(batches).map(|n| seen.nth(n)).collect();
        ssc.stop(Stop::Now)?;
        Ok(seen)
    };
    match run() {
        Ok(seen) => seen,
        Err(error) => panic!("the stream can't run: {error:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stopped right after a batch, while its tick may still be at work: the batch of what came last is formed
    /// all the same.
    #[test]
    fn a_graceful_stop_forms_one_more_batch_whatever_tick_is_at_work() {
        for _ in 0..300 {
            let (ssc, clock) = manual_context("stop", Duration::from_secs(1)).unwrap();
            let seen = ssc.queue_stream(vec![vec![1], vec![2], vec![3]]).collect_batches();
            ssc.start().unwrap();
            clock.advance_batches(1);
            clock.stop_gracefully().unwrap();
            let records: Vec<_> = seen.all().into_iter().map(|(_, records)| records).collect();
            assert_eq!(records, [[1], [2]]);
        }
    }
}
