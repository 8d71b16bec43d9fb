//! `try_map_or_reject`: a second stream of the records that were refused.

use std::panic::Location;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use waterclock_base::{BatchTime, BoxError, Data, RddId, Record, Result, full_text};
use waterclock_engine::{Compute, Rdd, Sink, Step, StorageLevel, TaskCx};

use crate::dstream::DStream;
use crate::graph::{BatchCx, StreamCompute, StreamNode};

/// A record that a closure refused: what, why and where it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rejected<T> {
    /// The record.
    pub record: T,
    /// The closure's error and its causes.
    pub error: String,
    /// The operation and where the program calls it.
    pub operator: String,
    /// The batch.
    pub batch: BatchTime,
    /// The partition of the batch's dataset.
    pub partition: usize,
    /// How many records lie before it in the partition.
    pub position: u64,
}

impl<T: Data> DStream<T> {
    /// Applies `f` to each record and gives two streams: of the results, and of the records for which `f`
    /// returned an error. Both keep the order, and have a dataset wherever this stream has one.
    ///
    /// `f` runs once a record, whichever of the two is used; the outcome is kept in memory until both have
    /// read it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// let (ssc, clock) = manual_context("doc", Duration::from_secs(1))?;
    /// let texts = ssc.queue_stream(vec![vec!["7".to_owned(), "x".to_owned()]]);
    /// let (numbers, refused) = texts.try_map_or_reject(|text| Ok(text.parse::<i32>()?));
    /// let (numbers, refused) = (numbers.collect_batches(), refused.collect_batches());
    /// ssc.start()?;
    /// clock.advance_batches(1);
    /// assert_eq!(numbers.nth(1), Some(vec![7]));
    /// let x = &refused.nth(1).unwrap()[0];
    /// assert_eq!((x.record.as_str(), x.error.as_str(), x.partition), ("x", "invalid digit found in string", 1));
    /// ssc.stop(Stop::Now)?;
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn try_map_or_reject<U: Record>(
        &self,
        f: impl Fn(&T) -> Result<U, BoxError> + Send + Sync + 'static,
    ) -> (DStream<U>, DStream<Rejected<T>>)
    where
        T: Record,
    {
        let (operator, site) = ("try_map_or_reject", Location::caller());
        let body = SortStream { parent: self.node.clone(), operator, site, f: Arc::new(f) };
        let both = self.define::<Sorted<T, U>>(self.derived(operator, site), body);
        both.node.persist_by_default(StorageLevel::MemoryOnly);
        (both.flat_map_as(operator, site, Sorted::ok), both.flat_map_as(operator, site, Sorted::err))
    }
}

/// What became of a record.
type Sorted<T, U> = std::result::Result<U, Rejected<T>>;

struct SortStream<T: Record, F> {
    parent: Arc<StreamNode<T>>,
    operator: &'static str,
    site: &'static Location<'static>,
    f: Arc<F>,
}

impl<T, U, F> StreamCompute<Sorted<T, U>> for SortStream<T, F>
where
    T: Record,
    U: Record,
    F: Fn(&T) -> Result<U, BoxError> + Send + Sync + 'static,
{
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<Sorted<T, U>>>> {
        let Some(parent) = self.parent.rdd_at(t, cx)? else { return Ok(None) };
        let id = cx.engine.next_rdd_id();
        let define = parent.derive(self.operator).at(self.site);
        let operator = format!("{} at {}", self.operator, self.site);
        let body = SortEach { parent, operator, batch: t, id, f: self.f.clone() };
        Ok(Some(define.build_with(cx.engine, id, body)))
    }
}

struct SortEach<T: Record, F> {
    parent: Rdd<T>,
    operator: String,
    batch: BatchTime,
    id: RddId,
    f: Arc<F>,
}

impl<T, U, F> Compute<Sorted<T, U>> for SortEach<T, F>
where
    T: Record,
    U: Record,
    F: Fn(&T) -> Result<U, BoxError> + Send + Sync + 'static,
{
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<Sorted<T, U>>) -> Step {
        let mut sorting = Sorting { rule: self, cx, partition, position: 0, sorted: Vec::new(), out };
        self.parent.compute(partition, cx, &mut sorting)
    }
}

struct Sorting<'a, T: Record, U: Record, F> {
    rule: &'a SortEach<T, F>,
    cx: &'a TaskCx,
    partition: usize,
    position: u64,
    sorted: Vec<Sorted<T, U>>,
    out: &'a mut dyn Sink<Sorted<T, U>>,
}

impl<T: Record, U: Record, F: Fn(&T) -> Result<U, BoxError>> Sorting<'_, T, U, F> {
    /// Sorts one record; `own` makes it the program's where it was refused.
    fn sort<R: std::borrow::Borrow<T>>(&mut self, record: R, own: impl FnOnce(R) -> T) {
        let sorted = (self.rule.f)(record.borrow()).map_err(|error| Rejected {
            record: own(record),
            error: full_text(&*error),
            operator: self.rule.operator.clone(),
            batch: self.rule.batch,
            partition: self.partition,
            position: self.position,
        });
        self.sorted.push(sorted);
        self.position += 1;
    }

    fn hand_on(&mut self) -> Step {
        if self.sorted.is_empty() { Ok(()) } else { self.out.push(&mut self.sorted) }
    }
}

impl<T: Record, U: Record, F: Fn(&T) -> Result<U, BoxError>> Sink<T> for Sorting<'_, T, U, F> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        let before = self.cx.enter(self.rule.id);
        for record in chunk.drain(..) {
            self.sort(record, |record| record);
        }
        self.cx.leave(before);
        self.hand_on()
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        let before = self.cx.enter(self.rule.id);
        for record in records {
            self.sort(*record, T::clone);
        }
        self.cx.leave(before);
        self.hand_on()
    }
}
