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
    /// The switches for Spark's habits.
    pub(crate) fn rules(&self) -> SparkRules {
        self.settings.spark_rules
    }
}
