//! `zip` and `zip_partitions`: two datasets side by side.

use std::panic::Location;

use waterclock_base::{Data, Error, RddId};

use crate::chunk::{Collect, Emit, Sink, Step};
use crate::rdd::{Compute, Rdd};
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
        let site = Location::caller();
        let Err(error) = same_partitions("zip", site, self, other) else {
            let id = self.engine().next_rdd_id();
            let body = Zip { left: self.clone(), right: other.clone(), id };
            return self.derive("zip").at(site).reads(other).build_with(self.engine(), id, body);
        };
        self.engine().failing_at("zip", site, error)
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
        f: impl Fn(std::vec::IntoIter<T>, std::vec::IntoIter<U>) -> I + Send + Sync + 'static,
    ) -> Rdd<R> {
        let site = Location::caller();
        let Err(error) = same_partitions("zip_partitions", site, self, other) else {
            let id = self.engine().next_rdd_id();
            let body = ZipPartitions { left: self.clone(), right: other.clone(), id, f };
            return self.derive("zip_partitions").at(site).reads(other).build_with(self.engine(), id, body);
        };
        self.engine().failing_at("zip_partitions", site, error)
    }
}

fn same_partitions<T: Data, U: Data>(
    call: &'static str,
    site: &'static Location<'static>,
    left: &Rdd<T>,
    right: &Rdd<U>,
) -> Result<(), Error> {
    let (one, other) = (left.partitions(), right.partitions());
    if one == other {
        return Ok(());
    }
    let why = format!("one dataset has {one} partitions and the other {other}, but they must be as many");
    Err(Error::Definition { call, site, why })
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
    others: std::vec::IntoIter<U>,
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
    F: Fn(std::vec::IntoIter<T>, std::vec::IntoIter<U>) -> I + Send + Sync + 'static,
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
