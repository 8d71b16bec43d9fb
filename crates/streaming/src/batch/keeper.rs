//! Writes batches down: what they read, what they changed, how they ended; and from time to time everything.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::world::{at_point, lock};
use waterclock_base::{BatchInterval, BatchTime, Bytes, InputInfo, Result, StreamId};

use super::pacer::Shares;
use crate::checkpoint::{Checkpoint, Contents, Counted, Descriptor, Ending, Fault, Input, Ticket, planted};
use crate::graph::{Cut, Graph, Names};

/// The checkpoint of an active context, and what it calls the parts of the graph.
pub(crate) struct Keeper {
    checkpoint: Arc<Checkpoint>,
    graph: Arc<Graph>,
    names: Names,
    zero: BatchTime,
    /// How far back the input of batches may be asked for again.
    lookback: Duration,
    /// How far back the versions of each state may be asked for again.
    state_lookbacks: Vec<Duration>,
    /// Held while a batch is cut, and while a snapshot notes where sources are and which batches are cut: a
    /// source that has gone on for a batch that is not noted would never read its input again.
    cutting: Mutex<()>,
    /// Up to which batch sources may forget what they gave, once the log has come so far.
    unacknowledged: Mutex<VecDeque<(Ticket, BatchTime)>>,
}

impl Keeper {
    pub(crate) fn new(
        checkpoint: Arc<Checkpoint>,
        graph: Arc<Graph>,
        names: Names,
        zero: BatchTime,
        lookbacks: &HashMap<StreamId, Duration>,
    ) -> Self {
        let longest = lookbacks.values().max().copied().unwrap_or_default();
        let of_state = |(_, node): &(String, Arc<dyn crate::graph::AnyNode>)| {
            lookbacks.get(&node.id()).copied().unwrap_or_default()
        };
        let state_lookbacks = names.states.iter().map(of_state).collect();
        let lookback = longest + graph.settings.batch_interval;
        let (cutting, unacknowledged) = Default::default();
        Keeper { checkpoint, graph, names, zero, lookback, state_lookbacks, cutting, unacknowledged }
    }

    /// Fixes what a batch reads and writes it down. Nothing of the batch may be seen before the ticket is
    /// durable.
    pub(crate) fn cut(&self, interval: BatchInterval, shares: &Shares) -> Result<(Vec<InputInfo>, Ticket)> {
        let _cutting = lock(&self.cutting);
        let mut infos = Vec::with_capacity(self.names.sources.len());
        let mut inputs = Vec::with_capacity(self.names.sources.len());
        for (name, source) in &self.names.sources {
            let Cut { info, range } = source.cut(interval, shares.of(source.stream()));
            let (source, range, records) = (name.clone(), Bytes(range), info.records);
            inputs.push(Input { source, range, records, watermark: None });
            infos.push(info);
        }
        let partitions = u32::try_from(self.graph.settings.default_parallelism).unwrap_or(u32::MAX);
        let program = self.names.program;
        at_point("before-cut");
        let mut ticket = self.checkpoint.cut(Descriptor { interval, inputs, partitions, program })?;
        at_point("after-cut");
        if planted(Fault::CommittedBeforeOutput) {
            let ending = Ending { time: interval.to, committed: true, outputs: Vec::new() };
            ticket = self.checkpoint.ended(ending, Vec::new(), Vec::new(), interval.to - self.lookback)?;
        }
        Ok((infos, ticket))
    }

    /// The application that the checkpoint belongs to.
    pub(crate) fn application(&self) -> u64 {
        self.checkpoint.application()
    }

    /// The newest batch before `time` of which the log says that this output was published.
    pub(crate) fn published_before(&self, time: BatchTime, output: &str) -> Option<BatchTime> {
        self.checkpoint.published_before(time, output)
    }

    /// Waits until it is durable.
    pub(crate) fn wait(&self, ticket: Ticket) -> Result<()> {
        if planted(Fault::EffectBeforeLog) {
            return Ok(());
        }
        self.checkpoint.wait(ticket)?;
        at_point("cut-durable");
        Ok(())
    }

    /// Writes down how a batch ended, with what it changed if it counts. State in memory has not changed yet.
    pub(crate) fn ended(
        &self,
        time: BatchTime,
        committed: bool,
        outputs: Vec<(String, u64)>,
        counted: Vec<Counted>,
    ) -> Result<()> {
        let mut changes = Vec::new();
        if committed {
            for (name, node) in &self.names.states {
                changes.extend(node.state().into_iter().flat_map(|state| state.changes(name, time)));
            }
        }
        let ending = Ending { time, committed, outputs };
        at_point("before-ending");
        let ticket = self.checkpoint.ended(ending, changes, counted, time - self.lookback)?;
        at_point("after-ending");
        // Windows may ask for the input of earlier batches again, in another process too.
        lock(&self.unacknowledged).push_back((ticket, time - self.lookback));
        Ok(())
    }

    /// Memory has changed too.
    pub(crate) fn settled(&self, time: BatchTime) {
        self.acknowledge();
        if self.checkpoint.wants_snapshot(&self.graph.settings)
            && let Err(error) = self.snapshot(time)
        {
            tracing::warn!(error = ?error, "no snapshot could be taken; the one before still counts");
        }
    }

    /// Tells sources what no process will ever ask for again.
    fn acknowledge(&self) {
        let durable = {
            let mut waiting = lock(&self.unacknowledged);
            let is_durable =
                |ticket| self.checkpoint.is_durable(ticket) || planted(Fault::AcknowledgedBeforeLog);
            let durable = waiting.iter().take_while(|(ticket, _)| is_durable(*ticket)).count();
            waiting.drain(..durable).next_back()
        };
        if let Some((_, time)) = durable {
            self.names.sources.iter().for_each(|(_, source)| source.acknowledge(time));
        }
    }

    fn snapshot(&self, time: BatchTime) -> Result<()> {
        let pins =
            self.names.states.iter().zip(&self.state_lookbacks).filter_map(|((name, node), lookback)| {
                let oldest = (time - *lookback).floor(node.slide(), self.zero);
                Some(node.state()?.pin(name, oldest))
            });
        let counted = self.graph.accumulators.committed();
        let contents = Contents { time, states: pins.collect(), counted, forget: time - self.lookback };
        let positions = || {
            let sources = self.names.sources.iter();
            sources.map(|(name, source)| (name.clone(), source.position())).collect()
        };
        let _cutting = lock(&self.cutting);
        self.checkpoint.snapshot(&self.graph.settings, self.zero, contents, positions)
    }

    /// Everything that was ticked up to `at` is done: the next start has nothing to repeat.
    pub(crate) fn finish(&self, at: BatchTime) -> Result<()> {
        self.snapshot(at)?;
        self.checkpoint.stopped(at)?;
        self.acknowledge();
        Ok(())
    }

    /// What the parts of the graph are called.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{OnceLock, Weak};

    use waterclock_base::world::World;

    use super::*;
    use crate::context::StreamingContext;
    use crate::graph::{SavedInput, Source};

    /// A source that must never go on for a batch while a snapshot is noting where it is.
    #[derive(Default)]
    struct Watched {
        keeper: OnceLock<Weak<Keeper>>,
        asked: AtomicU32,
    }

    impl Watched {
        fn looked_at(&self) {
            let keeper = self.keeper.get().and_then(Weak::upgrade).unwrap();
            assert!(keeper.cutting.try_lock().is_err(), "a cut and a snapshot may cross");
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Source for Watched {
        fn stream(&self) -> StreamId {
            StreamId(0)
        }
        fn start(&self, _zero: BatchTime) -> Result<()> {
            Ok(())
        }
        fn cut(&self, _interval: BatchInterval, _most: Option<u64>) -> Cut {
            self.looked_at();
            let info = InputInfo { stream: StreamId(0), records: 0, description: String::new() };
            Cut { info, range: Vec::new() }
        }
        fn position(&self) -> Vec<u8> {
            self.looked_at();
            Vec::new()
        }
        fn resume(&self, _saved: &SavedInput<'_>) -> Result<()> {
            Ok(())
        }
        fn forget(&self, _upto: BatchTime) {}
    }

    /// Found by `cargo xtask torture --unsynced --seed 5400`: a snapshot knew that files were taken, but not the
    /// batch that had taken them and was not in the log yet. After a crash nobody read them.
    #[test]
    fn a_snapshot_never_sees_a_batch_half_cut() {
        let dir = tempfile::tempdir().unwrap();
        let ssc = StreamingContext::builder("half cut").build().unwrap();
        let graph = ssc.inner.graph.clone();
        let checkpoint = Checkpoint::open(&World::real(), dir.path(), &graph.settings).unwrap();
        checkpoint.begin(&graph.settings, BatchTime::ZERO, Vec::new(), None, Vec::new()).unwrap();
        let source = Arc::new(Watched::default());
        let names = Names { sources: vec![("in".into(), source.clone())], states: Vec::new(), program: 0 };
        let keeper =
            Arc::new(Keeper::new(checkpoint.clone(), graph, names, BatchTime::ZERO, &HashMap::new()));
        source.keeper.set(Arc::downgrade(&keeper)).unwrap();
        let second = BatchTime::from_millis(1000);
        keeper.cut(BatchInterval { from: BatchTime::ZERO, to: second }, &Shares::default()).unwrap();
        keeper.snapshot(second).unwrap();
        checkpoint.close();
        assert_eq!(source.asked.load(Ordering::Relaxed), 2);
    }
}
