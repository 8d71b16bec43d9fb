//! Goal: what happens to a file between being found and being read is never silent; looking costs little.
//! Method: a disk that does something when a file is opened, and counts.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod common;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{SECOND, ear, put, warnings};
use waterclock_base::world::{Disk, DiskEntry, DiskFile, DiskName, RealDisk, World, lock};
use waterclock_base::{Error, Text};
use waterclock_streaming::testing::{TestClock, manual};
use waterclock_streaming::{Collected, Stop, StreamingContext};

type OnOpen = Box<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;

/// The machine's disk with an ear.
struct Disturbed {
    on_open: Mutex<OnOpen>,
    refuse_names: Mutex<Option<io::ErrorKind>>,
    entries: AtomicUsize,
}

impl Disk for Disturbed {
    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        RealDisk.list(dir)
    }
    fn names(&self, dir: &Path) -> io::Result<Vec<DiskName>> {
        match *lock(&self.refuse_names) {
            Some(kind) => Err(kind.into()),
            None => RealDisk.names(dir),
        }
    }
    fn entry(&self, path: &Path) -> io::Result<DiskEntry> {
        self.entries.fetch_add(1, Ordering::Relaxed);
        RealDisk.entry(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        lock(&self.on_open)(path)?;
        RealDisk.open(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.create(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open_or_create(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(dir)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.remove_dir_all(dir)
    }
}

struct Rig {
    dir: tempfile::TempDir,
    disk: Arc<Disturbed>,
    ssc: StreamingContext,
    clock: TestClock,
}

impl Rig {
    fn new(on_open: impl Fn(&Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let disk = Arc::new(Disturbed {
            on_open: Mutex::new(Box::new(on_open)),
            refuse_names: Mutex::new(None),
            entries: AtomicUsize::new(0),
        });
        let world = World { disk: disk.clone(), ..World::real() };
        let builder = StreamingContext::builder("faults").batch_interval(SECOND).threads(2).world(world);
        let (ssc, clock) = manual(builder).unwrap();
        clock.advance(Duration::from_secs(600));
        Rig { dir: tempfile::tempdir().unwrap(), disk, ssc, clock }
    }

    fn start(&self) -> Collected<Text> {
        let seen = self.ssc.text_file_stream(self.dir.path()).unwrap().collect_batches();
        self.ssc.start().unwrap();
        seen
    }

    fn error(&self) -> Error {
        self.ssc.await_termination().unwrap_err()
    }
}

fn all(seen: &Collected<Text>) -> Vec<Text> {
    seen.all().into_iter().flat_map(|(_, batch)| batch).collect()
}

/// Runs a batch with a good file and one to which `on_open` does something, then a batch with a good one.
fn faulty(on_open: impl Fn(&Path) -> io::Result<()> + Send + Sync + 'static) -> (String, Vec<Text>) {
    let rig = Rig::new(move |path: &Path| if path.ends_with("faulty") { on_open(path) } else { Ok(()) });
    let seen = rig.start();
    put(rig.dir.path(), "faulty", "one\ntwo\n", 600_500);
    put(rig.dir.path(), "good", "good\n", 600_600);
    rig.clock.advance_batches(1);
    put(rig.dir.path(), "later", "later\n", 601_600);
    rig.clock.advance_batches(1);
    let error = rig.error();
    assert_eq!(error.fault(), waterclock_base::Fault::Outside);
    assert_eq!(rig.ssc.status().failed_batches, 1);
    rig.ssc.stop(Stop::Now).unwrap();
    (format!("{error:?}"), all(&seen))
}

/// Bad input: a file that vanishes between being found and being read fails its batch, which names it; the
/// next batch runs.
#[test]
fn a_file_may_vanish() {
    let (error, seen) = faulty(|path| RealDisk.remove_file(path).or(Ok(())));
    assert!(error.contains("can't read") && error.contains("faulty"), "{error}");
    assert!(error.contains("batch 601000 ms") && error.contains("text_file_stream at"), "{error}");
    assert_eq!(seen, ["later"]);
}

/// Bad input: so does a file that can't be read.
#[test]
fn a_file_may_be_unreadable() {
    let (error, seen) = faulty(|_| Err(io::ErrorKind::PermissionDenied.into()));
    assert!(error.contains("can't read") && error.contains("permission denied"), "{error}");
    assert_eq!(seen, ["later"]);
}

/// Bad input: and one that is shorter than it was when it was found.
#[test]
fn a_file_may_shrink() {
    let (error, seen) = faulty(|path| {
        put(path.parent().unwrap(), "faulty", "one\n", 600_500);
        Ok(())
    });
    assert!(error.contains("8 bytes when it was found") && error.contains("ends at 4"), "{error}");
    assert_eq!(seen, ["later"]);
}

/// What is appended after a file was found is not read.
#[test]
fn a_file_may_grow() {
    let rig = Rig::new(|path| {
        put(path.parent().unwrap(), "grown", "one\ntwo\nthree\n", 600_500);
        Ok(())
    });
    let seen = rig.start();
    put(rig.dir.path(), "grown", "one\ntwo", 600_500);
    rig.clock.advance_batches(2);
    rig.ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&seen), ["one", "two"]);
}

/// Bad input: a directory that can't be looked at for a while gives empty batches and one warning; its files
/// are found afterwards.
#[test]
fn a_directory_may_be_unreadable_for_a_while() {
    let rig = Rig::new(|_| Ok(()));
    let heard = ear(&rig.ssc);
    let seen = rig.start();
    *lock(&rig.disk.refuse_names) = Some(io::ErrorKind::PermissionDenied);
    put(rig.dir.path(), "file", "line\n", 600_500);
    rig.clock.advance_batches(3);
    assert!(all(&seen).is_empty());
    *lock(&rig.disk.refuse_names) = None;
    rig.clock.advance_batches(1);
    rig.ssc.stop(Stop::Now).unwrap();
    assert_eq!((all(&seen), seen.nth(4).unwrap().len()), (vec![Text::from("line")], 1));
    assert_eq!(warnings(&heard, "permission denied"), 1);
}

/// Files that are known are not looked at again: a directory of many old files costs nothing but its names.
#[test]
fn old_files_are_looked_at_once() {
    let rig = Rig::new(|_| Ok(()));
    let seen = rig.start();
    let old: Vec<PathBuf> = (0..500).map(|n| put(rig.dir.path(), &n.to_string(), "old\n", 1000)).collect();
    rig.clock.advance_batches(1);
    let looks = |batches| {
        let before = rig.disk.entries.load(Ordering::Relaxed);
        rig.clock.advance_batches(batches);
        rig.disk.entries.load(Ordering::Relaxed) - before
    };
    assert_eq!(looks(10), 0);
    put(rig.dir.path(), "new", "new\n", 611_500);
    RealDisk.remove_file(&old[7]).unwrap();
    assert_eq!(looks(1), 1);
    assert_eq!(looks(100), 0);
    put(rig.dir.path(), "8", "replaced\n", 712_500);
    assert_eq!(looks(1), 1);
    rig.ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&seen), ["new", "replaced"]);
}
