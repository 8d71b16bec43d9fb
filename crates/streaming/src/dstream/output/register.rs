//! `register`: a batch is computed, and that is all.

use std::panic::Location;

use waterclock_base::Data;

use super::Output;
use crate::dstream::DStream;

impl<T: Data> DStream<T> {
    /// Computes each batch and lets go of it: for what computing does, as to keep the datasets of a
    /// persisted stream at hand for [`slice`](DStream::slice), or to measure.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_base::BatchTime;
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// let (ssc, clock) = manual_context("doc", Duration::from_secs(1))?;
    /// let numbers = ssc.queue_stream(vec![vec![1], vec![2]]);
    /// numbers.register();
    /// ssc.start()?;
    /// clock.advance_batches(2);
    /// let latest = numbers.slice(BatchTime::from_millis(2000), BatchTime::from_millis(2000))?;
    /// assert_eq!(latest[0].collect()?, [2]);
    /// ssc.stop(Stop::Now)?;
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn register(&self) -> Output {
        self.output("register", Location::caller(), |rdd, _| rdd.count().map(drop))
    }
}
