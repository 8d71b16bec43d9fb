//! `reduce`, `fold`, `aggregate` and their tree forms: all records become one value.

use std::panic::Location;

use waterclock_base::{Data, Error, Record, Result, key_hash};

use super::Each;
use crate::job::{at_driver, run_action_at, run_action_hashed};
use crate::rdd::{Asked, Rdd};
use crate::shuffle::routed;
use crate::task::TaskCx;

/// # One value of all records
///
/// Each partition is combined in its task, and what they give at the driver, in the order of the partitions:
/// the function must be associative, but need not be commutative.
impl<T: Data> Rdd<T> {
    /// All records combined by `f`.
    ///
    /// # Errors
    /// [`Error::Action`](waterclock_base::Error::Action) when there is no record; the error of the task that
    /// failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let words = Engine::local(2).parallelize(vec!["a".to_owned(), "b".into(), "c".into()], 2);
    /// assert_eq!(words.reduce(|a, b| a + &b)?, "abc");
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce(&self, f: impl Fn(T, T) -> T + Clone + Send + Sync + 'static) -> Result<T>
    where
        T: Record,
    {
        self.reduce_at(Asked { operator: "reduce", site: Location::caller() }, f)
    }

    pub(crate) fn reduce_at(
        &self,
        by: Asked,
        f: impl Fn(T, T) -> T + Clone + Send + Sync + 'static,
    ) -> Result<T>
    where
        T: Record,
    {
        let join = f.clone();
        let part = move |partition, rdd: &Rdd<T>, cx: &TaskCx| {
            let mut sofar: Option<T> = None;
            let mut each = Each::new(cx, |record: T| {
                sofar = Some(match sofar.take() {
                    None => record,
                    Some(sofar) => f(sofar, record),
                });
                Ok(())
            });
            rdd.compute(partition, cx, &mut each)?;
            Ok(sofar)
        };
        let hash = {
            let part = part.clone();
            move |partition, rdd: &Rdd<T>, cx: &TaskCx| Ok(key_hash(&part(partition, rdd, cx)?))
        };
        let parts = run_action_hashed(by, self, self.all_partitions(), part, hash)?;
        let all = at_driver(by, || parts.into_iter().flatten().reduce(join))?;
        all.ok_or_else(|| no_records(by.operator))
    }

    /// [`reduce`](Rdd::reduce) whose second half is a tree, too: see
    /// [`tree_aggregate`](Rdd::tree_aggregate).
    ///
    /// # Errors
    /// As `reduce`.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert_eq!(Engine::local(2).parallelize((1..=100).collect(), 10).tree_reduce(|a, b| a + b, 2)?, 5050);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn tree_reduce(
        &self,
        f: impl Fn(T, T) -> T + Clone + Send + Sync + 'static,
        depth: usize,
    ) -> Result<T>
    where
        T: Record,
    {
        let by = Asked { operator: "tree_reduce", site: Location::caller() };
        let (within, join) = (f.clone(), f);
        let parts = self.map_partitions_at(by.operator, by.site, None, move |_, part| part.reduce(&within));
        parts.tree(by, depth, join.clone()).reduce_at(by, join)
    }

    /// All records combined by `f`, beginning with `zero` once in each partition and once at the driver;
    /// `zero` itself when there are none.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert_eq!(Engine::local(2).parallelize(vec![3, 4, 5], 2).fold(0, |a, b| a.max(b))?, 5);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn fold(&self, zero: T, f: impl Fn(T, T) -> T + Clone + Send + Sync + 'static) -> Result<T>
    where
        T: Record,
    {
        let by = Asked { operator: "fold", site: Location::caller() };
        self.aggregate_at(by, zero, f.clone(), f)
    }

    /// All records combined into a value of another type: `add` adds a record, beginning with `zero` in each
    /// partition, and `merge` joins what the partitions gave, beginning with `zero` at the driver.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let words = Engine::local(2).parallelize(vec!["to", "be"], 2);
    /// assert_eq!(words.aggregate(0, |letters, word| letters + word.len(), |a, b| a + b)?, 4);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn aggregate<A: Record>(
        &self,
        zero: A,
        add: impl Fn(A, T) -> A + Send + Sync + 'static,
        merge: impl Fn(A, A) -> A,
    ) -> Result<A> {
        self.aggregate_at(Asked { operator: "aggregate", site: Location::caller() }, zero, add, merge)
    }

    pub(crate) fn aggregate_at<A: Record>(
        &self,
        by: Asked,
        zero: A,
        add: impl Fn(A, T) -> A + Send + Sync + 'static,
        merge: impl Fn(A, A) -> A,
    ) -> Result<A> {
        let begin = zero.clone();
        let parts = run_action_at(by, self, self.all_partitions(), move |partition, rdd, cx| {
            let mut sofar = Some(begin.clone());
            let mut each = Each::new(cx, |record| {
                sofar = sofar.take().map(|sofar| add(sofar, record));
                Ok(())
            });
            rdd.compute(partition, cx, &mut each)?;
            Ok(sofar)
        })?;
        at_driver(by, || parts.into_iter().flatten().fold(zero, merge))
    }

    /// [`aggregate`](Rdd::aggregate) whose second half is a tree, too: what the partitions give is combined
    /// in tasks, `depth` levels in all (at least 1), so that the driver has little left to do. Worth it for
    /// many partitions with large values. `zero` begins each partition, and is the answer when there is none.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let rdd = Engine::local(2).parallelize((1..=100u64).collect(), 10);
    /// assert_eq!(rdd.tree_aggregate(0, |sum, n| sum + n, |a, b| a + b, 2)?, 5050);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn tree_aggregate<A: Record>(
        &self,
        zero: A,
        add: impl Fn(A, T) -> A + Send + Sync + 'static,
        merge: impl Fn(A, A) -> A + Clone + Send + Sync + 'static,
        depth: usize,
    ) -> Result<A> {
        let by = Asked { operator: "tree_aggregate", site: Location::caller() };
        if self.partitions() == 0 {
            return Ok(zero);
        }
        let parts = self
            .map_partitions_at(by.operator, by.site, None, move |_, part| [part.fold(zero.clone(), &add)]);
        parts.tree(by, depth, merge.clone()).reduce_at(by, merge)
    }

    pub(crate) fn all_partitions(&self) -> Vec<usize> {
        (0..self.partitions()).collect()
    }
}

impl<A: Data> Rdd<A> {
    /// The values of neighbouring partitions combined in tasks until few partitions are left: Spark's rule.
    fn tree(
        &self,
        by: Asked,
        depth: usize,
        merge: impl Fn(A, A) -> A + Clone + Send + Sync + 'static,
    ) -> Rdd<A>
    where
        A: Record,
    {
        let mut level = self.clone();
        for partitions in tree_levels(self.partitions(), depth) {
            let before = level.partitions();
            let joined = routed(&level, by, partitions, move |_, from, _| from * partitions / before);
            let merge = merge.clone();
            level = joined.map_partitions_at(by.operator, by.site, None, move |_, part| part.reduce(&merge));
        }
        level
    }
}

/// How many partitions each level of the tree has.
fn tree_levels(partitions: usize, depth: usize) -> Vec<usize> {
    let scale = ((partitions as f64).powf(1.0 / depth.max(1) as f64).ceil() as usize).max(2);
    let mut levels = Vec::new();
    let mut left = partitions;
    // Another level must save more than the shuffle that it costs.
    while left > scale + left.div_ceil(scale) {
        left /= scale;
        levels.push(left);
    }
    levels
}

pub(super) fn no_records(call: &'static str) -> Error {
    Error::Action { call, why: "the dataset has no records, so there is nothing to answer".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_levels_only_where_they_save_work() {
        assert_eq!(tree_levels(0, 2), []);
        assert_eq!(tree_levels(4, 2), []);
        assert_eq!(tree_levels(10, 2), [2]);
        assert_eq!(tree_levels(1000, 3), [100, 10]);
        assert_eq!(tree_levels(1000, 0), []);
    }
}
