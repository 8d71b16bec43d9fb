//! `for_each` and its kin: a closure for its effects.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{BoxError, Data, Error, Result};

use crate::chunk::{Collect, Halt, Sink, Step};
use crate::job::{run_action_at, run_action_hashed};
use crate::rdd::{Asked, Rdd};
use crate::task::TaskCx;

/// # For effects
///
/// The closures run in tasks. A task that fails is tried again, and with speculation a slow one is run
/// twice: an effect outside the program may be seen more than once for a record.
impl<T: Data> Rdd<T> {
    /// Calls `f` with each record; partitions at the same time, the records of each in order.
    ///
    /// # Errors
    /// The error of the task that failed, as when `f` panics.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let sum = engine.accumulator("sum", 0, |sum, n: i32| *sum += n);
    /// let adder = sum.clone();
    /// engine.parallelize(vec![1, 2, 3], 2).for_each(move |n| adder.add(n))?;
    /// assert_eq!(sum.value(), 6);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn for_each(&self, f: impl Fn(T) + Send + Sync + 'static) -> Result<()> {
        let by = Asked { operator: "for_each", site: Location::caller() };
        run_action_at(by, self, self.all_partitions(), move |partition, rdd, cx| {
            let mut each = Each::new(cx, |record| {
                f(record);
                Ok(())
            });
            rdd.compute(partition, cx, &mut each)
        })?;
        Ok(())
    }

    /// Calls `f` with the records of each partition, empty ones too. They are in memory meanwhile.
    ///
    /// # Errors
    /// The error of the task that failed, as when `f` panics.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let sizes = engine.accumulator("sizes", vec![], |all: &mut Vec<usize>, n: usize| all.push(n));
    /// let adder = sizes.clone();
    /// engine.parallelize(vec![1, 2, 3], 1).for_each_partition(move |part| adder.add(part.len()))?;
    /// assert_eq!(sizes.value(), [3]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn for_each_partition(
        &self,
        f: impl Fn(std::vec::IntoIter<T>) + Send + Sync + 'static,
    ) -> Result<()> {
        self.try_for_each_partition_at("for_each_partition", Location::caller(), move |_, records| {
            f(records);
            Ok(())
        })
    }

    /// Calls `f` with the number and the records of each partition; an error that it returns fails the task.
    ///
    /// # Errors
    /// The error of the task that failed: [`Error::User`](waterclock_base::Error::User) inside
    /// [`Error::Task`](waterclock_base::Error::Task) when `f` returned one.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let rdd = Engine::local(2).parallelize(vec!["7", "x"], 2);
    /// let failed = rdd.try_for_each_partition(|_, mut words| {
    ///     words.try_for_each(|word| word.parse::<i32>().map(drop))?;
    ///     Ok(())
    /// });
    /// assert!(failed.unwrap_err().full_text().contains("invalid digit"));
    /// ```
    #[track_caller]
    pub fn try_for_each_partition(
        &self,
        f: impl Fn(usize, std::vec::IntoIter<T>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Result<()> {
        self.try_for_each_partition_at("try_for_each_partition", Location::caller(), f)
    }

    /// [`try_for_each_partition`](Rdd::try_for_each_partition) under another name and place, for operations
    /// made of it.
    ///
    /// # Errors
    /// As there.
    pub fn try_for_each_partition_at(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        f: impl Fn(usize, std::vec::IntoIter<T>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Result<()> {
        self.try_map_partitions_at(operator, site, move |partition, records| {
            f(partition, records.into_iter())
        })?;
        Ok(())
    }

    /// What `f` makes of the number and the records of each partition, in the order of the partitions; for
    /// operations made of it.
    ///
    /// # Errors
    /// As [`try_for_each_partition`](Rdd::try_for_each_partition).
    pub fn try_map_partitions_at<R: Send + 'static>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        f: impl Fn(usize, Vec<T>) -> Result<R, BoxError> + Send + Sync + 'static,
    ) -> Result<Vec<R>> {
        let run = called(operator, f);
        run_action_at(Asked { operator, site }, self, self.all_partitions(), run)
    }

    /// [`try_map_partitions_at`](Rdd::try_map_partitions_at) with an `f` that has no effect but its answer, for which
    /// `hash` gives a number, whatever the order of the records: where that is asked for, `f` is tried out to see
    /// whether it answers the same every time.
    ///
    /// # Errors
    /// As [`try_for_each_partition`](Rdd::try_for_each_partition).
    pub fn try_map_partitions_hashed_at<R: Send + 'static>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        f: impl Fn(usize, Vec<T>) -> Result<R, BoxError> + Send + Sync + 'static,
        hash: impl Fn(&R) -> u64 + Send + Sync + 'static,
    ) -> Result<Vec<R>> {
        let run = Arc::new(called(operator, f));
        let tried = run.clone();
        run_action_hashed(
            Asked { operator, site },
            self,
            self.all_partitions(),
            move |partition, rdd, cx| run(partition, rdd, cx),
            move |partition, rdd, cx| Ok(hash(&tried(partition, rdd, cx)?)),
        )
    }
}

/// Calls `f` with the records of a partition.
fn called<T: Data, R>(
    operator: &'static str,
    f: impl Fn(usize, Vec<T>) -> Result<R, BoxError>,
) -> impl Fn(usize, &Rdd<T>, &TaskCx) -> Step<R> {
    move |partition, rdd, cx| {
        let mut records = Collect(Vec::new());
        rdd.compute(partition, cx, &mut records)?;
        f(partition, records.0).map_err(|error| Halt::from(Error::user(operator, None, error)))
    }
}

/// Calls a closure with each record.
pub(crate) struct Each<'a, F> {
    cx: &'a TaskCx,
    f: F,
}

impl<'a, F> Each<'a, F> {
    pub(crate) fn new<T>(cx: &'a TaskCx, f: F) -> Self
    where
        F: FnMut(T) -> Step,
    {
        Each { cx, f }
    }
}

impl<T: Data, F: FnMut(T) -> Step> Sink<T> for Each<'_, F> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.cx.check()?;
        chunk.drain(..).try_for_each(&mut self.f)
    }
}
