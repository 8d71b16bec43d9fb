//! Everything that happens, for listeners, the progress line and the page.

mod durable; // state, checkpoints, recovery
mod work; // jobs, stages, tasks

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{OutputId, StreamId};
use crate::time::{BatchInterval, BatchTime};

pub use durable::{CheckpointInfo, RecoveryInfo, StateInfo};
pub use work::{JobInfo, JobOwner, OperatorTime, Site, StageInfo, TaskInfo};

/// Something that happened in a context. Times are microseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// The context started (EV-1).
    StreamingStarted {
        /// When.
        at_micros: i64,
    },
    /// A receiver runs (EV-2).
    ReceiverStarted(ReceiverInfo),
    /// A receiver reported an error, or failed and will be restarted (EV-3).
    ReceiverError(ReceiverInfo),
    /// A receiver ended (EV-4).
    ReceiverStopped(ReceiverInfo),
    /// A batch was cut and waits for its turn (EV-5).
    BatchSubmitted(BatchInfo),
    /// The first job of a batch begins (EV-6).
    BatchStarted(BatchInfo),
    /// All jobs of a batch ended, successfully or not (EV-7).
    BatchCompleted(BatchInfo),
    /// One output of a batch begins (EV-8).
    OutputOperationStarted(OutputInfo),
    /// One output of a batch ended (EV-9).
    OutputOperationCompleted(OutputInfo),
    /// An action began.
    JobStarted(JobInfo),
    /// An action ended, successfully or not.
    JobCompleted(JobInfo),
    /// A stage of a job began.
    StageStarted(StageInfo),
    /// All tasks of a stage ended. A stage whose job fails never completes. What it left for the next stage
    /// through a shuffle is part of this.
    StageCompleted(StageInfo),
    /// An attempt at a task ended, successfully or not.
    TaskCompleted(TaskInfo),
    /// A batch settled the state of a stream.
    StateSettled(StateInfo),
    /// A snapshot was written, or could not be.
    CheckpointCompleted(CheckpointInfo),
    /// The context went on from a checkpoint.
    Recovered(RecoveryInfo),
    /// Listeners were too slow, and were not told so many events before this one.
    EventsDropped {
        /// How many.
        events: u64,
    },
    /// Ticks were merged into a later batch, because too many batches waited.
    TicksMerged {
        /// The time whose batch was not formed.
        time: BatchTime,
        /// Batches that waited.
        waiting: usize,
    },
    /// With a latency target: the span of batches changed, or whether the target can be met.
    PaceChanged(PaceInfo),
    /// Records were dropped by a documented rule.
    RecordsDropped {
        /// The stream that dropped them.
        stream: StreamId,
        /// Why, in a word or two.
        why: &'static str,
        /// How many.
        records: u64,
    },
    /// A note for the operator of the program, as that a key's hash is useless.
    Warning {
        /// The text.
        text: String,
    },
}

/// How batches are formed that follow a latency target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaceInfo {
    /// The batch that was formed last.
    pub time: BatchTime,
    /// The target, in milliseconds.
    pub target_ms: u64,
    /// What a batch spans when the one before is over in time, in milliseconds.
    pub span_ms: u64,
    /// Records that a batch takes at most, over all inputs.
    pub most_records: u64,
    /// Records that the last batch left to later ones.
    pub left_records: u64,
    /// Whether more comes in than can be processed in time: inputs are held back, and what waits is taken in
    /// parts.
    pub overloaded: bool,
}

/// A receiver as events show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverInfo {
    /// Its stream.
    pub stream: StreamId,
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub active: bool,
    /// The last error that it reported, empty if none.
    pub last_error: String,
    /// When that was, in microseconds; -1 if never.
    pub last_error_micros: i64,
}

/// What one input gave to a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputInfo {
    /// The input stream.
    pub stream: StreamId,
    /// Records, as far as they are known before they are read.
    pub records: u64,
    /// What it was, for people: file names, offsets.
    pub description: String,
}

/// Why a batch was formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BatchOrigin {
    /// It was time.
    #[default]
    Ticked,
    /// Another process began it and did not finish it: it is run again with the same input.
    Redone,
    /// It stands for time in which no process ran.
    CaughtUp,
}

/// Where the time between the begin and the end of a batch went besides its outputs, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchPhases {
    /// Making its datasets: closures of `transform` run here.
    pub making: u64,
    /// Waiting until what it reads is written down.
    pub logging: u64,
    /// Running its outputs, one after the other or at the same time.
    pub running: u64,
    /// Making the state that no output asked for.
    pub completing: u64,
    /// Showing what its outputs have ready to the outside.
    pub publishing: u64,
    /// Writing down how it ended and what it changed.
    pub committing: u64,
    /// Settling state and letting go of old datasets.
    pub cleaning: u64,
}

/// One batch as events show it. Times are microseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchInfo {
    /// What it covers.
    pub interval: BatchInterval,
    /// What it reads.
    pub inputs: Vec<InputInfo>,
    /// When it was cut.
    pub submitted_micros: i64,
    /// When its first job began.
    pub started_micros: Option<i64>,
    /// When its last job ended.
    pub ended_micros: Option<i64>,
    /// Its outputs, as far as they have begun.
    pub outputs: Vec<OutputInfo>,
    /// Why it was formed.
    pub origin: BatchOrigin,
    /// Where its time went, once it ended.
    pub phases: BatchPhases,
}

impl BatchInfo {
    /// The batch's time.
    pub fn time(&self) -> BatchTime {
        self.interval.to
    }

    /// Records of all its inputs.
    pub fn records(&self) -> u64 {
        self.inputs.iter().map(|input| input.records).sum()
    }

    /// Microseconds between being cut and the first job, once that began.
    pub fn scheduling_delay_micros(&self) -> Option<i64> {
        Some(self.started_micros? - self.submitted_micros)
    }

    /// Microseconds from the first job's begin to the last one's end, once that ended.
    pub fn processing_delay_micros(&self) -> Option<i64> {
        Some(self.ended_micros? - self.started_micros?)
    }

    /// Both delays together.
    pub fn total_delay_micros(&self) -> Option<i64> {
        Some(self.ended_micros? - self.submitted_micros)
    }
}

/// One output of one batch. Times are microseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputInfo {
    /// The batch.
    pub time: BatchTime,
    /// Which output.
    pub id: OutputId,
    /// Its name.
    pub name: String,
    /// When it began.
    pub started_micros: Option<i64>,
    /// When it ended.
    pub ended_micros: Option<i64>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// Receives events, one after the other, on a thread of its own.
pub trait Listener: Send + Sync + 'static {
    /// Something happened.
    fn on_event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Listener for F {
    fn on_event(&self, event: &Event) {
        self(event);
    }
}

impl Listener for Arc<dyn Listener> {
    fn on_event(&self, event: &Event) {
        (**self).on_event(event);
    }
}
