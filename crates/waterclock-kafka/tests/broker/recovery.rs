//! Restarts, of the program and of the broker.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::{BatchTime, BoxError};
use waterclock_kafka::{KafkaSource, OffsetRanges};
use waterclock_streaming::testing::{self, TestClock};
use waterclock_streaming::{Builder, Ranges, ReplayOutcome, Stop, StreamingContext};

use crate::broker::{self, address, group_at, topic, unique};

type Sums = Arc<Mutex<Vec<(i64, u64)>>>;

/// Sums up; a batch waits at the gate where it is closed.
struct Program {
    ssc: StreamingContext,
    clock: TestClock,
    ranges: Ranges<OffsetRanges>,
}

fn program(dir: &Path, now: i64, source: KafkaSource, sums: &Sums, fails: bool) -> Program {
    let (mut ranges, sums) = (None, sums.clone());
    let (ssc, clock) = testing::get_or_create(dir, BatchTime::from_millis(now), |builder| {
        let policy = waterclock_base::FailurePolicy::Stop;
        let builder = builder.batch_interval(Duration::from_secs(1)).threads(2).on_failure(policy);
        let ssc = builder.task_attempts(1).build()?;
        let (numbers, own) = source.stream_with(&ssc, |message| {
            std::str::from_utf8(message.value().unwrap_or_default()).ok().and_then(|text| text.parse().ok())
        });
        ranges = Some(own);
        let add = |new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.iter().sum::<u64>());
        let totals = numbers.named("numbers").map(|n: Option<u64>| ((), n.unwrap_or(0)));
        let totals = totals.update_state_by_key(add).named("totals");
        totals.foreach_rdd(move |rdd, time| {
            let total = rdd.collect()?.first().map_or(0, |(_, total)| *total);
            if fails && total > 6 {
                return Err("killed".into());
            }
            sums.lock().unwrap().push((time.as_millis(), total));
            Ok(())
        });
        Ok(ssc)
    })
    .unwrap();
    ssc.start().unwrap();
    clock.advance(Duration::ZERO);
    Program { ssc, clock, ranges: ranges.unwrap() }
}

/// T-387: after a restart the ranges of unfinished batches are the same, and what was read before and after adds
/// up to all there is.
#[test]
fn a_restart_reads_the_same_ranges() {
    let _up = broker::stays_up();
    let (numbers, dir, sums) = (topic("numbers", 2), tempfile::tempdir().unwrap(), Sums::default());
    let source = || KafkaSource::new(address()).topics([&numbers]);
    broker::send(&numbers, 0, ["1", "2"]);
    broker::send(&numbers, 1, ["3"]);
    let before = program(dir.path(), 0, source(), &sums, true);
    before.clock.advance_batches(1);
    broker::send(&numbers, 1, ["4"]);
    // This one fails, as one that is killed.
    before.clock.advance_batches(1);
    let unfinished = before.ranges.at(BatchTime::from_millis(2000));
    assert!(unfinished.is_some());
    drop(before);
    assert_eq!(*sums.lock().unwrap(), [(1000, 6)]);

    broker::send(&numbers, 0, ["5"]);
    let after = program(dir.path(), 2000, source(), &sums, false);
    assert_eq!(after.ranges.at(BatchTime::from_millis(2000)), unfinished);
    after.clock.advance_batches(1);
    assert_eq!(*sums.lock().unwrap(), [(1000, 6), (2000, 10), (3000, 15)]);
    after.ssc.stop(Stop::Now).unwrap();
}

/// T-388 (with a checkpoint): the group is told once the checkpoint's log says for good that a batch is over.
#[test]
fn a_group_is_told_what_the_log_says() {
    let _up = broker::stays_up();
    let (numbers, group) = (topic("told-by-log", 1), unique("group"));
    let (dir, sums) = (tempfile::tempdir().unwrap(), Sums::default());
    broker::send(&numbers, 0, ["1", "2"]);
    let source = KafkaSource::new(address()).topics([&numbers]).commit_to_group(&group);
    let run = program(dir.path(), 0, source, &sums, false);
    run.clock.advance_batches(1);
    run.clock.stop_gracefully().unwrap();
    assert_eq!(group_at(&group, &numbers, 0), Some(2));
}

/// The broker is killed and comes back: batches meanwhile read nothing, and nothing is lost or read twice.
#[test]
fn a_broker_that_was_away_is_read_on() {
    let _alone = broker::alone();
    let (numbers, dir, sums) = (topic("away", 1), tempfile::tempdir().unwrap(), Sums::default());
    let source = || KafkaSource::new(address()).topics([&numbers]).time_out(Duration::from_secs(2));
    broker::send(&numbers, 0, ["1", "2"]);
    let run = program(dir.path(), 0, source(), &sums, false);
    run.clock.advance_batches(1);
    broker::send(&numbers, 0, ["3"]);
    broker::broker("kill");
    run.clock.advance_batches(1);
    assert_eq!(run.ranges.at(BatchTime::from_millis(2000)), None);
    broker::broker("restart");
    broker::send(&numbers, 0, ["4"]);
    let mut batches = 2;
    while sums.lock().unwrap().last() != Some(&(1000 * batches, 10)) {
        run.clock.advance_batches(1);
        batches += 1;
        assert!(batches < 60, "{:?}", sums.lock().unwrap());
    }
    run.ssc.stop(Stop::Now).unwrap();
    // And over a restart of the program.
    broker::send(&numbers, 0, ["5"]);
    let again = program(dir.path(), 1000 * batches, source(), &sums, false);
    again.clock.advance_batches(1);
    assert_eq!(sums.lock().unwrap().last(), Some(&(1000 * (batches + 1), 15)));
    again.ssc.stop(Stop::Now).unwrap();
}

/// A replay reads the offsets of its batch, and joins nothing.
#[test]
fn a_batch_is_replayed() {
    let _up = broker::stays_up();
    let (numbers, dir) = (topic("replayed", 1), tempfile::tempdir().unwrap());
    let create = |builder: Builder| -> Result<StreamingContext, BoxError> {
        let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
        let (stream, _) = KafkaSource::new(address()).topics([&numbers]).stream(&ssc);
        stream.named("numbers").map(|record| record.value_text()).collect_batches();
        Ok(ssc)
    };
    broker::send(&numbers, 0, ["1", "2"]);
    let (ssc, clock) = testing::get_or_create(dir.path(), BatchTime::from_millis(0), create).unwrap();
    ssc.start().unwrap();
    clock.advance_batches(1);
    broker::send(&numbers, 0, ["3"]);
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    drop((ssc, clock));
    for batch in [1000, 2000] {
        let replay = StreamingContext::replay(dir.path(), BatchTime::from_millis(batch), create).unwrap();
        let outcomes: Vec<_> = replay.parts.iter().map(|part| part.outcome).collect();
        assert_eq!(outcomes, [ReplayOutcome::Same], "{replay}");
    }
}
