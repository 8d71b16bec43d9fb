//! The files of a checkpoint, and those that batches save, across restarts. Method: a program is stopped after every
//! batch; in between files are broken off, put back, or added.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test is the world")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use common::{SECOND, run};
use waterclock_base::{BoxError, Error, FailurePolicy, Text};
use waterclock_engine::Save;
use waterclock_streaming::{Builder, DStream, StreamingContext};

type Pair = (u32, i64);
type Seen = Arc<Mutex<BTreeMap<i64, Vec<Pair>>>>;

/// Running sums, with a snapshot after nearly every batch.
fn sums(builder: Builder) -> Result<(StreamingContext, DStream<Pair>), BoxError> {
    let ssc = builder.batch_interval(SECOND).snapshot_after_bytes(1).build()?;
    let batches = (1..=30u32).map(|n| vec![(n % 3, i64::from(n)), (7, 1)]);
    let pairs = ssc.queue_stream(batches.collect::<Vec<_>>()).named("pairs");
    let sum = |new: Vec<i64>, old: Option<i64>| Some(old.unwrap_or(0) + new.iter().sum::<i64>());
    let sums = pairs.update_state_by_key(sum).named("sums");
    Ok((ssc, sums))
}

/// The same, noted; a batch that comes again must be the same.
fn noted(builder: Builder, seen: &Seen) -> Result<StreamingContext, BoxError> {
    let (ssc, sums) = sums(builder)?;
    let seen = seen.clone();
    sums.foreach_rdd(move |rdd, time| {
        let mut records = rdd.collect()?;
        records.sort();
        let before = seen.lock().unwrap().insert(time.as_millis(), records.clone());
        if before.is_some_and(|before| before != records) {
            return Err(format!("{time} came again and was another").into());
        }
        Ok(())
    });
    Ok(ssc)
}

/// What so many batches of the program give.
fn undisturbed(batches: u32) -> BTreeMap<i64, Vec<Pair>> {
    let (dir, seen) = (tempfile::tempdir().unwrap(), Seen::default());
    run(dir.path(), 0, batches, |builder| noted(builder, &seen)).unwrap();
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), batches as usize);
    seen
}

/// The files of a directory, by name.
fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| path.file_name().unwrap().into()).collect()
}

/// The newest log of a checkpoint.
fn newest_log(dir: &Path) -> PathBuf {
    let is_log = |name: &&PathBuf| name.to_string_lossy().starts_with("log-");
    dir.join(files(dir).iter().rfind(is_log).unwrap())
}

/// T-098, T-164, T-175, T-199, T-201, T-204: the log goes on in new files, a snapshot takes the place of the old
/// ones, which are deleted; those that could not be deleted do no harm.
#[test]
fn old_files_are_deleted_and_do_no_harm_where_they_stay() {
    let (dir, kept, seen) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Seen::default());
    let mut all = BTreeSet::new();
    for n in 0..12 {
        run(dir.path(), n * 1000, 1, |builder| noted(builder, &seen)).unwrap();
        let there = files(dir.path());
        there.iter().for_each(|name| _ = fs::copy(dir.path().join(name), kept.path().join(name)).unwrap());
        assert!(there.len() < 8, "{there:?}");
        all.extend(there);
    }
    let old: Vec<_> = all.difference(&files(dir.path())).cloned().collect();
    assert!(old.len() > 12, "{all:?}");
    old.iter().for_each(|name| _ = fs::copy(kept.path().join(name), dir.path().join(name)).unwrap());
    run(dir.path(), 12_000, 3, |builder| noted(builder, &seen)).unwrap();
    assert_eq!(*seen.lock().unwrap(), undisturbed(15));
}

/// T-200, T-202, T-213: each process reads the logs of all before it, in order; what a crash left of the last record is
/// passed over, and what it was about is done again.
#[test]
fn a_torn_end_is_passed_over() {
    let (dir, seen) = (tempfile::tempdir().unwrap(), Seen::default());
    for n in 0..10 {
        run(dir.path(), n * 1000, 1, |builder| noted(builder.snapshot_after_bytes(1 << 20), &seen)).unwrap();
        let mut log = fs::OpenOptions::new().append(true).open(newest_log(dir.path())).unwrap();
        match n % 2 {
            0 => log.write_all(b"what is this").unwrap(),
            _ => log.set_len(log.metadata().unwrap().len() - 3).unwrap(),
        }
    }
    run(dir.path(), 10_000, 2, |builder| noted(builder, &seen)).unwrap();
    assert_eq!(*seen.lock().unwrap(), undisturbed(12));
}

/// T-113: files and directories that are not the checkpoint's are left alone, whatever their names begin with.
#[test]
fn what_is_not_ours_is_left_alone() {
    let (dir, seen) = (tempfile::tempdir().unwrap(), Seen::default());
    for name in ["notes", "log-of-mine", "snapshot-1"] {
        fs::write(dir.path().join(name), "mine").unwrap();
    }
    fs::create_dir_all(dir.path().join("log-old").join("log-00000001-00000000")).unwrap();
    for n in 0..5 {
        run(dir.path(), n * 1000, 1, |builder| noted(builder, &seen)).unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), undisturbed(5));
    for name in ["notes", "log-of-mine", "snapshot-1"] {
        assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), "mine");
    }
    assert!(dir.path().join("log-old").join("log-00000001-00000000").is_dir());
}

/// T-097: a checkpoint makes its directory, and says so where it can't.
#[test]
fn a_checkpoint_needs_a_directory() {
    let place = tempfile::tempdir().unwrap();
    let (file, new) = (place.path().join("file"), place.path().join("a").join("b"));
    fs::write(&file, "").unwrap();
    let start = |dir: &Path| run(dir, 0, 1, |builder| noted(builder, &Seen::default()));
    let refused = start(&file).unwrap_err();
    assert!(matches!(refused, Error::Outside { .. }), "{refused:?}");
    assert!(format!("{refused:?}").contains("file"), "{refused:?}");
    start(&new).unwrap();
    assert!(!files(&new).is_empty());
}

/// T-104, T-105: what is saved is the same with restarts in between, each batch once and whole.
#[test]
fn saved_files_are_the_same_after_restarts() {
    let place = tempfile::tempdir().unwrap();
    let create = |builder: Builder, out: &Path| {
        let (ssc, sums) = sums(builder.default_parallelism(2))?;
        sums.save_as_text_files(out.join("text").display().to_string(), "");
        sums.save_as_object_files(out.join("object").display().to_string(), "");
        Ok(ssc)
    };
    let [whole, parts] = ["whole", "parts"].map(|name| place.path().join(name));
    run(&place.path().join("1"), 0, 8, |builder| create(builder, &whole)).unwrap();
    for n in 0..8 {
        run(&place.path().join("2"), n * 1000, 1, |builder| create(builder, &parts)).unwrap();
    }
    let saved = |out: &Path| -> BTreeMap<PathBuf, Vec<Vec<u8>>> {
        let dirs = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
        let parts = |dir: &Path| {
            let names = files(dir).into_iter().filter(|name| name.to_string_lossy().starts_with("part-"));
            names.map(|name| fs::read(dir.join(name)).unwrap()).collect()
        };
        dirs.map(|dir| (dir.file_name().unwrap().into(), parts(&dir))).collect()
    };
    assert_eq!(saved(&parts), saved(&whole));
    assert_eq!(saved(&whole).len(), 16);
}

/// T-106 (with `Save::overwrite`): a batch that is run again saves over what it had saved itself.
#[test]
fn a_save_inside_a_transform_may_be_repeated() {
    let place = tempfile::tempdir().unwrap();
    let (checkpoint, out) = (place.path().join("checkpoint"), place.path().join("out"));
    for (now, fails) in [(0, true), (1000, false)] {
        let outcome = run(&checkpoint, now, 1, |builder| {
            let (ssc, sums) = sums(builder.on_failure(FailurePolicy::Stop))?;
            let out = out.clone();
            let saved = sums.transform(move |rdd, time| {
                let lines = rdd.map(|(key, sum)| Text::from(format!("{key} {sum}")));
                lines.save_as_text_file_with(
                    out.join(time.as_millis().to_string()),
                    Save::new().overwrite(true),
                )?;
                Ok(rdd)
            });
            saved.foreach_rdd(move |_, _| if fails { Err("it ends here".into()) } else { Ok(()) });
            Ok(ssc)
        });
        outcome.unwrap();
        assert!(out.join("1000").is_dir());
    }
    assert!(out.join("2000").is_dir());
}

/// T-110: what was cut and not finished is recovered once, though three outputs read it.
#[test]
fn three_outputs_read_what_is_recovered_once() {
    let dir = tempfile::tempdir().unwrap();
    let seen: [Arc<Mutex<Vec<(i64, Vec<u32>)>>>; 3] = Default::default();
    for n in 0..6 {
        // Every other process ends in the middle of its second batch.
        let fails_at = if n % 2 == 0 { (n + 2) * 1000 } else { -1 };
        let outcome = run(dir.path(), n * 1000, 2, |builder| {
            let ssc = builder.batch_interval(SECOND).build()?;
            let numbers = ssc.queue_stream((1..=9u32).map(|n| vec![n]).collect::<Vec<_>>()).named("numbers");
            for (output, seen) in seen.iter().cloned().enumerate() {
                numbers.foreach_rdd(move |rdd, time| {
                    if output == 0 && time.as_millis() == fails_at {
                        return Err("it ends here".into());
                    }
                    seen.lock().unwrap().push((time.as_millis(), rdd.collect()?));
                    Ok(())
                });
            }
            Ok(ssc)
        });
        outcome.unwrap();
    }
    for seen in &seen {
        let mut seen = seen.lock().unwrap().clone();
        seen.sort();
        seen.dedup();
        let expected: Vec<_> = (1..=seen.len() as u32).map(|n| (i64::from(n) * 1000, vec![n])).collect();
        assert_eq!(seen, expected);
        assert!(seen.len() >= 6);
    }
}
