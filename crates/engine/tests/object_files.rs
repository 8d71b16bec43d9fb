//! Goal: object files are read as they were written, by every later release, and damage is noticed.
//! Method: a fixture of each version; files cut off at each byte; bits flipped.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test looks at the files that the engine writes")]

use std::fs;
use std::path::{Path, PathBuf};

use waterclock_base::{Error, Record};
use waterclock_engine::{Engine, Save};

type Row = (u64, String, Option<i32>);

fn rows() -> Vec<Row> {
    vec![(7, "water".into(), None), (300, String::new(), Some(-1))]
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/object-1.bin")
}

/// Why the file can't be read.
fn damage<T: Record>(engine: &Engine, path: &Path) -> String {
    match engine.object_file::<T>(path).collect().err().unwrap() {
        Error::Task { source, .. } => match *source {
            Error::Encoding { what, why } => {
                assert!(what.contains(&path.display().to_string()), "{what}");
                why
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn version_1_is_read_and_still_written() {
    let engine = Engine::local(2);
    assert_eq!(engine.object_file::<Row>(fixture()).collect().unwrap(), rows());
    let dir = tempfile::tempdir().unwrap();
    engine.parallelize(rows(), 1).save_as_object_file(dir.path().join("out")).unwrap();
    assert_eq!(fs::read(dir.path().join("out/part-00000")).unwrap(), fs::read(fixture()).unwrap());
}

#[test]
fn a_file_that_was_cut_off_or_changed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, path) = (Engine::local(1), dir.path().join("file"));
    let good = fs::read(fixture()).unwrap();
    for cut in 0..good.len() {
        fs::write(&path, &good[..cut]).unwrap();
        let why = damage::<Row>(&engine, &path);
        assert!(why.contains(if cut < 6 { "begin like" } else { "cut off" }), "{cut}: {why}");
    }
    for byte in 0..good.len() {
        let mut bad = good.clone();
        bad[byte] ^= 0x40;
        fs::write(&path, &bad).unwrap();
        damage::<Row>(&engine, &path);
    }
    fs::write(&path, [&good[..], b"x"].concat()).unwrap();
    assert!(damage::<Row>(&engine, &path).contains("follow"));
    assert!(damage::<u8>(&engine, &fixture()).contains("another type"));
}

#[test]
fn many_records_and_large_ones_come_back_partition_by_partition() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::local(2);
    let records: Vec<String> =
        (0..10_000).map(|n| if n % 2500 == 0 { "x".repeat(300_000) } else { format!("{n}") }).collect();
    let rdd = engine.parallelize(records, 3);
    rdd.save_as_object_file(dir.path().join("out")).unwrap();
    let back = engine.object_file::<String>(dir.path().join("out"));
    assert_eq!(back.collect_partitions().unwrap(), rdd.collect_partitions().unwrap());
}

#[test]
fn records_without_bytes_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::local(2);
    engine.parallelize(vec![(); 10_000], 2).save_as_object_file(dir.path().join("out")).unwrap();
    assert_eq!(engine.object_file::<()>(dir.path().join("out")).count().unwrap(), 10_000);
}

#[test]
fn a_checkpoint_keeps_partitions_and_forgets_its_past() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::local(2);
    let calls = engine.accumulator("calls", 0u64, |sum, n: u64| *sum += n);
    let counter = calls.clone();
    let pairs = engine.parallelize((0..100u64).map(|n| (n % 7, n)).collect(), 4).map(move |pair| {
        counter.add(1);
        pair
    });
    let sums = pairs.reduce_by_key(|a, b| a + b);
    let expected = sums.collect_partitions().unwrap();
    let cut = sums.checkpoint(dir.path().join("sums")).unwrap();
    let made = calls.value();
    assert_eq!(cut.collect_partitions().unwrap(), expected);
    assert_eq!(cut.reduce_by_key(|a, b| a + b).collect_partitions().unwrap(), expected);
    assert_eq!(cut.partitioner(), sums.partitioner());
    assert_eq!(calls.value(), made);
    assert_eq!(cut.to_debug_string().lines().count(), 1);
}

#[test]
fn a_checkpoint_does_not_write_into_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let rdd = Engine::local(2).parallelize(vec![1, 2], 2);
    let error = rdd.checkpoint(dir.path()).err().unwrap();
    assert!(matches!(error, Error::Action { call: "checkpoint", .. }), "{error:?}");
    rdd.save_as_object_file_with(dir.path(), Save::new().overwrite(true)).unwrap();
}
