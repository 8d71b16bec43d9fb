//! Accumulators of a context, which go on where they were after a restart.

use std::panic::Location;

use waterclock_base::{Error, Record};
use waterclock_engine::Accumulator;

use super::StreamingContext;

/// # Accumulators
impl StreamingContext {
    /// A value that tasks add to, and that outlives the process: a context that goes on from a checkpoint goes on from
    /// what it had come to after the newest batch that counts. `add` is called at the driver, once for each value of
    /// each finished task, as by [`Engine::accumulator`](waterclock_engine::Engine::accumulator).
    ///
    /// Each batch counts once, however often it is begun: what a failed batch added is taken back. Two exceptions:
    /// with `FailurePolicy::Retry`, tasks that had succeeded in the failed try may count again, and so may a dataset
    /// that is computed again, as the input of a window after a restart. Batches don't overlap where there is such an
    /// accumulator.
    ///
    /// The name must be the only one of its kind in the context. A type that was changed since is read as state is: by
    /// the names of its fields. An accumulator that the program has no more is forgotten, with a warning in the log.
    /// One that is defined after `start`, or whose type does not tell what it is made of, is refused: see
    /// [`check`](Self::check).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_base::BatchTime;
    /// # use waterclock_streaming::{Stop, testing};
    /// # let dir = tempfile::tempdir()?;
    /// let mut totals = Vec::new();
    /// for start in [0, 2000] {
    ///     let mut seen = None;
    ///     let (ssc, clock) = testing::get_or_create(dir.path(), BatchTime::from_millis(start), |builder| {
    ///         let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
    ///         let bad = ssc.accumulator("bad lines", 0u64, |sum, n: u64| *sum += n);
    ///         let lines = ssc.queue_stream(vec![vec!["1", "x"], vec!["y"], vec!["2", "z"]]).named("lines");
    ///         let counter = bad.clone();
    ///         let numbers = lines.flat_map(move |line| {
    ///             let number = line.parse::<u32>().ok();
    ///             if number.is_none() {
    ///                 counter.add(1);
    ///             }
    ///             number
    ///         });
    ///         numbers.print();
    ///         seen = Some(bad);
    ///         Ok(ssc)
    ///     })?;
    ///     ssc.start()?;
    ///     clock.advance_batches(2);
    ///     ssc.stop(Stop::Now)?;
    ///     totals.extend(seen.map(|bad| bad.value()));
    /// }
    /// assert_eq!(totals, [2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn accumulator<A: Record, V: Send + 'static>(
        &self,
        name: impl Into<String>,
        zero: A,
        add: impl Fn(&mut A, V) + Send + Sync + 'static,
    ) -> Accumulator<A, V> {
        let (call, site, graph) = ("accumulator", Location::caller(), &self.inner.graph);
        let accumulator = self.engine().accumulator(name, zero, add);
        let added = graph.may_define(call).and_then(|()| {
            graph.accumulators.add(&accumulator).map_err(|why| Error::Definition { call, site, why })
        });
        if let Err(error) = added {
            graph.refuse(error);
        }
        accumulator
    }
}
