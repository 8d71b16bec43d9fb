//! `cogroup`: for each key its values in several datasets, side by side.

use std::panic::Location;

use waterclock_base::{Data, Key, RddId, Record};

use super::Keyed;
use super::options::KeyedInput;
use crate::chunk::{Emit, Sink, Step};
use crate::partition::Partitioner;
use crate::rdd::{Asked, Compute, Define, Rdd};
use crate::shuffle::warn_if_crowded;
use crate::table::Table;
use crate::task::TaskCx;

/// # Pairs: several datasets by key
///
/// A dataset that is spread over the wanted partitions already is read where it is; only the others are
/// shuffled. Value lists are in the order of (partition, position) of their dataset; rows are in the order
/// in which their keys come, those of the first dataset first.
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// For each key of either dataset the list of its values in each, empty where it has none.
    ///
    /// The values of a partition's keys are in memory together while it is computed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let ages = engine.parallelize(vec![(1, 30), (2, 40)], 2);
    /// let names = engine.parallelize(vec![(1, 'a'), (1, 'b')], 2);
    /// assert_eq!(ages.cogroup(&names).sorted()?, [(1, (vec![30], vec!['a', 'b'])), (2, (vec![40], vec![]))]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn cogroup<W: Record>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (Vec<V>, Vec<W>))>
    where
        K: Key,
        V: Record,
    {
        self.cogroup_at("cogroup", Location::caller(), other, &Keyed::follow_inputs())
    }

    /// [`cogroup`](Rdd::cogroup) with options.
    #[track_caller]
    pub fn cogroup_with<W: Record>(
        &self,
        other: &Rdd<(K, W)>,
        options: Keyed<K>,
    ) -> Rdd<(K, (Vec<V>, Vec<W>))>
    where
        K: Key,
        V: Record,
    {
        self.cogroup_at("cogroup", Location::caller(), other, &options)
    }

    /// [`cogroup`](Rdd::cogroup) under another name and place, for operations made of it.
    pub fn cogroup_at<W: Record>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        other: &Rdd<(K, W)>,
        options: &Keyed<K>,
    ) -> Rdd<(K, (Vec<V>, Vec<W>))>
    where
        K: Key,
        V: Record,
    {
        let by = Asked { operator, site };
        let inputs = [KeyedInput::of(self), KeyedInput::of(other)];
        match options.spread(self.engine(), by, &inputs) {
            Ok(partitioner) => {
                let sides = (self.spread_by(by, &partitioner), other.spread_by(by, &partitioner));
                let define = Define::new(operator, 0).reads(&sides.0).reads(&sides.1);
                grouped(define, by, &partitioner, self, Cogroup2 { sides })
            }
            Err(error) => self.engine().failing_at(operator, site, error),
        }
    }

    /// The same as [`cogroup`](Rdd::cogroup), by the name that reads better in a chain.
    #[track_caller]
    pub fn group_with<W: Record>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (Vec<V>, Vec<W>))>
    where
        K: Key,
        V: Record,
    {
        self.cogroup_at("group_with", Location::caller(), other, &Keyed::follow_inputs())
    }

    /// [`cogroup`](Rdd::cogroup) of three datasets.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let one = |value: u32| engine.parallelize(vec![('k', value)], 1);
    /// let rows = one(1).cogroup3(&one(2), &one(3)).collect()?;
    /// assert_eq!(rows, [('k', (vec![1], vec![2], vec![3]))]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn cogroup3<W: Record, X: Record>(
        &self,
        second: &Rdd<(K, W)>,
        third: &Rdd<(K, X)>,
    ) -> Rdd<(K, (Vec<V>, Vec<W>, Vec<X>))>
    where
        K: Key,
        V: Record,
    {
        self.cogroup3_with(second, third, Keyed::follow_inputs())
    }

    /// [`cogroup3`](Rdd::cogroup3) with options.
    #[track_caller]
    pub fn cogroup3_with<W: Record, X: Record>(
        &self,
        second: &Rdd<(K, W)>,
        third: &Rdd<(K, X)>,
        options: Keyed<K>,
    ) -> Rdd<(K, (Vec<V>, Vec<W>, Vec<X>))>
    where
        K: Key,
        V: Record,
    {
        let by = Asked { operator: "cogroup3", site: Location::caller() };
        let inputs = [KeyedInput::of(self), KeyedInput::of(second), KeyedInput::of(third)];
        match options.spread(self.engine(), by, &inputs) {
            Ok(to) => {
                let sides = (self.spread_by(by, &to), second.spread_by(by, &to), third.spread_by(by, &to));
                let define = Define::new(by.operator, 0).reads(&sides.0).reads(&sides.1).reads(&sides.2);
                grouped(define, by, &to, self, Cogroup3 { sides })
            }
            Err(error) => self.engine().failing_at(by.operator, by.site, error),
        }
    }

    /// [`cogroup`](Rdd::cogroup) of four datasets.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let one = |value: u32| engine.parallelize(vec![('k', value)], 1);
    /// let rows = one(1).cogroup4(&one(2), &one(3), &one(4)).collect()?;
    /// assert_eq!(rows, [('k', (vec![1], vec![2], vec![3], vec![4]))]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn cogroup4<W: Record, X: Record, Y: Record>(
        &self,
        second: &Rdd<(K, W)>,
        third: &Rdd<(K, X)>,
        fourth: &Rdd<(K, Y)>,
    ) -> Rdd<(K, (Vec<V>, Vec<W>, Vec<X>, Vec<Y>))>
    where
        K: Key,
        V: Record,
    {
        self.cogroup4_with(second, third, fourth, Keyed::follow_inputs())
    }

    /// [`cogroup4`](Rdd::cogroup4) with options.
    #[track_caller]
    pub fn cogroup4_with<W: Record, X: Record, Y: Record>(
        &self,
        second: &Rdd<(K, W)>,
        third: &Rdd<(K, X)>,
        fourth: &Rdd<(K, Y)>,
        options: Keyed<K>,
    ) -> Rdd<(K, (Vec<V>, Vec<W>, Vec<X>, Vec<Y>))>
    where
        K: Key,
        V: Record,
    {
        let by = Asked { operator: "cogroup4", site: Location::caller() };
        let inputs =
            [KeyedInput::of(self), KeyedInput::of(second), KeyedInput::of(third), KeyedInput::of(fourth)];
        match options.spread(self.engine(), by, &inputs) {
            Ok(to) => {
                let (a, b) = (self.spread_by(by, &to), second.spread_by(by, &to));
                let (c, d) = (third.spread_by(by, &to), fourth.spread_by(by, &to));
                let define = Define::new(by.operator, 0).reads(&a).reads(&b).reads(&c).reads(&d);
                grouped(define, by, &to, self, Cogroup4 { sides: (a, b, c, d) })
            }
            Err(error) => self.engine().failing_at(by.operator, by.site, error),
        }
    }
}

/// The lists of one partition's keys.
trait Lists<K: Key, C: Record>: Send + Sync + 'static {
    /// Adds the values of every input to the lists, input by input.
    fn gather(&self, to: &mut Gathering<'_, K, C>, partition: usize) -> Step;
}

/// Finishes the definition of a cogroup.
fn grouped<K: Key, V: Record, C: Record + Default>(
    define: Define,
    by: Asked,
    partitioner: &Partitioner<K>,
    first: &Rdd<(K, V)>,
    lists: impl Lists<K, C> + 'static,
) -> Rdd<(K, C)> {
    let engine = first.engine();
    let id = engine.next_rdd_id();
    let define = define.partitions(partitioner.partitions()).at(by.site).partitioned_by(partitioner);
    define.build_with(engine, id, Cogrouped { id, lists })
}

struct Cogrouped<L> {
    id: RddId,
    lists: L,
}

impl<K: Key, C: Record + Default, L: Lists<K, C>> Compute<(K, C)> for Cogrouped<L> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<(K, C)>) -> Step {
        let table = Table::new(cx.engine().seed());
        let mut gathering = Gathering { cx, operator: self.id, table, warned: false };
        self.lists.gather(&mut gathering, partition)?;
        let mut emit = Emit::new(out);
        emit.extend(gathering.table.into_rows())?;
        emit.flush()
    }
}

/// The lists so far.
struct Gathering<'a, K: Key, C> {
    cx: &'a TaskCx,
    operator: RddId,
    table: Table<K, C>,
    warned: bool,
}

impl<K: Key, C: Default> Gathering<'_, K, C> {
    /// Adds the values of one input to the list that `list` picks.
    fn add<V: Record>(
        &mut self,
        side: &Rdd<(K, V)>,
        partition: usize,
        list: fn(&mut C) -> &mut Vec<V>,
    ) -> Step {
        let cx = self.cx;
        side.compute(partition, cx, &mut Adding { to: self, list })
    }
}

struct Adding<'g, 'a, K: Key, C, V> {
    to: &'g mut Gathering<'a, K, C>,
    list: fn(&mut C) -> &mut Vec<V>,
}

impl<K: Key, C: Default, V> Adding<'_, '_, K, C, V> {
    fn begin(&mut self) -> Step<Option<RddId>> {
        let to = &mut *self.to;
        to.cx.check()?;
        warn_if_crowded(&to.table, &mut to.warned, to.cx);
        Ok(to.cx.enter(to.operator))
    }
}

impl<K: Key, C: Default, V: Record> Sink<(K, V)> for Adding<'_, '_, K, C, V> {
    fn push(&mut self, chunk: &mut Vec<(K, V)>) -> Step {
        let before = self.begin()?;
        for (key, value) in chunk.drain(..) {
            (self.list)(self.to.table.value(key).get_or_insert_default()).push(value);
        }
        self.to.cx.leave(before);
        Ok(())
    }

    fn lend(&mut self, records: &[&(K, V)]) -> Step {
        let before = self.begin()?;
        for (key, value) in records {
            (self.list)(self.to.table.value_of(key).get_or_insert_default()).push(value.clone());
        }
        self.to.cx.leave(before);
        Ok(())
    }
}

struct Cogroup2<K: Key, V: Record, W: Record> {
    sides: (Rdd<(K, V)>, Rdd<(K, W)>),
}

impl<K: Key, V: Record, W: Record> Lists<K, (Vec<V>, Vec<W>)> for Cogroup2<K, V, W> {
    fn gather(&self, to: &mut Gathering<'_, K, (Vec<V>, Vec<W>)>, partition: usize) -> Step {
        to.add(&self.sides.0, partition, |lists| &mut lists.0)?;
        to.add(&self.sides.1, partition, |lists| &mut lists.1)
    }
}

struct Cogroup3<K: Key, V: Record, W: Record, X: Record> {
    sides: (Rdd<(K, V)>, Rdd<(K, W)>, Rdd<(K, X)>),
}

impl<K: Key, V: Record, W: Record, X: Record> Lists<K, (Vec<V>, Vec<W>, Vec<X>)> for Cogroup3<K, V, W, X> {
    fn gather(&self, to: &mut Gathering<'_, K, (Vec<V>, Vec<W>, Vec<X>)>, partition: usize) -> Step {
        to.add(&self.sides.0, partition, |lists| &mut lists.0)?;
        to.add(&self.sides.1, partition, |lists| &mut lists.1)?;
        to.add(&self.sides.2, partition, |lists| &mut lists.2)
    }
}

struct Cogroup4<K: Key, V: Record, W: Record, X: Record, Y: Record> {
    sides: (Rdd<(K, V)>, Rdd<(K, W)>, Rdd<(K, X)>, Rdd<(K, Y)>),
}

impl<K, V, W, X, Y> Lists<K, (Vec<V>, Vec<W>, Vec<X>, Vec<Y>)> for Cogroup4<K, V, W, X, Y>
where
    K: Key,
    V: Record,
    W: Record,
    X: Record,
    Y: Record,
{
    fn gather(&self, to: &mut Gathering<'_, K, (Vec<V>, Vec<W>, Vec<X>, Vec<Y>)>, partition: usize) -> Step {
        to.add(&self.sides.0, partition, |lists| &mut lists.0)?;
        to.add(&self.sides.1, partition, |lists| &mut lists.1)?;
        to.add(&self.sides.2, partition, |lists| &mut lists.2)?;
        to.add(&self.sides.3, partition, |lists| &mut lists.3)
    }
}
