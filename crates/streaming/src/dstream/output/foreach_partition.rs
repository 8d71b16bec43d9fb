//! `foreach_partition`: a closure of the program for each partition, on the workers.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{BatchTime, BoxError, Data};

use super::Output;
use crate::dstream::DStream;

impl<T: Data> DStream<T> {
    /// Calls `f` on the workers with the number and the records of each partition of each batch, empty ones
    /// too, and with the batch's time; not where this stream has no dataset. The records of a partition are
    /// in memory meanwhile.
    ///
    /// An error fails the task, which is tried again, and in the end the batch; the outputs behind it still
    /// run.
    ///
    /// # Recovery
    /// At least once: a partition may be given to `f` again, after a failure of its own or of the program,
    /// and with speculation at the same time. Write idempotently, or in one transaction with the pair of
    /// batch time and partition number, which names the same records each time.
    ///
    /// ```
    /// # use std::sync::{Arc, Mutex};
    /// # use std::time::Duration;
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// let (ssc, clock) = manual_context("doc", Duration::from_secs(1))?;
    /// let rows = Arc::new(Mutex::new(Vec::new()));
    /// let table = rows.clone();
    /// ssc.queue_stream(vec![vec![1, 2, 3]]).foreach_partition(move |partition, records, time| {
    ///     table.lock().unwrap().push((time.as_millis(), partition, records.sum::<i32>()));
    ///     Ok(())
    /// });
    /// ssc.start()?;
    /// clock.advance_batches(1);
    /// ssc.stop(Stop::Now)?;
    /// rows.lock().unwrap().sort();
    /// assert_eq!(*rows.lock().unwrap(), [(1000, 0, 1), (1000, 1, 5)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn foreach_partition(
        &self,
        f: impl Fn(usize, std::vec::IntoIter<T>, BatchTime) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Output {
        let (operator, site, f) = ("foreach_partition", Location::caller(), Arc::new(f));
        self.output(operator, site, move |rdd, cx| {
            if !cx.may_call() {
                return Ok(());
            }
            let (f, time) = (f.clone(), cx.time);
            rdd.try_for_each_partition_at(operator, site, move |partition, records| {
                f(partition, records, time)
            })
        })
    }
}
