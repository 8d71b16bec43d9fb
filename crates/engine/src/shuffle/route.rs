//! A shuffle that moves records as they are.

use std::borrow::Cow;
use std::panic::Location;

use waterclock_base::Record;

use super::stage::{Fill, ShuffleStage};
use crate::chunk::{Sink, Step};
use crate::partition::PartitionerId;
use crate::rdd::{Compute, Define, Rdd};
use crate::task::TaskCx;

/// A dataset of the same records, each in the partition that `route(record, map partition, position)` says.
///
/// Within a partition records are in the order of (map partition, position).
pub(crate) fn routed<T: Record>(
    parent: &Rdd<T>,
    operator: impl Into<Cow<'static, str>>,
    site: &'static Location<'static>,
    partitions: usize,
    partitioner: Option<PartitionerId>,
    route: impl Fn(&T, usize, usize) -> usize + Send + Sync + 'static,
) -> Rdd<T> {
    let operator = operator.into();
    let fill = Route { partitions, route, operator: parent.id() };
    let stage = ShuffleStage::new(parent, operator.clone(), site, fill);
    Define::new(operator, partitions)
        .at(site)
        .after(stage.clone())
        .partitioned(partitioner)
        .build(parent.engine(), Routed { stage })
}

struct Route<R> {
    partitions: usize,
    route: R,
    operator: waterclock_base::RddId,
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
    stage: std::sync::Arc<ShuffleStage<T, T, Route<R>>>,
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
