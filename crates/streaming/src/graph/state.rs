//! The state of a stream, as batches and checkpoints see it: without the types of its keys and values.

use std::time::Duration;

use waterclock_base::{BatchInterval, BatchTime, Result};
use waterclock_engine::Engine;

use super::Settled;
use crate::checkpoint::{Change, PinnedState, SavedState, StateSchema};

/// What a stream keeps from batch to batch.
pub(crate) trait StreamState: Send + Sync {
    /// Makes whatever the batch `t` should have made of the state and nobody asked for.
    fn complete(&self, t: BatchTime, engine: &Engine) -> Result<()>;

    /// The batch `t` is over: what it changed becomes the state, or is dropped.
    fn settle(&self, t: BatchTime, how: Settled);

    /// A batch covers several times, because ticks were merged or the program did not run: the times before
    /// its last are none at which anything happens.
    fn pass_over(&self, long: BatchInterval);

    /// Old datasets were let go of, and with them perhaps the last reader of an old version.
    fn forget(&self);

    /// Keys that it has, about.
    fn keys(&self) -> u64;

    /// Bytes that it takes in memory, about.
    fn bytes(&self) -> u64;

    /// What it is made of.
    fn schema(&self, name: &str) -> StateSchema;

    /// What the program calls the present form of types whose schema can't be found out; once.
    fn set_version(&self, version: u32);

    /// From now on, what batches change is written down, and versions can be pinned that are older than the
    /// newest by up to `lookback`.
    fn save(&self, lookback: Duration);

    /// What the versions up to `t` changed that are not settled yet; once.
    fn changes(&self, name: &str, t: BatchTime) -> Vec<Change>;

    /// Keeps the version of `oldest`, or the newest where that is older, and what came after it, until it is
    /// written.
    fn pin(&self, name: &str, oldest: BatchTime) -> PinnedState;

    /// Takes over what was saved.
    fn restore(&self, saved: Restored<'_>) -> Result<()>;
}

/// What a checkpoint has of a stream's state.
pub(crate) struct Restored<'a> {
    pub(crate) saved: Option<&'a SavedState>,
    /// Committed since, oldest first.
    pub(crate) changes: Vec<&'a (StateSchema, Change)>,
    /// The newest version to take over: later ones are made again.
    pub(crate) upto: BatchTime,
    /// Batches that failed.
    pub(crate) skipped: Vec<BatchTime>,
    /// Batches that cover several times.
    pub(crate) long: Vec<BatchInterval>,
    /// How many threads may read.
    pub(crate) threads: usize,
}
