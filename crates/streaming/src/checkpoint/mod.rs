//! What outlives the process: a log of batches, the changes of state, snapshots.
//!
//! The order of everything: a batch is *cut* and logged; only when its descriptor is durable may anything of
//! it be seen outside; when all its outputs are done, what it changed and how it ended are logged; only then
//! does memory change, and only when that is durable are sources told that they may forget.
//!
//! A start reads the newest snapshot and the log behind it ([`facts`]), decides ([`decide`]) and goes on.

mod again; // as it was before a batch, to run that one again
mod copy; // another directory that says the same
mod decide; // what a start does: pure
mod facts; // what is on disk
mod frame; // the shape of everything: pure
mod inspect; // what it holds, for people
mod layout; // names of files: pure
mod log; // records, durable in groups
mod look; // for a dry run
mod owner; // one process at a time
mod planted; // faults that tests plant
mod record; // what the log and snapshots say
mod rescale; // the same with another number of key groups
mod rows; // keys and bytes of state, without its types
mod scan; // file by file
mod snapshot; // everything in one file
mod unfinished; // what would be lost with a source

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use waterclock_base::world::{DiskFile, JoinHandle, World, at_point, lock, random_seed, spawn};
use waterclock_base::{BatchTime, Bytes, CheckpointInfo, Error, Event, Result, Settings};

pub(crate) use again::Recorded;
pub use copy::{Copied, copy_checkpoint};
pub(crate) use decide::{Decision, missed, missed_at};
pub(crate) use facts::Facts;
pub use inspect::{
    InspectedAccumulator, InspectedBatch, InspectedBlock, InspectedContent, InspectedFound, InspectedInput,
    InspectedOffsets, InspectedRange, InspectedSource, InspectedState, Inspection, inspect_checkpoint,
};
pub(crate) use log::Ticket;
#[cfg(not(feature = "planted-faults"))]
pub(crate) use planted::Fault;
pub(crate) use planted::planted;
#[cfg(feature = "planted-faults")]
pub use planted::{Fault, plant};
pub(crate) use record::{
    Began, Block, Change, Content, Counted, Descriptor, Ending, Header, Input, Record, StateSchema,
};
pub use rescale::rescale_checkpoint;
pub(crate) use rows::RowsHead;
pub use scan::{FileState, InspectedFile};
pub(crate) use snapshot::{PinnedState, SavedState};

use log::{Log, Setup};

use crate::listen::Bus;

/// A checkpoint that can't be trusted.
fn damaged(dir: &Path, why: impl Into<String>) -> Error {
    let hint = "restore the directory from a copy, or begin anew in an empty one; nothing was changed";
    Error::Checkpoint { dir: dir.display().to_string(), why: why.into(), hint }
}

/// The checkpoint of one context, locked for it.
pub(crate) struct Checkpoint {
    dir: PathBuf,
    world: World,
    facts: Mutex<Option<Facts>>,
    used: Mutex<bool>,
    header: Header,
    epoch: u32,
    running: OnceLock<Running>,
    /// Who is told of snapshots.
    events: OnceLock<Bus>,
    /// Held, never read.
    owner: Mutex<Option<Box<dyn DiskFile>>>,
    purpose: Purpose,
}

/// What a checkpoint was opened for.
enum Purpose {
    /// A program goes on from it and writes it.
    Run,
    /// It is only read, to run a batch again of which this is known.
    Replay(Recorded),
    /// A dry run, which changes nothing: why a start could not have it now, if so.
    Look(Option<Error>),
}

struct Running {
    log: Log,
    inline: bool,
    /// Snapshots that are kept.
    keep: usize,
    inner: Mutex<Inner>,
    snapshot: Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    /// Batches whose input may be asked for again.
    batches: BTreeMap<BatchTime, (Descriptor, Option<Ending>)>,
    /// Bytes that were logged since the last snapshot, and how large that was.
    logged: u64,
    snapshot_bytes: u64,
    snapshotting: bool,
}

impl Inner {
    /// Batches up to `upto` that are over will not be asked for again.
    fn forget(&mut self, upto: BatchTime) {
        while let Some(oldest) = self.batches.first_entry()
            && *oldest.key() <= upto
            && oldest.get().1.is_some()
        {
            oldest.remove();
        }
    }
}

/// The header of what was found, or of a checkpoint that is about to begin.
fn header(facts: Option<&Facts>, settings: &Settings) -> Header {
    match facts {
        Some(facts) => facts.snapshot.header.clone(),
        None => Header {
            application: if settings.inline_log { 1 } else { random_seed() },
            app_name: settings.app_name.clone(),
            zero: BatchTime::ZERO,
            interval_ms: 0,
            seed: settings.seed.unwrap_or_else(random_seed),
            key_groups: settings.key_groups,
            time: BatchTime::ZERO,
            next_log: (1, 0),
        },
    }
}

/// What a snapshot says besides what the checkpoint and the sources know.
pub(crate) struct Contents {
    pub(crate) time: BatchTime,
    pub(crate) states: Vec<PinnedState>,
    pub(crate) counted: Vec<Counted>,
    /// Batches up to here will not be asked for again.
    pub(crate) forget: BatchTime,
}

impl Checkpoint {
    /// Opens the checkpoint in `dir`, making the directory if need be, and reads what is there.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when another process has it, or when it can't be trusted.
    pub(crate) fn open(world: &World, dir: &Path, settings: &Settings) -> Result<Arc<Self>> {
        let disk = &*world.disk;
        disk.create_dir_all_synced(dir)
            .map_err(|error| Error::outside("can't make the checkpoint directory", dir.display(), error))?;
        let owner = owner::take(world, dir)?;
        let facts = facts::read(disk, dir)?;
        let header = header(facts.as_ref(), settings);
        Ok(Self::of(world, dir, header, facts, Some(owner), Purpose::Run))
    }

    fn of(
        world: &World,
        dir: &Path,
        header: Header,
        facts: Option<Facts>,
        owner: Option<Box<dyn DiskFile>>,
        purpose: Purpose,
    ) -> Arc<Self> {
        let before = facts.as_ref().map_or(0, |facts| facts.epoch);
        let epoch = if matches!(purpose, Purpose::Run) { before + 1 } else { before };
        Arc::new(Checkpoint {
            dir: dir.to_owned(),
            world: world.clone(),
            facts: Mutex::new(facts),
            used: Mutex::new(false),
            header,
            epoch,
            running: OnceLock::new(),
            events: OnceLock::new(),
            owner: Mutex::new(owner),
            purpose,
        })
    }

    /// Whether there is nothing to go on from.
    pub(crate) fn is_fresh(&self) -> bool {
        lock(&self.facts).is_none()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// From now on tells of snapshots.
    pub(crate) fn tell(&self, bus: &Bus) {
        // A checkpoint belongs to one context.
        self.events.get_or_init(|| bus.clone());
    }

    /// How many processes have run it, with this one.
    pub(crate) fn starts(&self) -> u32 {
        self.epoch
    }

    /// The application that it belongs to.
    pub(crate) fn application(&self) -> u64 {
        self.header.application
    }

    /// Seed of hash maps and samples, and the number of key groups: fixed for the checkpoint's life.
    pub(crate) fn seed(&self) -> u64 {
        self.header.seed
    }

    pub(crate) fn key_groups(&self) -> u32 {
        self.header.key_groups
    }

    /// The first batch that was begun and is still to be run, and its partitions where none are given.
    ///
    /// It must come out as it was begun, down to the partitions of state and of what is published. These are fixed
    /// when the program defines them, so that the whole process has the same.
    pub(crate) fn begun(&self) -> Option<(BatchTime, usize)> {
        let facts = lock(&self.facts);
        let (cut, _) = facts.as_ref()?.batches.values().find(|(_, ending)| ending.is_none())?;
        Some((cut.time(), cut.partitions as usize))
    }

    /// What a start with these settings does.
    pub(crate) fn decide(&self, settings: &Settings) -> Decision {
        decide::decide(lock(&self.facts).as_ref(), settings.batch_interval)
    }

    /// What was found, if anything; once.
    ///
    /// # Errors
    /// [`Error::Lifecycle`] the second time: what was found is used up by a start, even by one that failed.
    pub(crate) fn take_facts(&self) -> Result<Option<Facts>> {
        let mut used = lock(&self.used);
        if std::mem::replace(&mut *used, true) {
            let hint = "make a new context, which reads the checkpoint again";
            return Err(Error::Lifecycle {
                call: "start",
                state: "in the middle of a start that failed",
                hint,
            });
        }
        Ok(lock(&self.facts).take())
    }

    /// Begins to write. `found` is what a resumed start found, and `positions` are those of the sources that it did
    /// not find; a fresh one begins with a snapshot of nothing else. They are durable then: a process that ends
    /// before its first snapshot was there.
    pub(crate) fn begin(
        &self,
        settings: &Settings,
        zero: BatchTime,
        states: Vec<StateSchema>,
        found: Option<Facts>,
        mut positions: Vec<(String, Vec<u8>)>,
    ) -> Result<()> {
        let disk = &self.world.disk;
        // A simulation is the same everywhere.
        let simulated = settings.inline_log.then(|| ("simulation".to_owned(), 1));
        let (host, pid) = simulated.unwrap_or_else(|| (owner::host(), std::process::id()));
        let began = Began { epoch: self.epoch, host, pid, at_micros: self.world.clock.now_micros(), states };
        let (mut batches, mut snapshot_bytes, mut logged, mut read) = (BTreeMap::new(), 0, 0, None);
        match found {
            None => {
                let header = self.header_at(settings, zero, zero, (self.epoch, 0));
                let (nothing, states, counted) = Default::default();
                let plan = snapshot::Plan {
                    header,
                    sources: std::mem::take(&mut positions),
                    batches: nothing,
                    states,
                    counted,
                };
                snapshot_bytes = snapshot::write(&**disk, &self.dir, self.epoch, plan)?;
            }
            Some(facts) => {
                // What was read may be in the operating system's hands only: from now on it is relied upon.
                let cannot =
                    |error| Error::outside("can't make the checkpoint durable", self.dir.display(), error);
                if let Some(path) = &facts.last_log {
                    disk.open(path).and_then(|file| file.sync()).map_err(cannot)?;
                }
                disk.sync_dir(&self.dir).map_err(cannot)?;
                logged = facts.changes.iter().map(|(_, change)| change.rows.0.len() as u64).sum();
                batches = facts.batches;
                read = facts.read;
            }
        }
        let (dir, durability, inline) = (self.dir.clone(), settings.durability, settings.inline_log);
        let log = Log::new(Setup { disk: disk.clone(), dir, began, read, durability, inline });
        if !positions.is_empty() {
            let source = |(name, position)| Record::Source { name, position: Bytes(position) };
            log.wait(log.append(&positions.into_iter().map(source).collect::<Vec<_>>())?)?;
        }
        let inner = Inner { batches, logged, snapshot_bytes, snapshotting: false };
        // With two, what can't be read of the newest is still known.
        let keep = settings.keep_snapshots.max(2);
        let running = Running { log, inline, keep, inner: Mutex::new(inner), snapshot: Mutex::default() };
        // Begun once: a context starts once.
        let _ = self.running.set(running);
        Ok(())
    }

    fn header_at(
        &self,
        settings: &Settings,
        zero: BatchTime,
        time: BatchTime,
        next_log: (u32, u32),
    ) -> Header {
        let interval_ms = u64::try_from(settings.batch_interval.as_millis()).unwrap_or(u64::MAX);
        let app_name = settings.app_name.clone();
        Header { zero, time, interval_ms, app_name, next_log, ..self.header.clone() }
    }

    fn running(&self) -> Result<&Running> {
        self.running.get().ok_or_else(|| Error::Internal { what: "the log was not begun".into() })
    }

    /// A batch is fixed. Nothing of it may be seen before the ticket is [durable](Self::wait).
    pub(crate) fn cut(&self, cut: Descriptor) -> Result<Ticket> {
        let running = self.running()?;
        let mut inner = lock(&running.inner);
        let ticket = running.log.append(&[Record::Cut(cut.clone())])?;
        inner.batches.insert(cut.time(), (cut, None));
        Ok(ticket)
    }

    /// The newest batch before `time` that counts and had this output, among those that are not forgotten.
    pub(crate) fn published_before(&self, time: BatchTime, output: &str) -> Option<BatchTime> {
        let inner = lock(&self.running.get()?.inner);
        let has = |ending: &Ending| ending.committed && ending.outputs.iter().any(|(name, _)| name == output);
        let mut before = inner.batches.range(..time).rev();
        before.find(|(_, (_, ending))| ending.as_ref().is_some_and(has)).map(|(time, _)| *time)
    }

    /// Waits until it is durable.
    pub(crate) fn wait(&self, ticket: Ticket) -> Result<()> {
        self.running()?.log.wait(ticket)
    }

    /// A receiver stored a block.
    pub(crate) fn block(&self, block: Block) -> Result<Ticket> {
        self.running()?.log.append(&[Record::Block(block)])
    }

    /// Whether it is durable.
    pub(crate) fn is_durable(&self, ticket: Ticket) -> bool {
        self.running.get().is_some_and(|running| running.log.is_durable(ticket))
    }

    /// A batch is over, and this is what it changed. The input of batches up to `forget` will not be asked
    /// for again.
    pub(crate) fn ended(
        &self,
        ending: Ending,
        changes: Vec<Change>,
        counted: Vec<Counted>,
        forget: BatchTime,
    ) -> Result<Ticket> {
        let running = self.running()?;
        let mut inner = lock(&running.inner);
        inner.logged += changes.iter().map(|change| change.rows.0.len() as u64 + 100).sum::<u64>() + 200;
        let mut records: Vec<Record> = changes.into_iter().map(Record::Changed).collect();
        records.extend(counted.into_iter().map(Record::Counted));
        records.push(Record::Ended(ending.clone()));
        let ticket = running.log.append(&records)?;
        if let Some(batch) = inner.batches.get_mut(&ending.time) {
            batch.1 = Some(ending);
        }
        inner.forget(forget);
        Ok(ticket)
    }

    /// Has the next batch take a snapshot: what was converted at the start is then written as it is now.
    pub(crate) fn snapshot_soon(&self) {
        if let Some(running) = self.running.get() {
            // More than any limit, with room for what comes.
            lock(&running.inner).logged = u64::MAX / 2;
        }
    }

    /// Whether the log has become long enough for a snapshot.
    pub(crate) fn wants_snapshot(&self, settings: &Settings) -> bool {
        self.running.get().is_some_and(|running| {
            let inner = lock(&running.inner);
            !inner.snapshotting && inner.logged > settings.snapshot_after_bytes.max(inner.snapshot_bytes)
        })
    }

    /// Takes a snapshot, in the background, of what is after the batch that ended last. `sources` gives name
    /// and position of each.
    pub(crate) fn snapshot(
        self: &Arc<Self>,
        settings: &Settings,
        zero: BatchTime,
        contents: Contents,
        sources: impl FnOnce() -> Vec<(String, Vec<u8>)>,
    ) -> Result<()> {
        let running = self.running()?;
        at_point("before-snapshot");
        let mut inner = lock(&running.inner);
        // Under the lock, so that no batch is cut in between: it would be in neither.
        let (number, before) = running.log.roll()?;
        inner.forget(contents.forget);
        inner.logged = 0;
        inner.snapshotting = true;
        let header = self.header_at(settings, zero, contents.time, (self.epoch, number));
        let batches = inner.batches.values().cloned().collect();
        drop(inner);
        // After the roll: what a source logs meanwhile may be in both, which is better than in neither.
        let Contents { states, counted, .. } = contents;
        let plan = snapshot::Plan { header, sources: sources(), batches, states, counted };
        if running.inline {
            self.write_snapshot(plan, before);
        } else {
            let me = self.clone();
            let thread = spawn("snapshot", move || me.write_snapshot(plan, before));
            let last = lock(&running.snapshot).replace(thread);
            // It is done: only one is taken at a time.
            last.map(JoinHandle::join);
        }
        Ok(())
    }

    fn write_snapshot(&self, plan: snapshot::Plan, before: Ticket) {
        let Some(running) = self.running.get() else { return };
        let (time, started_micros) = (plan.header.time, self.world.clock.now_micros());
        // Where this snapshot is damaged, the one before and the log since then must say the same.
        let written = running.log.wait(before);
        let written = written.and_then(|()| snapshot::write(&*self.world.disk, &self.dir, self.epoch, plan));
        let written = written.and_then(|bytes| self.clean(running.keep).map(|()| bytes));
        if let Some(bus) = self.events.get() {
            let ended_micros = self.world.clock.now_micros();
            let (bytes, failure) = match &written {
                Ok(bytes) => (*bytes, None),
                Err(error) => (0, Some(error.full_text())),
            };
            let info = CheckpointInfo { time, started_micros, ended_micros, bytes, failure };
            bus.post(Event::CheckpointCompleted(info));
        }
        let mut inner = lock(&running.inner);
        inner.snapshotting = false;
        match written {
            Ok(bytes) => inner.snapshot_bytes = bytes,
            // The log goes on from the one before: nothing is lost, and the next attempt comes with more log.
            Err(error) => tracing::warn!(error = ?error, "a snapshot failed; the one before still counts"),
        }
    }

    /// Deletes what the newest `keep` snapshots don't need.
    fn clean(&self, keep: usize) -> Result<()> {
        at_point("before-clean");
        let disk = &*self.world.disk;
        let cannot = |error| Error::outside("can't clean the checkpoint", self.dir.display(), error);
        let (mut snapshots, mut logs) = (Vec::new(), Vec::new());
        for entry in disk.list(&self.dir).map_err(cannot)? {
            match layout::named(&entry.path) {
                layout::Named::Snapshot(time, epoch) => snapshots.push((epoch, time, entry.path)),
                layout::Named::Log(epoch, number) => logs.push(((epoch, number), entry.path)),
                layout::Named::Unfinished => disk.remove_file(&entry.path).map_err(cannot)?,
                layout::Named::Other => {}
            }
        }
        snapshots.sort();
        let Some(kept) = snapshots.len().checked_sub(keep) else { return Ok(()) };
        let Ok(oldest) = snapshot::read_header(disk, &snapshots[kept].2) else { return Ok(()) };
        for (_, _, path) in &snapshots[..kept] {
            disk.remove_file(path).map_err(cannot)?;
        }
        at_point("mid-clean");
        // A snapshot that comes back in a crash of the machine must find the log that goes on from it.
        disk.sync_dir(&self.dir).map_err(cannot)?;
        for (_, path) in logs.iter().filter(|(place, _)| *place < oldest.next_log) {
            disk.remove_file(path).map_err(cannot)?;
        }
        at_point("after-clean");
        Ok(())
    }

    /// The context stopped with nothing left to do; `at` is the last time that was ticked.
    pub(crate) fn stopped(&self, at: BatchTime) -> Result<()> {
        let running = self.running()?;
        let ticket = running.log.append(&[Record::Stopped { at }])?;
        running.log.wait(ticket)
    }

    /// Finishes what is being written, and gives the checkpoint back.
    pub(crate) fn close(&self) {
        if let Some(running) = self.running.get() {
            running.log.close();
            if let Some(thread) = lock(&running.snapshot).take()
                && thread.join().is_err()
            {
                tracing::error!("the snapshot's thread panicked");
            }
        }
        lock(&self.owner).take();
    }
}
