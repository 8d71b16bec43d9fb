//! Replay: a batch that was committed is run again and compared. Method: programs that run for some batches, end,
//! and are replayed as they were, with something changed, or from outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test looks at files, and calls itself as a program")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use common::eventually;

use waterclock_base::{BatchTime, BoxError, Error, FailurePolicy};
use waterclock_streaming::testing::{self, TestClock};
use waterclock_streaming::{Builder, DStream, FileOptions, Replay, ReplayOutcome, Stop, StreamingContext};

const SECOND: Duration = Duration::from_secs(1);

fn at(ms: i64) -> BatchTime {
    BatchTime::from_millis(ms)
}

/// What may be changed in the program.
#[derive(Clone)]
struct Program {
    out: String,
    /// What is added to each sum.
    more: Arc<AtomicI64>,
    closures: bool,
    calls: Arc<AtomicU32>,
}

impl Program {
    fn new(dir: &Path) -> Self {
        let (more, calls) = Default::default();
        Program { out: format!("{}/out/sums", dir.display()), more, closures: true, calls }
    }

    /// State, state of state, an inverse window, a plain one, and outputs of all kinds.
    fn create(&self, builder: Builder) -> Result<StreamingContext, BoxError> {
        let builder = builder.batch_interval(SECOND).threads(2).keep_snapshots(5);
        let builder = builder.snapshot_after_bytes(600).replay_closures(self.closures);
        let ssc = builder.build()?;
        let batches = (1..=20u32).map(|n| vec![(n % 3, i64::from(n)), (7, 1)]);
        let pairs: DStream<(u32, i64)> = ssc.queue_stream(batches.collect::<Vec<_>>()).named("pairs");
        let more = self.more.clone();
        let sum = move |new: Vec<i64>, old: Option<i64>| {
            Some(old.unwrap_or(0) + new.iter().sum::<i64>() + more.load(Ordering::Relaxed))
        };
        let sums = pairs.update_state_by_key(sum).named("sums");
        let twice = |new: Vec<i64>, old: Option<i64>| Some(old.unwrap_or(0) + new.len() as i64);
        sums.update_state_by_key(twice).named("updates").print();
        let window = pairs.reduce_by_key_and_window_inverse(|a, b| a + b, |a, b| a - b, SECOND * 3, SECOND);
        window.named("window").collect_batches();
        pairs.reduce_by_key_and_window(|a, b| a.max(b), SECOND * 4, SECOND * 2).print();
        sums.map(|(key, sum)| format!("{key} {sum}")).save_as_text_files(&*self.out, "txt").named("files");
        let calls = self.calls.clone();
        let call = move |rdd: waterclock_engine::Rdd<(u32, i64)>, _| {
            calls.fetch_add(1, Ordering::Relaxed);
            rdd.collect()?;
            Ok(())
        };
        sums.foreach_rdd(call).named("closure");
        Ok(ssc)
    }

    fn start(&self, dir: &Path, now: i64) -> (StreamingContext, TestClock) {
        let create = |builder: Builder| self.create(builder.print_to(std::io::sink()));
        let (ssc, clock) = testing::get_or_create(dir.join("checkpoint"), at(now), create).unwrap();
        ssc.start().unwrap();
        (ssc, clock)
    }

    /// Runs so many batches, a process for every three.
    fn run(&self, dir: &Path, batches: u32) {
        for begin in (0..batches).step_by(3) {
            let (ssc, clock) = self.start(dir, i64::from(begin) * 1000);
            clock.advance_batches(3.min(batches - begin));
            ssc.stop(Stop::Now).unwrap();
        }
    }

    fn replay(&self, dir: &Path, batch: i64) -> Result<Replay, Error> {
        StreamingContext::replay(dir.join("checkpoint"), at(batch), |builder| self.create(builder))
    }
}

/// Every file below a directory, with its bytes.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(format!("{}/", path.display()), Vec::new());
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    found
}

fn names(replay: &Replay, outcome: impl Fn(&ReplayOutcome) -> bool) -> Vec<&str> {
    let parts = replay.parts.iter().filter(|part| outcome(&part.outcome));
    parts.map(|part| part.name.as_str()).collect()
}

#[test]
fn every_batch_that_is_kept_gives_the_same_again_and_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::new(dir.path());
    program.run(dir.path(), 12);
    let (before, calls) = (files(dir.path()), program.calls.load(Ordering::Relaxed));
    let replays: Vec<(i64, Replay)> =
        (1..=12).filter_map(|n| Some((n, program.replay(dir.path(), n * 1000).ok()?))).collect();
    assert!(replays.len() >= 4, "only {}", replays.len());
    for (n, replay) in &replays {
        assert!(replay.is_same() && !replay.program_changed, "{replay}");
        let same = names(replay, |outcome| *outcome == ReplayOutcome::Same);
        assert_eq!(&same[..3], ["sums", "updates", "window"], "{replay}");
        assert!(same.contains(&"files") && same.contains(&"closure"), "{replay}");
        let none = names(replay, |outcome| matches!(outcome, ReplayOutcome::NotCompared(_)));
        assert_eq!(none.len(), usize::from(n % 2 == 1), "{replay}");
    }
    assert!(files(dir.path()) == before);
    assert_eq!(program.calls.load(Ordering::Relaxed), calls + replays.len() as u32);
    // Nor does it matter that the program is running.
    let (ssc, clock) = program.start(dir.path(), 12_000);
    assert!(program.replay(dir.path(), 12_000).unwrap().is_same());
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
}

/// What is named is where the difference begins, not everything that it spread to.
#[test]
fn a_difference_names_the_operator_that_began_it() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::new(dir.path());
    program.run(dir.path(), 6);
    program.more.store(1, Ordering::Relaxed);
    let replay = program.replay(dir.path(), 6000).unwrap();
    let first = replay.first_difference().unwrap();
    assert_eq!(first.name, "sums");
    assert!(first.operator.starts_with("update_state_by_key at ") && first.operator.contains("replay.rs:"));
    assert!(names(&replay, |outcome| matches!(outcome, ReplayOutcome::Differs { .. })).contains(&"files"));
    assert!(names(&replay, |outcome| *outcome == ReplayOutcome::Same).contains(&"window"));
    assert!(replay.to_string().starts_with("batch 6000 ms: sums (update_state_by_key at "), "{replay}");
}

#[test]
fn closures_that_may_do_anything_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = Program::new(dir.path());
    program.run(dir.path(), 3);
    program.closures = false;
    let calls = program.calls.load(Ordering::Relaxed);
    let replay = program.replay(dir.path(), 2000).unwrap();
    let none = names(&replay, |outcome| matches!(outcome, ReplayOutcome::NotCompared(_)));
    assert!(none.contains(&"closure"), "{replay}");
    assert_eq!(program.calls.load(Ordering::Relaxed), calls);
}

/// A batch that is not kept, was skipped or is still to come is refused, with those that are kept.
#[test]
fn a_batch_that_is_not_kept_is_refused_with_the_range() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::new(dir.path());
    program.run(dir.path(), 12);
    let refused = |batch| program.replay(dir.path(), batch).unwrap_err();
    assert!(matches!(refused(1000), Error::Checkpoint { .. }));
    let text = refused(1000).full_text();
    let oldest = (1..12).find(|n| program.replay(dir.path(), n * 1000).is_ok()).unwrap();
    let range = format!("those after {} ms, up to 12000 ms, can be", (oldest - 1) * 1000);
    assert!(text.contains("the batch 1000 ms can't be run again") && text.contains(&range), "{text}");
    for batch in [13_000, 11_500] {
        let text = refused(batch).full_text();
        assert!(text.contains("there was no such batch") && text.contains(&range), "{text}");
    }
    let empty = StreamingContext::replay(dir.path(), at(1000), |builder| program.create(builder));
    assert!(matches!(empty.err(), Some(Error::Checkpoint { .. })));
}

#[test]
fn a_skipped_batch_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let create = |builder: Builder| -> Result<StreamingContext, BoxError> {
        let ssc = builder.batch_interval(SECOND).on_failure(FailurePolicy::Skip).build()?;
        let numbers = ssc.queue_stream(vec![vec![1], vec![2]]).named("numbers");
        numbers.foreach_rdd(|_, time| if time == at(1000) { Err("no".into()) } else { Ok(()) });
        Ok(ssc)
    };
    let (ssc, clock) = testing::get_or_create(dir.path(), at(0), create).unwrap();
    ssc.start().unwrap();
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    let error = StreamingContext::replay(dir.path(), at(1000), create).unwrap_err();
    assert!(error.full_text().contains("it failed and was skipped"), "{error:?}");
    assert!(StreamingContext::replay(dir.path(), at(2000), create).unwrap().is_same());
}

/// Received records come from the log, and no receiver is started; lines of files are read again.
#[test]
fn what_was_received_or_read_is_there_again() {
    let dir = tempfile::tempdir().unwrap();
    let (input, stored) = (dir.path().join("in"), Arc::<AtomicU32>::default());
    std::fs::create_dir(&input).unwrap();
    std::fs::write(input.join("a"), "to\nbe\n").unwrap();
    let create = |builder: Builder| -> Result<StreamingContext, BoxError> {
        let ssc = builder.batch_interval(SECOND).build()?;
        let storing = stored.clone();
        let numbers = ssc.receiver_stream(move |out| {
            out.store_many(vec![1u64, 2, 3])?;
            storing.fetch_add(1, Ordering::SeqCst);
            out.until_stopped();
            Ok(())
        });
        numbers.named("numbers").map(|n| n * 2).collect_batches();
        let options = FileOptions::new().new_files_only(false).any_age();
        let lines = ssc.text_file_stream_with(&input, options)?.named("lines");
        lines.map(|line| line.len() as u64).collect_batches();
        Ok(ssc)
    };
    let (ssc, clock) = testing::get_or_create(dir.path().join("checkpoint"), at(0), create).unwrap();
    ssc.start().unwrap();
    eventually("nothing was stored", || stored.load(Ordering::SeqCst) == 1);
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    drop((ssc, clock));
    let replay = || StreamingContext::replay(dir.path().join("checkpoint"), at(1000), create);
    let same = replay().unwrap();
    assert_eq!(names(&same, |outcome| *outcome == ReplayOutcome::Same).len(), 2, "{same}");
    assert_eq!(stored.load(Ordering::SeqCst), 1);
    // What a file says now is not what it said, and then it is gone.
    std::fs::write(input.join("a"), "or\nnot").unwrap();
    let differs = replay().unwrap();
    assert_eq!(differs.first_difference().unwrap().name, "collect_batches-1", "{differs}");
    std::fs::remove_file(input.join("a")).unwrap();
    assert!(matches!(replay(), Err(Error::Batch { .. })));
}

/// With the check of determinism, what differs each time is named where it is.
#[test]
fn a_closure_that_is_to_blame_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let create = |builder: Builder, checks: bool| -> Result<StreamingContext, BoxError> {
        let ssc = builder.batch_interval(SECOND).check_determinism(checks).build()?;
        let calls = AtomicU32::new(0);
        let numbers = ssc.queue_stream(vec![vec![1u32, 2], vec![3, 4]]).named("numbers");
        numbers.map(move |n| n + calls.fetch_add(1, Ordering::Relaxed)).collect_batches();
        Ok(ssc)
    };
    let (ssc, clock) = testing::get_or_create(dir.path(), at(0), |builder| create(builder, false)).unwrap();
    ssc.start().unwrap();
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    drop((ssc, clock));
    let replay = |checks| StreamingContext::replay(dir.path(), at(2000), |builder| create(builder, checks));
    let first = replay(false).unwrap().first_difference().unwrap().operator.clone();
    assert!(first.starts_with("collect_batches at "), "{first}");
    let named = replay(true).unwrap_err().full_text();
    assert!(named.contains("map at ") && named.contains("is not deterministic"), "{named}");
}

/// The program of the test below, when it is called with a directory.
#[test]
fn as_a_program() {
    let Some(dir) = std::env::var_os("REPLAYED_BY_A_TEST") else { return };
    let dir = Path::new(&dir);
    let ssc =
        StreamingContext::get_or_create(dir.join("checkpoint"), |builder| Program::new(dir).create(builder));
    let error = ssc.unwrap().start().unwrap_err();
    assert!(matches!(error, Error::Lifecycle { call: "start", .. }), "{error:?}");
}

#[test]
fn a_program_is_asked_for_a_replay_from_outside() {
    let dir = tempfile::tempdir().unwrap();
    Program::new(dir.path()).run(dir.path(), 3);
    let report = dir.path().join("report.json");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "as_a_program"]).env("REPLAYED_BY_A_TEST", dir.path());
    let output = child.env("WATERCLOCK_REPLAY", "2000").env("WATERCLOCK_REPORT", &report).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.starts_with("{\"batch\":2000,\"same\":true,\"program_changed\":false,"), "{report}");
    assert!(report.contains("{\"name\":\"files\",\"operator\":\"save_as_text_files at "), "{report}");
}
