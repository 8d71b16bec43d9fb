//! Another directory that says the same: what a start needs, copied and checked.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use waterclock_base::world::{Disk, World};
use waterclock_base::{Error, Result};

use super::facts::{self, Facts};
use super::{damaged, layout, owner, snapshot};

/// What was copied.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let error =
/// waterclock_streaming::copy_checkpoint(dir.path().join("none"), dir.path().join("copy")).unwrap_err();
/// # assert!(error.full_text().contains("can't read the checkpoint"), "{error}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Copied {
    /// How many files.
    pub files: u64,
    /// Their bytes in the new directory.
    pub bytes: u64,
    /// Files of the old directory that a start does not need, with what is wrong with them if something is.
    pub left_out: Vec<String>,
}

/// Copies the checkpoint in `from` to `to`, an empty or a new directory.
///
/// What a start would read is copied: the newest snapshot that is whole with the log behind it, and those before
/// that could stand in for it. The copy is read again and loads. It shares no file with the original and a program
/// goes on from either; but both are the same application, so that sinks which know batches by application and
/// time take what the second one writes for what the first one wrote. Let only one of them write to the same
/// place.
///
/// # Errors
/// [`Error::Checkpoint`] when a process has it, when there is none or it can't be trusted, and when `to` is not
/// empty; [`Error::Outside`] when files can't be read or written.
///
/// ```
/// # use std::time::Duration;
/// # use waterclock_base::{BatchTime, BoxError};
/// # use waterclock_streaming::{Builder, Stop, StreamingContext, testing};
/// # let dir = tempfile::tempdir()?;
/// # let (live, savepoint) = (dir.path().join("live"), dir.path().join("savepoint"));
/// # let program = |builder: Builder| -> Result<StreamingContext, BoxError> {
/// #     let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
/// #     ssc.queue_stream(vec![vec![1u32]]).named("in").print();
/// #     Ok(ssc)
/// # };
/// # let (ssc, clock) = testing::get_or_create(&live, BatchTime::ZERO, program)?;
/// # ssc.start()?;
/// # clock.advance_batches(1);
/// # assert!(waterclock_streaming::copy_checkpoint(&live, &savepoint).is_err());
/// # ssc.stop(Stop::Now)?;
/// let copied = waterclock_streaming::copy_checkpoint(&live, &savepoint)?;
/// assert!(copied.files >= 2 && copied.left_out.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn copy_checkpoint(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<Copied> {
    transfer(&World::real(), from.as_ref(), to.as_ref(), |_| Ok(()), |_, _, bytes| Ok(bytes))
}

/// What a file is to a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Log,
    Snapshot,
}

/// Copies what a start needs, with each file as `change` makes it, if `allow` has nothing against what it says.
pub(super) fn transfer(
    world: &World,
    from: &Path,
    to: &Path,
    allow: impl FnOnce(&Facts) -> Result<()>,
    change: impl Fn(Kind, &Facts, Vec<u8>) -> Result<Vec<u8>, String>,
) -> Result<Copied> {
    let disk = &*world.disk;
    // A directory that is not there is an error of its own, not an empty one.
    disk.list(from).map_err(|error| Error::outside("can't read the checkpoint", from.display(), error))?;
    let _owner = owner::hold(world, from)?;
    let Some(facts) = facts::read(disk, from)? else {
        let (why, hint) =
            ("there is no checkpoint in it".into(), "give the directory that a program writes to");
        return Err(Error::Checkpoint { dir: from.display().to_string(), why, hint });
    };
    allow(&facts)?;
    is_free(disk, to)?;
    let Chosen { files, left_out } = choose(disk, from)?;
    let cannot = |error| Error::outside("can't make the directory", to.display(), error);
    disk.create_dir_all_synced(to).map_err(cannot)?;
    let mut copied = Copied { files: 0, bytes: 0, left_out };
    for (kind, path) in files {
        let mut bytes = Vec::new();
        let read = disk.open(&path).and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(|error| Error::outside("can't read", path.display(), error))?;
        let bytes =
            change(kind, &facts, bytes).map_err(|why| damaged(from, format!("{}: {why}", path.display())))?;
        let target = to.join(path.file_name().unwrap_or_default());
        write(disk, &target, &bytes)
            .map_err(|error| Error::outside("can't write", target.display(), error))?;
        copied.files += 1;
        copied.bytes += bytes.len() as u64;
    }
    disk.sync_dir(to).map_err(|error| Error::outside("can't make the copy durable", to.display(), error))?;
    verify(disk, to, &facts)?;
    Ok(copied)
}

/// Writes a file that has its name only when it is whole.
fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = layout::unfinished(path);
    let mut file = disk.create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync()?;
    drop(file);
    disk.rename(&unfinished, path)
}

/// # Errors
/// Where something is in the directory already.
fn is_free(disk: &dyn Disk, to: &Path) -> Result<()> {
    if disk.entry(to).is_err() {
        return Ok(());
    }
    let there = disk.list(to).map_err(|error| Error::outside("can't read", to.display(), error))?;
    if there.is_empty() {
        return Ok(());
    }
    let (why, hint) = ("it is not empty".into(), "give a new or an empty directory for the copy");
    Err(Error::Checkpoint { dir: to.display().to_string(), why, hint })
}

struct Chosen {
    /// Logs first: without a snapshot, nobody takes the beginning of a copy for a whole one.
    files: Vec<(Kind, PathBuf)>,
    left_out: Vec<String>,
}

/// The snapshots that load with the log behind them, and that log.
fn choose(disk: &dyn Disk, dir: &Path) -> Result<Chosen> {
    let (found, logs) = facts::files(disk, dir)?;
    let (mut snapshots, mut left_out, mut first) = (Vec::new(), Vec::new(), None);
    for (.., path) in found.iter().rev() {
        let loaded = snapshot::read(disk, path).and_then(|snapshot| {
            let next = snapshot.header.next_log;
            facts::from(disk, dir, snapshot, &logs, None).map(|_| next).map_err(|error| error.full_text())
        });
        match loaded {
            Ok(next) => {
                snapshots.push((Kind::Snapshot, path.clone()));
                first = Some(first.map_or(next, |first: (u32, u32)| first.min(next)));
            }
            Err(why) => left_out.push(format!("{}: {why}", path.display())),
        }
    }
    let (mut files, first) = (Vec::new(), first.unwrap_or_default());
    for (place, path) in &logs {
        if *place >= first {
            files.push((Kind::Log, path.clone()));
        } else {
            left_out.push(format!("{}: older than every snapshot that is copied", path.display()));
        }
    }
    files.extend(snapshots);
    Ok(Chosen { files, left_out })
}

/// The copy says what the original does.
fn verify(disk: &dyn Disk, to: &Path, original: &Facts) -> Result<()> {
    let wrong = |why: String| {
        let hint = "the disk may be failing: copy again, to another one; the original was not changed";
        Error::Checkpoint { dir: to.display().to_string(), why, hint }
    };
    let copy = facts::read(disk, to).map_err(|error| wrong(error.full_text()))?;
    let copy = copy.ok_or_else(|| wrong("nothing arrived".into()))?;
    for (.., path) in facts::snapshots(disk, to)? {
        snapshot::read(disk, &path)
            .map_err(|why| wrong(format!("the snapshot {}: {why}", path.display())))?;
    }
    let rows = |facts: &Facts| -> Vec<Vec<u8>> {
        let saved = facts.snapshot.states.iter().flat_map(|state| state.rows.iter());
        let all = saved.chain(facts.changes.iter().map(|(_, change)| change));
        all.map(|change| change.rows.0.clone()).collect()
    };
    let same = copy.epoch == original.epoch
        && copy.snapshot.header.time == original.snapshot.header.time
        && copy.snapshot.sources == original.snapshot.sources
        && copy.batches == original.batches
        && copy.blocks == original.blocks
        && copy.counted == original.counted
        && copy.stopped == original.stopped
        && rows(&copy) == rows(original);
    if same { Ok(()) } else { Err(wrong("the copy does not say what the original does".into())) }
}
