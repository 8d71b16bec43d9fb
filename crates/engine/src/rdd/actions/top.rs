//! `top`, `take_ordered`, `top_by`, `max`, `min`: the records at an end of an order.

use std::cmp::Ordering;
use std::panic::Location;

use waterclock_base::{Data, Record, Result};

use super::reduce::no_records;
use crate::chunk::{Sink, Step};
use crate::job::{at_driver, hash_records, run_action_hashed};
use crate::rdd::{Asked, Rdd};
use crate::task::TaskCx;

/// # At an end of an order
///
/// Of equal records those are taken that come first, and they stay in the order in which they come. Each
/// task keeps at most twice as many records as are wanted.
impl<T: Data> Rdd<T> {
    /// The `n` greatest records, the greatest first; all of them, in that order, if there are fewer.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert_eq!(Engine::local(2).parallelize(vec![3, 1, 4, 1, 5], 2).top(2)?, [5, 4]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn top(&self, n: usize) -> Result<Vec<T>>
    where
        T: Record,
        T: Ord,
    {
        self.best(Asked { operator: "top", site: Location::caller() }, n, |a: &T, b: &T| b.cmp(a))
    }

    /// The `n` least records, the least first; all of them, in that order, if there are fewer.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert_eq!(Engine::local(2).parallelize(vec![3, 1, 4, 1, 5], 2).take_ordered(3)?, [1, 1, 3]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn take_ordered(&self, n: usize) -> Result<Vec<T>>
    where
        T: Record,
        T: Ord,
    {
        self.best(Asked { operator: "take_ordered", site: Location::caller() }, n, T::cmp)
    }

    /// The `n` records with the greatest `key`, the greatest first.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let counts = Engine::local(2).parallelize(vec![('a', 7), ('b', 9), ('c', 7)], 2);
    /// assert_eq!(counts.top_by(2, |(_, n)| *n)?, [('b', 9), ('a', 7)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn top_by<O: Ord>(
        &self,
        n: usize,
        key: impl Fn(&T) -> O + Clone + Send + Sync + 'static,
    ) -> Result<Vec<T>>
    where
        T: Record,
    {
        let by = Asked { operator: "top_by", site: Location::caller() };
        self.best(by, n, move |a: &T, b: &T| key(b).cmp(&key(a)))
    }

    /// The greatest record, the first of equals.
    ///
    /// # Errors
    /// [`Error::Action`](waterclock_base::Error::Action) when there is none; the error of the task that
    /// failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert_eq!(Engine::local(2).parallelize(vec![3, 1, 2], 2).max()?, 3);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn max(&self) -> Result<T>
    where
        T: Record,
        T: Ord,
    {
        let by = Asked { operator: "max", site: Location::caller() };
        self.best(by, 1, |a: &T, b: &T| b.cmp(a))?.pop().ok_or_else(|| no_records("max"))
    }

    /// The least record, the first of equals.
    ///
    /// # Errors
    /// [`Error::Action`](waterclock_base::Error::Action) when there is none; the error of the task that
    /// failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert_eq!(Engine::local(2).parallelize(vec![3, 1, 2], 2).min()?, 1);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn min(&self) -> Result<T>
    where
        T: Record,
        T: Ord,
    {
        let by = Asked { operator: "min", site: Location::caller() };
        self.best(by, 1, T::cmp)?.pop().ok_or_else(|| no_records("min"))
    }

    fn best(
        &self,
        by: Asked,
        n: usize,
        compare: impl Fn(&T, &T) -> Ordering + Clone + Send + Sync + 'static,
    ) -> Result<Vec<T>>
    where
        T: Record,
    {
        let order = compare.clone();
        let best = move |partition, rdd: &Rdd<T>, cx: &TaskCx| {
            let mut picking = Picking { cx, best: Best::new(n, compare.clone()) };
            rdd.compute(partition, cx, &mut picking)?;
            Ok(picking.best.finish())
        };
        let parts = run_action_hashed(by, self, self.all_partitions(), best, hash_records)?;
        at_driver(by, || {
            let mut best = Best::new(n, order);
            parts.into_iter().flatten().for_each(|record| best.add(record));
            best.finish()
        })
    }
}

/// The first `n` of the records so far, in the order of `compare`, and some more.
struct Best<T, C> {
    n: usize,
    compare: C,
    records: Vec<T>,
    /// Whether the first `n` are in order, so that the last of them tells what need not be kept.
    full: bool,
}

impl<T, C: Fn(&T, &T) -> Ordering> Best<T, C> {
    fn new(n: usize, compare: C) -> Self {
        Best { n, compare, records: Vec::new(), full: false }
    }

    fn beats(&self, record: &T) -> bool {
        match self.n.checked_sub(1).and_then(|last| self.records.get(last)) {
            Some(last) if self.full => (self.compare)(record, last) == Ordering::Less,
            Some(_) | None => self.n > 0,
        }
    }

    fn add(&mut self, record: T) {
        self.records.push(record);
        if self.records.len() >= self.n.saturating_mul(2).max(ROOM) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        // Stable: of equal records the first stays first.
        self.records.sort_by(&self.compare);
        self.records.truncate(self.n);
        self.full = self.records.len() == self.n;
    }

    fn finish(mut self) -> Vec<T> {
        self.cut();
        self.records
    }
}

/// Records that are gathered at least before the best are picked.
const ROOM: usize = 64;

struct Picking<'a, T, C> {
    cx: &'a TaskCx,
    best: Best<T, C>,
}

impl<T: Record, C: Fn(&T, &T) -> Ordering> Sink<T> for Picking<'_, T, C> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.cx.check()?;
        for record in chunk.drain(..) {
            if self.best.beats(&record) {
                self.best.add(record);
            }
        }
        Ok(())
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        self.cx.check()?;
        for record in records {
            if self.best.beats(record) {
                self.best.add((*record).clone());
            }
        }
        Ok(())
    }
}
