//! `map_partitions`: a function of whole partitions; `glom` makes each a record.

use std::panic::Location;

use waterclock_base::{Data, RddId};

use crate::chunk::{Collect, Emit, Sink, Step};
use crate::partition::PartitionerId;
use crate::rdd::{Compute, Rdd};
use crate::task::{TaskCx, emit_made};

/// # Partition by partition
impl<T: Data> Rdd<T> {
    /// Applies `f` to each partition, empty ones too. The records of a partition are in memory while `f`
    /// runs; what it gives is handed on as it comes.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let sums = Engine::local(2).parallelize(vec![1, 2, 3, 4], 2).map_partitions(|p| [p.sum::<i32>()]);
    /// assert_eq!(sums.collect()?, [3, 7]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn map_partitions<U: Data, I: IntoIterator<Item = U>>(
        &self,
        f: impl Fn(std::vec::IntoIter<T>) -> I + Send + Sync + 'static,
    ) -> Rdd<U> {
        self.map_partitions_at("map_partitions", Location::caller(), None, move |_, records| f(records))
    }

    /// [`map_partitions`](Rdd::map_partitions) whose function also learns the partition's number.
    #[track_caller]
    pub fn map_partitions_with_index<U: Data, I: IntoIterator<Item = U>>(
        &self,
        f: impl Fn(usize, std::vec::IntoIter<T>) -> I + Send + Sync + 'static,
    ) -> Rdd<U> {
        self.map_partitions_at("map_partitions_with_index", Location::caller(), None, f)
    }

    /// Each partition as one record, also where it is empty.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let parts = Engine::local(2).parallelize(vec![1, 2, 3], 2).glom();
    /// assert_eq!(parts.collect()?, [vec![1], vec![2, 3]]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn glom(&self) -> Rdd<Vec<T>> {
        self.map_partitions_at("glom", Location::caller(), None, |_, records| [records.collect::<Vec<T>>()])
    }

    /// The same under another name and place, and with what is known of the result's keys.
    pub fn map_partitions_at<U: Data, I: IntoIterator<Item = U>>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        partitioner: Option<PartitionerId>,
        f: impl Fn(usize, std::vec::IntoIter<T>) -> I + Send + Sync + 'static,
    ) -> Rdd<U> {
        let id = self.engine().next_rdd_id();
        let body = MapPartitions { parent: self.clone(), id, f };
        self.derive(operator).at(site).partitioned(partitioner).build_with(self.engine(), id, body)
    }
}

struct MapPartitions<T: Data, F> {
    parent: Rdd<T>,
    id: RddId,
    f: F,
}

impl<T, U, I, F> Compute<U> for MapPartitions<T, F>
where
    T: Data,
    U: Data,
    I: IntoIterator<Item = U>,
    F: Fn(usize, std::vec::IntoIter<T>) -> I + Send + Sync + 'static,
{
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<U>) -> Step {
        let mut records = Collect(Vec::new());
        self.parent.compute(partition, cx, &mut records)?;
        let mut emit = Emit::new(out);
        emit_made(cx, self.id, || (self.f)(partition, records.0.into_iter()), &mut emit)?;
        emit.flush()
    }
}
