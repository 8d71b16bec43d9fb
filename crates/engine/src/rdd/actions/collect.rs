//! `collect`: all records, at the driver.

use std::panic::Location;

use waterclock_base::{Data, Record, Result};

use crate::chunk::{Collect, Step};
use crate::job::{hash_records, note, run_action, run_action_hashed};
use crate::rdd::{Asked, Rdd};
use crate::task::TaskCx;

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
        let by = Asked { operator: "collect", site: Location::caller() };
        let parts = run_action_hashed(by, self, self.all_partitions(), records_of, hash_records)?;
        let records: Vec<T> = parts.into_iter().flatten().collect();
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
        run_action("collect", self, self.all_partitions(), records_of)
    }
}

fn records_of<T: Data>(partition: usize, rdd: &Rdd<T>, cx: &TaskCx) -> Step<Vec<T>> {
    let mut records = Collect(Vec::new());
    rdd.compute(partition, cx, &mut records)?;
    Ok(records.0)
}
