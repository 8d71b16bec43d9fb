//! Accumulators across restarts: each batch counts once. Method: contexts that end at once, between batches or in
//! the middle of one, and others that go on from their checkpoints.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use waterclock_base::{BatchTime, BoxError, Error, FailurePolicy, Record};
use waterclock_engine::Accumulator;
use waterclock_streaming::testing::{self, TestClock};
use waterclock_streaming::{Builder, ReplayOutcome, Stop, StreamingContext};

const SECOND: Duration = Duration::from_secs(1);

fn at(ms: i64) -> BatchTime {
    BatchTime::from_millis(ms)
}

/// Adds up the numbers 1, 2, 3, ..., one a batch; the batch of `fails` fails after it has added.
fn summing(builder: Builder, fails: Option<i64>) -> Result<(StreamingContext, Accumulator<u64>), BoxError> {
    let ssc = builder.batch_interval(SECOND).threads(2).snapshot_after_bytes(200).build()?;
    let sum = ssc.accumulator("sum", 0u64, |sum, n| *sum += n);
    let numbers = ssc.queue_stream((1u64..=20).map(|n| vec![n]).collect::<Vec<_>>()).named("numbers");
    let adder = sum.clone();
    let numbers = numbers.map(move |n| {
        adder.add(n);
        n
    });
    numbers.foreach_rdd(move |rdd, time| {
        rdd.count()?;
        if Some(time.as_millis()) == fails { Err("no".into()) } else { Ok(()) }
    });
    Ok((ssc, sum))
}

fn start(dir: &Path, now: i64, fails: Option<i64>) -> (StreamingContext, TestClock, Accumulator<u64>) {
    let mut seen = None;
    let create = |builder: Builder| {
        let (ssc, sum) = summing(builder, fails)?;
        seen = Some(sum);
        Ok(ssc)
    };
    let (ssc, clock) = testing::get_or_create(dir, at(now), create).unwrap();
    ssc.start().unwrap();
    (ssc, clock, seen.unwrap())
}

#[test]
fn values_are_there_after_every_restart() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..8i64 {
        let (ssc, clock, sum) = start(dir.path(), n * 2000, None);
        let upto = |n: i64| u64::try_from(n * (n + 1) / 2).unwrap();
        assert_eq!(sum.value(), upto(2 * n));
        clock.advance_batches(2);
        assert_eq!(sum.value(), upto(2 * n + 2));
        ssc.stop(Stop::Now).unwrap();
    }
}

/// A batch that did not come to its end is run again by the next process, and counts once.
#[test]
fn a_batch_that_is_run_again_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let (ssc, clock, _) = start(dir.path(), 0, Some(3000));
    clock.advance_batches(3);
    assert!(ssc.await_termination().is_err());
    ssc.stop(Stop::Now).unwrap();
    let (ssc, clock, sum) = start(dir.path(), 3000, None);
    clock.advance_batches(1);
    assert_eq!(sum.value(), 1 + 2 + 3 + 4);
    ssc.stop(Stop::Now).unwrap();
    // The commit record has it, too.
    let create = |builder: Builder| Ok(summing(builder.replay_closures(true), None)?.0);
    let replay = StreamingContext::replay(dir.path(), at(4000), create).unwrap();
    let part = replay.parts.iter().find(|part| part.operator == "accumulator").unwrap();
    assert_eq!((part.name.as_str(), part.outcome), ("sum", ReplayOutcome::Same));
}

#[test]
fn what_a_skipped_batch_added_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = None;
    let create = |builder: Builder| {
        let (ssc, sum) = summing(builder.on_failure(FailurePolicy::Skip), Some(2000))?;
        seen = Some(sum);
        Ok(ssc)
    };
    let (ssc, clock) = testing::get_or_create(dir.path(), at(0), create).unwrap();
    ssc.start().unwrap();
    clock.advance_batches(3);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(seen.unwrap().value(), 1 + 3);
    let (_ssc, _clock, sum) = start(dir.path(), 3000, None);
    assert_eq!(sum.value(), 1 + 3);
}

/// A value that was written as `A` is read by a program that has it as `B`.
fn rewritten<A: Record, B: Record>(before: A, after: B) -> Result<B, Error> {
    let dir = tempfile::tempdir().unwrap();
    let create = |builder: Builder| Ok(builder.batch_interval(SECOND).build()?);
    let (ssc, clock) = testing::get_or_create(dir.path(), at(0), create).unwrap();
    let kept = ssc.accumulator("kept", before.clone(), |kept, now: A| *kept = now);
    ssc.queue_stream(vec![vec![1]]).named("numbers").print();
    ssc.start().unwrap();
    clock.advance_batches(1);
    clock.stop_gracefully().unwrap();
    drop((ssc, clock, kept));
    let (ssc, _) = testing::get_or_create(dir.path(), at(1000), create).unwrap();
    let kept = ssc.accumulator("kept", after, |kept, now: B| *kept = now);
    ssc.queue_stream(vec![vec![1]]).named("numbers").print();
    ssc.start()?;
    Ok(kept.value())
}

#[test]
fn types_may_grow_and_what_does_not_fit_is_refused() {
    assert_eq!(rewritten((7u32, "a".to_owned()), (0u64, String::new())).unwrap(), (7, "a".into()));
    let refused = rewritten(7u32, String::new()).unwrap_err();
    assert!(matches!(refused, Error::Checkpoint { .. }));
    assert!(refused.full_text().starts_with("checkpoint accumulator kept: its type changed"), "{refused:?}");
}

#[test]
fn a_name_is_given_once_and_before_the_start() {
    let (ssc, _clock) = testing::manual_context("names", SECOND).unwrap();
    let add = |sum: &mut u64, n: u64| *sum += n;
    ssc.accumulator("sum", 0, add);
    assert!(ssc.check().is_ok());
    ssc.accumulator("sum", 0, add);
    assert!(matches!(ssc.check(), Err(Error::Definition { call: "accumulator", .. })));
    let (ssc, _clock) = testing::manual_context("late", SECOND).unwrap();
    ssc.queue_stream(vec![vec![1]]).print();
    ssc.start().unwrap();
    ssc.accumulator("sum", 0, add);
    assert!(matches!(ssc.check(), Err(Error::Lifecycle { call: "accumulator", .. })));
    ssc.stop(Stop::Now).unwrap();
}
