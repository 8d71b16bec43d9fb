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
    /// transaction with the batch time, which is handed over for that purpose; see below.
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
    ///
    /// # Exactly once
    /// With a checkpoint, and a database that has transactions: in the same transaction as the records, write the
    /// program's name and the batch time into a table of which both are the key, and write nothing where they are
    /// there already. Compute before the transaction begins, and name the program as long as it writes into these
    /// tables, also after its checkpoint was deleted: batch times go on.
    ///
    /// ```
    /// # use std::collections::BTreeSet;
    /// # use std::sync::{Arc, Mutex};
    /// # use std::time::Duration;
    /// # use waterclock_base::BatchTime;
    /// # use waterclock_streaming::{DStream, Stop, testing};
    /// # /// A database: whoever holds the lock is in a transaction, and letting go ends it.
    /// # #[derive(Default)]
    /// # struct Tables { batches: BTreeSet<(&'static str, i64)>, numbers: Vec<i32> }
    /// # fn output(numbers: &DStream<i32>, database: Arc<Mutex<Tables>>, crashes: bool) {
    /// numbers.foreach_rdd(move |rdd, time| {
    ///     let records = rdd.collect()?;
    ///     let mut tables = database.lock().unwrap(); // BEGIN
    ///     // INSERT INTO batches VALUES ('numbers', TIME) ON CONFLICT DO NOTHING: it tells whether it made a row.
    ///     if tables.batches.insert(("numbers", time.as_millis())) {
    ///         tables.numbers.extend(records); // INSERT INTO numbers ..
    ///     }
    ///     drop(tables); // COMMIT
    /// #   if crashes { return Err("the process ends before the batch is over".into()) }
    ///     Ok(())
    /// });
    /// # }
    /// # let (dir, database) = (tempfile::tempdir().unwrap(), Arc::<Mutex<Tables>>::default());
    /// # for crashes in [true, false] {
    /// #     let (ssc, clock) = testing::get_or_create(dir.path(), BatchTime::from_millis(0), |builder| {
    /// #         let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
    /// #         output(&ssc.queue_stream(vec![vec![1, 2], vec![3]]).named("numbers"), database.clone(), crashes);
    /// #         Ok(ssc)
    /// #     })?;
    /// #     ssc.start()?;
    /// #     clock.advance_batches(2);
    /// #     let _ = ssc.stop(Stop::Now);
    /// #     let written = &database.lock().unwrap().numbers;
    /// #     if crashes { assert_eq!(*written, [1, 2]) } else { assert_eq!(*written, [1, 2, 3]) }
    /// # }
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// Where a sink does, [`write_to`](DStream::write_to) is less work: it does this by itself, hands over the
    /// application, and publishes only when all outputs of the batch have succeeded.
    #[track_caller]
    pub fn foreach_rdd(
        &self,
        f: impl Fn(Rdd<T>, BatchTime) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Output {
        self.output("foreach_rdd", Location::caller(), move |rdd, cx| {
            if !cx.may_call() {
                return Ok(());
            }
            f(rdd, cx.time).map_err(|source| match source.downcast::<Error>() {
                Ok(error) => *error,
                Err(source) => Error::user("foreach_rdd", Some(cx.time), source),
            })
        })
    }
}
