//! Damage of a checkpoint is noticed, also at the very end of a log, where it looks like what a crash tore. Method:
//! every few bits of a log are flipped, one at a time, and a program is started on what is left.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test damages files")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use waterclock_base::{BatchTime, Error, Result};
use waterclock_streaming::{Stop, testing};

const SECOND: Duration = Duration::from_secs(1);

/// Adds up the numbers 1, 2, 3, ... from one batch to the next; what the last of so many batches gave.
fn run(dir: &Path, now: i64, batches: u32) -> Result<Option<i64>> {
    let mut seen = None;
    let (ssc, clock) = testing::get_or_create(dir, BatchTime::from_millis(now), |builder| {
        let ssc = builder.batch_interval(SECOND).default_parallelism(1).build()?;
        let numbers = ssc.queue_stream((1..=20).map(|n| vec![((), n)]).collect::<Vec<_>>()).named("numbers");
        let sum = |new: Vec<i64>, old: Option<i64>| Some(old.unwrap_or(0) + new.iter().sum::<i64>());
        seen = Some(numbers.update_state_by_key(sum).named("sum").collect_batches());
        Ok(ssc)
    })?;
    ssc.start()?;
    clock.advance_batches(batches);
    ssc.stop(Stop::Now)?;
    Ok(seen.and_then(|seen| Some(seen.all().pop()?.1[0].1)))
}

fn copied(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(dir).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

fn log(dir: &Path, epoch: u32) -> PathBuf {
    dir.join(format!("log-{epoch:08}-00000000"))
}

/// Flips bits of the log of a process: each time the next batch gives `sum`, or the start is refused. How often it
/// was refused, and the bits.
fn flipped(dir: &Path, epoch: u32, now: i64, sum: i64) -> (usize, usize) {
    let bytes = std::fs::read(log(dir, epoch)).unwrap();
    let bits: Vec<usize> = (0..bytes.len() * 8).step_by(29).collect();
    let mut refused = 0;
    for bit in &bits {
        let (copy, mut damaged) = (copied(dir), bytes.clone());
        damaged[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(log(copy.path(), epoch), damaged).unwrap();
        match run(copy.path(), now, 1) {
            Ok(seen) => assert_eq!(seen, Some(sum), "bit {bit} of {} bytes", bytes.len()),
            Err(Error::Checkpoint { .. }) => refused += 1,
            Err(other) => panic!("bit {bit}: {other:?}"),
        }
    }
    (refused, bits.len())
}

/// The last frame of the last log is damaged, before any other process has read it.
#[test]
fn damage_at_the_end_of_the_last_log_is_no_torn_end() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 0, 3).unwrap();
    let (refused, bits) = flipped(dir.path(), 1, 3000, 1 + 2 + 3 + 4);
    // All but those of the empty frame that ends it.
    assert!(refused < bits && refused >= bits - 1 - 20 * 8 / 29, "{refused} of {bits}");
}

/// The empty frame that would say so is lost, as in a crash of the machine, but another process has read the log.
#[test]
fn what_a_process_has_read_must_stay() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 0, 3).unwrap();
    let bytes = std::fs::read(log(dir.path(), 1)).unwrap();
    std::fs::write(log(dir.path(), 1), &bytes[..bytes.len() - 20]).unwrap();
    assert_eq!(run(dir.path(), 3000, 1).unwrap(), Some(10));
    let (refused, bits) = flipped(dir.path(), 1, 4000, 15);
    assert_eq!(refused, bits);
    // Nor may it be cut off, or be gone.
    let copy = copied(dir.path());
    std::fs::write(log(copy.path(), 1), &bytes[..bytes.len() - 30]).unwrap();
    let error = run(copy.path(), 4000, 1).unwrap_err();
    assert!(
        error.full_text().contains("log-00000001-00000000 is damaged before the end of frame"),
        "{error:?}"
    );
    std::fs::remove_file(log(copy.path(), 1)).unwrap();
    assert!(matches!(run(copy.path(), 4000, 1), Err(Error::Checkpoint { .. })));
}

/// T-213: a log that a crash tore ends where it is torn, wherever that is in what was not synced.
#[test]
fn a_torn_end_is_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 0, 3).unwrap();
    let bytes = std::fs::read(log(dir.path(), 1)).unwrap();
    for cut in bytes.len() - 60..bytes.len() {
        let copy = copied(dir.path());
        std::fs::write(log(copy.path(), 1), &bytes[..cut]).unwrap();
        // The batch that is lost so is run again, with the same input.
        assert_eq!(run(copy.path(), 3000, 1).unwrap(), Some(10), "cut at {cut} of {}", bytes.len());
    }
}
