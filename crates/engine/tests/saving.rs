//! Goal: a saved directory is whole or not there, whatever failed, and nothing of the user's is touched.
//! Method: closures that fail at chosen attempts; a disk that fails at a chosen operation.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test looks at the files that the engine writes")]

use std::fs;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use waterclock_base::world::{Disk, DiskEntry, DiskFile, RealDisk, World};
use waterclock_base::{Error, Settings};
use waterclock_engine::{Engine, Save};

/// The files of a directory and what is in them.
fn files(dir: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let content = fs::read_to_string(entry.path()).unwrap_or_else(|_| "(directory)".into());
            (entry.file_name().into_string().unwrap(), content)
        })
        .collect();
    files.sort();
    files
}

fn named(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

#[test]
fn each_partition_is_a_file_of_lines() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a/b/out");
    let rdd = Engine::local(2).from_partitions(vec![vec![("a", 1), ("b c", 2)], vec![], vec![("d", 3)]]);
    rdd.map(|(word, n)| (word.to_owned(), n)).save_as_text_file(&out).unwrap();
    let expected = named(&[
        ("_SUCCESS", ""),
        ("part-00000", "(a,1)\n(b c,2)\n"),
        ("part-00001", ""),
        ("part-00002", "(d,3)\n"),
    ]);
    assert_eq!(files(&out), expected);
}

#[test]
fn a_dataset_without_partitions_is_an_empty_directory() {
    let dir = tempfile::tempdir().unwrap();
    Engine::local(2).empty::<u64>().save_as_text_file(dir.path().join("out")).unwrap();
    assert_eq!(files(&dir.path().join("out")), named(&[("_SUCCESS", "")]));
}

#[test]
fn what_is_there_is_only_replaced_when_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let engine = Engine::local(2);
    engine.parallelize(vec![1, 2, 3], 3).save_as_text_file(&out).unwrap();
    fs::write(out.join("notes.txt"), "mine").unwrap();
    let other = engine.parallelize(vec![9], 1);
    let before = files(&out);
    let error = other.save_as_text_file(&out).unwrap_err();
    assert!(matches!(error, Error::Action { call: "save_as_text_file", .. }), "{error:?}");
    assert_eq!(files(&out), before);
    other.save_as_text_file_with(&out, Save::new().overwrite(true)).unwrap();
    assert_eq!(files(&out), named(&[("_SUCCESS", ""), ("notes.txt", "mine"), ("part-00000", "9\n")]));
    let file = out.join("notes.txt");
    assert!(other.save_as_text_file_with(&file, Save::new().overwrite(true)).is_err());
}

#[test]
fn a_retried_task_leaves_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let failures = Arc::new(AtomicUsize::new(2));
    let rdd = Engine::local(2).parallelize((0..4000).collect(), 2).map(move |n| {
        let fails = n == 3500
            && failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        assert!(!fails, "not yet");
        n
    });
    rdd.save_as_text_file(&out).unwrap();
    let names: Vec<String> = files(&out).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["_SUCCESS", "part-00000", "part-00001"]);
    assert_eq!(files(&out)[2].1.lines().count(), 2000);
}

#[test]
fn a_failed_job_leaves_nothing_new_and_nothing_less() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let engine = Engine::local(2);
    let failing = engine.parallelize(vec![1, 2, 3], 3).map(|n| if n == 3 { panic!("three") } else { n });
    assert!(failing.save_as_text_file(&out).is_err());
    assert!(!out.exists());
    engine.parallelize(vec![7], 1).save_as_text_file(&out).unwrap();
    let before = files(&out);
    assert!(failing.save_as_text_file_with(&out, Save::new().overwrite(true)).is_err());
    assert_eq!(files(&out), before);
}

/// A disk on which the n-th change fails, and every one after it; it notes what is made safe.
struct Failing {
    left: AtomicUsize,
    synced: Mutex<Vec<PathBuf>>,
}

fn failing_after(changes: usize) -> Arc<Failing> {
    Arc::new(Failing { left: AtomicUsize::new(changes), synced: Mutex::default() })
}

impl Failing {
    fn change(&self) -> io::Result<()> {
        let count = |left: usize| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("the disk is full")),
        }
    }
}

impl Disk for Failing {
    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        RealDisk.list(dir)
    }
    fn entry(&self, path: &Path) -> io::Result<DiskEntry> {
        RealDisk.entry(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.change()?;
        RealDisk.create(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        RealDisk.rename(from, to)
    }
    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.change()?;
        RealDisk.open_or_create(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change()?;
        self.synced.lock().unwrap().push(dir.to_owned());
        RealDisk.sync_dir(dir)
    }
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.change()?;
        RealDisk.create_dir_all(dir)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        RealDisk.remove_file(path)
    }
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.change()?;
        RealDisk.remove_dir_all(dir)
    }
}

#[test]
fn on_a_failing_disk_success_is_only_said_when_it_is_so() {
    for changes in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let mut settings = Settings::default();
        settings.threads = 2;
        let world = World { disk: failing_after(changes), ..World::real() };
        let saved = Engine::new(settings, world).parallelize(vec![1, 2, 3], 3).save_as_text_file(&out);
        for (name, content) in if out.exists() { files(&out) } else { Vec::new() } {
            let expected =
                name.strip_prefix("part-0000").map(|n| format!("{}\n", n.parse::<u32>().unwrap() + 1));
            assert!(expected.is_none_or(|expected| content == expected), "{changes}: {name} has {content}");
        }
        assert_eq!(saved.is_ok(), out.join("_SUCCESS").exists(), "{changes}: {saved:?}");
        if saved.is_ok() {
            assert!(changes > 6);
            return;
        }
    }
}

/// Found by reading: whoever shows files that are there already did not make their name safe, which their first
/// writer may not have lived to do. And directories that had to be made were not safe at all.
#[test]
fn what_is_shown_has_a_safe_name_whoever_gave_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a/b/out");
    let mut settings = Settings::default();
    settings.threads = 2;
    let disk = failing_after(usize::MAX);
    let engine = Engine::new(settings, World { disk: disk.clone(), ..World::real() });
    let publish = || {
        let numbers = engine.parallelize(vec![1, 2], 2);
        let staged = numbers.stage_text_file_at("save", Location::caller(), &out, true).unwrap();
        staged.publish("mark").unwrap();
        let mut synced = std::mem::take(&mut *disk.synced.lock().unwrap());
        synced.retain(|path| !path.ends_with(".out.staged"));
        synced
    };
    let (top, above) = (dir.path().to_owned(), dir.path().join("a/b"));
    assert_eq!(publish(), [top.clone(), top.join("a"), above.clone()]);
    assert_eq!(publish(), [top.join("a"), above]);
}

#[test]
fn saving_inside_a_closure_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let engine = Engine::local(2);
    let (inner, path) = (engine.parallelize(vec![1], 1), out.clone());
    let error =
        engine.parallelize(vec![1], 1).for_each(move |_: i32| inner.save_as_text_file(&path).unwrap());
    assert!(error.unwrap_err().full_text().contains("inside a closure"));
    assert!(!out.exists());
}
