//! A shuffle that moves records as they are.

use std::sync::Arc;

use waterclock_base::{Key, RddId, Record};

use super::stage::{Fill, ShuffleStage};
use crate::chunk::{Sink, Step};
use crate::partition::Partitioner;
use crate::rdd::{Asked, Compute, Define, Rdd};
use crate::task::TaskCx;

/// A dataset of the same records, each in the partition that `route(record, map partition, position)` says.
///
/// Within a partition records are in the order of (map partition, position).
pub(crate) fn routed<T: Record>(
    parent: &Rdd<T>,
    by: Asked,
    partitions: usize,
    route: impl Fn(&T, usize, usize) -> usize + Send + Sync + 'static,
) -> Rdd<T> {
    let stage = stage(parent, by, partitions, route);
    let define = Define::new(by.operator, partitions).at(by.site).after(stage.clone());
    define.build(parent.engine(), Routed { stage })
}

/// A dataset of the same records, each in the partition of its key.
pub(crate) fn routed_by<K: Key, T: Record>(
    parent: &Rdd<T>,
    by: Asked,
    partitioner: &Partitioner<K>,
    of: impl Fn(&T) -> usize + Send + Sync + 'static,
) -> Rdd<T> {
    let partitions = partitioner.partitions();
    let stage = stage(parent, by, partitions, move |record: &T, _, _| of(record));
    let define = Define::new(by.operator, partitions).at(by.site).after(stage.clone());
    define.partitioned_by(partitioner).build(parent.engine(), Routed { stage })
}

fn stage<T: Record, R>(
    parent: &Rdd<T>,
    by: Asked,
    partitions: usize,
    route: R,
) -> Arc<ShuffleStage<T, T, Route<R>>>
where
    R: Fn(&T, usize, usize) -> usize + Send + Sync + 'static,
{
    // A number that no dataset has: a failure is blamed on the stage, which bears the operation's name.
    let operator = parent.engine().next_rdd_id();
    ShuffleStage::new(parent, by.operator.into(), by.site, Route { partitions, route, operator })
}

struct Route<R> {
    partitions: usize,
    route: R,
    operator: RddId,
}

impl<T, R> Fill<T, T> for Route<R>
where
    T: Record,
    R: Fn(&T, usize, usize) -> usize + Send + Sync + 'static,
{
    fn fill(&self, parent: &Rdd<T>, partition: usize, cx: &TaskCx) -> Step<Vec<Vec<T>>> {
        let buckets = (0..self.partitions).map(|_| Vec::new()).collect();
        let mut router = Router { rule: self, cx, partition, position: 0, buckets };
        parent.compute(partition, cx, &mut router)?;
        Ok(router.buckets)
    }
}

struct Router<'a, T, R> {
    rule: &'a Route<R>,
    cx: &'a TaskCx,
    partition: usize,
    position: usize,
    buckets: Vec<Vec<T>>,
}

impl<T: Record, R: Fn(&T, usize, usize) -> usize> Sink<T> for Router<'_, T, R> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.cx.check()?;
        let before = self.cx.enter(self.rule.operator);
        for record in chunk.drain(..) {
            let bucket = (self.rule.route)(&record, self.partition, self.position);
            self.position += 1;
            if let Some(bucket) = self.buckets.get_mut(bucket) {
                bucket.push(record);
            }
        }
        self.cx.leave(before);
        Ok(())
    }
}

struct Routed<T: Record, R> {
    stage: Arc<ShuffleStage<T, T, Route<R>>>,
}

impl<T, R> Compute<T> for Routed<T, R>
where
    T: Record,
    R: Fn(&T, usize, usize) -> usize + Send + Sync + 'static,
{
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        self.stage.read(partition, cx, out)
    }
}
