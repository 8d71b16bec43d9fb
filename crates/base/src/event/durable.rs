//! What happens to what outlives the process: state, checkpoints, recovery.

use serde::{Deserialize, Serialize};

use crate::ids::StreamId;
use crate::time::BatchTime;

/// What a batch made of the state of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateInfo {
    /// The stream.
    pub stream: StreamId,
    /// The batch.
    pub time: BatchTime,
    /// Keys that the state has now, about.
    pub keys: u64,
    /// Whether what the batch changed counts; it does not where the batch failed.
    pub committed: bool,
}

/// A snapshot of everything that a restart needs, or an attempt at one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointInfo {
    /// The newest batch in it.
    pub time: BatchTime,
    /// When writing began, in microseconds since the epoch.
    pub started_micros: i64,
    /// When it ended.
    pub ended_micros: i64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Why it could not be written, if so: the one before it and the log since still count.
    pub failure: Option<String>,
}

/// How a context went on from a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryInfo {
    /// The application that it belongs to.
    pub application: u64,
    /// How many processes have run it, with this one.
    pub starts: u32,
    /// The newest batch that was over before.
    pub ended: BatchTime,
    /// Batches that were begun before and are run again with the same input.
    pub redone: usize,
    /// Batches that are formed for the time in which no process ran.
    pub missed: usize,
    /// When the start began, in microseconds since the epoch.
    pub started_micros: i64,
    /// When state and sources were as before.
    pub restored_micros: i64,
}
