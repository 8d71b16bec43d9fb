//! Options of keyed operations.

use waterclock_base::Key;

use crate::context::Engine;
use crate::partition::Partitioner;

/// How a keyed operation spreads its result: by default over `default_parallelism` partitions by key group.
///
/// ```
/// # use waterclock_engine::{Engine, Keyed};
/// let pairs = Engine::local(2).parallelize(vec![("a", 1), ("b", 2)], 2).map(|(k, v)| (k.to_owned(), v));
/// let sums = pairs.reduce_by_key_with(|a, b| a + b, Keyed::new().partitions(3));
/// assert_eq!(sums.partitions(), 3);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Keyed<K> {
    partitioner: Option<Partitioner<K>>,
    partitions: Option<usize>,
    map_side_combine: bool,
}

impl<K> Clone for Keyed<K> {
    fn clone(&self) -> Self {
        Keyed {
            partitioner: self.partitioner.clone(),
            partitions: self.partitions,
            map_side_combine: self.map_side_combine,
        }
    }
}

impl<K> Default for Keyed<K> {
    fn default() -> Self {
        Keyed { partitioner: None, partitions: None, map_side_combine: true }
    }
}

impl<K> Keyed<K> {
    /// The defaults.
    pub fn new() -> Self {
        Keyed::default()
    }

    /// Spreads keys by key group over this many partitions.
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// Spreads keys by a partitioner of the program's own, whatever number of partitions was given.
    pub fn partitioner(mut self, partitioner: Partitioner<K>) -> Self {
        self.partitioner = Some(partitioner);
        self
    }

    /// Whether values are combined before the shuffle, too (default yes). Not worth it where nearly every
    /// key is distinct.
    pub fn map_side_combine(mut self, yes: bool) -> Self {
        self.map_side_combine = yes;
        self
    }

    /// Whether values are combined before the shuffle.
    pub fn combines_map_side(&self) -> bool {
        self.map_side_combine
    }

    /// The number of partitions that was given, by number or by partitioner.
    pub fn given_partitions(&self) -> Option<usize> {
        self.partitioner.as_ref().map(Partitioner::partitions).or(self.partitions)
    }
}

impl<K: Key> Keyed<K> {
    /// The partitioner that these options mean in this engine.
    pub fn resolve(&self, engine: &Engine) -> Partitioner<K> {
        let settings = engine.settings();
        self.partitioner.clone().unwrap_or_else(|| {
            let partitions = self.partitions.unwrap_or(settings.default_parallelism);
            Partitioner::hash(partitions, settings.key_groups)
        })
    }
}
