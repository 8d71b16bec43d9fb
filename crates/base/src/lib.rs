//! The words that every part of Waterclock speaks, and the seams between it and the world.
//!
//! | word | meaning | where |
//! |---|---|---|
//! | batch time | the instant that names a batch, in milliseconds since the epoch | [`BatchTime`] |
//! | record | one element of a stream or dataset; what a type must offer to be one | [`Data`], [`Record`], [`Key`] |
//! | text | the record type of text sources | [`Text`] |
//! | key group | the fixed share of all keys that a key belongs to, on every machine and release | [`key_group`] |
//! | schema | what a type looks like in bytes: kept beside them, so that they can be read when it has changed | [`Schema`] |
//! | fault, remedy | who is to blame for an error and what helps | [`Fault`], [`Remedy`] |
//! | world | clock, disk, net, random numbers and threads: the only way out of the process | [`world`] |
//!
//! This crate imports none of the others.

// The vocabulary.
mod data; // what a type must offer to be a record, a key
mod ids; // numbers that are not to be mixed up
mod time; // batch times, durations, windows

// What can go wrong, how it is set up, what can be seen.
mod config; // settings with their defaults and units
mod error; // one error type, by fault and remedy
mod event; // everything that happens
mod status; // a plain snapshot of a running context

// Bytes.
mod codec; // records to bytes and back
mod columns; // a record as a row of a table
mod key_group; // the versioned hash of a key's canonical encoding
mod schema; // what a type looks like in bytes, and what became of it
mod text; // `Text`, its lines and words
mod text_form; // how a record is printed

// The seams.
pub mod world;

pub use codec::{Bytes, Codec, checksum, checksum_on, decode, encode};
pub use columns::{Row, shorten};
pub use config::{BackpressurePid, Durability, FailurePolicy, Settings, SparkRules};
pub use data::{Data, Key, Record};
pub use error::{BoxError, Error, Fault, Remedy, Result, SharedError, full_text};
pub use event::{
    BatchInfo, BatchOrigin, BatchPhases, CheckpointInfo, Event, InputInfo, JobInfo, JobOwner, Listener,
    OperatorTime, OutputInfo, PaceInfo, ReceiverInfo, RecoveryInfo, Site, StageInfo, StateInfo, TaskInfo,
};
pub use ids::{Attempt, BlockId, JobId, OutputId, PartitionIndex, RddId, StageId, StreamId, TaskId};
pub use key_group::{KEY_HASH_VERSION, group_of_hash, key_group, key_hash, partition_of_group};
pub use schema::{Schema, SchemaChange, SchemaField, SchemaMismatch, SchemaVariant, read_as};
pub use status::{
    BatchStatus, ChartPoint, CheckpointStatus, GraphStatus, Health, InputStatus, JobStatus, MemoryStatus,
    Notice, OperatorStatus, OutputStatus, ShownResult, Spread, StageStatus, StateStatus, Status,
    StreamStatus, Watched, Watcher,
};
pub use text::{
    Lent, LinesOfBytes, Text, Words, for_each_line, for_each_word, for_each_word_text, lines_of_bytes,
};
pub use text_form::{text_form, write_text_form};
pub use time::{BatchInterval, BatchTime, millis};
