//! Goal: with back-pressure, receivers follow the speed at which batches are processed; without, nothing holds
//! them.
//! Method: real time for receivers, as it is the speed that counts, with jobs that are fast or slow by design; virtual
//! time for sources of ranges.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod common;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{eventually, pause};
use waterclock_base::world::{Clock, ManualClock, World, lock};
use waterclock_base::{BackpressurePid, BatchInterval, BoxError, Error};
use waterclock_streaming::{Builder, DStream, PidEstimator, RangeSource, Stop, StreamingContext};

fn builder() -> Builder {
    StreamingContext::builder("back-pressure").batch_interval(Duration::from_millis(100)).threads(2)
}

/// Stores as fast as it may.
fn greedy(ssc: &StreamingContext) -> DStream<u64> {
    ssc.receiver_stream(|out| (0u64..).try_for_each(|n| Ok(out.store(n)?)))
}

/// T-238, T-239: after batches that were processed fast, the rate that reaches the receiver is far above the
/// first one.
#[test]
fn fast_batches_raise_the_rate() {
    let ssc = builder().backpressure(Some(100.0)).build().unwrap();
    greedy(&ssc).count().collect_batches();
    ssc.start().unwrap();
    eventually("the rate stays", || ssc.status().last_completed.is_some_and(|batch| batch.records() > 200));
    ssc.stop(Stop::Now).unwrap();
}

/// T-108: in a context that goes on from a checkpoint too.
#[test]
fn the_rate_is_raised_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let ssc = StreamingContext::get_or_create(dir.path(), |builder| {
            let builder = builder.batch_interval(Duration::from_millis(100)).threads(2);
            let ssc = builder.backpressure(Some(100.0)).build()?;
            greedy(&ssc).named("numbers").count().collect_batches();
            Ok(ssc)
        });
        let ssc = ssc.unwrap();
        ssc.start().unwrap();
        let is_raised = || ssc.status().last_completed.is_some_and(|batch| batch.records() > 200);
        eventually("the rate stays", is_raised);
        ssc.stop(Stop::Now).unwrap();
    }
}

/// T-238, T-239: a job that takes a millisecond a record brings the rate down to about a thousand a second.
#[test]
fn slow_batches_lower_the_rate() {
    let ssc = builder().backpressure(Some(5000.0)).build().unwrap();
    let most = Arc::new(AtomicU64::new(0));
    let seen = most.clone();
    greedy(&ssc).foreach_rdd(move |rdd, _| {
        let count = rdd.count()?;
        seen.fetch_max(count, Ordering::SeqCst);
        pause(i64::try_from(count)?);
        Ok(())
    });
    ssc.start().unwrap();
    eventually("the rate stays", || {
        let last = ssc.status().last_completed;
        most.load(Ordering::SeqCst) >= 400 && last.is_some_and(|batch| (1..=200).contains(&batch.records()))
    });
    ssc.stop(Stop::Now).unwrap();
}

/// The builder's weights and minimum are those of the estimator, number by number.
#[test]
fn the_builder_sets_how_back_pressure_reacts() {
    let none = BackpressurePid { proportional: 0.0, integral: 0.0, derived: 0.0, min_rate: 1.0 };
    // After a batch of 1000 a second one of 500 in a tenth of a second, 50 ms late: the rate was 500 too high,
    // 250 are in the backlog, and the difference grew by 500 in half a second.
    for (pid, expected) in [
        (BackpressurePid::default(), 450.0),
        (none, 1000.0),
        (BackpressurePid { proportional: 0.5, ..none }, 750.0),
        (BackpressurePid { integral: 0.4, ..none }, 900.0),
        (BackpressurePid { derived: 0.1, ..none }, 900.0),
        (BackpressurePid { min_rate: 600.0, ..BackpressurePid::default() }, 600.0),
    ] {
        let ssc = builder().backpressure(None).backpressure_pid(pid).build().unwrap();
        let mut estimator = PidEstimator::of(ssc.settings()).unwrap();
        assert_eq!(estimator.compute(1_000_000, 100, 100_000, 0), None);
        assert_eq!(estimator.compute(1_500_000, 50, 100_000, 50_000), Some(expected), "{pid:?}");
    }
    let wrong = BackpressurePid { derived: -1.0, ..none };
    let ssc = builder().backpressure(None).backpressure_pid(wrong).build().unwrap();
    let refused = greedy(&ssc).checked().map(drop).unwrap_err();
    assert!(matches!(refused, Error::Setting { setting: "derived weight", .. }), "{refused}");
}

/// The maximum holds whatever the speed.
#[test]
fn the_maximum_is_never_exceeded() {
    let ssc = builder().backpressure(None).receiver_max_rate(500.0).build().unwrap();
    greedy(&ssc).count().collect_batches();
    ssc.start().unwrap();
    eventually("no batches", || ssc.status().completed_batches >= 10);
    ssc.stop(Stop::Now).unwrap();
    let status = ssc.status();
    let seconds = status.completed_batches as f64 / 10.0;
    assert!((status.processed_records as f64) < 600.0 * (seconds + 0.5), "{status:?}");
}

/// A source with more records than can ever be read, which notes how many each batch was to read at most.
struct Endless(Arc<Mutex<Vec<Option<u64>>>>);

impl Endless {
    fn take(&self, before: Option<&Range<u64>>, most: Option<u64>) -> Range<u64> {
        lock(&self.0).push(most);
        let from = before.map_or(0, |before| before.end);
        from..from + most.unwrap_or(1_000_000)
    }
}

impl RangeSource<u64> for Endless {
    type Range = Range<u64>;

    fn next(&self, before: Option<&Range<u64>>, _: BatchInterval) -> Result<Range<u64>, BoxError> {
        Ok(self.take(before, None))
    }

    fn next_at_most(
        &self,
        before: Option<&Range<u64>>,
        _: BatchInterval,
        records: u64,
    ) -> Result<Range<u64>, BoxError> {
        Ok(self.take(before, Some(records)))
    }

    fn partitions(&self, _: &Range<u64>) -> usize {
        2
    }

    fn records(&self, range: &Range<u64>) -> u64 {
        range.end - range.start
    }

    fn describe(&self, range: &Range<u64>) -> String {
        format!("{range:?}")
    }

    fn read(
        &self,
        range: &Range<u64>,
        partition: usize,
        out: &mut dyn FnMut(u64) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        range.clone().filter(|n| n % 2 == partition as u64).try_for_each(out)
    }
}

/// What batches were to read of an endless source, where each takes a second of virtual time for so many records.
fn asked_for(builder: Builder, speed: u64, batches: u64) -> Vec<Option<u64>> {
    let clock = ManualClock::new();
    let mut world = World::real();
    world.clock = clock.clone();
    let ssc = builder.batch_interval(Duration::from_secs(1)).world(world).build().unwrap();
    let asked = Arc::<Mutex<_>>::default();
    let (numbers, _) = ssc.range_stream("endless", Endless(asked.clone()));
    let serving = clock.clone();
    numbers.foreach_rdd(move |rdd, _| {
        serving.advance(Duration::from_micros(rdd.count()? * 1_000_000 / speed));
        Ok(())
    });
    ssc.start().unwrap();
    for batch in 1..=batches {
        let into = clock.now_micros() % 1_000_000;
        clock.advance(Duration::from_micros(1_000_000 - into.unsigned_abs()));
        eventually("a batch hangs", || ssc.status().completed_batches >= batch);
    }
    ssc.stop(Stop::Now).unwrap();
    let mut asked = lock(&asked).clone();
    asked.truncate(batches as usize);
    asked
}

/// T-393 (in virtual time): the first batch is bounded, the next ones follow the speed of processing, however much
/// there is. T-238, T-239: for sources of ranges.
#[test]
fn ranges_follow_the_speed_of_processing() {
    let fast = asked_for(builder().backpressure(None), 40_000, 4);
    assert_eq!(fast, [Some(10_000), Some(10_000), Some(40_000), Some(40_000)]);
    let slow = asked_for(builder().backpressure(Some(500.0)), 700, 4);
    assert_eq!(slow, [Some(500), Some(500), Some(700), Some(700)]);
    // Never less than the least rate.
    let least = asked_for(builder().backpressure(Some(50.0)), 60, 4);
    assert_eq!(least[2..], [Some(100), Some(100)]);
    let unbounded = asked_for(builder().backpressure(Some(f64::INFINITY)), 2_000_000, 3);
    assert_eq!(unbounded, [None, None, Some(2_000_000)]);
    assert_eq!(asked_for(builder(), 2_000_000, 2), [None, None]);
}
