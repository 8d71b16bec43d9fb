//! A shuffle that combines the values of each key before and after it.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use waterclock_base::{Data, Event, Key, RddId, Record};

use super::stage::{Fill, ShuffleStage};
use crate::chunk::{Emit, Sink, Step};
use crate::partition::Partitioner;
use crate::rdd::{Compute, Define, Rdd};
use crate::table::Table;
use crate::task::TaskCx;

/// How what two partitions combined becomes one. Made of the program's closures, so a call may panic.
pub trait Merge<C>: Send + Sync + 'static {
    /// Adds what another partition combined; the slot is empty for the first.
    fn merge(&self, slot: &mut Option<C>, other: C);
}

/// How the values of a key become one.
pub trait Combine<V, C>: Merge<C> {
    /// Adds a value; the slot is empty for the first.
    fn add(&self, slot: &mut Option<C>, value: V);
}

/// The values of each key combined, each key in the partition that `partitioner` says, keys in the order
/// in which they came.
///
/// No shuffle where the parent is partitioned so already.
pub(crate) fn combined<K: Key, V: Data, C: Record, A: Combine<V, C>>(
    parent: &Rdd<(K, V)>,
    operator: impl Into<Cow<'static, str>>,
    site: &'static Location<'static>,
    partitioner: &Partitioner<K>,
    combine: Arc<A>,
    expected: &ExpectedKeys,
) -> Rdd<(K, C)> {
    let operator = operator.into();
    let engine = parent.engine();
    let id = engine.next_rdd_id();
    let partitions = partitioner.partitions();
    let rule = Rule { operator: id, combine: combine.clone(), expected: expected.clone() };
    let define = Define::new(operator.clone(), partitions).at(site).partitioned_by(partitioner);
    if parent.partitioner() == Some(&partitioner.id()) {
        return define.reads(parent).build_with(engine, id, Local { parent: parent.clone(), rule });
    }
    let fill = MapSide { rule, partitioner: partitioner.clone() };
    let stage = ShuffleStage::new(parent, operator, site, fill);
    define.after(stage.clone()).build_with(engine, id, Merged { stage, operator: id, combine })
}

/// How many keys a partition had the last time, so that the next table is made large enough at once.
///
/// Handed from one run of an operation to the next, as from batch to batch; clones share what they learn. It
/// decides about speed only, never about results.
#[derive(Clone, Debug, Default)]
pub struct ExpectedKeys(Arc<AtomicUsize>);

struct Rule<A> {
    operator: RddId,
    combine: Arc<A>,
    expected: ExpectedKeys,
}

impl<A> Rule<A> {
    /// Combines one partition of the parent.
    fn combine<K: Key, V: Data, C: Record>(
        &self,
        parent: &Rdd<(K, V)>,
        partition: usize,
        cx: &TaskCx,
    ) -> Step<Table<K, C>>
    where
        A: Combine<V, C>,
    {
        let expected = self.expected.0.load(Ordering::Relaxed);
        let table = Table::with_capacity(cx.engine().seed(), expected);
        let mut adder = Adder { cx, operator: self.operator, combine: &*self.combine, table, warned: false };
        parent.compute(partition, cx, &mut adder)?;
        self.expected.0.store(adder.table.len(), Ordering::Relaxed);
        Ok(adder.table)
    }
}

struct Adder<'a, K, C, A> {
    cx: &'a TaskCx,
    operator: RddId,
    combine: &'a A,
    table: Table<K, C>,
    warned: bool,
}

impl<K: Key, C, A> Adder<'_, K, C, A> {
    /// Once a chunk: sees whether the job was cancelled, and whether the key's hash is of any use.
    fn begin(&mut self) -> Step<Option<RddId>> {
        self.cx.check()?;
        warn_if_crowded(&self.table, &mut self.warned, self.cx);
        Ok(self.cx.enter(self.operator))
    }
}

/// Says, once in the life of the engine for each key type, that a key's hash is of no use.
pub(crate) fn warn_if_crowded<K: Key, C>(table: &Table<K, C>, warned: &mut bool, cx: &TaskCx) {
    if *warned || !table.is_crowded() {
        return;
    }
    *warned = true;
    let name = std::any::type_name::<K>();
    let text = format!(
        "keys of type {name} hardly differ in their `Hash`: finding one takes time in proportion to their \
         number; derive `Hash` for the type"
    );
    cx.engine().warn_once(&format!("hash of {name}"), || Event::Warning { text });
}

impl<K: Key, V: Data, C: Record, A: Combine<V, C>> Sink<(K, V)> for Adder<'_, K, C, A> {
    fn push(&mut self, chunk: &mut Vec<(K, V)>) -> Step {
        let before = self.begin()?;
        self.table.add_all(chunk, |slot, value| self.combine.add(slot, value));
        self.cx.leave(before);
        Ok(())
    }

    fn lend(&mut self, records: &[&(K, V)]) -> Step {
        let before = self.begin()?;
        for (key, value) in records {
            self.combine.add(self.table.value_of(key), value.clone());
        }
        self.cx.leave(before);
        Ok(())
    }
}

struct MapSide<K, A> {
    rule: Rule<A>,
    partitioner: Partitioner<K>,
}

impl<K: Key, V: Data, C: Record, A: Combine<V, C>> Fill<(K, V), (K, C)> for MapSide<K, A> {
    fn fill(&self, parent: &Rdd<(K, V)>, partition: usize, cx: &TaskCx) -> Step<Vec<Vec<(K, C)>>> {
        let table = self.rule.combine(parent, partition, cx)?;
        let partitions = self.partitioner.partitions();
        if partitions == 1 {
            return Ok(vec![table.into_rows().collect()]);
        }
        let each = table.len() / partitions.max(1);
        let mut buckets: Vec<Vec<(K, C)>> =
            (0..partitions).map(|_| Vec::with_capacity(each + each / 8)).collect();
        for (key, value) in table.into_rows() {
            if let Some(bucket) = buckets.get_mut(self.partitioner.partition(&key)) {
                bucket.push((key, value));
            }
        }
        Ok(buckets)
    }
}

/// The reduce side: what the map tasks combined, combined.
struct Merged<K: Key, V: Data, C: Record, A> {
    stage: Arc<ShuffleStage<(K, V), (K, C), MapSide<K, A>>>,
    operator: RddId,
    combine: Arc<A>,
}

impl<K: Key, V: Data, C: Record, A: Combine<V, C>> Compute<(K, C)> for Merged<K, V, C, A> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<(K, C)>) -> Step {
        let lens = self.stage.len_of(partition);
        if lens.iter().filter(|&&len| len > 0).count() <= 1 {
            return self.stage.read(partition, cx, out);
        }
        let most = lens.iter().copied().max().unwrap_or(0);
        let table = Table::with_capacity(cx.engine().seed(), most);
        let mut merger = Merger { cx, operator: self.operator, combine: &*self.combine, table };
        self.stage.read(partition, cx, &mut merger)?;
        emit_rows(merger.table, out)
    }
}

struct Merger<'a, K, C, A> {
    cx: &'a TaskCx,
    operator: RddId,
    combine: &'a A,
    table: Table<K, C>,
}

impl<K: Key, C: Record, A: Merge<C>> Sink<(K, C)> for Merger<'_, K, C, A> {
    fn push(&mut self, chunk: &mut Vec<(K, C)>) -> Step {
        self.cx.check()?;
        let before = self.cx.enter(self.operator);
        self.table.add_all(chunk, |slot, other| self.combine.merge(slot, other));
        self.cx.leave(before);
        Ok(())
    }

    fn lend(&mut self, records: &[&(K, C)]) -> Step {
        self.cx.check()?;
        let before = self.cx.enter(self.operator);
        for (key, other) in records {
            self.combine.merge(self.table.value_of(key), other.clone());
        }
        self.cx.leave(before);
        Ok(())
    }
}

/// The same without a shuffle, where each key is in its partition already.
struct Local<K: Key, V: Data, A> {
    parent: Rdd<(K, V)>,
    rule: Rule<A>,
}

impl<K: Key, V: Data, C: Record, A: Combine<V, C>> Compute<(K, C)> for Local<K, V, A> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<(K, C)>) -> Step {
        emit_rows(self.rule.combine(&self.parent, partition, cx)?, out)
    }
}

fn emit_rows<K: Key, C: Record>(table: Table<K, C>, out: &mut dyn Sink<(K, C)>) -> Step {
    let mut emit = Emit::new(out);
    emit.extend(table.into_rows())?;
    emit.flush()
}
