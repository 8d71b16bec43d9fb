//! A plain snapshot of a running context: what a page, a command or a test shows of it.

mod batch; // batches with their outputs, jobs and stages
mod parts; // inputs, operators, state, the graph
mod shown; // results of streams
mod spread; // how times are spread
mod watch; // who looks

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{BatchInfo, CheckpointInfo, PaceInfo, ReceiverInfo, RecoveryInfo};

pub use batch::{BatchStatus, JobStatus, StageStatus};
pub use parts::{GraphStatus, InputStatus, OperatorStatus, OutputStatus, StateStatus, StreamStatus};
pub use shown::{ChartPoint, ShownResult};
pub use spread::Spread;
pub use watch::{Watched, Watcher};

/// How a context is doing, all of it at the same moment. All counts are since its start; lists have limits,
/// named with them, and counts go on beyond those. Times are microseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// The program's name.
    pub app_name: String,
    /// Batch interval in milliseconds.
    pub batch_interval_ms: u64,
    /// When this was.
    pub now_micros: i64,
    /// When the context started; none before.
    pub started_micros: Option<i64>,
    /// Whether it has stopped.
    pub stopped: bool,
    /// Batches that are cut and wait.
    pub waiting_batches: usize,
    /// Batches that run.
    pub running_batches: usize,
    /// Batches that ended, failed ones included.
    pub completed_batches: u64,
    /// Batches that failed.
    pub failed_batches: u64,
    /// How batches are formed, where they follow a latency target: as of the newest batch.
    pub pace: Option<PaceInfo>,
    /// Ticks that formed no batch of their own, because too many batches waited.
    pub merged_ticks: u64,
    /// Records that inputs took in.
    pub received_records: u64,
    /// Records of completed batches.
    pub processed_records: u64,
    /// Records of batches that failed and were skipped.
    pub skipped_records: u64,
    /// Records that were dropped by a documented rule (too long, not UTF-8, refused by a policy).
    pub dropped_records: u64,
    /// Events that listeners were not told, because they were too slow.
    pub dropped_events: u64,
    /// Bytes of received, shuffled, cached and state data held in memory.
    pub memory_used: u64,
    /// Who has how much of it.
    pub memory: MemoryStatus,
    /// Bytes that were moved to disk, because memory was short.
    pub spilled_bytes: u64,
    /// How long batches waited for their turn.
    pub scheduling_delays: Spread,
    /// How long the jobs of batches took.
    pub processing_delays: Spread,
    /// Both together.
    pub total_delays: Spread,
    /// Whether it keeps up with its input.
    pub health: Health,
    /// The inputs, in the order of definition.
    pub inputs: Vec<InputStatus>,
    /// The receivers.
    pub receivers: Vec<ReceiverInfo>,
    /// The newest completed batch.
    pub last_completed: Option<BatchInfo>,
    /// The batches that wait, oldest first.
    pub waiting: Vec<Arc<BatchStatus>>,
    /// The batches that run, oldest first.
    pub running: Vec<Arc<BatchStatus>>,
    /// The newest completed batches, newest first: as many as `retained_batches` of the settings.
    pub completed: Vec<Arc<BatchStatus>>,
    /// The time of each operator, the longest first: at most 1,000 of them.
    pub operators: Vec<OperatorStatus>,
    /// The streams that keep state.
    pub states: Vec<StateStatus>,
    /// What outlives the process, if anything does.
    pub checkpoint: Option<CheckpointStatus>,
    /// The streams and outputs.
    pub graph: Arc<GraphStatus>,
    /// The streams that are shown, with their newest results.
    pub results: Vec<Arc<ShownResult>>,
    /// What was worth a note: at most the newest 100.
    pub notices: Vec<Notice>,
    /// Names and values of all settings, without anything secret.
    pub settings: Vec<(String, String)>,
}

/// Whether a context keeps up with its input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Whether it does.
    pub keeps_up: bool,
    /// How that shows, for people; empty while it keeps up.
    pub why: String,
    /// The stage that takes the longest, as the operation at its end and the place where that is called; none while
    /// it keeps up, or where no stage was seen.
    pub slowest_stage: Option<String>,
    /// What that stage took of the time of the latest batches, from 0 to 1.
    pub share: f64,
    /// What is short, and what happens because of it, for people: data goes to disk, inputs are held back. Empty where
    /// nothing is.
    pub strains: Vec<String>,
}

impl Default for Health {
    fn default() -> Self {
        Health { keeps_up: true, why: String::new(), slowest_stage: None, share: 0.0, strains: Vec::new() }
    }
}

/// What a context has that outlives its process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointStatus {
    /// The directory.
    pub dir: String,
    /// Snapshots that were written.
    pub written: u64,
    /// Snapshots that could not be written.
    pub failed: u64,
    /// The newest 100, newest first.
    pub history: Vec<CheckpointInfo>,
    /// How this process went on from another one, if it did.
    pub recovery: Option<RecoveryInfo>,
}

/// Something worth a note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When, in microseconds since the epoch.
    pub at_micros: i64,
    /// What.
    pub text: String,
}

/// Who has how much of the memory budget, in bytes. Each may have half of it as long as the whole is not used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MemoryStatus {
    /// All that may be used.
    pub budget: u64,
    /// Blocks that receivers took in.
    pub received: u64,
    /// Buckets between stages.
    pub shuffled: u64,
    /// Persisted datasets.
    pub cached: u64,
    /// Keyed state, about.
    pub state: u64,
    /// What is on disk now, because memory was short.
    pub on_disk: u64,
    /// Whether state alone has more than its half.
    pub state_over_limit: bool,
}
