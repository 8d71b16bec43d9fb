//! The open block of a receiver: records gather in it until it is cut.
//!
//! No thread and no timer: a tick seals the block, and in between it is cut by the record that finds it old
//! or large enough.

use std::sync::Arc;

use waterclock_base::{BlockId, Error, Result, Settings, StreamId, Text};

use crate::block::{Charge, LinesInProgress, ReceivedBlock, ReceivedBytes, Records};

/// A block is cut before it grows beyond this; a single store that is larger stays whole.
const BLOCK_BYTES: u64 = 4 << 20;

/// Space that a block gets beforehand, at most, if the one before it took so much.
const SPACE_BYTES: usize = 1 << 20;

/// Batches shorter than this are one block: cutting them would cost more than it gives.
const SHORT_BATCH_MICROS: i64 = 10_000;

/// When an open block is cut between ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CutRule {
    /// When it is this old; none: by ticks only.
    after_micros: Option<i64>,
    /// Before it is larger than this.
    bytes: u64,
}

impl CutRule {
    /// The rule for these settings and a budget of `limit` bytes for all receivers.
    ///
    /// # Errors
    /// [`Error::Setting`] when the block interval is zero.
    pub(crate) fn of(settings: &Settings, limit: u64) -> Result<Self> {
        if settings.block_interval.is_zero() {
            return Err(Error::Setting { setting: "block_interval", why: "it must be positive".into() });
        }
        let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        // What a batch spans, at most while it is in time.
        let batch = micros(settings.latency.map_or(settings.batch_interval, |target| target / 2));
        let partitions = i64::try_from(settings.default_parallelism).unwrap_or(i64::MAX).max(1);
        let after = micros(settings.block_interval).min(batch / partitions).max(1);
        Ok(CutRule {
            after_micros: (batch >= SHORT_BATCH_MICROS).then_some(after),
            // Several blocks fit into the budget, so that one can be processed while the next is filled.
            bytes: BLOCK_BYTES.min(limit / 4).max(1),
        })
    }
}

/// The states of a generator (SPEC 3.7 without those of a thread that pushes blocks: here a block is pushed
/// by the call that cuts it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GeneratorState {
    /// Not started: takes nothing.
    Initialized,
    /// Takes records.
    Active,
    /// Takes nothing more; what it has will be cut.
    StoppedAdding,
    /// Everything was cut.
    Stopped,
}

/// Gathers records into blocks. Pure: it is told the time and returns the blocks that it cuts.
pub(crate) struct BlockGenerator<T> {
    stream: StreamId,
    rule: CutRule,
    budget: Arc<ReceivedBytes>,
    state: GeneratorState,
    next_number: u64,
    open: Option<Open<T>>,
    /// The length of the last block, as a hint for the next: records, or bytes of text.
    last_len: usize,
}

struct Open<T> {
    records: OpenRecords<T>,
    charge: Charge,
    since: i64,
    age: Age,
}

/// Looks at the clock now and then: a look costs as much as all the rest of storing a record.
struct Age {
    looked: i64,
    /// Stores between two looks.
    stride: u32,
    /// Stores until the next look.
    left: u32,
}

impl Age {
    /// Where records come so fast that the clock has hardly moved since the last look, the next one comes
    /// after twice as many stores, up to this.
    const LONGEST_STRIDE: u32 = 256;

    /// The time, if it is worth a look.
    fn look(&mut self, after: i64, now: impl Fn() -> i64) -> Option<i64> {
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        let now = now();
        let hardly = now - self.looked < after / 32;
        self.stride = if hardly { (self.stride * 2).min(Self::LONGEST_STRIDE) } else { 1 };
        self.left = self.stride - 1;
        self.looked = now;
        Some(now)
    }
}

enum OpenRecords<T> {
    Owned(Vec<T>),
    Lines(LinesInProgress<T>),
}

impl<T> BlockGenerator<T> {
    /// A generator that is not started.
    pub(crate) fn new(stream: StreamId, rule: CutRule, budget: Arc<ReceivedBytes>) -> Self {
        BlockGenerator {
            stream,
            rule,
            budget,
            state: GeneratorState::Initialized,
            next_number: 0,
            open: None,
            last_len: 0,
        }
    }

    /// Takes records from now on.
    ///
    /// # Errors
    /// When it was started or stopped before.
    pub(crate) fn start(&mut self) -> Result<()> {
        if self.state != GeneratorState::Initialized {
            return Err(self.refusal("start"));
        }
        self.state = GeneratorState::Active;
        Ok(())
    }

    /// Refuses records from now on. What was gathered stays.
    pub(crate) fn stop_adding(&mut self) {
        self.state = self.state.max(GeneratorState::StoppedAdding);
    }

    /// Ends it and returns the last block. A second call finds nothing.
    pub(crate) fn finish(&mut self) -> Option<ReceivedBlock<T>> {
        self.stop_adding();
        let last = self.seal();
        self.state = GeneratorState::Stopped;
        last
    }

    /// Cuts the open block if it has records: what a tick does.
    pub(crate) fn seal(&mut self) -> Option<ReceivedBlock<T>> {
        let open = self.open.take()?;
        let records = match open.records {
            OpenRecords::Owned(records) => {
                self.last_len = records.len();
                Records::Owned(records)
            }
            OpenRecords::Lines(lines) => {
                self.last_len = lines.len();
                Records::Lines(lines.finish())
            }
        };
        Some(self.block(records, None, open.charge))
    }

    /// A block of another process. Later ones have greater numbers.
    pub(crate) fn resumed(
        &mut self,
        number: u64,
        records: Vec<T>,
        bytes: u64,
        note: Option<&str>,
    ) -> ReceivedBlock<T> {
        self.next_number = self.next_number.max(number + 1);
        let mut charge = Charge::none(&self.budget);
        charge.grow(bytes);
        let id = BlockId { stream: self.stream, number };
        ReceivedBlock::new(id, Records::Owned(records), note.map(Into::into), charge)
    }

    /// Adds one record of `bytes`; `now` tells the time where it matters. Returns the block that was cut
    /// before the record, if one was.
    ///
    /// # Errors
    /// When it is not active.
    pub(crate) fn add(
        &mut self,
        record: T,
        bytes: u64,
        now: impl Fn() -> i64,
    ) -> Result<Option<ReceivedBlock<T>>> {
        self.put(bytes, now, |records| records.push(record))
    }

    /// Adds records of `bytes` in all: they stay together. As [`add`](Self::add).
    pub(crate) fn add_all(
        &mut self,
        mut added: Vec<T>,
        bytes: u64,
        now: impl Fn() -> i64,
    ) -> Result<Option<ReceivedBlock<T>>> {
        self.put(bytes, now, |records| records.append(&mut added))
    }

    fn put(
        &mut self,
        bytes: u64,
        now: impl Fn() -> i64,
        put: impl FnOnce(&mut Vec<T>),
    ) -> Result<Option<ReceivedBlock<T>>> {
        self.check_active()?;
        let cut = self.make_way(bytes, &now, |open| matches!(open, OpenRecords::Owned(_)));
        if let Some(Open { records: OpenRecords::Owned(records), charge, .. }) = &mut self.open {
            charge.grow(bytes);
            put(records);
        } else {
            let space = self.last_len.min(SPACE_BYTES / size_of::<T>().max(1));
            let mut records = Vec::with_capacity(space);
            put(&mut records);
            self.open(OpenRecords::Owned(records), bytes, now());
        }
        Ok(cut)
    }

    /// Makes `records` a block of their own, after the block that was open.
    ///
    /// # Errors
    /// When it is not active.
    pub(crate) fn add_block(
        &mut self,
        records: Vec<T>,
        bytes: u64,
        metadata: Option<Box<str>>,
    ) -> Result<(Option<ReceivedBlock<T>>, ReceivedBlock<T>)> {
        self.check_active()?;
        // The records that were stored before stay before.
        let before = self.seal();
        let mut charge = Charge::none(&self.budget);
        charge.grow(bytes);
        Ok((before, self.block(Records::Owned(records), metadata, charge)))
    }

    fn block(&mut self, records: Records<T>, metadata: Option<Box<str>>, charge: Charge) -> ReceivedBlock<T> {
        let id = BlockId { stream: self.stream, number: self.next_number };
        self.next_number += 1;
        ReceivedBlock::new(id, records, metadata, charge)
    }

    /// Cuts the open block if `bytes` more, or records of another form, must not go into it.
    fn make_way(
        &mut self,
        bytes: u64,
        now: &impl Fn() -> i64,
        fits: impl Fn(&OpenRecords<T>) -> bool,
    ) -> Option<ReceivedBlock<T>> {
        let open = self.open.as_mut()?;
        let old = self
            .rule
            .after_micros
            .is_some_and(|after| open.age.look(after, now).is_some_and(|now| now - open.since >= after));
        if old || open.charge.bytes() + bytes > self.rule.bytes || !fits(&open.records) {
            self.seal()
        } else {
            None
        }
    }

    /// Opens a block. There is none: [`make_way`](Self::make_way) has cut it where it did not fit.
    fn open(&mut self, records: OpenRecords<T>, bytes: u64, now: i64) {
        debug_assert!(self.open.is_none(), "an open block is cut, never thrown away");
        let mut charge = Charge::none(&self.budget);
        charge.grow(bytes);
        self.open = Some(Open { records, charge, since: now, age: Age { looked: now, stride: 1, left: 0 } });
    }

    fn check_active(&self) -> Result<()> {
        if self.state == GeneratorState::Active { Ok(()) } else { Err(self.refusal("store")) }
    }

    fn refusal(&self, call: &str) -> Error {
        let state = match self.state {
            GeneratorState::Initialized => "not started yet",
            GeneratorState::Active => "started already",
            GeneratorState::StoppedAdding | GeneratorState::Stopped => "stopped",
        };
        let message = format!("{call}: the receiver is {state}");
        Error::Receiver { name: self.stream.to_string(), message, source: None }
    }
}

impl BlockGenerator<Text> {
    /// Adds whole lines, `count` of them. As [`add`](Self::add), but once for a buffer.
    pub(crate) fn add_lines(
        &mut self,
        lines: &str,
        count: u64,
        now: impl Fn() -> i64,
    ) -> Result<Option<ReceivedBlock<Text>>> {
        self.check_active()?;
        let bytes = lines.len() as u64;
        let cut = self.make_way(bytes, &now, |open| matches!(open, OpenRecords::Lines(_)));
        if let Some(Open { records: OpenRecords::Lines(open), charge, .. }) = &mut self.open {
            charge.grow(bytes);
            open.push(lines, count);
        } else {
            let mut open = LinesInProgress::new(self.last_len.min(SPACE_BYTES).max(lines.len()));
            open.push(lines, count);
            self.open(OpenRecords::Lines(open), bytes, now());
        }
        Ok(cut)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use waterclock_base::world::ManualClock;

    use super::*;

    fn budget(limit: u64) -> Arc<ReceivedBytes> {
        ReceivedBytes::new(limit, ManualClock::new())
    }

    fn generator<T>(after: Option<i64>, bytes: u64) -> BlockGenerator<T> {
        BlockGenerator::new(StreamId(1), CutRule { after_micros: after, bytes }, budget(1 << 20))
    }

    fn active<T>(after: Option<i64>, bytes: u64) -> BlockGenerator<T> {
        let mut generator = generator(after, bytes);
        generator.start().unwrap();
        generator
    }

    fn records(block: &ReceivedBlock<u64>) -> Vec<u64> {
        block.records().unwrap().to_vec()
    }

    /// T-190: nothing is taken before the start; order holds over blocks; after the stop nothing is
    /// taken; a second stop finds nothing.
    #[test]
    fn a_generator_takes_records_while_it_is_active() {
        let mut generator = generator(None, 1 << 20);
        assert!(generator.add(0, 8, || 0).is_err());
        assert!(generator.seal().is_none());
        generator.start().unwrap();
        assert!(generator.start().is_err());
        let mut blocks = Vec::new();
        for record in 0..10 {
            assert!(generator.add(record, 8, || 0).unwrap().is_none());
            if record % 4 == 3 {
                blocks.extend(generator.seal());
            }
        }
        blocks.extend(generator.finish());
        assert_eq!(blocks.iter().flat_map(records).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
        assert_eq!(blocks.iter().map(|block| block.id().number).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(blocks.iter().map(ReceivedBlock::bytes).collect::<Vec<_>>(), [32, 32, 16]);
        let error = generator.add(0, 8, || 0).err().unwrap();
        assert!(error.to_string().contains("stopped"), "{error}");
        assert!(generator.finish().is_none());
        assert!(generator.start().is_err());
    }

    /// T-191: it refuses records first, the last block is cut, then it is stopped.
    #[test]
    fn stopping_goes_in_order() {
        let mut generator = active(None, 1 << 20);
        generator.add(1, 8, || 0).unwrap();
        generator.stop_adding();
        assert_eq!(generator.state, GeneratorState::StoppedAdding);
        assert!(generator.add(2, 8, || 0).is_err());
        assert!(generator.add_block(vec![2], 8, None).is_err());
        assert_eq!(generator.finish().as_ref().map(records), Some(vec![1]));
        assert_eq!(generator.state, GeneratorState::Stopped);
    }

    #[test]
    fn an_open_block_is_cut_by_age_and_size() {
        let mut generator = active(Some(100), 24);
        assert!(generator.add(0, 8, || 1000).unwrap().is_none());
        assert!(generator.add(1, 8, || 1099).unwrap().is_none());
        assert_eq!(generator.add(2, 8, || 1100).unwrap().as_ref().map(records), Some(vec![0, 1]));
        assert!(generator.add_all(vec![3, 4], 16, || 1101).unwrap().is_none());
        assert_eq!(generator.add(5, 8, || 1102).unwrap().as_ref().map(records), Some(vec![2, 3, 4]));
        assert_eq!(generator.add(6, 100, || 1103).unwrap().as_ref().map(records), Some(vec![5]));
    }

    #[test]
    fn the_clock_is_looked_at_rarely_where_records_come_fast() {
        let mut generator = active(Some(100_000), 1 << 30);
        let looks = std::cell::Cell::new(0);
        // A microsecond a record: a block of a tenth of a second, give or take one stride.
        for record in 0..250_000i64 {
            let now = || {
                looks.set(looks.get() + 1);
                record
            };
            if let Some(block) = generator.add(record, 8, now).unwrap() {
                let late = block.len() - 100_000;
                assert!(late <= 256, "{late}");
            }
        }
        assert!(looks.get() < 2000, "{}", looks.get());
        assert_eq!(generator.next_number, 2);
    }

    #[test]
    fn a_buffer_is_a_block_after_what_was_stored_before() {
        let mut generator = active(None, 1 << 20);
        generator.add(0, 8, || 0).unwrap();
        let (before, block) = generator.add_block(vec![1, 2], 16, Some("offsets 1-2".into())).unwrap();
        assert_eq!(before.as_ref().map(records), Some(vec![0]));
        assert_eq!((records(&block), block.metadata()), (vec![1, 2], Some("offsets 1-2")));
        assert!(generator.seal().is_none());
    }

    #[test]
    fn lines_and_texts_keep_their_order() {
        let mut generator = active(None, 1 << 20);
        assert!(generator.add_lines("a\nb\n", 2, || 0).unwrap().is_none());
        assert!(generator.add_lines("c\n", 1, || 0).unwrap().is_none());
        let lines = generator.add(Text::from("d"), 16, || 0).unwrap().unwrap();
        assert!(matches!(&*lines.records().unwrap(), Records::Lines(lines) if lines.text() == "a\nb\nc\n"));
        assert_eq!((lines.len(), lines.bytes()), (3, 6));
        let texts = generator.add_lines("e\n", 1, || 0).unwrap().unwrap();
        assert_eq!(texts.records().unwrap().to_vec(), [Text::from("d")]);
    }

    #[test]
    fn the_rule_follows_the_settings() {
        let rule = |batch: u64, partitions: usize, limit: u64| {
            let mut settings = Settings::default();
            settings.batch_interval = Duration::from_millis(batch);
            settings.default_parallelism = partitions;
            CutRule::of(&settings, limit).unwrap()
        };
        assert_eq!(rule(1000, 2, 1 << 30), CutRule { after_micros: Some(200_000), bytes: BLOCK_BYTES });
        assert_eq!(rule(100, 4, 4000), CutRule { after_micros: Some(25_000), bytes: 1000 });
        assert_eq!(rule(9, 4, 0), CutRule { after_micros: None, bytes: 1 });
        let mut settings = Settings::default();
        settings.block_interval = Duration::ZERO;
        let error = CutRule::of(&settings, 1).unwrap_err();
        assert!(error.to_string().contains("block_interval"), "{error}");
    }
}
