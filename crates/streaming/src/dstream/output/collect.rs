//! `collect_batches`: everything, in memory, for tests and notebooks.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::{Arc, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Data, Record};

use crate::dstream::DStream;
use crate::graph::Graph;

/// The records of every batch that an output saw, by batch time.
pub struct Collected<T> {
    batches: Arc<Mutex<BTreeMap<BatchTime, Vec<T>>>>,
    graph: Arc<Graph>,
}

impl<T> Clone for Collected<T> {
    fn clone(&self) -> Self {
        Collected { batches: self.batches.clone(), graph: self.graph.clone() }
    }
}

impl<T: Record> Collected<T> {
    /// The records of the batch of this time, in partition order; none where the stream had no dataset, or
    /// the batch failed or is not done.
    pub fn at(&self, time: BatchTime) -> Option<Vec<T>> {
        lock(&self.batches).get(&time).cloned()
    }

    /// The records of the `n`-th batch, counted from 1; none as in [`at`](Collected::at).
    pub fn nth(&self, n: u32) -> Option<Vec<T>> {
        let zero = self.graph.zero()?;
        self.at(zero + self.graph.settings.batch_interval * n)
    }

    /// The records of the `n`-th batch, counted from 1, sorted; empty where there are none.
    pub fn sorted_at(&self, n: u32) -> Vec<T>
    where
        T: Ord,
    {
        let mut records = self.nth(n).unwrap_or_default();
        records.sort();
        records
    }

    /// All batches so far, in order of time.
    pub fn all(&self) -> Vec<(BatchTime, Vec<T>)> {
        lock(&self.batches).iter().map(|(time, records)| (*time, records.clone())).collect()
    }
}

impl<T: Data> DStream<T> {
    /// Keeps the records of every batch in memory, to be looked at by the program: for tests and
    /// notebooks, as nothing is ever dropped.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// let (ssc, clock) = manual_context("doc", Duration::from_secs(1))?;
    /// let seen = ssc.queue_stream(vec![vec![2, 1]]).collect_batches();
    /// ssc.start()?;
    /// clock.advance_batches(1);
    /// assert_eq!(seen.nth(1), Some(vec![2, 1]));
    /// assert_eq!(seen.sorted_at(1), [1, 2]);
    /// ssc.stop(Stop::Now)?;
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn collect_batches(&self) -> Collected<T>
    where
        T: Record,
    {
        let collected = Collected { batches: Arc::default(), graph: self.graph.clone() };
        let batches = collected.batches.clone();
        self.output("collect_batches", Location::caller(), move |rdd, cx| {
            let records = rdd.collect()?;
            lock(&batches).insert(cx.time, records);
            Ok(())
        });
        collected
    }
}
