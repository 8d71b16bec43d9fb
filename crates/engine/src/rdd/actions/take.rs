//! `take`, `first`, `is_empty`: as much of a dataset as is needed.

use std::panic::Location;

use waterclock_base::{Data, Record, Result};

use super::Each;
use super::reduce::no_records;
use crate::chunk::{Halt, Step};
use crate::job::{hash_records, note, run_action_hashed};
use crate::rdd::{Asked, Rdd};
use crate::task::TaskCx;

impl<T: Data> Rdd<T> {
    /// The first `n` records, or all if there are fewer.
    ///
    /// Partitions are looked at in rounds: the first one, then four times as many in each round, until there
    /// are enough records; and no further in a partition than is needed. So an accumulator or another effect
    /// of a closure above may see only part of the records.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert_eq!(Engine::local(2).parallelize(vec![3, 1, 2], 3).take(2)?, [3, 1]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn take(&self, n: usize) -> Result<Vec<T>>
    where
        T: Record,
    {
        self.first_of(Asked { operator: "take", site: Location::caller() }, n)
    }

    /// [`take`](Rdd::take) under another name and place, for operations made of it.
    ///
    /// # Errors
    /// As `take`.
    pub fn take_at(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        n: usize,
    ) -> Result<Vec<T>>
    where
        T: Record,
    {
        self.first_of(Asked { operator, site }, n)
    }

    fn first_of(&self, by: Asked, n: usize) -> Result<Vec<T>>
    where
        T: Record,
    {
        let mut taken = Vec::new();
        let (mut scanned, mut round) = (0, 1);
        while taken.len() < n && scanned < self.partitions() {
            let until = self.partitions().min(scanned + round);
            let wanted = n - taken.len();
            let first = move |partition, rdd: &Rdd<T>, cx: &TaskCx| first_of(rdd, partition, wanted, cx);
            let parts = run_action_hashed(by, self, (scanned..until).collect(), first, hash_records)?;
            taken.extend(parts.into_iter().flatten().take(wanted));
            (scanned, round) = (until, round * ROUND_GROWTH);
        }
        note(&taken);
        Ok(taken)
    }

    /// The first record.
    ///
    /// # Errors
    /// [`Error::Action`](waterclock_base::Error::Action) when there is none; the error of the task that
    /// failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert_eq!(Engine::local(2).parallelize(vec![3, 1, 2], 3).first()?, 3);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn first(&self) -> Result<T>
    where
        T: Record,
    {
        let by = Asked { operator: "first", site: Location::caller() };
        self.first_of(by, 1)?.pop().ok_or_else(|| no_records(by.operator))
    }

    /// Whether there is no record. Partitions are looked at as by [`take`](Rdd::take).
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert!(Engine::local(2).parallelize(vec![1, 3], 2).filter(|n| n % 2 == 0).is_empty()?);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn is_empty(&self) -> Result<bool> {
        let by = Asked { operator: "is_empty", site: Location::caller() };
        Ok(self.map_at(by.operator, by.site, drop).first_of(by, 1)?.is_empty())
    }
}

/// How many times as many partitions each round of `take` looks at: Spark's figure.
const ROUND_GROWTH: usize = 4;

/// The first records of a partition.
fn first_of<T: Record>(rdd: &Rdd<T>, partition: usize, wanted: usize, cx: &TaskCx) -> Step<Vec<T>> {
    let mut first = Vec::new();
    let mut each = Each::new(cx, |record| {
        first.push(record);
        if first.len() < wanted { Ok(()) } else { Err(Halt::Enough) }
    });
    match rdd.compute(partition, cx, &mut each) {
        Ok(()) | Err(Halt::Enough) => Ok(first),
        Err(other) => Err(other),
    }
}
