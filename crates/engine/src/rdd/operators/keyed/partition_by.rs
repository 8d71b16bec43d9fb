//! `partition_by`: the same pairs, each key in the partition that a partitioner says.

use std::panic::Location;

use waterclock_base::{Data, Key, Record};

use super::Keyed;
use super::options::KeyedInput;
use crate::partition::Partitioner;
use crate::rdd::{Asked, Rdd};
use crate::shuffle::routed_by;

/// # Pairs: where keys are
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// The same records, spread by key as `options` say; a dataset that is spread so already is given back
    /// as it is. Within a partition records are in the order of (partition, position) that they had.
    ///
    /// ```
    /// # use waterclock_engine::{Engine, Keyed, Partitioner};
    /// let pairs = Engine::local(2).parallelize(vec![(1, 'a'), (2, 'b'), (3, 'c')], 1);
    /// let odd_last = Partitioner::new(2, |key: &i32| (key % 2) as usize);
    /// let spread = pairs.partition_by(Keyed::new().partitioner(odd_last));
    /// assert_eq!(spread.collect_partitions()?, [vec![(2, 'b')], vec![(1, 'a'), (3, 'c')]]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn partition_by(&self, options: Keyed<K>) -> Rdd<(K, V)>
    where
        K: Key,
        V: Record,
    {
        self.partition_by_at("partition_by", Location::caller(), &options)
    }

    /// [`partition_by`](Rdd::partition_by) under another name and place, for operations made of it.
    pub fn partition_by_at(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        options: &Keyed<K>,
    ) -> Rdd<(K, V)>
    where
        K: Key,
        V: Record,
    {
        let by = Asked { operator, site };
        match options.spread(self.engine(), by, &[KeyedInput::of(self)]) {
            Ok(partitioner) => self.spread_by(by, &partitioner),
            Err(error) => self.engine().failing_at(operator, site, error),
        }
    }

    /// The same records where `partitioner` says; no shuffle if they are there already.
    pub(crate) fn spread_by(&self, by: Asked, partitioner: &Partitioner<K>) -> Rdd<(K, V)>
    where
        K: Key,
        V: Record,
    {
        if self.partitioner() == Some(&partitioner.id()) {
            return self.clone();
        }
        let own = partitioner.clone();
        routed_by(self, by, partitioner, move |(key, _): &(K, V)| own.partition(key))
    }
}
