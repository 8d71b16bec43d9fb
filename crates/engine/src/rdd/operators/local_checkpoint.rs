//! `local_checkpoint`: the records kept in this process, and the lineage cut off.

use std::panic::Location;

use waterclock_base::{Codec, Data, Record, Result};

use crate::block::{Held, StorageLevel, Store};
use crate::chunk::{Collect, Sink, Step};
use crate::job::run_action_at;
use crate::rdd::{Asked, Compute, Define, Rdd};
use crate::task::{Checked, TaskCx};

impl<T: Data> Rdd<T> {
    /// Computes the records by a job that runs now, and gives a dataset that holds them and depends on
    /// nothing else: what was above is forgotten when the last handle of this dataset goes. For programs
    /// that make each dataset from the one before, many times over.
    ///
    /// The records are in memory, or on disk where the budget is used up, until the last handle of the new
    /// dataset goes; unlike those of [`checkpoint`](Rdd::checkpoint) they end with the process. The new
    /// dataset has the same partitions and, if this one is spread by key, is so in the same way.
    ///
    /// # Errors
    /// The error of the task that failed, as when records can't be written to disk.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let mut rdd = Engine::local(2).parallelize(vec![1, 2, 3], 2);
    /// for _ in 0..10 {
    ///     rdd = rdd.map(|n| n * 2).local_checkpoint()?;
    /// }
    /// assert_eq!(rdd.collect()?, [1024, 2048, 3072]);
    /// assert!(!rdd.to_debug_string().contains("map"));
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn local_checkpoint(&self) -> Result<Rdd<T>>
    where
        T: Record,
    {
        let by = Asked { operator: "local_checkpoint", site: Location::caller() };
        let store = Store { level: StorageLevel::MemoryAndDisk, codec: Codec::of() };
        let partitions = run_action_at(by, self, self.all_partitions(), move |partition, rdd, cx| {
            let mut records = Collect(Vec::new());
            rdd.compute(partition, cx, &mut records)?;
            // The level has a place for everything.
            Ok(store.hold(records.0, cx.engine().memory())?.unwrap_or_else(Held::in_memory))
        })?;
        let bytes = partitions.iter().map(Held::bytes).sum();
        let define = Define::new(by.operator, partitions.len()).at(by.site).bytes(bytes);
        let body = LocallyHeld { partitions };
        Ok(define.build(self.engine(), body).keeping_partitioner_of(self))
    }
}

struct LocallyHeld<T> {
    partitions: Vec<Held<T>>,
}

impl<T: Data> Compute<T> for LocallyHeld<T> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        self.partitions[partition].read(&mut Checked::new(cx, out))
    }
}
