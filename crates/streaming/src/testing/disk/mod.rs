//! A disk in memory that loses what a real one may lose.

mod content; // files, names, and what a crash leaves of them
mod file; // an open file
mod plan; // what goes wrong, and when

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use waterclock_base::BatchTime;
use waterclock_base::world::{Clock, Disk, DiskEntry, DiskFile, DiskName, Rng, lock};

use content::{Content, NameChange};
use file::SimFile;
use plan::{Plan, Verdict};

pub use plan::{Crash, Failure};

/// A disk in memory, as one process sees it, with the worst manners that a disk may have.
///
/// What was written and not [synced](DiskFile::sync), and names that were made, changed or removed without
/// [`sync_dir`](Disk::sync_dir), are in the hands of the operating system only: other processes see them, but
/// a [power cut](Crash::PowerCut) leaves any part of them. Of a file any subset of its sectors of 512 bytes
/// survives, of names any subset of the changes. Directories themselves are durable at once.
///
/// A seed decides all of that. Every operation that changes something is counted, syncs too, and any of them
/// can be chosen to [crash](SimDisk::crash_at) or to [fail](SimDisk::fail_at). After a crash every operation
/// of the process fails; [`restart`](SimDisk::restart) gives the disk as the next process sees it.
///
/// ```
/// use std::io::Write;
/// use std::path::Path;
/// use waterclock_base::world::{Disk, ManualClock};
/// use waterclock_streaming::testing::{Crash, SimDisk};
///
/// let disk = SimDisk::new(ManualClock::new(), 7);
/// disk.create_dir_all(Path::new("/d"))?;
/// let mut file = disk.create(Path::new("/d/safe"))?;
/// file.write_all(b"here to stay")?;
/// file.sync()?;
/// disk.sync_dir(Path::new("/d"))?;
/// disk.crash(Crash::PowerCut);
/// assert!(disk.entry(Path::new("/d/safe")).is_err());
/// assert_eq!(disk.restart().entry(Path::new("/d/safe"))?.len, 12);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct SimDisk {
    shared: Arc<Mutex<Shared>>,
    process: u64,
}

/// What all processes see.
struct Shared {
    clock: Arc<dyn Clock>,
    rng: Rng,
    content: Content,
    plan: Plan,
    /// The process that lives, and how many operations it has done.
    process: u64,
    alive: bool,
    operations: u64,
    trace: Vec<String>,
}

fn dead() -> io::Error {
    io::Error::other("the simulated process is dead")
}

impl Shared {
    /// Does an operation that changes something, or what the plan has in its place.
    fn operate<R>(
        &mut self,
        process: u64,
        (kind, what): (plan::Kind, &dyn Fn() -> String),
        apply: impl FnOnce(&mut Self) -> io::Result<R>,
    ) -> io::Result<R> {
        self.look(process)?;
        self.operations += 1;
        self.trace.push(format!("{:>4} {}", self.operations, what()));
        match self.plan.verdict(self.operations, kind) {
            Verdict::Do => apply(self),
            Verdict::Fail(error) => {
                self.trace.push(format!("     fails: {error}"));
                Err(error)
            }
            Verdict::Crash(crash) => {
                // The process does not learn whether its last wish was granted.
                if self.rng.below(2) == 0 {
                    let _ = apply(self);
                }
                self.crash(crash);
                Err(dead())
            }
        }
    }

    /// Before any operation.
    fn look(&mut self, process: u64) -> io::Result<()> {
        if !self.alive || process != self.process {
            return Err(dead());
        }
        self.content.arrive(self.clock.now());
        Ok(())
    }

    fn crash(&mut self, crash: Crash) {
        if !self.alive {
            return;
        }
        self.alive = false;
        self.trace.push(format!("     {crash:?}"));
        self.content.unlock_all();
        if crash == Crash::PowerCut {
            self.content.cut_power(&mut self.rng);
        }
    }
}

/// # Its life
impl SimDisk {
    /// An empty disk, whose files get their times from `clock`, for a first process.
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Arc<Self> {
        let shared = Shared {
            clock,
            rng: Rng::new(seed),
            content: Content::default(),
            plan: Plan::default(),
            process: 1,
            alive: true,
            operations: 0,
            trace: Vec::new(),
        };
        Arc::new(SimDisk { shared: Arc::new(Mutex::new(shared)), process: 1 })
    }

    /// The disk as a new process sees it. Nothing is planned for it; an earlier process that still lived is
    /// killed.
    pub fn restart(&self) -> Arc<Self> {
        let mut shared = lock(&self.shared);
        shared.crash(Crash::Kill);
        shared.process += 1;
        shared.alive = true;
        shared.operations = 0;
        shared.plan = Plan::default();
        Arc::new(SimDisk { shared: self.shared.clone(), process: shared.process })
    }

    /// Crashes at once.
    pub fn crash(&self, crash: Crash) {
        let mut shared = lock(&self.shared);
        if shared.process == self.process {
            shared.crash(crash);
        }
    }

    /// Crashes at the process's `operation`-th operation, counted from 1, which may or may not still be done.
    pub fn crash_at(&self, operation: u64, crash: Crash) {
        lock(&self.shared).plan.crash = Some((operation, crash));
    }

    /// Has operations fail from the `operation`-th on, as `failure` says.
    pub fn fail_at(&self, operation: u64, failure: Failure) {
        lock(&self.shared).plan.failure = Some((operation, failure));
    }

    /// Whether its process lives.
    pub fn is_alive(&self) -> bool {
        let shared = lock(&self.shared);
        shared.alive && shared.process == self.process
    }

    /// Whether an operation of its process was made to fail.
    pub fn has_failed(&self) -> bool {
        let shared = lock(&self.shared);
        shared.process == self.process && shared.plan.has_failed
    }

    /// Operations that its process has done.
    pub fn operations(&self) -> u64 {
        lock(&self.shared).operations
    }

    /// Something that the process does to the world outside: counts as an operation, at which it may crash.
    ///
    /// # Errors
    /// When the process is dead, and then it is not known whether it was done, unless the process had been
    /// dead before.
    pub(crate) fn outside<R>(&self, what: impl Fn() -> String, effect: impl FnOnce() -> R) -> io::Result<R> {
        lock(&self.shared).operate(self.process, (plan::Kind::Outside, &what), |_| Ok(effect()))
    }

    /// A file that somebody else moves into a directory when the clock shows `at`, whole and durable, with
    /// `modified` as its time.
    pub fn put_at(&self, at: BatchTime, path: impl AsRef<Path>, content: Vec<u8>, modified: BatchTime) {
        lock(&self.shared).content.put_at(at, path.as_ref(), content, modified);
    }

    /// Flips a bit of a file, on the platter; false where there is no such bit.
    pub fn flip_bit(&self, path: impl AsRef<Path>, bit: u64) -> bool {
        lock(&self.shared).content.flip_bit(path.as_ref(), bit)
    }

    /// Says something in the trace.
    pub(crate) fn note(&self, text: String) {
        lock(&self.shared).trace.push(text);
    }

    /// What all processes did so far, one operation a line.
    pub fn trace(&self) -> Vec<String> {
        lock(&self.shared).trace.clone()
    }

    fn read<R>(&self, look: impl FnOnce(&mut Content) -> io::Result<R>) -> io::Result<R> {
        let mut shared = lock(&self.shared);
        shared.look(self.process)?;
        look(&mut shared.content)
    }

    fn write<R>(
        &self,
        kind: plan::Kind,
        what: impl Fn() -> String,
        change: impl FnOnce(&mut Content, BatchTime) -> io::Result<R>,
    ) -> io::Result<R> {
        lock(&self.shared).operate(self.process, (kind, &what), |shared| {
            let now = shared.clock.now();
            change(&mut shared.content, now)
        })
    }

    fn file(&self, inode: u64) -> Box<dyn DiskFile> {
        let path = lock(&self.shared).content.name_of(inode);
        Box::new(SimFile::new(SimDisk { shared: self.shared.clone(), process: self.process }, inode, path))
    }
}

impl Disk for SimDisk {
    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        self.read(|content| content.list(dir))
    }

    fn names(&self, dir: &Path) -> io::Result<Vec<DiskName>> {
        self.read(|content| content.names(dir))
    }

    fn entry(&self, path: &Path) -> io::Result<DiskEntry> {
        self.read(|content| content.entry(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.read(|content| content.find(path))?;
        Ok(self.file(inode))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let what = || format!("create {}", path.display());
        let inode = self.write(plan::Kind::Write, what, |content, now| content.create(path, true, now))?;
        Ok(self.file(inode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let what = || format!("rename {} to {}", from.display(), to.display());
        self.write(plan::Kind::Write, what, |content, _| {
            let inode = content.find(from)?;
            content.change(NameChange(vec![(from.to_owned(), None), (to.to_owned(), Some(inode))]));
            Ok(())
        })
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        if let Ok(inode) = self.read(|content| content.find(path)) {
            return Ok(self.file(inode));
        }
        let what = || format!("create {}", path.display());
        let inode = self.write(plan::Kind::Write, what, |content, now| content.create(path, false, now))?;
        Ok(self.file(inode))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let what = || format!("sync the names in {}", dir.display());
        self.write(plan::Kind::Sync, what, |content, _| content.sync_dir(dir))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let what = || format!("make the directory {}", dir.display());
        self.write(plan::Kind::Write, what, |content, _| content.create_dir_all(dir))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let what = || format!("remove {}", path.display());
        self.write(plan::Kind::Remove, what, |content, _| {
            content.find(path)?;
            content.change(NameChange(vec![(path.to_owned(), None)]));
            Ok(())
        })
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let what = || format!("remove {} and all in it", dir.display());
        self.write(plan::Kind::Remove, what, |content, _| content.remove_dir_all(dir))
    }
}

#[cfg(test)]
mod tests;
