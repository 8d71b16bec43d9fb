//! The pace of batches under a latency target: what the decision is made from, and what is done about it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::world::lock;
use waterclock_base::{BatchInterval, BatchTime, Event, InputInfo, PaceInfo, StreamId};

use super::pace::{Pace, share};
use crate::graph::{Graph, Source, Waiting};

/// How many records each source may give to a batch; those that are not named, whatever they have.
#[derive(Default)]
pub(crate) struct Shares(Vec<(StreamId, u64)>);

impl Shares {
    /// The share of a source.
    pub(crate) fn of(&self, stream: StreamId) -> Option<u64> {
        self.0.iter().find(|(of, _)| *of == stream).map(|(_, most)| *most)
    }
}

/// Says when batches are cut and what they take, and holds sources back.
pub(crate) struct Pacer {
    graph: Arc<Graph>,
    zero: BatchTime,
    step: Duration,
    /// The sources that can be limited.
    sources: Vec<Arc<dyn Source>>,
    /// No batch crosses a multiple of any of these.
    boundaries: Vec<Duration>,
    pace: Mutex<Pace>,
    /// What listeners were told.
    told: Mutex<PaceInfo>,
}

impl Pacer {
    /// The pacer that the settings ask for.
    pub(crate) fn of(graph: &Arc<Graph>, zero: BatchTime) -> Option<Arc<Self>> {
        let step = graph.settings.batch_interval;
        let pace = Pace::new(graph.settings.latency?, step);
        let mut sources = graph.sources();
        sources.retain(|source| source.waiting() != Waiting::Unlimited);
        let boundaries = graph.boundaries();
        let (graph, told, most) = (graph.clone(), Mutex::default(), pace.most());
        let pacer = Pacer { graph, zero, step, sources, boundaries, pace: Mutex::new(pace), told };
        pacer.hold_back(most);
        pacer.graph.bus.progress().pace(lock(&pacer.pace).info());
        Some(Arc::new(pacer))
    }

    /// Lets no more wait than the next batch may take.
    fn hold_back(&self, most: u64) {
        for (source, most) in self.sources.iter().zip(share(most, &self.known())) {
            source.hold_back(most);
        }
    }

    /// Whether the tick at `interval.to` forms a batch. At a boundary it does, whatever waits.
    pub(crate) fn is_due(&self, interval: BatchInterval, unfinished: usize) -> bool {
        let on_boundary = |every: &Duration| interval.to.is_multiple_of(*every, self.zero);
        self.boundaries.iter().any(on_boundary)
            || lock(&self.pace).is_due(self.steps(interval), unfinished, self.waiting())
    }

    fn steps(&self, interval: BatchInterval) -> u64 {
        let steps = interval.to.since(interval.from).as_millis() / self.step.as_millis().max(1);
        u64::try_from(steps).unwrap_or(u64::MAX)
    }

    /// Records that are known to wait.
    fn waiting(&self) -> u64 {
        self.known().into_iter().flatten().sum()
    }

    fn known(&self) -> Vec<Option<u64>> {
        let known = |source: &Arc<dyn Source>| match source.waiting() {
            Waiting::Records(records) => Some(records),
            Waiting::Unknown | Waiting::Unlimited => None,
        };
        self.sources.iter().map(known).collect()
    }

    /// What the next batch may take.
    pub(crate) fn shares(&self) -> Shares {
        let shares = share(lock(&self.pace).most(), &self.known());
        Shares(self.sources.iter().zip(shares).map(|(source, most)| (source.stream(), most)).collect())
    }

    /// What the last batch of a graceful stop may take: all that was received, but of a source that keeps what it has
    /// no more than ever.
    pub(crate) fn last_shares(&self) -> Shares {
        let mut shares = self.shares();
        let received = |stream: &StreamId| {
            let mut sources = self.sources.iter().filter(|source| source.stream() == *stream);
            sources.any(|source| source.waiting() != Waiting::Unknown)
        };
        shares.0.retain(|(stream, _)| !received(stream));
        shares
    }

    /// A batch was cut.
    pub(crate) fn cut(&self, interval: BatchInterval, inputs: &[InputInfo], shares: &Shares) {
        let given = |source: &Arc<dyn Source>| {
            let of_source = inputs.iter().filter(|input| input.stream == source.stream());
            of_source.map(|input| input.records).sum::<u64>()
        };
        let left = |source: &Arc<dyn Source>| match (source.waiting(), shares.of(source.stream())) {
            (Waiting::Records(left), _) => left,
            // One that gave as much as it may has more, as far as can be known.
            (_, Some(most)) if given(source) >= most => most,
            _ => 0,
        };
        let left: u64 = self.sources.iter().map(left).sum();
        let given: u64 = self.sources.iter().map(given).sum();
        let info = {
            let mut pace = lock(&self.pace);
            pace.cut(interval.to, self.steps(interval), left + given, left);
            pace.info()
        };
        self.hold_back(info.most_records);
        self.tell(info);
    }

    /// Notes what was decided, and tells listeners what changed, as far as it matters to them.
    fn tell(&self, info: PaceInfo) {
        self.graph.bus.progress().pace(info.clone());
        let mut told = lock(&self.told);
        let changed = told.target_ms == 0
            || told.overloaded != info.overloaded
            || told.span_ms.abs_diff(info.span_ms) * 4 > told.span_ms;
        if changed {
            *told = info.clone();
            self.graph.bus.post(Event::PaceChanged(info));
        }
    }

    /// A batch is over that took so many microseconds.
    pub(crate) fn ended(&self, records: u64, micros: i64) {
        lock(&self.pace).ended(records, micros);
    }
}
