//! What is saved, and per-partition output.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use waterclock_base::world::{Disk, RealDisk};
use waterclock_base::{Error, Record};
use waterclock_streaming::testing::scripted;
use waterclock_streaming::{DStream, Output, Stop, StreamingContext};

use crate::support::{SECOND, at, context, number, with_gaps};

/// The files below a directory, by directory and name.
fn files(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in RealDisk.list(dir).unwrap() {
        let name = entry.path.file_name().unwrap().to_string_lossy().into_owned();
        if entry.is_dir {
            found.extend(files(&entry.path).into_iter().map(|(file, text)| (format!("{name}/{file}"), text)));
        } else {
            found.insert(name, std::fs::read_to_string(&entry.path).unwrap());
        }
    }
    found
}

/// Saves what `make` gives below a directory and shows the files.
fn saved(
    batches: u32,
    make: impl FnOnce(&StreamingContext, &dyn Fn(&str) -> String) -> Output,
) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().unwrap();
    let (ssc, clock) = context();
    make(&ssc, &|prefix| format!("{}/{prefix}", dir.path().display()));
    ssc.start().unwrap();
    clock.advance_batches(batches);
    ssc.stop(Stop::Now).unwrap();
    files(dir.path())
}

fn expected(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn stream<T: Record>(ssc: &StreamingContext, batches: Vec<Vec<T>>) -> DStream<T> {
    ssc.queue_stream(batches)
}

/// The golden cases of saved pairs: one file a partition, also for empty batches.
#[test]
fn pairs_are_saved_by_batch_and_partition() {
    let rows = |rows: &[(&str, i64)]| rows.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect::<Vec<_>>();
    let seen = saved(3, |ssc, path| {
        let batches = [rows(&[("a", 1)]), rows(&[("a", 1), ("a", 3), ("b", 1)]), vec![]];
        let s = scripted(ssc, move |t, engine| Some(engine.parallelize(batches[number(t) - 1].clone(), 2)));
        s.save_as_text_files(path("pre.fix"), "")
    });
    let expected = expected(&[
        ("pre.fix-1000/_SUCCESS", ""),
        ("pre.fix-1000/part-00000", ""),
        ("pre.fix-1000/part-00001", "(a,1)\n"),
        ("pre.fix-2000/_SUCCESS", ""),
        ("pre.fix-2000/part-00000", "(a,1)\n"),
        ("pre.fix-2000/part-00001", "(a,3)\n(b,1)\n"),
        ("pre.fix-3000/_SUCCESS", ""),
        ("pre.fix-3000/part-00000", ""),
        ("pre.fix-3000/part-00001", ""),
    ]);
    assert_eq!(seen, expected);
}

/// The golden cases of a window's slides and of datasets without partitions.
#[test]
fn only_batches_with_a_dataset_have_a_directory() {
    let seen = saved(4, |ssc, path| {
        let texts = stream(ssc, vec![vec!["é".to_owned()], vec!["日本".to_owned()]]);
        texts.window_sliding(2 * SECOND, 2 * SECOND).save_as_text_files(path("w"), "out")
    });
    let names: Vec<_> = seen.keys().filter(|name| name.ends_with("_SUCCESS")).collect();
    assert_eq!(names, ["w-2000.out/_SUCCESS", "w-4000.out/_SUCCESS"]);
    assert_eq!(seen.values().filter(|text| !text.is_empty()).collect::<Vec<_>>(), ["é\n", "日本\n"]);

    let seen = saved(2, |ssc, path| {
        let gaps = with_gaps::<i64>(ssc, vec![None]).transform(|rdd, _| Ok(rdd.engine().empty::<i64>()));
        gaps.save_as_text_files(path("e"), "d")
    });
    assert_eq!(seen, expected(&[("e-2000.d/_SUCCESS", "")]));
}

/// A batch that is run again replaces what it wrote.
#[test]
fn what_is_there_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = format!("{}/n", dir.path().display());
    for records in [vec![1, 2, 3], vec![7]] {
        let (ssc, clock) = context();
        let partitions = records.len();
        let s = scripted(&ssc, move |_, engine| Some(engine.parallelize(records.clone(), partitions)));
        s.save_as_text_files(prefix.clone(), "");
        ssc.start().unwrap();
        clock.advance_batches(1);
        ssc.stop(Stop::Now).unwrap();
    }
    assert_eq!(files(dir.path()), expected(&[("n-1000/_SUCCESS", ""), ("n-1000/part-00000", "7\n")]));
}

#[test]
fn object_files_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let (ssc, clock) = context();
    let batches = vec![vec![(1u32, Some("a".to_owned())), (2, None)], vec![]];
    stream(&ssc, batches).save_as_object_files(format!("{}/o", dir.path().display()), "bin");
    ssc.start().unwrap();
    clock.advance_batches(2);
    let read = |name: &str| ssc.engine().object_file::<(u32, Option<String>)>(dir.path().join(name)).sorted();
    assert_eq!(read("o-1000.bin").unwrap(), [(1, Some("a".to_owned())), (2, None)]);
    assert_eq!(read("o-2000.bin").unwrap(), []);
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn a_file_that_can_not_be_written_fails_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    RealDisk.create(&file).unwrap();
    let (ssc, clock) = context();
    stream(&ssc, vec![vec![1]]).save_as_text_files(format!("{}/below", file.display()), "");
    ssc.start().unwrap();
    clock.advance_batches(1);
    let text = ssc.await_termination_for(SECOND).unwrap_err().full_text();
    assert!(text.contains("save_as_text_files") && text.contains("below-1000"), "{text}");
    ssc.stop(Stop::Now).unwrap();
}

/// Every partition is handed over, empty ones too, and an error fails the batch but not the next output.
#[test]
fn foreach_partition_hands_over_each_partition() {
    let (ssc, clock) = context();
    let rows = Arc::new(Mutex::new(Vec::new()));
    let table = rows.clone();
    let s = stream(&ssc, vec![vec![1, 2, 3], vec![13], vec![]]);
    s.foreach_partition(move |partition, records, time| {
        let records: Vec<i32> = records.collect();
        if records.contains(&13) {
            return Err("thirteen".into());
        }
        table.lock().unwrap().push((time, partition, records));
        Ok(())
    });
    let behind = s.collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(3);
    let error = ssc.await_termination_for(SECOND).unwrap_err();
    let text = error.full_text();
    assert!(matches!(error, Error::Batch { time, .. } if time == at(2)), "{text}");
    assert!(text.contains("foreach_partition") && text.contains("thirteen"), "{text}");
    assert_eq!(behind.nth(2), Some(vec![13]));
    let mut rows = rows.lock().unwrap().clone();
    rows.retain(|(time, ..)| *time != at(2));
    rows.sort();
    let expected = [(at(1), 0, vec![1]), (at(1), 1, vec![2, 3]), (at(3), 0, vec![]), (at(3), 1, vec![])];
    assert_eq!(rows, expected);
    ssc.stop(Stop::Now).unwrap();
}
