//! What a node may know while it makes its dataset of a batch: never the context.

use waterclock_base::{BatchTime, Settings, SparkRules};
use waterclock_engine::Engine;

/// The batch at hand and the means to make datasets.
pub(crate) struct BatchCx<'a> {
    /// The time before the first batch.
    pub(crate) zero: BatchTime,
    /// Makes datasets.
    pub(crate) engine: &'a Engine,
    /// What the context was told.
    pub(crate) settings: &'a Settings,
}

impl BatchCx<'_> {
    /// Whether batches span several steps of the grid as a matter of course: a time between their ends has no dataset
    /// then, which costs nothing.
    pub(crate) fn is_paced(&self) -> bool {
        self.settings.latency.is_some()
    }

    /// The switches for Spark's habits.
    pub(crate) fn rules(&self) -> SparkRules {
        self.settings.spark_rules
    }
}
