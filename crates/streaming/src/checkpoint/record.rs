//! What the log says: one record for each thing that must not be forgotten. Written as postcard, so fields
//! and variants are only ever added behind the last; docs/format.md, "Log", has every byte.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use waterclock_base::{BatchInterval, BatchTime, Bytes, Schema};

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Record {
    /// A process begins to write. First in each of its files.
    Began(Began),
    /// A batch is fixed: written before anything of it can be seen outside.
    Cut(Descriptor),
    /// What a batch did to the state of one stream.
    Changed(Change),
    /// A batch is over; what it changed counts.
    Ended(Ending),
    /// The process stopped with nothing left to do.
    Stopped {
        /// The last time that was ticked.
        at: BatchTime,
    },
    /// What a receiver stored.
    Block(Block),
    /// What an accumulator had come to after a batch. Like a change, it counts if the batch ended so.
    Counted(Counted),
    /// How far the process had read the logs of those before it, and what it relied upon. In its first frame.
    Read(Place),
    /// Where a source begins that no snapshot before has: the first records of a process that knows one more.
    Source {
        /// The source's name.
        name: String,
        /// In its own form.
        position: Bytes,
    },
}

/// A frame of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Which process wrote it, and which of its files it is in.
    pub(crate) epoch: u32,
    pub(crate) file: u32,
    pub(crate) frame: u32,
}

/// The value of an accumulator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// The accumulator's name.
    pub(crate) name: String,
    pub(crate) schema: Schema,
    pub(crate) value: Bytes,
}

/// A block that a receiver stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Block {
    /// The source's name.
    pub(crate) source: String,
    /// Counts the blocks of the source.
    pub(crate) number: u64,
    /// What the receiver noted beside it.
    pub(crate) note: Option<String>,
    pub(crate) content: Content,
}

/// The records of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    /// So many records, one after the other, as postcard.
    Records(u64, Bytes),
    /// So many lines of text, each with its end.
    Lines(u64, Bytes),
}

/// Who writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Began {
    /// Counts the processes that have written here.
    pub(crate) epoch: u32,
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) at_micros: i64,
    /// What the rows of the changes that follow are made of.
    pub(crate) states: Vec<StateSchema>,
}

/// What a stream's state is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StateSchema {
    /// The stream's name.
    pub(crate) name: String,
    pub(crate) key: Schema,
    pub(crate) value: Schema,
    /// Whether keys are spread by a partitioner of the program's own.
    pub(crate) own_partitioner: bool,
}

/// What a batch reads: enough to read the same again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Descriptor {
    pub(crate) interval: BatchInterval,
    pub(crate) inputs: Vec<Input>,
    /// Partitions where none are given.
    pub(crate) partitions: u32,
    /// Fingerprint of the program that cut it.
    pub(crate) program: u64,
}

impl Descriptor {
    pub(crate) fn time(&self) -> BatchTime {
        self.interval.to
    }
}

/// What a batch reads of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Input {
    /// The source's name.
    pub(crate) source: String,
    /// Its blocks, offset ranges or files, in the source's own form.
    pub(crate) range: Bytes,
    pub(crate) records: u64,
    /// A place for event time; not used yet.
    pub(crate) watermark: Option<i64>,
}

/// What a version did to a partition of a stream's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// The stream's name.
    pub(crate) state: String,
    /// The version: at most the time of the batch that made it.
    pub(crate) version: BatchTime,
    /// The partition, of how many.
    pub(crate) partition: u32,
    pub(crate) partitions: u32,
    /// The key groups that the partition owns; all of them under a partitioner of the program's own.
    pub(crate) groups: Range<u32>,
    /// The rows; `state/saved.rs` writes them.
    pub(crate) rows: Bytes,
}

/// How a batch ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    pub(crate) time: BatchTime,
    /// Its results count. Otherwise it failed and was stepped over: state is as before it.
    pub(crate) committed: bool,
    /// Name and content hash of each output.
    pub(crate) outputs: Vec<(String, u64)>,
}

/// What a snapshot begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Drawn when the checkpoint was made: names the application wherever it leaves its mark.
    pub(crate) application: u64,
    pub(crate) app_name: String,
    /// The time before the first batch ever.
    pub(crate) zero: BatchTime,
    pub(crate) interval_ms: u64,
    pub(crate) seed: u64,
    pub(crate) key_groups: u32,
    /// The batch after which it was taken; `zero` before the first.
    pub(crate) time: BatchTime,
    /// Epoch and number of the first log file that goes on from it.
    pub(crate) next_log: (u32, u32),
}

/// An entry of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Entry {
    Header(Header),
    /// Where a source had come to, in its own form.
    Source {
        name: String,
        position: Bytes,
    },
    /// A batch whose input may be asked for again.
    Cut(Descriptor),
    /// How it ended, if it had.
    Ended(Ending),
    /// The state of a stream, as of its last version, if it has any yet.
    State {
        schema: StateSchema,
        version: Option<BatchTime>,
    },
    /// Rows of the state named last, as a change of nothing.
    Rows(Change),
    /// It is complete.
    End,
    /// What an accumulator had come to.
    Counted(Counted),
}
