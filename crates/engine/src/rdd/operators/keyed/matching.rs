//! `subtract_by_key`, and what else asks only whether another dataset has a key.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{Data, Key, Record};

use super::Keyed;
use super::options::KeyedInput;
use crate::chunk::{Sink, Step};
use crate::partition::Partitioner;
use crate::rdd::{Asked, Compute, Define, Rdd};
use crate::shuffle::{Combine, ExpectedKeys, Merge, combined, warn_if_crowded};
use crate::table::Table;
use crate::task::TaskCx;

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// The pairs whose key `other` does not have, duplicates and all, each partition in the order of
    /// (partition, position).
    ///
    /// Only the keys of `other` are moved, each once a partition. The result has as many partitions as this
    /// dataset, and stays where it is if this dataset is spread by key.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let all = engine.parallelize(vec![(1, 'a'), (2, 'b'), (1, 'c')], 2);
    /// let gone = engine.parallelize(vec![(2, ())], 1);
    /// assert_eq!(all.subtract_by_key(&gone).sorted()?, [(1, 'a'), (1, 'c')]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn subtract_by_key<W: Data>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, V)>
    where
        K: Key,
        V: Record,
    {
        let options = match self.spread() {
            Some(mine) => Keyed::new().partitioner(mine),
            None => Keyed::new().partitions(self.engine().keyed_partitions(self.partitions())),
        };
        self.subtract_by_key_with(other, options)
    }

    /// [`subtract_by_key`](Rdd::subtract_by_key) with options.
    #[track_caller]
    pub fn subtract_by_key_with<W: Data>(&self, other: &Rdd<(K, W)>, options: Keyed<K>) -> Rdd<(K, V)>
    where
        K: Key,
        V: Record,
    {
        let by = Asked { operator: "subtract_by_key", site: Location::caller() };
        let keys = other.map_at(by.operator, by.site, |(key, _)| (key, ())).keeping_partitioner_of(other);
        let inputs = [KeyedInput::of(self), KeyedInput::of(&keys)];
        match options.spread(self.engine(), by, &inputs) {
            Ok(partitioner) => matching(self, &keys, by, &partitioner, Keep::Unmatched),
            Err(error) => self.engine().failing_at(by.operator, by.site, error),
        }
    }
}

/// Which pairs are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Those whose key the other dataset has.
    Matched,
    /// Those whose key it has not.
    Unmatched,
}

/// The pairs of `left` whose key `right` has, or has not.
pub(crate) fn matching<K: Key, V: Record>(
    left: &Rdd<(K, V)>,
    right: &Rdd<(K, ())>,
    by: Asked,
    partitioner: &Partitioner<K>,
    keep: Keep,
) -> Rdd<(K, V)> {
    let left = left.spread_by(by, partitioner);
    let right = combined(right, by.operator, by.site, partitioner, Arc::new(Once), &ExpectedKeys::default());
    let define = Define::new(by.operator, partitioner.partitions()).at(by.site);
    let define = define.reads(&left).reads(&right).partitioned_by(partitioner);
    let engine = left.engine().clone();
    define.build(&engine, Matching { left, right, keep })
}

/// Every key once.
pub(crate) struct Once;

impl Merge<()> for Once {
    fn merge(&self, slot: &mut Option<()>, (): ()) {
        *slot = Some(());
    }
}

impl Combine<(), ()> for Once {
    fn add(&self, slot: &mut Option<()>, (): ()) {
        *slot = Some(());
    }
}

struct Matching<K: Key, V: Record> {
    left: Rdd<(K, V)>,
    right: Rdd<(K, ())>,
    keep: Keep,
}

impl<K: Key, V: Record> Compute<(K, V)> for Matching<K, V> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<(K, V)>) -> Step {
        let mut keys = Keys { cx, table: Table::new(cx.engine().seed()), warned: false };
        self.right.compute(partition, cx, &mut keys)?;
        let mut picking = Picking { cx, keys: keys.table, keep: self.keep, out };
        self.left.compute(partition, cx, &mut picking)
    }
}

struct Keys<'a, K: Key> {
    cx: &'a TaskCx,
    table: Table<K, ()>,
    warned: bool,
}

impl<K: Key> Sink<(K, ())> for Keys<'_, K> {
    fn push(&mut self, chunk: &mut Vec<(K, ())>) -> Step {
        self.cx.check()?;
        warn_if_crowded(&self.table, &mut self.warned, self.cx);
        for (key, ()) in chunk.drain(..) {
            *self.table.value(key) = Some(());
        }
        Ok(())
    }
}

struct Picking<'a, K: Key, V: Record> {
    cx: &'a TaskCx,
    keys: Table<K, ()>,
    keep: Keep,
    out: &'a mut dyn Sink<(K, V)>,
}

impl<K: Key, V: Record> Picking<'_, K, V> {
    fn picks(&self, key: &K) -> bool {
        self.keys.get(key).is_some() == (self.keep == Keep::Matched)
    }
}

impl<K: Key, V: Record> Sink<(K, V)> for Picking<'_, K, V> {
    fn push(&mut self, chunk: &mut Vec<(K, V)>) -> Step {
        self.cx.check()?;
        chunk.retain(|(key, _)| self.picks(key));
        if chunk.is_empty() { Ok(()) } else { self.out.push(chunk) }
    }

    fn lend(&mut self, records: &[&(K, V)]) -> Step {
        self.cx.check()?;
        let picked: Vec<&(K, V)> = records.iter().copied().filter(|(key, _)| self.picks(key)).collect();
        if picked.is_empty() { Ok(()) } else { self.out.lend(&picked) }
    }
}
