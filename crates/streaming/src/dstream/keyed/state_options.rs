//! Options of streams with state.

use waterclock_base::{Data, Key};
use waterclock_engine::{Engine, Keyed, Partitioner, Rdd};

/// Where state begins and how it is spread: by default with nothing, over `default_parallelism` partitions
/// by key group.
#[non_exhaustive]
pub struct StateOptions<K: Key, S: Data> {
    pub(crate) initial: Option<Rdd<(K, S)>>,
    keyed: Keyed<K>,
}

impl<K: Key, S: Data> Default for StateOptions<K, S> {
    fn default() -> Self {
        StateOptions { initial: None, keyed: Keyed::new() }
    }
}

impl<K: Key, S: Data> StateOptions<K, S> {
    /// The defaults.
    pub fn new() -> Self {
        StateOptions::default()
    }

    /// The state before the first batch. Of several records of a key the last counts.
    pub fn initial(mut self, initial: Rdd<(K, S)>) -> Self {
        self.initial = Some(initial);
        self
    }

    /// Spreads keys by key group over this many partitions.
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.keyed = self.keyed.partitions(partitions);
        self
    }

    /// Spreads keys by a partitioner of the program's own.
    pub fn partitioner(mut self, partitioner: Partitioner<K>) -> Self {
        self.keyed = self.keyed.partitioner(partitioner);
        self
    }

    pub(crate) fn resolve(&self, engine: &Engine) -> Partitioner<K> {
        self.keyed.resolve(engine)
    }
}
