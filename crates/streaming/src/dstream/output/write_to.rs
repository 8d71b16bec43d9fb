//! `write_to`: a sink of a connector, in which each batch counts exactly once.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{BatchTime, BoxError, Data, Error, key_hash};

use super::Output;
use crate::dstream::DStream;
use crate::graph::{Begun, JobCx, Prepared};

/// How often a batch counts in a sink when it is run again after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SinkClass {
    /// Once: the sink keeps the batch's mark in the same transaction as its records.
    Transactional,
    /// Once: records written again replace themselves by their key.
    IdempotentByKey,
    /// Once or more.
    AtLeastOnce,
}

/// Which batch of which output: what a sink keeps beside the records, to know a batch again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BatchMark {
    /// The application: the same after every restart from the same checkpoint, another one for every other
    /// checkpoint. None without a checkpoint: then no batch is ever run again.
    pub application: Option<u64>,
    /// The output's name, or its kind and number where the program gave none.
    pub output: String,
    /// The batch.
    pub time: BatchTime,
}

/// An outside place for records.
///
/// # Contract
/// 1. `stage` is called by tasks, once for each partition and attempt, several at a time. Nothing of it may be
///    seen outside.
/// 2. `publish` is called once for a batch, when all jobs of the batch have succeeded, with what was staged
///    for each partition, in order. It makes all of it visible or nothing. It may be called again after an
///    error, and again by another process after a crash: a batch that is there already is left as it is.
/// 3. Batches are published in order of time, except with several concurrent jobs.
pub trait BatchSink<T: Data>: Send + Sync + 'static {
    /// What a task has ready.
    type Part: Send + Sync + 'static;

    /// What it promises.
    fn class(&self) -> SinkClass;

    /// Prepares the records of a partition.
    ///
    /// # Errors
    /// Whatever makes the task fail, to be tried again.
    fn stage(&self, batch: &BatchMark, partition: usize, records: Vec<T>) -> Result<Self::Part, BoxError>;

    /// Makes the batch visible.
    ///
    /// # Errors
    /// Whatever makes that impossible now: the batch fails.
    fn publish(&self, batch: &BatchMark, parts: &[Self::Part]) -> Result<(), BoxError>;

    /// Makes a batch visible that another process had begun: it may be there already. `earlier` is the newest batch
    /// before it that the log has as published here; none where there was none, or where it is forgotten. A sink whose
    /// marks may get lost can tell by it that they are, and refuse.
    ///
    /// Where a sink does not say otherwise it publishes as ever.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    fn publish_again(
        &self,
        batch: &BatchMark,
        parts: &[Self::Part],
        _earlier: Option<BatchTime>,
    ) -> Result<(), BoxError> {
        self.publish(batch, parts)
    }

    /// Whether what was published under this mark is what `parts` hold; none where the sink can't tell. Called after
    /// `publish` for a batch that another process had begun, which may have published it: a sink that keeps the sum of
    /// the content's hashes beside the mark can compare. A difference is told as a warning.
    ///
    /// # Errors
    /// Whatever makes it impossible to ask; nothing comes of it but a line in the log.
    fn is_as_published(&self, _batch: &BatchMark, _parts: &[Self::Part]) -> Result<Option<bool>, BoxError> {
        Ok(None)
    }

    /// A number for the content of a part, the same for the same records in any order.
    fn content_hash(&self, _part: &Self::Part) -> u64 {
        0
    }
}

impl<T: Data> DStream<T> {
    /// Writes each batch to a sink.
    ///
    /// Tasks prepare their partitions; when all outputs of the batch have succeeded, what they have ready is
    /// published, output by output in the order of definition.
    ///
    /// ```
    /// # use std::sync::{Arc, Mutex};
    /// # use std::time::Duration;
    /// # use waterclock_base::BoxError;
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// use waterclock_streaming::{BatchMark, BatchSink, SinkClass};
    ///
    /// /// Keeps batches in memory, each once.
    /// #[derive(Clone, Default)]
    /// struct Shelf(Arc<Mutex<Vec<(BatchMark, Vec<u32>)>>>);
    /// impl BatchSink<u32> for Shelf {
    ///     type Part = Vec<u32>;
    ///     fn class(&self) -> SinkClass { SinkClass::Transactional }
    ///     fn stage(&self, _: &BatchMark, _: usize, records: Vec<u32>) -> Result<Vec<u32>, BoxError> {
    ///         Ok(records)
    ///     }
    ///     fn publish(&self, batch: &BatchMark, parts: &[Vec<u32>]) -> Result<(), BoxError> {
    ///         let mut shelf = self.0.lock().unwrap();
    ///         if !shelf.iter().any(|(there, _)| there == batch) {
    ///             shelf.push((batch.clone(), parts.concat()));
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// let (ssc, clock) = manual_context("shelf", Duration::from_secs(1))?;
    /// let shelf = Shelf::default();
    /// ssc.queue_stream(vec![vec![1, 2, 3]]).write_to(shelf.clone()).named("shelf");
    /// ssc.start()?;
    /// clock.advance_batches(1);
    /// ssc.stop(Stop::Now)?;
    /// assert_eq!(shelf.0.lock().unwrap()[0].1, [1, 2, 3]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// # Recovery
    /// What the sink's [class](SinkClass) says.
    #[track_caller]
    pub fn write_to<S: BatchSink<T>>(&self, sink: S) -> Output {
        let (operator, site, sink) = ("write_to", Location::caller(), Arc::new(sink));
        self.output(operator, site, move |rdd, cx| {
            let mark = Arc::new(mark(cx));
            let (staging, hashing, batch) = (sink.clone(), sink.clone(), mark.clone());
            let stage = move |partition, records| staging.stage(&batch, partition, records);
            let hash = move |part: &S::Part| hashing.content_hash(part);
            let parts = rdd.try_map_partitions_hashed_at(operator, site, stage, hash)?;
            let hashes = parts.iter().map(|part| key_hash(&sink.content_hash(part)));
            let hash = hashes.fold(0, u64::wrapping_add);
            let ready = Arc::new((sink.clone(), mark, parts));
            let (compared, begun) = (ready.clone(), cx.begun);
            cx.prepare(Prepared {
                hash,
                publish: Box::new(move || {
                    let (sink, mark, parts) = &*ready;
                    let published = match begun {
                        Begun::Here => sink.publish(mark, parts),
                        Begun::Before { earlier } => sink.publish_again(mark, parts, earlier),
                    };
                    published.map_err(|error| failed(mark, error))
                }),
                is_as_published: Box::new(move || {
                    let (sink, mark, parts) = &*compared;
                    sink.is_as_published(mark, parts).map_err(|error| failed(mark, error))
                }),
                // Nobody sees what was staged: dropping it is enough.
                discard: Box::new(|| {}),
            });
            Ok(())
        })
    }
}

fn failed(mark: &BatchMark, error: BoxError) -> Error {
    Error::user(&*mark.output, Some(mark.time), error)
}

fn mark(cx: &JobCx) -> BatchMark {
    BatchMark { application: cx.application, output: cx.output.clone(), time: cx.time }
}
