//! One record from all: what `count`, `reduce`, `aggregate` and the top of a stream are made of.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{Data, RddId, Record};

use crate::chunk::{Sink, Step};
use crate::rdd::{Asked, Compute, Rdd};
use crate::shuffle::routed;
use crate::task::TaskCx;

/// How all records become one value.
pub trait FoldAll<T: Data>: Send + Sync + 'static {
    /// The value.
    type Sum: Record;
    /// The value of no records.
    fn zero(&self) -> Self::Sum;
    /// Adds a record.
    fn add(&self, sum: &mut Self::Sum, record: T);
    /// Adds a record that stays with its owner.
    fn add_lent(&self, sum: &mut Self::Sum, record: &T) {
        self.add(sum, record.clone());
    }
    /// Adds the value of later records.
    fn merge(&self, sum: &mut Self::Sum, later: Self::Sum);
}

impl<T: Data> Rdd<T> {
    /// A dataset of one partition and one record: all records of this one, folded; partition by partition
    /// first, then in the order of the partitions.
    pub fn fold_all_at<F: FoldAll<T>>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        fold: F,
    ) -> Rdd<F::Sum> {
        let engine = self.engine();
        let fold = Arc::new(fold);
        let id = engine.next_rdd_id();
        let body = FoldPartition { parent: self.clone(), id, fold: fold.clone() };
        let partial = self.derive(operator).at(site).build_with(engine, id, body);
        let together = routed(&partial, Asked { operator, site }, 1, |_, _, _| 0);
        together.map_partitions_at(operator, site, None, move |_, sums| {
            let mut all = fold.zero();
            sums.for_each(|sum| fold.merge(&mut all, sum));
            [all]
        })
    }
}

struct FoldPartition<T: Data, F> {
    parent: Rdd<T>,
    id: RddId,
    fold: Arc<F>,
}

impl<T: Data, F: FoldAll<T>> Compute<F::Sum> for FoldPartition<T, F> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<F::Sum>) -> Step {
        let mut folding = Folding { id: self.id, cx, sum: self.fold.zero(), fold: &*self.fold };
        self.parent.compute(partition, cx, &mut folding)?;
        out.push(&mut vec![folding.sum])
    }
}

struct Folding<'a, T: Data, F: FoldAll<T>> {
    id: RddId,
    cx: &'a TaskCx,
    fold: &'a F,
    sum: F::Sum,
}

impl<T: Data, F: FoldAll<T>> Sink<T> for Folding<'_, T, F> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        let before = self.cx.enter(self.id);
        for record in chunk.drain(..) {
            self.fold.add(&mut self.sum, record);
        }
        self.cx.leave(before);
        Ok(())
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        let before = self.cx.enter(self.id);
        for record in records {
            self.fold.add_lent(&mut self.sum, record);
        }
        self.cx.leave(before);
        Ok(())
    }
}
