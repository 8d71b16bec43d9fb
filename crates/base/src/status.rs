//! A plain snapshot of a running context: what a page, a command or a test shows of it.

use serde::{Deserialize, Serialize};

use crate::event::BatchInfo;
use crate::event::{PaceInfo, ReceiverInfo};

/// How a context is doing. All counts are since its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// The program's name.
    pub app_name: String,
    /// Batch interval in milliseconds.
    pub batch_interval_ms: u64,
    /// Batches that are cut and wait.
    pub waiting_batches: usize,
    /// Batches that run.
    pub running_batches: usize,
    /// Batches that ended, failed ones included.
    pub completed_batches: u64,
    /// Batches that failed.
    pub failed_batches: u64,
    /// How batches are formed, where they follow a latency target.
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
    /// Bytes of received, shuffled, cached and state data held in memory.
    pub memory_used: u64,
    /// Who has how much of it.
    pub memory: MemoryStatus,
    /// Bytes that were moved to disk, because memory was short.
    pub spilled_bytes: u64,
    /// The receivers.
    pub receivers: Vec<ReceiverInfo>,
    /// The newest completed batch.
    pub last_completed: Option<BatchInfo>,
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
