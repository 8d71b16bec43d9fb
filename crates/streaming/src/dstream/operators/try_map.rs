//! `try_map` and `try_flat_map`: closures that may refuse a record.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{BatchTime, BoxError, Data, Error, RddId, Result};
use waterclock_engine::{Compute, Rdd, Sink, Step, TaskCx};

use super::drops::Drops;
use crate::dstream::DStream;
use crate::graph::{BatchCx, StreamCompute, StreamNode};

/// What becomes of a record for which the closure returns an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnBadRecord {
    /// It fails its task and so, after all attempts, the batch.
    #[default]
    Fail,
    /// It is left out and counted in [`Status::dropped_records`](waterclock_base::Status), once however
    /// often its batch is computed.
    DropAndCount,
}

/// # Closures that may fail
impl<T: Data> DStream<T> {
    /// Applies `f` to each record; an error fails the batch, naming the record's place. Otherwise as
    /// [`map`](DStream::map).
    ///
    /// ```
    /// use waterclock_streaming::testing::run_stream;
    /// let seen = run_stream(vec![vec!["7"], vec!["x"], vec!["8"]], |s| s.try_map(|text| Ok(text.parse::<i32>()?)), 3);
    /// assert_eq!(seen, [Some(vec![7]), None, Some(vec![8])]);
    /// ```
    #[track_caller]
    pub fn try_map<U: Data>(
        &self,
        f: impl Fn(T) -> Result<U, BoxError> + Send + Sync + 'static,
    ) -> DStream<U> {
        self.try_as("try_map", Location::caller(), OnBadRecord::Fail, move |record| f(record).map(Some))
    }

    /// [`try_map`](DStream::try_map) with a policy for records that `f` refuses. A second stream of them
    /// makes [`try_map_or_reject`](DStream::try_map_or_reject).
    ///
    /// ```
    /// use waterclock_streaming::{OnBadRecord, testing::check_stream};
    /// check_stream(
    ///     vec![vec!["7", "x", "8"]],
    ///     |s| s.try_map_with(|text| Ok(text.parse::<i32>()?), OnBadRecord::DropAndCount),
    ///     vec![vec![7, 8]],
    /// );
    /// ```
    #[track_caller]
    pub fn try_map_with<U: Data>(
        &self,
        f: impl Fn(T) -> Result<U, BoxError> + Send + Sync + 'static,
        on_bad_record: OnBadRecord,
    ) -> DStream<U> {
        self.try_as("try_map", Location::caller(), on_bad_record, move |record| f(record).map(Some))
    }

    /// Applies `f` to each record and puts what it gives one after the other; an error fails the batch.
    /// Otherwise as [`flat_map`](DStream::flat_map).
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec!["ab"]], |s| s.try_flat_map(|text| Ok(text.chars())), vec![vec!['a', 'b']]);
    /// ```
    #[track_caller]
    pub fn try_flat_map<U: Data, I: IntoIterator<Item = U>>(
        &self,
        f: impl Fn(T) -> Result<I, BoxError> + Send + Sync + 'static,
    ) -> DStream<U> {
        self.try_as("try_flat_map", Location::caller(), OnBadRecord::Fail, f)
    }

    /// [`try_flat_map`](DStream::try_flat_map) with a policy for records that `f` refuses.
    #[track_caller]
    pub fn try_flat_map_with<U: Data, I: IntoIterator<Item = U>>(
        &self,
        f: impl Fn(T) -> Result<I, BoxError> + Send + Sync + 'static,
        on_bad_record: OnBadRecord,
    ) -> DStream<U> {
        self.try_as("try_flat_map", Location::caller(), on_bad_record, f)
    }

    fn try_as<U: Data, I: IntoIterator<Item = U>>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        on_bad_record: OnBadRecord,
        f: impl Fn(T) -> Result<I, BoxError> + Send + Sync + 'static,
    ) -> DStream<U> {
        let drops = match on_bad_record {
            OnBadRecord::Fail => None,
            OnBadRecord::DropAndCount => Some(Drops::new(&self.graph.engine, "refused by the program")),
        };
        let body =
            TryStream { parent: self.node.clone(), operator, site, f: Arc::new(f), drops: drops.clone() };
        let stream = self.define(self.derived(operator, site), body);
        if let Some(drops) = drops {
            drops.belong_to(stream.id());
        }
        stream
    }
}

struct TryStream<T: Data, F> {
    parent: Arc<StreamNode<T>>,
    operator: &'static str,
    site: &'static Location<'static>,
    f: Arc<F>,
    /// Where refused records are counted; none where they fail the batch.
    drops: Option<Drops>,
}

impl<T, U, I, F> StreamCompute<U> for TryStream<T, F>
where
    T: Data,
    U: Data,
    I: IntoIterator<Item = U>,
    F: Fn(T) -> Result<I, BoxError> + Send + Sync + 'static,
{
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<U>>> {
        let Some(parent) = self.parent.rdd_at(t, cx)? else { return Ok(None) };
        let (operator, id) = (self.operator, cx.engine.next_rdd_id());
        let define = parent.derive(operator).at(self.site);
        let (f, drops) = (self.f.clone(), self.drops.clone());
        Ok(Some(define.build_with(cx.engine, id, TryEach { parent, operator, time: t, id, f, drops })))
    }

    fn forget(&self, upto: BatchTime) {
        if let Some(drops) = &self.drops {
            drops.forget(upto);
        }
    }
}

struct TryEach<T: Data, F> {
    parent: Rdd<T>,
    operator: &'static str,
    time: BatchTime,
    id: RddId,
    f: Arc<F>,
    drops: Option<Drops>,
}

impl<T, U, I, F> Compute<U> for TryEach<T, F>
where
    T: Data,
    U: Data,
    I: IntoIterator<Item = U>,
    F: Fn(T) -> Result<I, BoxError> + Send + Sync + 'static,
{
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<U>) -> Step {
        let mut trying = Trying { rule: self, cx, partition, position: 0, refused: 0, made: Vec::new(), out };
        let outcome = self.parent.compute(partition, cx, &mut trying);
        // Also where the reader had enough before the end: what was refused so far is left out for good.
        if let Some(drops) = &self.drops {
            drops.note(self.time, partition, trying.refused);
        }
        outcome
    }
}

struct Trying<'a, T: Data, U: Data, F> {
    rule: &'a TryEach<T, F>,
    cx: &'a TaskCx,
    partition: usize,
    /// Records before the one at hand.
    position: u64,
    refused: u64,
    made: Vec<U>,
    out: &'a mut dyn Sink<U>,
}

impl<T, U, I, F> Sink<T> for Trying<'_, T, U, F>
where
    T: Data,
    U: Data,
    I: IntoIterator<Item = U>,
    F: Fn(T) -> Result<I, BoxError>,
{
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        let before = self.cx.enter(self.rule.id);
        for record in chunk.drain(..) {
            match (self.rule.f)(record) {
                Ok(records) => self.made.extend(records),
                Err(_) if self.rule.drops.is_some() => self.refused += 1,
                Err(source) => return Err(self.failed(source).into()),
            }
            self.position += 1;
        }
        self.cx.leave(before);
        if self.made.is_empty() { Ok(()) } else { self.out.push(&mut self.made) }
    }
}

impl<T: Data, U: Data, F> Trying<'_, T, U, F> {
    fn failed(&self, source: BoxError) -> Error {
        let TryEach { operator, time, .. } = self.rule;
        let place = format!("{operator}, for record {} of partition {},", self.position, self.partition);
        Error::user(place, Some(*time), source)
    }
}
