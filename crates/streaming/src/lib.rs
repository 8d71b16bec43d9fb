//! `DStream<T>`: a live stream as a series of small deterministic jobs. The streaming half of Waterclock.
//!
//! The way of a record, in file names:
//!
//! 1. `source/` — it is read (by a receiver's thread, or when a batch is cut);
//! 2. `receiver/`, `block/` — received records gather into blocks, which wait for a batch;
//! 3. `batch/generator.rs` — a tick cuts the batch: what it reads is fixed now;
//! 4. `graph/` — each output asks its stream for its dataset of the batch, which asks its parents;
//! 5. `dstream/` — the operations, each making its dataset from its parents';
//! 6. `batch/scheduler.rs`, `batch/run.rs` — the outputs run, in order, as jobs of the engine;
//! 7. `state/` — what a batch did to keyed state becomes the state when the batch is committed.

mod listen; // telling what happens

mod checkpoint; // what outlives the process

mod graph; // streams, erased

mod block; // received records: blocks, and which batch has them
mod receiver; // sources that push, each on a thread of its own
mod source; // where streams begin
mod state; // keyed state across batches

mod dstream; // the operations

mod batch; // ticks and turns
mod job; // one output of one batch

mod context; // what a program holds

#[cfg(feature = "testing")]
pub mod testing;

pub use block::{BlockRecords, Lines, ReceivedBlock, ReceivedBytes, Records, gather};
pub use checkpoint::{
    Copied, FileState, InspectedAccumulator, InspectedBatch, InspectedBlock, InspectedContent, InspectedFile,
    InspectedFound, InspectedInput, InspectedOffsets, InspectedRange, InspectedSource, InspectedState,
    Inspection, copy_checkpoint, inspect_checkpoint, rescale_checkpoint,
};
pub use context::{
    Builder, ContextState, Fate, PartKind, Replay, ReplayOutcome, Replayed, StartPart, StartReport, Stop,
    StreamingContext,
};
pub use dstream::{
    BatchMark, BatchSink, Collected, DStream, MapWithState, MigrateOptions, OnBadRecord, Output, Rejected,
    SinkClass, State, StateOptions, StateSpec,
};
pub use listen::StatsReportListener;
pub use receiver::{
    EventSink, PidEstimator, RateLimiter, RawSocket, Receiver, ReceiverControl, ReceiverCounts,
    ReceiverHandle, ReceiverSetup, ReceiverSupervisor, RecurringTimer, SocketReader, TextSocket, TypedSocket,
};
pub use source::{FileOptions, FileReader, OnLost, QueueOptions, RangeSource, Ranges, RddQueue, TextReader};
