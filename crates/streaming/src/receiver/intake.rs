//! Where stored records go: the open block and the queue of one stream behind one lock.
//!
//! What a `store` does, in order:
//!
//! 1. wait for the rate limit and for room in the budget of received bytes;
//! 2. under the lock, add to the open block, or make a block;
//! 3. a block that was cut is written ahead, with a checkpoint, then registered in the queue; a block of the
//!    receiver's own making is waited for until it is durable;
//! 4. return: only now may a reliable receiver acknowledge its source.
//!
//! A tick takes the same lock, so that everything whose `store` returned before it is in its batch.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use waterclock_base::world::{Clock, lock};
use waterclock_base::{
    BatchTime, Codec, Error, InputInfo, Record, Result, Settings, StreamId, Text, decode, encode,
};

use super::generator::{BlockGenerator, CutRule};
use super::limiter::RateLimiter;
use crate::block::{
    BlockLog, BlockQueue, BlockRef, ReceivedBlock, ReceivedBytes, Stopwatch, Waiters, saved_block,
    saved_records,
};
use crate::checkpoint::{Block, Ticket};
use crate::graph::{HeldBack, SavedBatch, SavedInput};

/// Counts of one receiver since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiverCounts {
    /// Records that were stored.
    pub records: u64,
    /// Bytes that they took, as far as they are known.
    pub bytes: u64,
    /// Blocks that were cut from them.
    pub blocks: u64,
    /// Blocks that are in no batch yet.
    pub waiting_blocks: usize,
    /// Records that were dropped by a documented rule.
    pub dropped: u64,
    /// Microseconds in which the rate limit held the receiver back.
    pub limited_micros: u64,
    /// Microseconds in which it was held back because too many received bytes were waiting.
    pub held_back_micros: u64,
    /// How often it was started.
    pub runs: u32,
}

/// Takes records in, for one stream.
pub(crate) struct Intake<T> {
    stream: StreamId,
    clock: Arc<dyn Clock>,
    limiter: RateLimiter,
    budget: Arc<ReceivedBytes>,
    sizes: SizeEstimate<T>,
    limited: Stopwatch,
    held_back: Stopwatch,
    /// Records that wait for a batch; changed under the lock of `inner`.
    waiting: AtomicU64,
    /// How many may.
    most_waiting: AtomicU64,
    room: Waiters,
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    generator: BlockGenerator<T>,
    queue: BlockQueue<T>,
    log: Option<BlockLog>,
    counts: ReceiverCounts,
}

impl<T: Record> Inner<T> {
    /// A block was cut: it is logged, where blocks are, then registered, and so belongs to the next batch. The
    /// ticket of the last one.
    fn register(&mut self, block: impl IntoIterator<Item = ReceivedBlock<T>>) -> Result<Option<Ticket>> {
        let mut ticket = None;
        for mut block in block {
            if let Some(log) = &self.log {
                ticket = Some(log.append(&mut block)?);
            }
            self.counts.blocks += 1;
            block.make_room();
            self.queue.add(block);
        }
        Ok(ticket)
    }
}

impl<T: Record> Intake<T> {
    /// The intake of `stream`, which takes nothing until it is opened.
    ///
    /// # Errors
    /// [`Error::Setting`](waterclock_base::Error::Setting) for a block interval that can't be.
    pub(crate) fn new(
        stream: StreamId,
        settings: &Settings,
        clock: Arc<dyn Clock>,
        budget: Arc<ReceivedBytes>,
    ) -> Result<Self> {
        let rule = CutRule::of(settings, budget.limit())?;
        Ok(Intake {
            stream,
            limiter: RateLimiter::of(settings, clock.clone()),
            sizes: SizeEstimate::new(),
            limited: Stopwatch::new(clock.clone()),
            held_back: Stopwatch::new(clock.clone()),
            waiting: AtomicU64::new(0),
            most_waiting: AtomicU64::new(u64::MAX),
            room: Waiters::new(clock.clone()),
            inner: Mutex::new(Inner {
                generator: BlockGenerator::new(stream, rule, budget.clone()),
                queue: BlockQueue::default(),
                log: None,
                counts: ReceiverCounts::default(),
            }),
            budget,
            clock,
        })
    }

    /// Takes records from now on.
    pub(crate) fn open(&self) -> Result<()> {
        lock(&self.inner).generator.start()
    }

    /// Refuses records from now on and cuts the last block, which the next tick takes.
    pub(crate) fn close(&self) {
        let mut inner = lock(&self.inner);
        let last = inner.generator.finish();
        if let Err(error) = inner.register(last) {
            tracing::error!(error = ?error, "what a receiver stored last is lost");
        }
    }

    /// Stores one record in the open block.
    pub(crate) fn add(&self, record: T, hurry: impl Fn() -> bool) -> Result<()> {
        self.admit(1, hurry);
        let bytes = self.sizes.of_one(&record);
        let mut inner = lock(&self.inner);
        let cut = inner.generator.add(record, bytes, || self.clock.now_micros())?;
        inner.register(cut)?;
        self.count(&mut inner, 1, bytes);
        Ok(())
    }

    /// Stores records in the open block, together.
    pub(crate) fn add_all(&self, records: Vec<T>, hurry: impl Fn() -> bool) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let count = records.len() as u64;
        self.admit(count, hurry);
        let bytes = self.sizes.of_all(&records);
        let mut inner = lock(&self.inner);
        let cut = inner.generator.add_all(records, bytes, || self.clock.now_micros())?;
        inner.register(cut)?;
        self.count(&mut inner, count, bytes);
        Ok(())
    }

    /// Stores records as a block of their own.
    pub(crate) fn add_block(
        &self,
        records: Vec<T>,
        metadata: Option<Box<str>>,
        hurry: impl Fn() -> bool,
    ) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let count = records.len() as u64;
        self.admit(count, hurry);
        let bytes = self.sizes.of_all(&records);
        let mut inner = lock(&self.inner);
        let (before, block) = inner.generator.add_block(records, bytes, metadata)?;
        inner.register(before)?;
        let ticket = inner.register([block])?;
        self.count(&mut inner, count, bytes);
        let log = inner.log.clone();
        drop(inner);
        match (log, ticket) {
            (Some(log), Some(ticket)) => log.wait(ticket),
            _ => Ok(()),
        }
    }

    fn count(&self, inner: &mut Inner<T>, records: u64, bytes: u64) {
        inner.counts.records += records;
        inner.counts.bytes += bytes;
        self.waiting.fetch_add(records, Ordering::Relaxed);
    }

    /// Records that wait for a batch.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// From now on, no record is taken in where so many wait.
    pub(crate) fn hold_back(&self, at: u64) {
        self.most_waiting.store(at.max(1), Ordering::Relaxed);
        self.room.wake();
    }

    /// How long somebody had to wait for room.
    pub(crate) fn held_back(&self) -> HeldBack {
        HeldBack { micros: self.held_back.micros(), lately: self.held_back.lately() }
    }

    fn is_full(&self) -> bool {
        self.waiting() >= self.most_waiting.load(Ordering::Relaxed)
    }

    /// Waits until `records` may be taken in, or until `hurry` holds.
    fn admit(&self, records: u64, hurry: impl Fn() -> bool) {
        if !self.limiter.try_acquire(records) {
            self.limited.time(|| self.limiter.acquire(records, &hurry));
        }
        if !self.budget.has_room() {
            self.held_back.time(|| self.budget.wait_for_room(&hurry));
        }
        if self.is_full() {
            self.held_back.time(|| self.room.wait(None, || !self.is_full() || hurry()));
        }
    }

    /// Makes those who wait in a `store` look at their `hurry` again.
    pub(crate) fn wake(&self) {
        self.limiter.wake();
        self.budget.wake();
        self.room.wake();
    }

    /// Gives everything that was stored to the batch of `time`, or the oldest of it with about `most` records, and says
    /// what that was. A time at or before the last one changes nothing.
    pub(crate) fn seal_and_allocate(&self, time: BatchTime, most: Option<u64>) -> (InputInfo, Vec<BlockRef>) {
        let mut inner = lock(&self.inner);
        let sealed = inner.generator.seal();
        if let Err(error) = inner.register(sealed) {
            // A log that failed once fails every batch from then on.
            tracing::error!(error = ?error, "a block could not be logged");
        }
        inner.queue.allocate(time, most);
        self.note_waiting(&inner);
        let blocks = inner.queue.batch(time).unwrap_or_default();
        let info = InputInfo {
            stream: self.stream,
            records: blocks.iter().map(|block| block.len()).sum(),
            description: describe(blocks),
        };
        (info, blocks.iter().filter_map(|block| block.logged()).collect())
    }

    /// Counts what waits, when nothing is in an open block.
    fn note_waiting(&self, inner: &Inner<T>) {
        let waiting = inner.queue.waiting().iter().map(|block| block.len()).sum();
        self.waiting.store(waiting, Ordering::Relaxed);
        self.room.wake();
    }

    /// From now on, blocks are logged.
    pub(crate) fn log_to(&self, log: BlockLog) {
        lock(&self.inner).log = Some(log);
    }

    /// The blocks that are not forgotten, for a new process.
    pub(crate) fn position(&self) -> Result<Vec<u8>> {
        let inner = lock(&self.inner);
        let source = inner.log.as_ref().map_or("", BlockLog::source);
        let saved = |block: &Arc<ReceivedBlock<T>>| saved_block(source, block);
        let position = Position {
            waiting: inner.queue.waiting().iter().map(saved).collect::<Result<_>>()?,
            held: inner.queue.held().map(saved).collect::<Result<_>>()?,
        };
        let mut bytes = Vec::new();
        encode(&position, &mut bytes)?;
        Ok(bytes)
    }

    /// Goes on with the blocks of another process: those of its batches, and those that no batch had.
    pub(crate) fn resume(&self, saved: &SavedInput<'_>) -> Result<()> {
        let position: Option<Position> = saved.position.map(|mut bytes| decode(&mut bytes)).transpose()?;
        let Position { waiting, held } = position.unwrap_or_default();
        let mut free: BTreeMap<u64, &Block> = BTreeMap::new();
        free.extend(waiting.iter().chain(saved.blocks.iter().copied()).map(|block| (block.number, block)));
        let held: BTreeMap<u64, &Block> = held.iter().map(|block| (block.number, block)).collect();
        free.retain(|number, _| !held.contains_key(number));
        let mut inner = lock(&self.inner);
        for SavedBatch { time, range, redo } in &saved.batches {
            let mut range = *range;
            let mut blocks = Vec::new();
            for reference in decode::<Vec<BlockRef>>(&mut range)? {
                match free.remove(&reference.number).or(held.get(&reference.number).copied()) {
                    Some(block) if BlockRef::of(block) == reference => {
                        blocks.push(self.resumed(&mut inner, block)?)
                    }
                    None if !redo => {}
                    _ => return Err(lost(*time, reference.number)),
                }
            }
            inner.queue.resume(*time, blocks);
        }
        for block in free.into_values() {
            let block = self.resumed(&mut inner, block)?;
            inner.queue.add(block);
        }
        self.note_waiting(&inner);
        Ok(())
    }

    fn resumed(&self, inner: &mut Inner<T>, block: &Block) -> Result<ReceivedBlock<T>> {
        let records = saved_records(&block.content)?;
        let bytes = self.sizes.of_all(&records);
        let mut resumed = inner.generator.resumed(block.number, records, bytes, block.note.as_deref());
        resumed.set_logged(BlockRef::of(block));
        resumed.make_room();
        Ok(resumed)
    }

    /// The blocks of a batch.
    pub(crate) fn blocks_at(&self, time: BatchTime) -> Option<Vec<Arc<ReceivedBlock<T>>>> {
        lock(&self.inner).queue.batch(time).map(<[_]>::to_vec)
    }

    /// Drops the blocks of the batches before `before`.
    pub(crate) fn forget(&self, before: BatchTime) {
        let forgotten = lock(&self.inner).queue.forget(before);
        drop(forgotten);
    }

    /// The limiter of its rate.
    pub(crate) fn limiter(&self) -> &RateLimiter {
        &self.limiter
    }

    /// What was counted here; dropped records and runs are counted elsewhere.
    pub(crate) fn counts(&self) -> ReceiverCounts {
        let inner = lock(&self.inner);
        ReceiverCounts {
            waiting_blocks: inner.queue.waiting().len(),
            limited_micros: self.limited.micros(),
            held_back_micros: self.held_back.micros(),
            ..inner.counts
        }
    }
}

impl Intake<Text> {
    /// Stores whole lines, `count` of them, in the open block.
    pub(crate) fn add_lines(&self, lines: &str, count: u64, hurry: impl Fn() -> bool) -> Result<()> {
        self.admit(count, hurry);
        let mut inner = lock(&self.inner);
        let cut = inner.generator.add_lines(lines, count, || self.clock.now_micros())?;
        inner.register(cut)?;
        self.count(&mut inner, count, lines.len() as u64);
        Ok(())
    }
}

/// The blocks that another process needs.
#[derive(Default, Serialize, Deserialize)]
struct Position {
    /// Of no batch yet.
    waiting: Vec<Block>,
    /// Of batches that may be asked for again.
    held: Vec<Block>,
}

fn lost(time: BatchTime, number: u64) -> Error {
    Error::Checkpoint {
        dir: format!("batch {time}"),
        why: format!("block {number}, which it is to be run with, is missing or damaged"),
        hint: "restore the checkpoint's directory from a copy",
    }
}

/// What the blocks of a batch were, for people: their metadata.
fn describe<T>(blocks: &[Arc<ReceivedBlock<T>>]) -> String {
    const SHOWN: usize = 10;
    let mut noted = blocks.iter().filter_map(|block| block.metadata());
    let mut text = noted.by_ref().take(SHOWN).collect::<Vec<_>>().join(", ");
    let more = noted.count();
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Estimates the memory of records: their own size, and for what they point to the bytes of their encoding,
/// looked at once in a thousand records.
struct SizeEstimate<T> {
    seen: AtomicU64,
    heap: AtomicU64,
    record: PhantomData<fn(&T)>,
}

impl<T: Record> SizeEstimate<T> {
    const EVERY: u64 = 1000;

    fn new() -> Self {
        SizeEstimate { seen: AtomicU64::new(0), heap: AtomicU64::new(0), record: PhantomData }
    }

    fn of_one(&self, record: &T) -> u64 {
        self.of_all(std::slice::from_ref(record))
    }

    /// The bytes of all records. Calls the program's `Serialize`, so never under a lock.
    fn of_all(&self, records: &[T]) -> u64 {
        let count = records.len() as u64;
        let own = count * size_of::<T>() as u64;
        if !std::mem::needs_drop::<T>() {
            return own;
        }
        let before = self.seen.fetch_add(count, Ordering::Relaxed);
        // The first record, and every thousandth after it.
        let to_next = (Self::EVERY - before % Self::EVERY) % Self::EVERY;
        let due = usize::try_from(to_next).unwrap_or(usize::MAX);
        for record in records.iter().skip(due).step_by(Self::EVERY as usize) {
            self.sample(record, before == 0);
        }
        own + count * self.heap.load(Ordering::Relaxed)
    }

    fn sample(&self, record: &T, first: bool) {
        let mut bytes = Vec::new();
        // A record that can't be encoded says nothing of its size; the error shows where it must be encoded.
        if (Codec::of().encode)(std::slice::from_ref(record), &mut bytes).is_ok() {
            let found = bytes.len() as u64;
            let before = self.heap.load(Ordering::Relaxed);
            let mean = if first { found } else { (before * 7 + found).div_ceil(8) };
            self.heap.store(mean, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use waterclock_base::world::{ManualClock, spawn};

    use super::*;

    fn intake<T: Record>(limit: u64) -> (Arc<Intake<T>>, Arc<ManualClock>) {
        let clock = ManualClock::new();
        let budget = ReceivedBytes::new(limit, clock.clone());
        let intake = Intake::new(StreamId(0), &Settings::default(), clock.clone(), budget).unwrap();
        intake.open().unwrap();
        (Arc::new(intake), clock)
    }

    fn at(ms: i64) -> BatchTime {
        BatchTime::from_millis(ms)
    }

    fn batch<T: Record>(intake: &Intake<T>, time: i64) -> Vec<T> {
        let blocks = intake.blocks_at(at(time)).unwrap();
        blocks.iter().flat_map(|block| block.records().unwrap().to_vec()).collect()
    }

    /// T-176: the records of a batch are counted, by whatever way they came.
    #[test]
    fn a_tick_takes_all_that_was_stored_in_order() {
        let (intake, _) = intake(1 << 20);
        intake.add(1u64, || false).unwrap();
        intake.add_block(vec![2, 3], Some("offsets 2-3".into()), || false).unwrap();
        intake.add_all(vec![4, 5], || false).unwrap();
        intake.add_block(vec![], None, || false).unwrap();
        intake.add(6, || false).unwrap();
        let (info, _) = intake.seal_and_allocate(at(1000), None);
        assert_eq!((info.records, info.description.as_str()), (6, "offsets 2-3"));
        assert_eq!(batch(&intake, 1000), [1, 2, 3, 4, 5, 6]);
        assert_eq!(intake.seal_and_allocate(at(1000), None).0.records, 6);

        intake.add(7, || false).unwrap();
        intake.close();
        assert!(intake.add(8, || false).is_err());
        assert_eq!(intake.seal_and_allocate(at(2000), None).0.records, 1);
        assert_eq!(batch(&intake, 2000), [7]);
        let counts = intake.counts();
        assert_eq!((counts.records, counts.bytes, counts.blocks, counts.waiting_blocks), (7, 56, 4, 0));
        assert!(intake.blocks_at(at(500)).is_none());
    }

    /// A batch larger than the memory budget: the receiver is held back until blocks are forgotten, and
    /// nothing is lost.
    #[test]
    fn a_full_budget_holds_the_receiver_back() {
        let (intake, clock) = intake::<u64>(80);
        let storing = {
            let intake = intake.clone();
            spawn("storing", move || (0..100).for_each(|n| intake.add(n, || false).unwrap()))
        };
        let mut seen = Vec::new();
        let mut time = 0;
        while seen.len() < 100 {
            time += 1;
            assert!(intake.budget.used() <= 80);
            intake.seal_and_allocate(at(time), None);
            seen.extend(batch(&intake, time));
            clock.advance(Duration::from_millis(1));
            intake.forget(at(time + 1));
        }
        storing.join().unwrap();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        assert_eq!(intake.budget.used(), 0);
    }

    /// Where only so much may wait, a receiver is held back until a batch has taken some of it.
    #[test]
    fn a_long_queue_holds_the_receiver_back() {
        let (intake, _) = intake::<u64>(1 << 20);
        intake.hold_back(3);
        let storing = {
            let intake = intake.clone();
            spawn("storing", move || (0..10).for_each(|n| intake.add(n, || false).unwrap()))
        };
        let mut seen = Vec::new();
        let mut time = 0;
        while seen.len() < 10 {
            time += 1;
            assert!(intake.waiting() <= 3);
            intake.seal_and_allocate(at(time), Some(1));
            seen.extend(batch(&intake, time));
        }
        storing.join().unwrap();
        assert_eq!((seen, intake.waiting()), ((0..10).collect(), 0));
    }

    #[test]
    fn the_time_of_being_held_back_is_shown() {
        let (intake, clock) = intake::<u64>(8);
        intake.add(1, || false).unwrap();
        let storing = {
            let intake = intake.clone();
            spawn("storing", move || intake.add(2, || false).unwrap())
        };
        while intake.counts().held_back_micros < 5000 {
            clock.advance(Duration::from_millis(5));
            std::thread::yield_now();
        }
        intake.seal_and_allocate(at(1), None);
        intake.forget(at(2));
        storing.join().unwrap();
        assert!(intake.counts().held_back_micros >= 5000);
    }

    #[test]
    fn the_heap_of_records_is_estimated_by_samples() {
        let sizes = SizeEstimate::<String>::new();
        let record = "x".repeat(99);
        let own = size_of::<String>() as u64;
        assert_eq!(sizes.of_one(&record), own + 100);
        assert_eq!(sizes.of_one(&String::new()), own + 100);
        assert_eq!(sizes.of_all(&vec![record; 5000]), 5000 * (own + 100));
        assert_eq!(SizeEstimate::<u64>::new().of_one(&7), 8);
    }
}
