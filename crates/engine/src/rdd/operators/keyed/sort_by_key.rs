//! `sort_by_key` and what goes with it: pairs in the order of their keys.

use std::cmp::Reverse;
use std::ops::{Bound, RangeBounds};
use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{Data, Key, Record, Result};

use super::Keyed;
use super::options::KeyedInput;
use crate::chunk::{Sink, Step};
use crate::partition::Order;
use crate::rdd::{Asked, Compute, Define, Rdd};
use crate::task::TaskCx;

/// # Pairs: in order of the keys
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// The pairs in the order of their keys, ascending or descending, in at most `partitions` partitions;
    /// pairs with equal keys in the order of (partition, position). See [`sort`](Rdd::sort) for how.
    ///
    /// # Errors
    /// The error of the sampling job.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let pairs = Engine::local(2).parallelize(vec![(2, 'b'), (1, 'x'), (2, 'a')], 2);
    /// assert_eq!(pairs.sort_by_key(true, 2)?.collect()?, [(1, 'x'), (2, 'b'), (2, 'a')]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn sort_by_key(&self, ascending: bool, partitions: usize) -> Result<Rdd<(K, V)>>
    where
        K: Key + Ord,
        V: Record,
    {
        let by = Asked { operator: "sort_by_key", site: Location::caller() };
        let ranges = self.ranges(by, Arc::new(|(key, _): &(K, V)| key.clone()), ascending, partitions)?;
        Ok(self.spread_by(by, &ranges).sorted_within(by, ascending))
    }

    /// The same pairs spread as `options` say, and in each partition in the order of their keys; cheaper
    /// than sorting after the shuffle has been collected.
    ///
    /// ```
    /// # use waterclock_engine::{Engine, Keyed, Partitioner};
    /// let pairs = Engine::local(2).parallelize(vec![(3, 'c'), (2, 'b'), (1, 'a')], 2);
    /// let odd_last = Keyed::new().partitioner(Partitioner::new(2, |key: &i32| (key % 2) as usize));
    /// let parts = pairs.repartition_and_sort_within_partitions(odd_last).collect_partitions()?;
    /// assert_eq!(parts, [vec![(2, 'b')], vec![(1, 'a'), (3, 'c')]]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn repartition_and_sort_within_partitions(&self, options: Keyed<K>) -> Rdd<(K, V)>
    where
        K: Key + Ord,
        V: Record,
    {
        let by = Asked { operator: "repartition_and_sort_within_partitions", site: Location::caller() };
        match options.spread(self.engine(), by, &[KeyedInput::of(self)]) {
            Ok(partitioner) => self.spread_by(by, &partitioner).sorted_within(by, true),
            Err(error) => self.engine().failing_at(by.operator, by.site, error),
        }
    }

    fn sorted_within(&self, by: Asked, ascending: bool) -> Rdd<(K, V)>
    where
        K: Key + Ord,
        V: Record,
    {
        let known = self.partitioner().copied();
        self.map_partitions_at(by.operator, by.site, known, move |_, pairs| {
            let mut pairs: Vec<(K, V)> = pairs.collect();
            if ascending {
                pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
            } else {
                pairs.sort_by(|(a, _), (b, _)| Reverse(a).cmp(&Reverse(b)));
            }
            pairs
        })
    }

    /// The pairs whose key is in `range`. On a dataset that is sorted by key only the partitions that can
    /// hold such keys are left, and only they are computed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let pairs = Engine::local(2).parallelize((0..100).map(|key| (key, ())).collect(), 4);
    /// let few = pairs.sort_by_key(true, 4)?.filter_by_range(10..=12);
    /// assert_eq!(few.keys().collect()?, [10, 11, 12]);
    /// assert_eq!(few.partitions(), 1);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn filter_by_range(&self, range: impl RangeBounds<K> + Send + Sync + 'static) -> Rdd<(K, V)>
    where
        K: Key + Ord,
        V: Record,
    {
        let by = Asked { operator: "filter_by_range", site: Location::caller() };
        let within = match self.partitions_in(&range) {
            Some((first, count)) if count < self.partitions() => {
                let define = Define::new(by.operator, count).at(by.site).reads(self);
                define.build(self.engine(), Pruned { parent: self.clone(), first })
            }
            Some(_) | None => self.clone(),
        };
        within.filter_at(by.operator, by.site, move |(key, _)| range.contains(key))
    }

    /// The first of the partitions that may hold keys of the range, and how many they are.
    fn partitions_in(&self, range: &impl RangeBounds<K>) -> Option<(usize, usize)>
    where
        K: Key + Ord,
        V: Record,
    {
        let ranges = self.spread::<K>()?;
        let order = ranges.order()?;
        let place = |bound: Bound<&K>| match bound {
            Bound::Included(key) | Bound::Excluded(key) => Some(ranges.partition(key)),
            Bound::Unbounded => None,
        };
        let (from, to) = (place(range.start_bound()), place(range.end_bound()));
        let last = self.partitions().checked_sub(1)?;
        // In a descending order the range's end comes first.
        let (first, end) = match order {
            Order::Ascending => (from.unwrap_or(0), to.unwrap_or(last)),
            Order::Descending => (to.unwrap_or(0), from.unwrap_or(last)),
        };
        Some((first, (end + 1).saturating_sub(first)))
    }
}

/// Some neighbouring partitions of a dataset.
struct Pruned<K: Key, V: Record> {
    parent: Rdd<(K, V)>,
    first: usize,
}

impl<K: Key, V: Record> Compute<(K, V)> for Pruned<K, V> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<(K, V)>) -> Step {
        self.parent.compute(self.first + partition, cx, out)
    }
}
