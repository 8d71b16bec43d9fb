//! `collect`: all records, at the driver.

use waterclock_base::{Data, Record, Result};

use crate::chunk::Collect;
use crate::job::{note, run_action};
use crate::rdd::Rdd;

/// # Bringing records to the driver
impl<T: Data> Rdd<T> {
    /// All records, in the order of the partitions.
    ///
    /// # Errors
    /// The error of the task that failed; see [`Error::Task`](waterclock_base::Error::Task).
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert_eq!(Engine::local(2).parallelize(vec![3, 1, 2], 2).collect()?, [3, 1, 2]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn collect(&self) -> Result<Vec<T>>
    where
        T: Record,
    {
        let records: Vec<T> = self.collect_partitions()?.into_iter().flatten().collect();
        note(&records);
        Ok(records)
    }

    /// All records in ascending order.
    ///
    /// # Errors
    /// As [`collect`](Rdd::collect).
    #[track_caller]
    pub fn sorted(&self) -> Result<Vec<T>>
    where
        T: Record,
        T: Ord,
    {
        let mut records = self.collect()?;
        records.sort();
        Ok(records)
    }

    /// All records, partition by partition.
    ///
    /// # Errors
    /// As [`collect`](Rdd::collect).
    #[track_caller]
    pub fn collect_partitions(&self) -> Result<Vec<Vec<T>>> {
        run_action("collect", self, (0..self.partitions()).collect(), |partition, rdd, cx| {
            let mut records = Collect(Vec::new());
            rdd.compute(partition, cx, &mut records)?;
            Ok(records.0)
        })
    }
}
