//! Checkpoints of every version of the format load for ever. Method: a directory that an earlier release wrote
//! is kept in `fixtures/`, and a program goes on from a copy of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test copies files")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use waterclock_base::{BatchTime, BoxError, Result};
use waterclock_engine::Accumulator;
use waterclock_streaming::testing::get_or_create;
use waterclock_streaming::{Builder, Collected, DStream, Stop, StreamingContext};

type Counts = (u32, i64);

/// State by key, an inverse window, a queue of which a part was taken, and a count of records.
fn program(builder: Builder) -> Result<(StreamingContext, Seen), BoxError> {
    let ssc = builder.batch_interval(Duration::from_secs(1)).default_parallelism(2).build()?;
    let batches = (1..=9u32).map(|n| vec![(n % 3, i64::from(n)), (7, 1)]);
    let records = ssc.accumulator("records", 0u64, |sum, n| *sum += n);
    let counter = records.clone();
    let pairs: DStream<Counts> = ssc.queue_stream(batches.collect::<Vec<_>>()).named("pairs");
    let counted = pairs.map(move |pair| {
        counter.add(1);
        pair
    });
    counted.register();
    let sum = |new: Vec<i64>, old: Option<i64>| Some(old.unwrap_or(0) + new.iter().sum::<i64>());
    let sums = pairs.update_state_by_key(sum).named("sums").collect_batches();
    let (length, slide) = (Duration::from_secs(3), Duration::from_secs(1));
    let window = pairs.reduce_by_key_and_window_inverse(|a, b| a + b, |a, b| a - b, length, slide);
    let window = window.named("window").collect_batches();
    Ok((ssc, Seen { sums, window, records }))
}

struct Seen {
    sums: Collected<Counts>,
    window: Collected<Counts>,
    records: Accumulator<u64>,
}

/// Goes on from the checkpoint for so many batches; what the last one gave.
fn run(dir: &Path, now: i64, batches: u32, snapshot_after: u64) -> Result<(Vec<Counts>, Vec<Counts>, u64)> {
    let mut seen = None;
    let (ssc, clock) = get_or_create(dir, BatchTime::from_millis(now), |builder| {
        let (ssc, outputs) = program(builder.snapshot_after_bytes(snapshot_after).seed(7))?;
        seen = Some(outputs);
        Ok(ssc)
    })?;
    ssc.start()?;
    clock.advance_batches(batches);
    ssc.stop(Stop::Now)?;
    let last = |output: Collected<Counts>| {
        let mut records = output.all().pop().map(|(_, records)| records).unwrap_or_default();
        records.sort();
        records
    };
    let Seen { sums, window, records } = seen.unwrap();
    Ok((last(sums), last(window), records.value()))
}

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/checkpoint-{version}"))
}

/// Copies a fixture, as reading it locks it and goes on writing.
fn copied(version: u32) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(fixture(version)).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

/// Writes the fixture of the present form: once, when there is a new one, with `WRITE_FIXTURE=1`.
fn write_fixture(version: u32) {
    let dir = fixture(version);
    run(&dir, 0, 2, 300).unwrap();
    run(&dir, 2000, 2, 1 << 20).unwrap();
    run(&dir, 4000, 1, 1 << 20).unwrap();
}

/// Five batches were run by three processes: a snapshot, and log files behind it.
fn goes_on(version: u32) -> u64 {
    let (sums, window, records) = run(copied(version).path(), 5000, 1, 1 << 20).unwrap();
    assert_eq!(sums, [(0, 3 + 6), (1, 1 + 4), (2, 2 + 5), (7, 6)]);
    assert_eq!(window, [(0, 6), (1, 4), (2, 5), (7, 3)]);
    records
}

/// It knew no accumulators: this one begins anew.
#[test]
fn a_checkpoint_of_the_first_form_goes_on() {
    assert_eq!(goes_on(1), 2);
}

/// With accumulators, and with what each process had read of the logs before it.
#[test]
fn a_checkpoint_of_the_second_form_goes_on() {
    if std::env::var_os("WRITE_FIXTURE").is_some() {
        write_fixture(2);
    }
    assert_eq!(goes_on(2), 12);
}
