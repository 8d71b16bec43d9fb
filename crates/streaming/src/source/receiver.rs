//! Streams that receivers feed: each batch has the blocks that were stored before its tick.

use std::panic::Location;
use std::sync::{Arc, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{BatchInfo, BatchInterval, BatchTime, BoxError, Record, Result, StreamId, encode};
use waterclock_engine::{Compute, Define, Rdd, Sink, Step, TaskCx, lend_all};

use super::Input;
use crate::block::{BlockLog, ReceivedBlock, Records, gather};
use crate::context::StreamingContext;
use crate::dstream::DStream;
use crate::graph::{BatchCx, Cut, Graph, HeldBack, SavedInput, Source, Waiting};
use crate::receiver::{
    PidEstimator, Receiver, ReceiverControl, ReceiverHandle, ReceiverSetup, ReceiverSupervisor,
};

/// # Sources: receivers
impl StreamingContext {
    /// A stream of what `run` stores: the simplest receiver is a closure.
    ///
    /// It is called on a thread of its own when the context starts and stores records until
    /// [`is_stopped`](ReceiverHandle::is_stopped) holds; [`Receiver`] says what happens when it returns,
    /// fails or panics. A batch has exactly the records whose `store` returned before its tick, in the order
    /// of storing, in at most `default_parallelism` partitions; none at all where there are no records.
    ///
    /// Failures go to listeners ([`Event::ReceiverError`](waterclock_base::Event)) and into
    /// [`status`](StreamingContext::status), not to `await_termination`: a receiver is started again for as
    /// long as the context runs.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// let (ssc, clock) = manual_context("sensor", Duration::from_secs(1))?;
    /// let degrees = ssc.receiver_stream(|out| {
    ///     out.store_many(vec![20, 21, 22])?;
    ///     out.until_stopped();
    ///     Ok(())
    /// });
    /// let seen = degrees.collect_batches();
    /// ssc.start()?;
    /// while seen.all().iter().all(|(_, degrees)| degrees.is_empty()) {
    ///     clock.advance_batches(1);
    /// }
    /// clock.stop_gracefully()?; // processes all that was stored
    /// assert_eq!(seen.all().into_iter().flat_map(|(_, degrees)| degrees).collect::<Vec<_>>(), [20, 21, 22]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// # Recovery
    /// With a checkpoint, blocks are written ahead: a store of a whole block returns when it is durable, what
    /// gathers in the open block is durable with its batch at the latest. See [`Receiver`].
    #[track_caller]
    pub fn receiver_stream<T: Record>(
        &self,
        run: impl Fn(ReceiverHandle<T>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> DStream<T> {
        self.receive("receiver_stream", Location::caller(), run)
    }

    /// A stream of what a receiver stores that is a type of its own; else as
    /// [`receiver_stream`](Self::receiver_stream).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::testing::manual_context;
    /// use waterclock_base::BoxError;
    /// use waterclock_streaming::{Receiver, ReceiverHandle};
    ///
    /// struct Sensor { port: u16 }
    /// impl Receiver<f64> for Sensor {
    ///     fn run(&self, out: ReceiverHandle<f64>) -> Result<(), BoxError> {
    ///         while out.pause(Duration::from_secs(1)) {
    ///             out.store(f64::from(self.port))?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// let (ssc, _clock) = manual_context("sensors", Duration::from_secs(1))?;
    /// let both = ssc.receiver(Sensor { port: 1 }).union(&ssc.receiver(Sensor { port: 2 }));
    /// both.count().print();
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// # Recovery
    /// As [`receiver_stream`](Self::receiver_stream).
    #[track_caller]
    pub fn receiver<T: Record>(&self, receiver: impl Receiver<T>) -> DStream<T> {
        self.receive("receiver", Location::caller(), receiver)
    }

    /// A stream of what `receiver` stores.
    pub(super) fn receive<T: Record>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        receiver: impl Receiver<T>,
    ) -> DStream<T> {
        let graph = &self.inner.graph;
        self.input(operator, site, |id| Received::new(id, operator, site, receiver, graph))
    }
}

/// A source that is a receiver.
struct Received<T> {
    operator: &'static str,
    site: &'static Location<'static>,
    supervisor: Arc<ReceiverSupervisor<T>>,
    /// What the receiver's rate follows, with back-pressure.
    pid: Option<Mutex<PidEstimator>>,
}

impl<T: Record> Received<T> {
    fn new(
        id: StreamId,
        operator: &'static str,
        site: &'static Location<'static>,
        receiver: impl Receiver<T>,
        graph: &Graph,
    ) -> Result<Self> {
        let bus = graph.bus.clone();
        let setup = ReceiverSetup {
            settings: graph.settings.clone(),
            clock: graph.engine.world().clock.clone(),
            bytes: graph.received.clone(),
            events: Arc::new(move |event| bus.post(event)),
        };
        let pid = graph.settings.backpressure.then(|| PidEstimator::of(&graph.settings)).transpose()?;
        let supervisor = ReceiverSupervisor::new(id, receiver, &setup)?;
        Ok(Received { operator, site, supervisor, pid: pid.map(Mutex::new) })
    }
}

impl<T: Record> Source for Received<T> {
    fn stream(&self) -> StreamId {
        self.supervisor.stream()
    }

    fn start(&self, _zero: BatchTime) -> Result<()> {
        self.supervisor.start()
    }

    fn ask_to_stop(&self, graceful: bool) {
        self.supervisor.ask_to_stop(graceful);
    }

    fn await_stopped(&self, graceful: bool) -> bool {
        self.supervisor.await_stopped(graceful)
    }

    fn waiting(&self) -> Waiting {
        Waiting::Records(self.supervisor.intake().waiting())
    }

    fn hold_back(&self, at: u64) {
        self.supervisor.intake().hold_back(at);
    }

    fn held_back(&self) -> HeldBack {
        self.supervisor.intake().held_back()
    }

    fn cut(&self, interval: BatchInterval, most: Option<u64>) -> Cut {
        let (info, blocks) = self.supervisor.intake().seal_and_allocate(interval.to, most);
        let mut range = Vec::new();
        // Numbers can always be written.
        let _ = encode(&blocks, &mut range);
        Cut { info, range }
    }

    fn position(&self) -> Vec<u8> {
        // Records that could be written when they were stored can be written again.
        self.supervisor.intake().position().unwrap_or_default()
    }

    fn resume(&self, saved: &SavedInput<'_>) -> Result<()> {
        self.supervisor.intake().resume(saved)
    }

    fn log_to(&self, log: BlockLog) {
        self.supervisor.intake().log_to(log);
    }

    fn forget(&self, upto: BatchTime) {
        self.supervisor.forget(BatchTime::from_millis(upto.as_millis().saturating_add(1)));
    }

    fn batch_completed(&self, batch: &BatchInfo) {
        let Some(pid) = &self.pid else { return };
        if let Some(rate) = lock(pid).after_batch(self.stream(), batch) {
            tracing::debug!(stream = self.stream().0, rate, "new rate");
            self.supervisor.set_rate(rate);
        }
    }
}

impl<T: Record> Input<T> for Received<T> {
    /// A time without a batch (before the start, merged into a later one) has a dataset without partitions.
    fn rdd(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        let blocks = self.supervisor.blocks_at(t);
        if blocks.is_none() && cx.is_paced() {
            return Ok(None);
        }
        let blocks = blocks.unwrap_or_default();
        let bytes: Vec<u64> = blocks.iter().map(|block| block.bytes()).collect();
        let most =
            if cx.rules().one_partition_per_block { usize::MAX } else { cx.settings.default_parallelism };
        let runs = gather(&bytes, most).into_iter();
        let partitions: Vec<_> = runs.map(|run| blocks.get(run).unwrap_or_default().to_vec()).collect();
        let define = Define::new(self.operator, partitions.len()).at(self.site).bytes(bytes.iter().sum());
        Ok(Some(define.build(cx.engine, Blocks { partitions })))
    }
}

/// The dataset of a batch: runs of blocks, each a partition.
struct Blocks<T> {
    partitions: Vec<Vec<Arc<ReceivedBlock<T>>>>,
}

impl<T: Record> Compute<T> for Blocks<T> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        for block in self.partitions.get(partition).into_iter().flatten() {
            match &*block.records()? {
                Records::Lines(lines) => lines.hand(cx, out)?,
                Records::Owned(records) => {
                    // A block is bounded, so that looking once at whether the job was called off is enough.
                    cx.check()?;
                    lend_all(records, out)?;
                }
            }
        }
        Ok(())
    }
}
