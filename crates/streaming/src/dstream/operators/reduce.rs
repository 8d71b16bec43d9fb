//! `reduce` and `aggregate`: one record from all records of a batch.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{Data, Record};
use waterclock_engine::FoldAll;

use crate::dstream::DStream;

impl<T: Data> DStream<T> {
    /// All records of a batch combined by `f`, which must be associative: one record, none for an empty
    /// batch.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec![1, 2, 3], vec![]], |s| s.reduce(|a, b| a + b), vec![vec![6], vec![]]);
    /// ```
    #[track_caller]
    pub fn reduce(&self, f: impl Fn(T, T) -> T + Send + Sync + 'static) -> DStream<T>
    where
        T: Record,
    {
        self.reduce_all_as("reduce", Location::caller(), f)
    }

    /// [`reduce`](DStream::reduce) under another name, for operations made of it.
    pub(crate) fn reduce_all_as(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        f: impl Fn(T, T) -> T + Send + Sync + 'static,
    ) -> DStream<T>
    where
        T: Record,
    {
        let f = Arc::new(f);
        self.each(operator, site, move |rdd, _| {
            let reduced = rdd.fold_all_at(operator, site, Reduce(f.clone()));
            Ok(reduced.flat_map_at(operator, site, |record| record))
        })
    }

    /// All records of a batch added to `zero` by `add`, first in each partition, then the partitions' sums
    /// joined by `merge` in order: always one record, also for an empty batch. Runs on the workers.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(
    ///     vec![vec![3, 4], vec![]],
    ///     |s| s.aggregate((0, 0), |(sum, n), x| (sum + x, n + 1), |a, b| (a.0 + b.0, a.1 + b.1)),
    ///     vec![vec![(7, 2)], vec![(0, 0)]],
    /// );
    /// ```
    #[track_caller]
    pub fn aggregate<A: Record>(
        &self,
        zero: A,
        add: impl Fn(A, T) -> A + Send + Sync + 'static,
        merge: impl Fn(A, A) -> A + Send + Sync + 'static,
    ) -> DStream<A> {
        let (parts, site) = (Arc::new((zero, add, merge)), Location::caller());
        self.each("aggregate", site, move |rdd, _| {
            let sums = rdd.fold_all_at("aggregate", site, Aggregate(parts.clone()));
            let parts = parts.clone();
            Ok(sums.map_at("aggregate", site, move |sum: Option<A>| sum.unwrap_or_else(|| parts.0.clone())))
        })
    }
}

struct Reduce<F>(Arc<F>);

impl<T: Record, F: Fn(T, T) -> T + Send + Sync + 'static> FoldAll<T> for Reduce<F> {
    type Sum = Option<T>;

    fn zero(&self) -> Option<T> {
        None
    }

    fn add(&self, sum: &mut Option<T>, record: T) {
        *sum = Some(match sum.take() {
            None => record,
            Some(sofar) => (self.0)(sofar, record),
        });
    }

    fn merge(&self, sum: &mut Option<T>, later: Option<T>) {
        if let Some(later) = later {
            self.add(sum, later);
        }
    }
}

/// The sum is optional so that it can be taken out while the closure has it.
struct Aggregate<A, Add, Merge>(Arc<(A, Add, Merge)>);

impl<T, A, Add, Merge> FoldAll<T> for Aggregate<A, Add, Merge>
where
    T: Data,
    A: Record,
    Add: Fn(A, T) -> A + Send + Sync + 'static,
    Merge: Fn(A, A) -> A + Send + Sync + 'static,
{
    type Sum = Option<A>;

    fn zero(&self) -> Option<A> {
        None
    }

    fn add(&self, sum: &mut Option<A>, record: T) {
        let sofar = sum.take().unwrap_or_else(|| self.0.0.clone());
        *sum = Some((self.0.1)(sofar, record));
    }

    fn merge(&self, sum: &mut Option<A>, later: Option<A>) {
        *sum = match (sum.take(), later) {
            (Some(sofar), Some(later)) => Some((self.0.2)(sofar, later)),
            (sofar, later) => sofar.or(later),
        };
    }
}
