//! The log: records in the order in which they were appended, durable in groups.
//!
//! One thread writes. It takes everything that was appended since its last turn, writes it and syncs once, so
//! that batches never pay for a sync each. Whoever needs to know waits for a [`Ticket`].
//!
//! A write or sync that failed can't be trusted to succeed the next time: from then on everything fails, and
//! the context stops. A new process reads what had become safe and goes on from there.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use waterclock_base::world::{Disk, DiskFile, JoinHandle, at_point, lock, spawn};
use waterclock_base::{Durability, Error, Result, encode};

use super::record::{Began, Place, Record};
use super::{Fault, frame, layout, planted};

/// Bytes that may wait to be written before whoever appends has to wait.
const MOST_WAITING: usize = 64 << 20;
/// Bytes of records that share a frame.
const FRAME: usize = 16 << 20;

/// How far the log must have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// What a log is made with.
pub(crate) struct Setup {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) began: Began,
    /// How far the logs of earlier processes were read.
    pub(crate) read: Option<Place>,
    pub(crate) durability: Durability,
    /// Whether no thread writes, but whoever waits for a ticket, and every third that appends.
    pub(crate) inline: bool,
}

/// The log of this process.
pub(crate) struct Log {
    shared: Arc<Shared>,
    inline: bool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    files: Mutex<Files>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Item>,
    bytes: usize,
    /// Tickets given, and how far they are durable.
    given: u64,
    durable: u64,
    /// The file that the next record goes into.
    number: u32,
    failed: Option<Error>,
    closed: bool,
}

enum Item {
    Bytes(Vec<u8>),
    /// Go on in the next file.
    Roll,
}

impl Log {
    /// Begins the log of this process; nothing is written yet.
    pub(crate) fn new(setup: Setup) -> Self {
        let inline = setup.inline;
        let files = Files { setup, number: 0, frame: 0, filled: 0, synced: 0, open: None };
        let shared =
            Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), files: Mutex::new(files) });
        let thread = (!inline).then(|| {
            let shared = shared.clone();
            spawn("log", move || shared.write_until_closed())
        });
        Log { shared, inline, thread: Mutex::new(thread) }
    }

    /// Appends records, all of which become durable at once or not at all as far as frames allow.
    pub(crate) fn append(&self, records: &[Record]) -> Result<Ticket> {
        let mut items = Vec::new();
        let mut bytes = Vec::new();
        for record in records {
            encode(record, &mut bytes)?;
            if bytes.len() >= FRAME {
                items.push(Item::Bytes(std::mem::take(&mut bytes)));
            }
        }
        if !bytes.is_empty() {
            items.push(Item::Bytes(bytes));
        }
        self.push(items)
    }

    /// Goes on in a new file: its number, and a ticket for everything before it.
    pub(crate) fn roll(&self) -> Result<(u32, Ticket)> {
        let number = {
            let mut queue = lock(&self.shared.queue);
            queue.number += 1;
            queue.number
        };
        Ok((number, self.push(vec![Item::Roll])?))
    }

    fn push(&self, items: Vec<Item>) -> Result<Ticket> {
        let mut queue = lock(&self.shared.queue);
        while queue.bytes > MOST_WAITING && queue.failed.is_none() && !self.inline {
            queue = wait(&self.shared.changed, queue);
        }
        if let Some(error) = &queue.failed {
            return Err(error.clone());
        }
        if queue.closed {
            let hint = "nothing is stored in a context that has stopped";
            return Err(Error::Lifecycle { call: "write to the log", state: "stopped", hint });
        }
        queue.bytes += items.iter().map(Item::len).sum::<usize>();
        queue.waiting.extend(items);
        queue.given += 1;
        let ticket = Ticket(queue.given);
        let is_turn = queue.given.is_multiple_of(3) || queue.bytes > MOST_WAITING;
        drop(queue);
        if !self.inline {
            self.shared.changed.notify_all();
        } else if is_turn {
            self.shared.write();
        }
        Ok(ticket)
    }

    /// Waits until everything up to the ticket is durable.
    pub(crate) fn wait(&self, ticket: Ticket) -> Result<()> {
        if self.inline && !self.is_durable(ticket) {
            self.shared.write();
        }
        let mut queue = lock(&self.shared.queue);
        loop {
            if queue.durable >= ticket.0 {
                return Ok(());
            }
            if let Some(error) = &queue.failed {
                return Err(error.clone());
            }
            queue = wait(&self.shared.changed, queue);
        }
    }

    /// Whether everything up to the ticket is durable.
    pub(crate) fn is_durable(&self, ticket: Ticket) -> bool {
        lock(&self.shared.queue).durable >= ticket.0
    }

    /// Writes what waits and ends.
    pub(crate) fn close(&self) {
        lock(&self.shared.queue).closed = true;
        self.shared.changed.notify_all();
        if self.inline {
            self.shared.write();
        }
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the log's thread panicked");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn write_until_closed(&self) {
        loop {
            {
                let mut queue = lock(&self.queue);
                while queue.waiting.is_empty() && !queue.closed {
                    queue = wait(&self.changed, queue);
                }
                if queue.waiting.is_empty() {
                    return;
                }
            }
            self.write();
        }
    }

    /// Writes and syncs everything that waits.
    fn write(&self) {
        let mut files = lock(&self.files);
        let (items, upto) = {
            let mut queue = lock(&self.queue);
            queue.bytes = 0;
            (std::mem::take(&mut queue.waiting), queue.given)
        };
        let outcome = if lock(&self.queue).failed.is_some() { Ok(()) } else { files.write(items) };
        let mut queue = lock(&self.queue);
        match outcome {
            Ok(()) if queue.failed.is_none() => queue.durable = upto,
            Ok(()) => {}
            Err(error) => {
                tracing::error!(error = ?error, "the checkpoint can't be written");
                queue.failed = Some(error);
            }
        }
        drop(queue);
        self.changed.notify_all();
    }
}

impl Item {
    fn len(&self) -> usize {
        match self {
            Item::Bytes(bytes) => bytes.len(),
            Item::Roll => 0,
        }
    }
}

/// The files as they are written.
struct Files {
    setup: Setup,
    number: u32,
    /// The last frame that was written, the last that has something in it, and the last that was synced.
    frame: u32,
    filled: u32,
    synced: u32,
    open: Option<(PathBuf, Box<dyn DiskFile>)>,
}

impl Files {
    fn write(&mut self, items: Vec<Item>) -> Result<()> {
        let mut pending = Vec::new();
        for item in items {
            match item {
                Item::Bytes(bytes) => {
                    if !pending.is_empty() && pending.len() + bytes.len() > FRAME {
                        self.write_frame(&std::mem::take(&mut pending))?;
                    }
                    pending.extend_from_slice(&bytes);
                }
                Item::Roll => {
                    self.write_frame(&std::mem::take(&mut pending))?;
                    self.sync()?;
                    self.mark()?;
                    self.open = None;
                    self.number += 1;
                    at_point("at-roll");
                }
            }
        }
        self.write_frame(&pending)?;
        self.sync()
    }

    fn write_frame(&mut self, payload: &[u8]) -> Result<()> {
        if payload.is_empty() {
            return Ok(());
        }
        if self.open.is_none() {
            self.create()?;
        }
        self.put(payload)
    }

    /// Makes the next file: whose it is stands first in it, and its name is durable before anything else.
    fn create(&mut self) -> Result<()> {
        let Setup { disk, dir, began, read, .. } = &self.setup;
        let path = layout::log_file(dir, (began.epoch, self.number));
        let cannot = |error| Error::outside("can't make the log file", path.display(), error);
        let mut file = disk.create(&path).map_err(cannot)?;
        file.write_all(layout::LOG_MAGIC).map_err(cannot)?;
        disk.sync_dir(dir).map_err(cannot)?;
        let mut first = Vec::new();
        encode(&Record::Began(began.clone()), &mut first)?;
        if let (0, Some(read)) = (self.number, *read) {
            encode(&Record::Read(read), &mut first)?;
        }
        self.open = Some((path, file));
        self.put(&first)
    }

    fn put(&mut self, payload: &[u8]) -> Result<()> {
        let Some((path, file)) = &mut self.open else { return Ok(()) };
        let mut bytes = Vec::with_capacity(payload.len() + 20);
        frame::write(&mut bytes, self.frame + 1, self.synced, payload);
        file.write_all(&bytes)
            .map_err(|error| Error::outside("can't write to the log file", path.display(), error))?;
        self.frame += 1;
        if !payload.is_empty() {
            self.filled = self.frame;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let Some((path, file)) = &mut self.open else { return Ok(()) };
        if self.setup.durability == Durability::Synced && self.synced < self.filled {
            at_point("log-written");
            if planted(Fault::SkippedSync) {
                return Ok(());
            }
            file.sync()
                .map_err(|error| Error::outside("can't make the log file durable", path.display(), error))?;
            self.synced = self.frame;
            at_point("log-durable");
            // An empty frame that says so: damage of what is before it can then be told from a torn end. It is
            // synced with what comes after it.
            self.put(&[])?;
        }
        Ok(())
    }

    /// Ends a file with an empty frame that is durable, too.
    fn mark(&mut self) -> Result<()> {
        if self.setup.durability != Durability::Synced {
            return self.put(&[]);
        }
        let Some((path, file)) = &mut self.open else { return Ok(()) };
        file.sync()
            .map_err(|error| Error::outside("can't make the log file durable", path.display(), error))?;
        self.synced = self.frame;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use waterclock_base::BatchTime;
    use waterclock_base::world::ManualClock;

    use super::*;
    use crate::testing::{Failure, SimDisk};

    fn log(disk: &Arc<SimDisk>) -> Log {
        let began = Began { epoch: 1, host: "here".into(), pid: 1, at_micros: 0, states: Vec::new() };
        let (disk, dir, durability) = (disk.clone(), Path::new("/log").to_owned(), Durability::Synced);
        disk.create_dir_all_synced(&dir).unwrap();
        Log::new(Setup { disk, dir, began, durability, inline: false, read: None })
    }

    fn disk() -> Arc<SimDisk> {
        SimDisk::new(ManualClock::at(BatchTime::ZERO), 1)
    }

    fn record(n: i64) -> Record {
        Record::Stopped { at: BatchTime::from_millis(n) }
    }

    /// T-203, T-221: closing writes what waits, once, however often it is called; later records are refused.
    #[test]
    fn a_closed_log_takes_no_more() {
        let log = log(&disk());
        let tickets: Vec<_> = (0..100).map(|n| log.append(&[record(n)]).unwrap()).collect();
        log.close();
        log.close();
        assert!(tickets.iter().all(|ticket| log.is_durable(*ticket) && log.wait(*ticket).is_ok()));
        assert!(matches!(log.append(&[record(100)]), Err(Error::Lifecycle { .. })));
    }

    /// T-219: a failure reaches whoever waits, and whoever writes later.
    #[test]
    fn a_failure_reaches_those_who_write() {
        let disk = disk();
        let log = log(&disk);
        log.wait(log.append(&[record(1)]).unwrap()).unwrap();
        disk.fail_at(1, Failure::FullDisk);
        let ticket = log.append(&[record(2)]).unwrap();
        assert!(matches!(log.wait(ticket), Err(Error::Outside { .. })));
        assert!(!log.is_durable(ticket));
        assert!(log.append(&[record(3)]).is_err());
    }
}
