//! Where batches get their input.

use waterclock_base::{BatchInfo, BatchInterval, BatchTime, InputInfo, Result, StreamId};

/// An input of the graph, as the generator and the context see it.
///
/// # Contract
/// 1. `cut` is called once for each batch, in order of time, by the generator: what the batch will read is
///    fixed then and can be asked for until it is forgotten.
/// 2. `start` and `ask_to_stop` are called once each; afterwards nothing more is pushed into the source, but
///    `cut` still hands out what was, and what a source finds by looking (files).
pub(crate) trait Source: Send + Sync + 'static {
    /// The stream that it feeds.
    fn stream(&self) -> StreamId;

    /// Begins to take in data.
    fn start(&self, zero: BatchTime) -> Result<()>;

    /// Tells it to take in no more data; gracefully: after what is on its way was stored. Returns at once,
    /// so that all sources stop at the same time.
    fn ask_to_stop(&self, _graceful: bool) {}

    /// Waits until it takes in no more. False when it did not end in time and was left behind.
    fn await_stopped(&self, _graceful: bool) -> bool {
        true
    }

    /// Fixes what the batch reads.
    fn cut(&self, interval: BatchInterval) -> InputInfo;

    /// What was fixed for this time and before is no longer needed.
    fn forget(&self, upto: BatchTime);

    /// A batch ended. Called where back-pressure is on only.
    fn batch_completed(&self, _batch: &BatchInfo) {}
}

/// Stops sources, all at the same time, and waits until they have.
pub(crate) fn stop_all<'a>(sources: impl Iterator<Item = &'a dyn Source> + Clone, graceful: bool) {
    sources.clone().for_each(|source| source.ask_to_stop(graceful));
    // All were told at the same time: when one has used up the patience, so have the others.
    let mut patient = graceful;
    for source in sources {
        patient &= source.await_stopped(patient);
    }
}
