//! `to_local_iterator`: all records at the driver, one partition at a time.

use std::panic::Location;

use waterclock_base::{Data, Record, Result};

use crate::chunk::Collect;
use crate::job::run_action_at;
use crate::rdd::{Asked, Rdd};

impl<T: Data> Rdd<T> {
    /// All records in the order of the partitions, computed one partition at a time when they are asked
    /// for: the driver holds no more than one partition. After an error there is nothing more.
    ///
    /// A stage above that is not finished runs with the first partition.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let rdd = Engine::local(2).parallelize(vec![1, 2, 3], 3);
    /// let records: Result<Vec<_>, _> = rdd.to_local_iterator().collect();
    /// assert_eq!(records?, [1, 2, 3]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn to_local_iterator(&self) -> LocalIterator<T>
    where
        T: Record,
    {
        LocalIterator {
            rdd: self.clone(),
            site: Location::caller(),
            next: 0,
            records: Vec::new().into_iter(),
        }
    }
}

/// The records of a dataset, partition by partition: see [`Rdd::to_local_iterator`].
pub struct LocalIterator<T: Record> {
    rdd: Rdd<T>,
    site: &'static Location<'static>,
    /// The partition to be computed next.
    next: usize,
    records: std::vec::IntoIter<T>,
}

impl<T: Record> LocalIterator<T> {
    fn compute(&self, partition: usize) -> Result<Vec<T>> {
        let by = Asked { operator: "to_local_iterator", site: self.site };
        let parts = run_action_at(by, &self.rdd, vec![partition], |partition, rdd, cx| {
            let mut records = Collect(Vec::new());
            rdd.compute(partition, cx, &mut records)?;
            Ok(records.0)
        })?;
        Ok(parts.into_iter().flatten().collect())
    }
}

impl<T: Record> Iterator for LocalIterator<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        loop {
            if let Some(record) = self.records.next() {
                return Some(Ok(record));
            }
            if self.next >= self.rdd.partitions() {
                return None;
            }
            let partition = std::mem::replace(&mut self.next, usize::MAX);
            match self.compute(partition) {
                Ok(records) => {
                    self.next = partition + 1;
                    self.records = records.into_iter();
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
