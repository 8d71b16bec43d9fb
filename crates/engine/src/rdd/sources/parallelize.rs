//! `parallelize`: a dataset from a collection; `empty`; one from given partitions.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{Data, Error, RddId};

use crate::chunk::{Sink, Step, lend_all};
use crate::context::Engine;
use crate::rdd::{Compute, Define, Rdd};
use crate::task::{Checked, TaskCx};

/// # Datasets from memory
impl Engine {
    /// A dataset of these records in so many partitions: partition i of p holds the positions from
    /// `i * n / p` up to `(i + 1) * n / p`.
    ///
    /// ```
    /// let rdd = waterclock_engine::Engine::local(2).parallelize(vec!['a', 'b', 'c'], 2);
    /// assert_eq!(rdd.collect_partitions()?, [vec!['a'], vec!['b', 'c']]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn parallelize<T: Data>(&self, records: Vec<T>, partitions: usize) -> Rdd<T> {
        let n = records.len();
        let mut records = records.into_iter();
        let cut = |i: usize| i * n / partitions.max(1);
        let parts = (0..partitions).map(|i| records.by_ref().take(cut(i + 1) - cut(i)).collect()).collect();
        self.from_partitions(parts)
    }

    /// A dataset of these partitions.
    #[track_caller]
    pub fn from_partitions<T: Data>(&self, partitions: Vec<Vec<T>>) -> Rdd<T> {
        let records: usize = partitions.iter().map(Vec::len).sum();
        let bytes = (records * size_of::<T>()) as u64;
        let partitions: Arc<[Vec<T>]> = partitions.into();
        Define::new("parallelize", partitions.len()).bytes(bytes).build(self, Parallelized { partitions })
    }

    /// A dataset without records and without partitions.
    #[track_caller]
    pub fn empty<T: Data>(&self) -> Rdd<T> {
        self.from_partitions(Vec::new())
    }

    /// A dataset whose every action fails with `error`: the answer to an operation that was asked for the
    /// impossible and can't say so at once.
    #[track_caller]
    pub fn failing<T: Data>(&self, operator: &'static str, error: Error) -> Rdd<T> {
        self.failing_at(operator, Location::caller(), error)
    }

    /// [`failing`](Engine::failing) at another place, for operations made of it.
    pub fn failing_at<T: Data>(
        &self,
        operator: impl Into<Cow<'static, str>>,
        site: &'static Location<'static>,
        error: Error,
    ) -> Rdd<T> {
        let id = self.next_rdd_id();
        Define::new(operator, 1).at(site).bytes(0).build_with(self, id, Failing { id, error })
    }
}

struct Parallelized<T> {
    partitions: Arc<[Vec<T>]>,
}

impl<T: Data> Compute<T> for Parallelized<T> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        lend_all(&self.partitions[partition], &mut Checked::new(cx, out))
    }
}

struct Failing {
    id: RddId,
    error: Error,
}

impl<T: Data> Compute<T> for Failing {
    fn compute(&self, _: usize, cx: &TaskCx, _: &mut dyn Sink<T>) -> Step {
        cx.enter(self.id);
        Err(self.error.clone().into())
    }
}
