//! `zip` and `zip_partitions`: datasets side by side.

use std::panic::Location;
use std::vec::IntoIter;

use waterclock_base::{Data, Error, RddId};

use crate::chunk::{Collect, Emit, Sink, Step};
use crate::rdd::{Asked, Compute, Rdd};
use crate::task::{TaskCx, emit_made};

/// # Side by side
impl<T: Data> Rdd<T> {
    /// The n-th record of each partition with the n-th of the same partition of `other`, which is in memory
    /// meanwhile.
    ///
    /// Actions on the result fail when the numbers of partitions differ
    /// ([`Error::Definition`](waterclock_base::Error::Definition)) or those of the records in a partition
    /// ([`Error::Action`](waterclock_base::Error::Action)).
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let pairs = engine.parallelize(vec![1, 2], 2).zip(&engine.parallelize(vec!['a', 'b'], 2));
    /// assert_eq!(pairs.collect()?, [(1, 'a'), (2, 'b')]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn zip<U: Data>(&self, other: &Rdd<U>) -> Rdd<(T, U)> {
        let by = Asked { operator: "zip", site: Location::caller() };
        if let Err(error) = same_partitions(by, &[self.partitions(), other.partitions()]) {
            return self.engine().failing_at(by.operator, by.site, error);
        }
        let id = self.engine().next_rdd_id();
        let body = Zip { left: self.clone(), right: other.clone(), id };
        self.derive(by.operator).at(by.site).reads(other).build_with(self.engine(), id, body)
    }

    /// What `f` makes of each partition together with the same partition of `other`; both are in memory
    /// meanwhile.
    ///
    /// Actions on the result fail with [`Error::Definition`](waterclock_base::Error::Definition) when the
    /// numbers of partitions differ.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let (few, many) = (engine.parallelize(vec![1, 2], 2), engine.parallelize((0..7).collect(), 2));
    /// let sizes = few.zip_partitions(&many, |few, many| [(few.len(), many.len())]);
    /// assert_eq!(sizes.collect()?, [(1, 3), (1, 4)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn zip_partitions<U: Data, R: Data, I: IntoIterator<Item = R>>(
        &self,
        other: &Rdd<U>,
        f: impl Fn(IntoIter<T>, IntoIter<U>) -> I + Send + Sync + 'static,
    ) -> Rdd<R> {
        let by = Asked { operator: "zip_partitions", site: Location::caller() };
        match same_partitions(by, &[self.partitions(), other.partitions()]) {
            Ok(()) => self.zip_partitions_at(by, other, f),
            Err(error) => self.engine().failing_at(by.operator, by.site, error),
        }
    }

    /// [`zip_partitions`](Rdd::zip_partitions) of three datasets.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let part = |n: i32| engine.parallelize(vec![n, n + 1], 2);
    /// let rows = part(1).zip_partitions3(&part(3), &part(5), |a, b, c| [(a.sum(), b.sum(), c.sum())]);
    /// assert_eq!(rows.collect()?, [(1, 3, 5), (2, 4, 6)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn zip_partitions3<U: Data, V: Data, R: Data, I: IntoIterator<Item = R>>(
        &self,
        second: &Rdd<U>,
        third: &Rdd<V>,
        f: impl Fn(IntoIter<T>, IntoIter<U>, IntoIter<V>) -> I + Send + Sync + 'static,
    ) -> Rdd<R> {
        let by = Asked { operator: "zip_partitions3", site: Location::caller() };
        match same_partitions(by, &[self.partitions(), second.partitions(), third.partitions()]) {
            Ok(()) => self.lists_beside(by, second).zip_partitions_at(by, third, move |mut both, c| {
                both.next().map(|(a, b)| f(a.into_iter(), b.into_iter(), c)).into_iter().flatten()
            }),
            Err(error) => self.engine().failing_at(by.operator, by.site, error),
        }
    }

    /// [`zip_partitions`](Rdd::zip_partitions) of four datasets.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let of = |n: usize| engine.parallelize((0..n).collect(), 1);
    /// let sizes = of(1).zip_partitions4(&of(2), &of(3), &of(4), |a, b, c, d| {
    ///     [a.len(), b.len(), c.len(), d.len()]
    /// });
    /// assert_eq!(sizes.collect()?, [1, 2, 3, 4]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn zip_partitions4<U: Data, V: Data, W: Data, R: Data, I: IntoIterator<Item = R>>(
        &self,
        second: &Rdd<U>,
        third: &Rdd<V>,
        fourth: &Rdd<W>,
        f: impl Fn(IntoIter<T>, IntoIter<U>, IntoIter<V>, IntoIter<W>) -> I + Send + Sync + 'static,
    ) -> Rdd<R> {
        let by = Asked { operator: "zip_partitions4", site: Location::caller() };
        let counts = [self.partitions(), second.partitions(), third.partitions(), fourth.partitions()];
        match same_partitions(by, &counts) {
            Ok(()) => {
                let others = third.lists_beside(by, fourth);
                self.lists_beside(by, second).zip_partitions_at(by, &others, move |one, other| {
                    let lists = one.zip(other).next();
                    let rows = lists.map(|((a, b), (c, d))| {
                        f(a.into_iter(), b.into_iter(), c.into_iter(), d.into_iter())
                    });
                    rows.into_iter().flatten()
                })
            }
            Err(error) => self.engine().failing_at(by.operator, by.site, error),
        }
    }

    /// Each partition as one record, with the same partition of `other`.
    fn lists_beside<U: Data>(&self, by: Asked, other: &Rdd<U>) -> Rdd<(Vec<T>, Vec<U>)> {
        self.zip_partitions_at(by, other, |a, b| [(a.collect(), b.collect())])
    }

    fn zip_partitions_at<U: Data, R: Data, I: IntoIterator<Item = R>>(
        &self,
        by: Asked,
        other: &Rdd<U>,
        f: impl Fn(IntoIter<T>, IntoIter<U>) -> I + Send + Sync + 'static,
    ) -> Rdd<R> {
        let id = self.engine().next_rdd_id();
        let body = ZipPartitions { left: self.clone(), right: other.clone(), id, f };
        self.derive(by.operator).at(by.site).reads(other).build_with(self.engine(), id, body)
    }
}

fn same_partitions(by: Asked, counts: &[usize]) -> Result<(), Error> {
    if counts.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    let why = format!("the datasets have {counts:?} partitions, but they must have equally many");
    Err(Error::Definition { call: by.operator, site: by.site, why })
}

struct Zip<T: Data, U: Data> {
    left: Rdd<T>,
    right: Rdd<U>,
    id: RddId,
}

impl<T: Data, U: Data> Compute<(T, U)> for Zip<T, U> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<(T, U)>) -> Step {
        let mut others = Collect(Vec::new());
        self.right.compute(partition, cx, &mut others)?;
        let count = others.0.len();
        let mut zipping = Zipping { others: others.0.into_iter(), emit: Emit::new(out), seen: 0 };
        self.left.compute(partition, cx, &mut zipping)?;
        if zipping.seen != count {
            cx.enter(self.id);
            let why = format!(
                "{} records of one dataset meet {count} of the other in partition {partition}, but they must \
                 be as many",
                zipping.seen
            );
            return Err(Error::Action { call: "zip", why }.into());
        }
        zipping.emit.flush()
    }
}

struct Zipping<'a, T: Data, U: Data> {
    others: IntoIter<U>,
    emit: Emit<'a, (T, U)>,
    seen: usize,
}

impl<T: Data, U: Data> Sink<T> for Zipping<'_, T, U> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.seen += chunk.len();
        self.emit.extend(chunk.drain(..).zip(self.others.by_ref()))
    }
}

struct ZipPartitions<T: Data, U: Data, F> {
    left: Rdd<T>,
    right: Rdd<U>,
    id: RddId,
    f: F,
}

impl<T, U, R, I, F> Compute<R> for ZipPartitions<T, U, F>
where
    T: Data,
    U: Data,
    R: Data,
    I: IntoIterator<Item = R>,
    F: Fn(IntoIter<T>, IntoIter<U>) -> I + Send + Sync + 'static,
{
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<R>) -> Step {
        let (mut left, mut right) = (Collect(Vec::new()), Collect(Vec::new()));
        self.left.compute(partition, cx, &mut left)?;
        self.right.compute(partition, cx, &mut right)?;
        let mut emit = Emit::new(out);
        emit_made(cx, self.id, || (self.f)(left.0.into_iter(), right.0.into_iter()), &mut emit)?;
        emit.flush()
    }
}
