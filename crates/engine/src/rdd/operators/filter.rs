//! `filter`: the records that satisfy a condition.

use std::panic::Location;

use waterclock_base::{Data, RddId};

use crate::chunk::{Sink, Step};
use crate::partition::PartitionerId;
use crate::rdd::{Compute, Rdd};
use crate::task::TaskCx;

impl<T: Data> Rdd<T> {
    /// Keeps the records for which `keep` is true; the order and the spread of keys stay.
    ///
    /// A line of a text block is shown to `keep` where it lies, without being copied.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let even = Engine::local(2).parallelize((1..=6).collect(), 2).filter(|n| n % 2 == 0);
    /// assert_eq!(even.collect()?, [2, 4, 6]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn filter(&self, keep: impl Fn(&T) -> bool + Send + Sync + 'static) -> Rdd<T> {
        self.filter_at("filter", Location::caller(), keep)
    }

    /// [`filter`](Rdd::filter) under another name and place, for operations made of it.
    pub fn filter_at(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        keep: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Rdd<T> {
        let id = self.engine().next_rdd_id();
        let partitioner: Option<PartitionerId> = self.partitioner().copied();
        let define = self.derive(operator).at(site).partitioned(partitioner);
        define.build_with(self.engine(), id, Filter { parent: self.clone(), id, keep })
    }
}

struct Filter<T: Data, F> {
    parent: Rdd<T>,
    id: RddId,
    keep: F,
}

impl<T: Data, F: Fn(&T) -> bool + Send + Sync + 'static> Compute<T> for Filter<T, F> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        let mut filtering = Filtering { id: self.id, cx, keep: &self.keep, out };
        self.parent.compute(partition, cx, &mut filtering)
    }
}

struct Filtering<'a, T: Data, F> {
    id: RddId,
    cx: &'a TaskCx,
    keep: &'a F,
    out: &'a mut dyn Sink<T>,
}

impl<T: Data, F: Fn(&T) -> bool> Sink<T> for Filtering<'_, T, F> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        let before = self.cx.enter(self.id);
        chunk.retain(self.keep);
        self.cx.leave(before);
        if chunk.is_empty() { Ok(()) } else { self.out.push(chunk) }
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        let before = self.cx.enter(self.id);
        let kept: Vec<&T> = records.iter().copied().filter(|record| (self.keep)(record)).collect();
        self.cx.leave(before);
        if kept.is_empty() { Ok(()) } else { self.out.lend(&kept) }
    }
}
