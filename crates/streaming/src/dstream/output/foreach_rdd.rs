//! `foreach_rdd`: a closure of the program for the dataset of each batch.

use std::panic::Location;

use waterclock_base::{BatchTime, BoxError, Data, Error, Result};
use waterclock_engine::Rdd;

use super::Output;
use crate::dstream::DStream;

/// # Outputs
impl<T: Data> DStream<T> {
    /// Calls `f` on the driver with the dataset of each batch; not where the stream has none.
    ///
    /// Without an action inside nothing is computed. An error fails the batch; the outputs behind it still
    /// run.
    ///
    /// # Recovery
    /// At least once: after a failure the same batch may be given to `f` again. Write idempotently, or in one
    /// transaction with the batch time, which is handed over for that purpose.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// let (ssc, clock) = manual_context("doc", Duration::from_secs(1))?;
    /// ssc.queue_stream(vec![vec![1, 2]]).foreach_rdd(|rdd, time| {
    ///     assert_eq!((rdd.count()?, time.as_millis()), (2, 1000));
    ///     Ok(())
    /// });
    /// ssc.start()?;
    /// clock.advance_batches(1);
    /// ssc.stop(Stop::Now)?;
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn foreach_rdd(
        &self,
        f: impl Fn(Rdd<T>, BatchTime) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Output {
        self.output("foreach_rdd", Location::caller(), move |rdd, cx| {
            f(rdd, cx.time).map_err(|source| match source.downcast::<Error>() {
                Ok(error) => *error,
                Err(source) => Error::user("foreach_rdd", Some(cx.time), source),
            })
        })
    }
}
