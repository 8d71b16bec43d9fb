//! Where batches get their input.

use waterclock_base::{BatchInterval, BatchTime, InputInfo, Result};

/// An input of the graph, as the generator and the context see it.
///
/// # Contract
/// 1. `cut` is called once for each batch, in order of time, by the generator: what the batch will read is
///    fixed then and can be asked for until it is forgotten.
/// 2. `start` and `stop` are called once each; after `stop` nothing more is taken in, but `cut` still hands
///    out what was.
pub(crate) trait Source: Send + Sync + 'static {
    /// Begins to take in data.
    fn start(&self, zero: BatchTime) -> Result<()>;
    /// Ends taking in data; gracefully: after what is on its way was stored.
    fn stop(&self, graceful: bool);
    /// Fixes what the batch reads.
    fn cut(&self, interval: BatchInterval) -> InputInfo;
}
