//! `slice`: the datasets of a span of time.

use waterclock_base::{BatchTime, Data, Error, Result};
use waterclock_engine::Rdd;

use crate::dstream::DStream;
use crate::graph::{AnyNode, BatchCx};

impl<T: Data> DStream<T> {
    /// The stream's datasets from `from` to `to`, both included, oldest first.
    ///
    /// Both ends are rounded down to the stream's slide; times up to zero are left out; an end before the
    /// begin gives nothing. What is no longer remembered is made again, as far as its parents still
    /// remember: call [`remember`](crate::StreamingContext::remember) before `start` for as long as slices
    /// reach back. Of a stream with state, a time has a dataset only if it had one when its batch ran.
    ///
    /// # Errors
    /// [`Error::Lifecycle`] before the context was started; the error of the stream that can't make its
    /// dataset.
    pub fn slice(&self, from: BatchTime, to: BatchTime) -> Result<Vec<Rdd<T>>> {
        let zero = self.graph.zero().ok_or(Error::Lifecycle {
            call: "slice",
            state: "not started",
            hint: "a stream has datasets only after `start`",
        })?;
        let slide = self.node.slide();
        let (from, to) = (from.floor(slide, zero), to.floor(slide, zero));
        let (engine, settings) = (&self.graph.engine, &self.graph.settings);
        let mut datasets = Vec::new();
        for t in from.to(to, slide).filter(|t| *t > zero) {
            datasets.extend(self.node.rdd_at(t, &BatchCx { zero, engine, settings })?);
        }
        Ok(datasets)
    }

    /// The times whose datasets are remembered now, oldest first: those that [`slice`](DStream::slice)
    /// gives without making them again. Empty before `start`, and where no output reads the stream.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_base::BatchTime;
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// let (ssc, clock) = manual_context("doc", Duration::from_secs(1))?;
    /// ssc.remember(Duration::from_secs(2))?;
    /// let numbers = ssc.queue_stream(vec![vec![1], vec![2], vec![3]]);
    /// numbers.register();
    /// ssc.start()?;
    /// clock.advance_batches(3);
    /// assert_eq!(numbers.remembered_times(), [2000, 3000].map(BatchTime::from_millis));
    /// ssc.stop(Stop::Now)?;
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    pub fn remembered_times(&self) -> Vec<BatchTime> {
        self.node.remembered()
    }
}
