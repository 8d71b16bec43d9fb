//! Options of keyed operations.

use waterclock_base::{Data, Error, Key, Result};

use crate::context::Engine;
use crate::partition::{Input, Partitioner, PartitionerId, input_to_follow};
use crate::rdd::{Asked, Rdd};

/// How a keyed operation spreads its result: by default over `default_parallelism` partitions by key group.
///
/// The plain form of an operation (`reduce_by_key(f)`, without options) follows Spark's rule instead: among
/// its inputs that are spread by key already it takes the partitioner with most partitions, as long as these
/// are more than a tenth of the largest input's or at least `default_parallelism`; so that nothing is moved
/// that is in its place. Where no input is, it comes to the same default.
///
/// Zero partitions give an empty result without partitions. More partitions than there are key groups can't
/// all be filled: every action on such a result fails with
/// [`Error::Definition`](waterclock_base::Error::Definition) naming both numbers.
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
    /// Whether the inputs' own partitioners are looked at first.
    follow: bool,
}

impl<K> Clone for Keyed<K> {
    fn clone(&self) -> Self {
        Keyed {
            partitioner: self.partitioner.clone(),
            partitions: self.partitions,
            map_side_combine: self.map_side_combine,
            follow: self.follow,
        }
    }
}

impl<K> Default for Keyed<K> {
    fn default() -> Self {
        Keyed { partitioner: None, partitions: None, map_side_combine: true, follow: false }
    }
}

impl<K> Keyed<K> {
    /// The defaults.
    pub fn new() -> Self {
        Keyed::default()
    }

    /// What the plain forms of operations use: an input's own partitioner where that saves a shuffle.
    pub fn follow_inputs() -> Self {
        Keyed { follow: true, ..Keyed::default() }
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

    /// The partitioner that these options mean for an operation on these inputs.
    ///
    /// # Errors
    /// [`Error::Definition`] when it has more partitions than there are key groups.
    pub(crate) fn spread(
        &self,
        engine: &Engine,
        by: Asked,
        inputs: &[KeyedInput<K>],
    ) -> Result<Partitioner<K>> {
        let partitioner = self.followed(engine, inputs).unwrap_or_else(|| self.resolve(engine));
        match partitioner.id() {
            PartitionerId::Hash { partitions, groups } if partitions > groups as usize => {
                Err(Error::Definition {
                    call: by.operator,
                    site: by.site,
                    why: format!(
                        "{partitions} partitions are more than the {groups} key groups; give fewer partitions \
                         or set more key groups"
                    ),
                })
            }
            PartitionerId::Hash { .. } | PartitionerId::Own { .. } => Ok(partitioner),
        }
    }

    fn followed(&self, engine: &Engine, inputs: &[KeyedInput<K>]) -> Option<Partitioner<K>> {
        if !self.follow || self.given_partitions().is_some() {
            return None;
        }
        let facts: Vec<Input> = inputs.iter().map(KeyedInput::facts).collect();
        let position = input_to_follow(&facts, engine.settings().default_parallelism)?;
        inputs.get(position)?.partitioner.clone()
    }
}

/// How one input of a keyed operation is spread.
pub(crate) struct KeyedInput<K> {
    partitions: usize,
    partitioner: Option<Partitioner<K>>,
}

impl<K: Key> KeyedInput<K> {
    pub(crate) fn of<T: Data>(rdd: &Rdd<T>) -> Self {
        KeyedInput { partitions: rdd.partitions(), partitioner: rdd.spread() }
    }

    fn facts(&self) -> Input {
        let spread_over = self.partitioner.as_ref().map(Partitioner::partitions);
        Input { partitions: self.partitions, spread_over }
    }
}
