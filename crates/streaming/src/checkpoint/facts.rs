//! What is found on disk: the newest snapshot that can be read, and what the log says since.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use waterclock_base::world::Disk;
use waterclock_base::{BatchTime, Error, Result, decode};

use super::layout::{self, Named};
use super::record::{Block, Change, Counted, Descriptor, Ending, Place, Record, StateSchema};
use super::snapshot::{self, Snapshot};
use super::{damaged, frame};

/// Everything that a checkpoint says.
#[derive(Debug)]
pub(crate) struct Facts {
    /// With the sources that came after it.
    pub(crate) snapshot: Snapshot,
    /// The newest process that wrote.
    pub(crate) epoch: u32,
    /// Batches that are known, and how they ended.
    pub(crate) batches: BTreeMap<BatchTime, (Descriptor, Option<Ending>)>,
    /// Changes of batches that were committed after the snapshot, in order, with what they are made of.
    pub(crate) changes: Vec<(StateSchema, Change)>,
    /// What each accumulator had come to after the newest batch that was committed.
    pub(crate) counted: BTreeMap<String, Counted>,
    /// What receivers stored after the snapshot.
    pub(crate) blocks: Vec<Block>,
    /// The last time that was ticked before a clean stop.
    pub(crate) stopped: Option<BatchTime>,
    /// The last log file that was read, which the operating system may still hold parts of.
    pub(crate) last_log: Option<PathBuf>,
    /// The last frame of the logs.
    pub(crate) read: Option<Place>,
}

/// Reads a checkpoint; none where there is none.
///
/// # Errors
/// [`Error::Checkpoint`] where there is one that can't be trusted; [`Error::Outside`] where it can't be read.
pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<Facts>> {
    let (snapshots, logs) = files(disk, dir)?;
    let mut warnings = Vec::new();
    for (_, _, path) in snapshots.iter().rev() {
        match snapshot::read(disk, path) {
            Ok(snapshot) => return from(disk, dir, snapshot, &logs, None).map(|read| Some(read.facts)),
            Err(why) => {
                let text = format!("the snapshot {} can't be used: {why}", path.display());
                tracing::warn!("{text}");
                warnings.push(text);
            }
        }
    }
    match (snapshots.is_empty(), logs.is_empty()) {
        (true, true) => Ok(None),
        (true, false) => Err(damaged(dir, "there is a log, but no snapshot that it goes on from")),
        (false, _) => Err(damaged(dir, warnings.join("; "))),
    }
}

/// A checkpoint as it was before a batch.
pub(crate) struct Before {
    /// As of the batch before; the batch itself is among the batches.
    pub(crate) facts: Facts,
    /// What the batch changed.
    pub(crate) changes: Vec<Change>,
    /// The accumulators that it changed.
    pub(crate) counted: Vec<Counted>,
}

/// Reads a checkpoint as it was before the batch of `time`; none where no snapshot of that time is there.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_before(disk: &dyn Disk, dir: &Path, time: BatchTime) -> Result<Option<Before>> {
    let (snapshots, logs) = files(disk, dir)?;
    for (_, _, path) in snapshots.iter().rev().filter(|(_, of, _)| *of < time) {
        match snapshot::read(disk, path) {
            Ok(snapshot) => return from(disk, dir, snapshot, &logs, Some(time)).map(Some),
            Err(why) => tracing::warn!("the snapshot {} can't be used: {why}", path.display()),
        }
    }
    Ok(None)
}

/// A snapshot: of which process, of what time, and where.
type Found = (u32, BatchTime, PathBuf);

/// The snapshots, oldest first.
pub(crate) fn snapshots(disk: &dyn Disk, dir: &Path) -> Result<Vec<Found>> {
    files(disk, dir).map(|(snapshots, _)| snapshots)
}

/// The snapshots and the log files, oldest first.
pub(crate) fn files(disk: &dyn Disk, dir: &Path) -> Result<(Vec<Found>, BTreeMap<(u32, u32), PathBuf>)> {
    let found = disk.list(dir);
    let found = found.map_err(|error| Error::outside("can't read the checkpoint", dir.display(), error))?;
    let (mut snapshots, mut logs) = (Vec::new(), BTreeMap::new());
    for entry in found {
        match layout::named(&entry.path) {
            Named::Snapshot(time, epoch) => snapshots.push((epoch, time, entry.path)),
            Named::Log(epoch, number) => {
                logs.insert((epoch, number), entry.path);
            }
            Named::Unfinished | Named::Other => {}
        }
    }
    snapshots.sort();
    Ok((snapshots, logs))
}

/// What a snapshot and the log behind it say, or only what they say up to the end of the batch of `upto`.
///
/// # Errors
/// As [`read`].
pub(crate) fn from(
    disk: &dyn Disk,
    dir: &Path,
    snapshot: Snapshot,
    logs: &BTreeMap<(u32, u32), PathBuf>,
    upto: Option<BatchTime>,
) -> Result<Before> {
    let batches = snapshot.batches.iter().map(|(cut, end)| (cut.time(), (cut.clone(), end.clone())));
    let batches = batches.collect();
    let epoch = logs.keys().next_back().map_or(0, |(epoch, _)| *epoch).max(snapshot.header.next_log.0);
    let first = snapshot.header.next_log;
    let counted = snapshot.counted.iter().map(|counted| (counted.name.clone(), counted.clone())).collect();
    let (changes, blocks, stopped, last_log, read) = Default::default();
    let mut facts = Facts { snapshot, epoch, batches, changes, counted, blocks, stopped, last_log, read };
    let (pending, counting, states) = Default::default();
    let mut reader = Reader {
        facts: &mut facts,
        upto,
        of_last: None,
        pending,
        counting,
        states,
        first,
        before: None,
        last: None,
    };
    for (place, path) in logs.range(first..) {
        if reader.of_last.is_none() {
            reader.file(disk, dir, *place, path)?;
            reader.facts.last_log = Some(path.clone());
        }
    }
    let (changes, counted) = reader.of_last.unwrap_or_default();
    Ok(Before { facts, changes, counted })
}

struct Reader<'f> {
    facts: &'f mut Facts,
    /// The batch after whose end nothing more is read, and what it changed.
    upto: Option<BatchTime>,
    of_last: Option<(Vec<Change>, Vec<Counted>)>,
    /// Changes of batches that are not over.
    pending: Vec<(StateSchema, Change)>,
    counting: Vec<Counted>,
    states: Vec<StateSchema>,
    /// The file with which reading began, and the last frame before those of the process at hand.
    first: (u32, u32),
    before: Option<Place>,
    /// Epoch and number of the last frame, and whether the epoch's log ended there torn.
    last: Option<(u32, u32, bool)>,
}

impl Reader<'_> {
    fn file(&mut self, disk: &dyn Disk, dir: &Path, place: (u32, u32), path: &Path) -> Result<()> {
        let mut bytes = Vec::new();
        disk.open(path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| Error::outside("can't read the log file", path.display(), error))?;
        let begins = self.last.is_none_or(|(epoch, ..)| epoch != place.0);
        if begins {
            // Changes of a batch that did not end belong to a process that did not live to tell.
            self.before = self.facts.read;
            self.pending.clear();
            self.counting.clear();
        }
        let body = bytes.strip_prefix(layout::LOG_MAGIC);
        let mut rest = body.unwrap_or_default();
        loop {
            let before = rest;
            let Some(frame) = frame::read(&mut rest) else {
                let torn = body.is_none() || !before.is_empty();
                // Where not even the beginning can be read, anything may stand in the file.
                let at = body.map_or(0, |_| bytes.len() - before.len());
                return self.end_of_file(dir, place, path, &bytes, at, torn);
            };
            match self.last {
                Some((epoch, _, true)) if epoch == place.0 => {
                    return Err(damaged(dir, format!("{} goes on behind a torn end", path.display())));
                }
                Some((epoch, number, _)) if epoch == place.0 && frame.number != number + 1 => {
                    let why = format!("{} has frame {} after {number}", path.display(), frame.number);
                    return Err(damaged(dir, why));
                }
                _ => self.last = Some((place.0, frame.number, false)),
            }
            self.facts.read = Some(Place { epoch: place.0, file: place.1, frame: frame.number });
            self.records(dir, path, frame.payload)?;
            if self.of_last.is_some() {
                return Ok(());
            }
        }
    }

    /// The rest of the file is empty, torn by a crash, or damaged.
    fn end_of_file(
        &mut self,
        dir: &Path,
        (epoch, _): (u32, u32),
        path: &Path,
        bytes: &[u8],
        at: usize,
        torn: bool,
    ) -> Result<()> {
        if !torn {
            return Ok(());
        }
        let good = self.last.filter(|(of, ..)| *of == epoch).map_or(0, |(_, number, _)| number);
        if frame::synced_later(&bytes[at..]).is_some_and(|synced| synced > good) {
            return Err(damaged(dir, format!("{} is damaged at byte {at}", path.display())));
        }
        self.last = Some((epoch, good, true));
        Ok(())
    }

    fn records(&mut self, dir: &Path, path: &Path, mut payload: &[u8]) -> Result<()> {
        while !payload.is_empty() {
            let record = decode(&mut payload).map_err(|error| {
                damaged(dir, format!("{} has a record of another release: {error}", path.display()))
            })?;
            self.record(dir, record)?;
        }
        Ok(())
    }

    fn record(&mut self, dir: &Path, record: Record) -> Result<()> {
        match record {
            Record::Began(began) => {
                self.facts.epoch = self.facts.epoch.max(began.epoch);
                self.states = began.states;
            }
            Record::Cut(cut) => {
                self.facts.stopped = None;
                self.facts.batches.insert(cut.time(), (cut, None));
            }
            Record::Changed(change) => {
                let schema = self.states.iter().find(|state| state.name == change.state);
                let schema = schema.ok_or_else(|| {
                    damaged(dir, format!("changes of the state {}, which is not declared", change.state))
                })?;
                self.pending.push((schema.clone(), change));
            }
            Record::Ended(ending) => {
                let pending = std::mem::take(&mut self.pending);
                let counting = std::mem::take(&mut self.counting);
                if self.upto == Some(ending.time) {
                    let changes = pending.into_iter().map(|(_, change)| change).collect();
                    self.of_last = Some((changes, counting));
                } else if ending.committed {
                    self.facts.changes.extend(pending);
                    let by_name = counting.into_iter().map(|counted| (counted.name.clone(), counted));
                    self.facts.counted.extend(by_name);
                }
                if let Some(batch) = self.facts.batches.get_mut(&ending.time) {
                    batch.1 = Some(ending);
                }
            }
            Record::Stopped { at } => self.facts.stopped = Some(at),
            Record::Block(block) => self.facts.blocks.push(block),
            Record::Counted(counted) => self.counting.push(counted),
            Record::Source { name, position } => {
                let sources = &mut self.facts.snapshot.sources;
                if !sources.iter().any(|(known, _)| *known == name) {
                    sources.push((name, position.0));
                }
            }
            Record::Read(read) => self.compare(dir, read)?,
        }
        Ok(())
    }

    /// A process says how far it had read: now it must be as far, or what it relied upon is gone.
    fn compare(&self, dir: &Path, read: Place) -> Result<()> {
        if (read.epoch, read.file) < self.first || self.before >= Some(read) {
            return Ok(());
        }
        let Place { epoch, file, frame } = read;
        let name = layout::log_file(dir, (epoch, file));
        Err(damaged(dir, format!("{} is damaged before the end of frame {frame}", name.display())))
    }
}
