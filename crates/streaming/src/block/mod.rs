//! Blocks: what receivers gather, what waits for a tick, what a batch is made of.
//!
//! A block is immutable once it is cut. It belongs to one stream, waits in that stream's [`queue`] until a
//! tick takes it into a batch, and is kept until the batch is forgotten; all that time its bytes count
//! against the context's [`ReceivedBytes`], unless it went to disk because those were used up.

mod budget; // how many received bytes may wait
mod gather; // which blocks make one partition
mod log; // blocks that outlive the process
mod queue; // the blocks of one stream, by batch
mod spilled; // blocks that went to disk
mod waiters; // waiting on the clock, which budgets and receivers do

use std::ops::Deref;

use waterclock_base::{BlockId, Data, Record, Result, Text, for_each_line};
use waterclock_engine::{Sink, Step, TaskCx, hand_lines};

pub(crate) use budget::Charge;
pub use budget::ReceivedBytes;
pub use gather::gather;
pub(crate) use log::{BlockLog, BlockRef, records as saved_records, saved as saved_block};
pub(crate) use queue::BlockQueue;
use spilled::Spilled;
pub(crate) use waiters::{Stopwatch, Waiters};

/// Received records that were stored together: one unit of reception.
pub struct ReceivedBlock<T> {
    id: BlockId,
    records: Place<T>,
    metadata: Option<Box<str>>,
    bytes: u64,
    /// While the records are in memory.
    charge: Option<Charge>,
    /// How the log names it, where it is logged.
    logged: Option<BlockRef>,
}

/// Where the records of a block are.
enum Place<T> {
    Memory(Records<T>),
    Disk(Spilled<T>),
}

/// The records of a block, in the order in which they were stored.
pub enum Records<T> {
    /// Records of their own.
    Owned(Vec<T>),
    /// Lines of text in one buffer.
    Lines(Lines<T>),
}

/// Whole lines of text in one buffer, each a record: no line was copied or allocated on its own.
///
/// Every line ends in `\n` or `\r\n`, the last one included. Only a block of [`Text`] holds lines; code that
/// is generic over the record type can still read them, because how a line becomes a record is noted where
/// the type was known.
pub struct Lines<T> {
    text: Box<str>,
    count: u64,
    forms: LineForms<T>,
}

/// What can be done with lines, noted where their record type was known to be [`Text`].
struct LineForms<T> {
    own: fn(&str) -> T,
    hand: fn(&str, &TaskCx, &mut dyn Sink<T>) -> Step,
}

impl<T> Clone for LineForms<T> {
    fn clone(&self) -> Self {
        LineForms { own: self.own, hand: self.hand }
    }
}

impl<T> ReceivedBlock<T> {
    pub(crate) fn new(id: BlockId, records: Records<T>, metadata: Option<Box<str>>, charge: Charge) -> Self {
        let (records, bytes) = (Place::Memory(records), charge.bytes());
        ReceivedBlock { id, records, metadata, bytes, charge: Some(charge), logged: None }
    }

    /// Notes how the log names it.
    pub(crate) fn set_logged(&mut self, logged: BlockRef) {
        self.logged = Some(logged);
    }

    /// How the log names it, where it is logged.
    pub(crate) fn logged(&self) -> Option<BlockRef> {
        self.logged
    }

    /// Its stream and its number in it.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// Its records: where they are in memory, or read from disk.
    ///
    /// # Errors
    /// [`Error::Outside`](waterclock_base::Error::Outside) when they are on disk and can't be read.
    pub fn records(&self) -> Result<BlockRecords<'_, T>> {
        match &self.records {
            Place::Memory(records) => Ok(BlockRecords::Here(records)),
            Place::Disk(spilled) => Ok(BlockRecords::Read(spilled.read()?)),
        }
    }

    /// How many records it has.
    pub fn len(&self) -> u64 {
        match &self.records {
            Place::Memory(records) => records.count(),
            Place::Disk(spilled) => spilled.count(),
        }
    }

    /// Whether it has none. A block from a receiver has some.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that its records take or would take: exact for lines, an estimate for other records.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the receiver noted about it, as the offsets of a queue.
    pub fn metadata(&self) -> Option<&str> {
        self.metadata.as_deref()
    }
}

impl<T: Record> ReceivedBlock<T> {
    /// Moves the records to disk if memory is short and there is room. What can't be written stays where it is.
    pub(crate) fn make_room(&mut self) {
        let Some(memory) = self.charge.as_ref().and_then(|charge| charge.budget().wants_disk()) else {
            return;
        };
        let Place::Memory(records) = &self.records else { return };
        match Spilled::write(records, memory) {
            Ok(spilled) => {
                self.records = Place::Disk(spilled);
                self.charge = None;
            }
            Err(error) => {
                tracing::warn!(error = ?error, "a received block can't go to disk and stays in memory")
            }
        }
    }
}

/// The records of a block, for as long as they are looked at.
pub enum BlockRecords<'b, T> {
    /// In memory.
    Here(&'b Records<T>),
    /// Read from disk.
    Read(Records<T>),
}

impl<T> Deref for BlockRecords<'_, T> {
    type Target = Records<T>;

    fn deref(&self) -> &Records<T> {
        match self {
            BlockRecords::Here(records) => records,
            BlockRecords::Read(records) => records,
        }
    }
}

impl<T> Records<T> {
    fn count(&self) -> u64 {
        match self {
            Records::Owned(records) => records.len() as u64,
            Records::Lines(lines) => lines.count,
        }
    }
}

impl<T: Clone> Records<T> {
    /// All records, as ones of their own.
    pub fn to_vec(&self) -> Vec<T> {
        match self {
            Records::Owned(records) => records.clone(),
            Records::Lines(lines) => {
                let mut records = Vec::with_capacity(usize::try_from(lines.count).unwrap_or(0));
                for_each_line(&lines.text, |line| records.push(lines.record(line)));
                records
            }
        }
    }
}

impl<T> Lines<T> {
    /// The buffer: whole lines with their ends.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many lines it has.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Makes a line of the buffer, given without its end, a record of its own.
    pub fn record(&self, line: &str) -> T {
        (self.forms.own)(line)
    }
}

impl<T: Data> Lines<T> {
    /// Hands the lines on, without making records of them.
    pub(crate) fn hand(&self, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        (self.forms.hand)(&self.text, cx, out)
    }
}

/// Lines that are being gathered. Made by [`LinesInProgress::new`] for [`Text`] only.
pub(crate) struct LinesInProgress<T> {
    text: String,
    count: u64,
    forms: LineForms<T>,
}

impl LinesInProgress<Text> {
    /// No lines yet, with space for `bytes`.
    pub(crate) fn new(bytes: usize) -> Self {
        let forms = LineForms { own: |line| Text::from(line), hand: hand_lines };
        LinesInProgress { text: String::with_capacity(bytes), count: 0, forms }
    }
}

impl<T> LinesInProgress<T> {
    /// Appends whole lines, `count` of them; a last one without an end gets one.
    pub(crate) fn push(&mut self, lines: &str, count: u64) {
        self.text.push_str(lines);
        if !lines.ends_with('\n') {
            self.text.push('\n');
        }
        self.count += count;
    }

    /// How long the buffer is.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// No more lines come.
    pub(crate) fn finish(self) -> Lines<T> {
        Lines { text: self.text.into_boxed_str(), count: self.count, forms: self.forms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_one_buffer_until_they_are_read() {
        let mut open = LinesInProgress::new(0);
        open.push("a\nbc\r\n", 2);
        open.push("d", 1);
        assert_eq!(open.len(), 8);
        let lines = open.finish();
        assert_eq!((lines.text(), lines.count()), ("a\nbc\r\nd\n", 3));
        assert_eq!(Records::Lines(lines).to_vec(), ["a", "bc", "d"].map(Text::from));
    }
}
