//! The graph of streams: what the program defined, what a batch makes of it.

mod accumulators; // values that are only added to, across processes
mod cx; // what a node may know of a batch
mod names; // under which state, sources and outputs outlive the process
mod node; // a stream, typed and erased
mod output; // what runs for every batch
mod remember; // how long datasets are kept, how far back they are asked for
mod show; // as the status shows it
mod source; // where batches get their input
mod state; // what a stream keeps from batch to batch
mod validate; // what must hold before it starts

use std::io::Write;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use waterclock_base::world::lock;
use waterclock_base::{
    BatchTime, Data, Error, FailurePolicy, MemoryStatus, OutputId, Result, Settings, StreamId,
};
use waterclock_engine::{Engine, Share};

pub(crate) use accumulators::Accumulators;
pub(crate) use cx::BatchCx;
pub(crate) use names::Names;
pub(crate) use node::{AnyNode, Derive, Settled, StateKind, StreamCompute, StreamNode};
pub(crate) use output::{Begun, JobCx, OutputJob, OutputNode, Prepared, Replaying};
pub(crate) use remember::lookbacks;
pub(crate) use source::{Cut, HeldBack, SavedBatch, SavedInput, Source, Waiting, stop_all};
pub(crate) use state::{Restored, StreamState, Takeover};

use crate::block::ReceivedBytes;
use crate::checkpoint::Checkpoint;
use crate::listen::Bus;

/// What the program may still do with the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Defining,
    Started,
    Stopped,
}

/// Where `print` prints.
pub(crate) type Printer = Arc<Mutex<dyn Write + Send>>;

/// Everything that was defined in one context. Shared by the context and its streams; the streams' nodes
/// themselves never see it.
pub(crate) struct Graph {
    pub(crate) settings: Settings,
    pub(crate) engine: Engine,
    pub(crate) bus: Bus,
    /// Where `print` prints.
    pub(crate) printer: Printer,
    /// What receivers hold in memory, all together.
    pub(crate) received: Arc<ReceivedBytes>,
    pub(crate) accumulators: Accumulators,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    next_stream: usize,
    next_refusal: u64,
    outputs: Vec<Arc<OutputNode>>,
    sources: Vec<Arc<dyn Source>>,
    /// Operations that were refused, and that the program has not looked at.
    refused: Vec<Refusal>,
    remember: Option<Duration>,
    checkpoint: Option<Arc<Checkpoint>>,
    resumes: bool,
    /// What is to be told at the start.
    notes: Vec<String>,
    zero: Option<BatchTime>,
}

/// An operation that was refused when it was defined.
#[derive(Clone)]
pub(crate) struct Refusal {
    number: u64,
    pub(crate) error: Error,
}

impl Graph {
    pub(crate) fn new(settings: Settings, engine: Engine, bus: Bus, printer: Printer) -> Arc<Self> {
        let state = State {
            phase: Phase::Defining,
            next_stream: 0,
            next_refusal: 0,
            outputs: Vec::new(),
            sources: Vec::new(),
            refused: Vec::new(),
            remember: None,
            checkpoint: None,
            resumes: false,
            notes: Vec::new(),
            zero: None,
        };
        let on_disk = settings.received_on_disk.unwrap_or(settings.memory_budget);
        let received = ReceivedBytes::sharing(engine.memory(), on_disk, engine.world().clock.clone());
        let (accumulators, state) = (Accumulators::default(), Mutex::new(state));
        Arc::new(Graph { settings, engine, bus, printer, received, accumulators, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Has this told at the start.
    pub(crate) fn note(&self, notes: Vec<String>) {
        self.state().notes.extend(notes);
    }

    /// What is to be told at the start.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.state().notes.clone()
    }

    /// The time before the first batch, once the context was started.
    pub(crate) fn zero(&self) -> Option<BatchTime> {
        self.state().zero
    }

    /// The number that the next stream will have.
    pub(crate) fn upcoming_stream_id(&self) -> StreamId {
        StreamId(self.state().next_stream)
    }

    pub(crate) fn next_stream_id(&self) -> StreamId {
        let mut state = self.state();
        state.next_stream += 1;
        StreamId(state.next_stream - 1)
    }

    /// Notes that an operation was refused. The context refuses to start until the program has looked at
    /// it; when it runs already, `check` tells.
    pub(crate) fn refuse(&self, error: Error) -> Refusal {
        tracing::warn!(error = ?error, "an operation was refused");
        let mut state = self.state();
        state.next_refusal += 1;
        let refusal = Refusal { number: state.next_refusal, error };
        state.refused.push(refusal.clone());
        refusal
    }

    /// The program has looked at the refusal and does something about it.
    pub(crate) fn forgive(&self, refusal: &Refusal) {
        self.state().refused.retain(|other| other.number != refusal.number);
    }

    /// The first refusal that the program has not looked at.
    pub(crate) fn first_refusal(&self) -> Option<Error> {
        self.state().refused.first().map(|refusal| refusal.error.clone())
    }

    /// Whether `call` may still add to the graph.
    pub(crate) fn may_define(&self, call: &'static str) -> Result<()> {
        let (state, hint) = match self.phase() {
            Phase::Defining => return Ok(()),
            Phase::Started => ("running", "define all inputs, operations and outputs before `start`"),
            Phase::Stopped => ("stopped", "make a new context"),
        };
        Err(Error::Lifecycle { call, state, hint })
    }

    /// Who has how much of the memory.
    pub(crate) fn memory_status(&self) -> MemoryStatus {
        let memory = self.engine.memory();
        let mut status = MemoryStatus::default();
        status.budget = memory.budget();
        status.received = memory.used_by(Share::Received);
        status.shuffled = memory.used_by(Share::Shuffled);
        status.cached = memory.used_by(Share::Cached);
        status.state = memory.used_by(Share::State);
        status.on_disk = memory.on_disk();
        status.state_over_limit = status.state > memory.share();
        status
    }

    /// Between which times windows begin and end that slide in more than a step: a batch that crossed a multiple of
    /// one of these would be in two windows at once. Windows that slide with each batch have whole batches.
    pub(crate) fn boundaries(&self) -> Vec<Duration> {
        let step = self.settings.batch_interval;
        let nodes = self.reachable();
        let sliding = nodes.iter().filter(|node| node.slide() > step);
        let mut boundaries: Vec<Duration> =
            sliding.map(|node| common_divisor(node.slide(), node.info().looks_back)).collect();
        boundaries.sort();
        boundaries.dedup();
        boundaries
    }

    /// Adds a source.
    pub(crate) fn add_source(&self, source: Arc<dyn Source>) {
        self.state().sources.push(source);
    }

    /// The sources, in the order of definition.
    pub(crate) fn sources(&self) -> Vec<Arc<dyn Source>> {
        self.state().sources.clone()
    }

    /// The sources that no output reads, directly or not.
    pub(crate) fn unread_sources(&self) -> Vec<Arc<dyn Source>> {
        let read: Vec<StreamId> = self.reachable().iter().map(|node| node.id()).collect();
        self.sources().into_iter().filter(|source| !read.contains(&source.stream())).collect()
    }

    /// Adds an output, unless the graph is closed or `parent` was refused.
    pub(crate) fn add_output<T: Data>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        parent: &Arc<StreamNode<T>>,
        run: impl Fn(waterclock_engine::Rdd<T>, &JobCx) -> Result<()> + Send + Sync + 'static,
    ) -> (Option<Arc<OutputNode>>, Option<Refusal>) {
        if let Some(refusal) = parent.refusal() {
            return (None, Some(refusal.clone()));
        }
        if let Err(error) = self.may_define(operator) {
            return (None, Some(self.refuse(error)));
        }
        let mut state = self.state();
        let id = OutputId(state.outputs.len());
        let output = Arc::new(OutputNode::new(id, operator, site, parent.clone(), run));
        state.outputs.push(output.clone());
        (Some(output), None)
    }

    /// The outputs, in the order of definition.
    pub(crate) fn outputs(&self) -> Vec<Arc<OutputNode>> {
        self.state().outputs.clone()
    }

    /// Every stream that an output reads, directly or not, each once, parents first.
    pub(crate) fn reachable(&self) -> Vec<Arc<dyn AnyNode>> {
        let mut found: Vec<Arc<dyn AnyNode>> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for output in self.outputs() {
            node::visit(output.parent(), &mut seen, &mut found);
        }
        found
    }

    /// Sets how long every dataset is kept at least; once.
    pub(crate) fn set_remember(&self, duration: Duration) -> Result<()> {
        let mut state = self.state();
        match state.remember {
            Some(set) => Err(Error::Setting {
                setting: "remember",
                why: format!("it is {set:?} already and can't be changed to {duration:?}"),
            }),
            None => {
                state.remember = Some(duration);
                Ok(())
            }
        }
    }

    /// Sets what outlives the process.
    pub(crate) fn set_checkpoint(&self, checkpoint: Arc<Checkpoint>, resumes: bool) {
        checkpoint.tell(&self.bus);
        let mut state = self.state();
        state.checkpoint = Some(checkpoint);
        state.resumes = resumes;
    }

    /// Whether it goes on from what the checkpoint has.
    pub(crate) fn resumes(&self) -> bool {
        self.state().resumes
    }

    /// What outlives the process, if anything.
    pub(crate) fn checkpoint(&self) -> Option<Arc<Checkpoint>> {
        self.state().checkpoint.clone()
    }

    /// What happens after a failed batch: with a checkpoint, by default, it is left to the next start.
    pub(crate) fn on_failure(&self) -> FailurePolicy {
        let default = || match self.state().checkpoint {
            Some(_) => FailurePolicy::Stop,
            None => FailurePolicy::Skip,
        };
        self.settings.on_failure.unwrap_or_else(default)
    }

    /// Checks what must hold, fixes how long datasets are kept, and closes the graph to new definitions.
    pub(crate) fn start(&self, zero: BatchTime) -> Result<()> {
        if let Some(error) = self.first_refusal() {
            return Err(error);
        }
        validate::validate(self)?;
        remember::fix(self);
        self.reachable().iter().for_each(|node| node.begin(&self.settings));
        let mut state = self.state();
        state.zero = Some(zero);
        state.phase = Phase::Started;
        Ok(())
    }

    /// Opens the graph again after a start that failed.
    pub(crate) fn reopen(&self) {
        let mut state = self.state();
        state.phase = Phase::Defining;
        state.zero = None;
    }

    /// Closes the graph for good and lets go of all that it holds.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.phase = Phase::Stopped;
    }

    fn remember(&self) -> Option<Duration> {
        self.state().remember
    }

    fn has_checkpoint_dir(&self) -> bool {
        self.state().checkpoint.is_some()
    }
}

/// The greatest duration of which both are multiples.
fn common_divisor(a: Duration, b: Duration) -> Duration {
    let (mut a, mut b) = (a.as_millis(), b.as_millis());
    while b > 0 {
        (a, b) = (b, a % b);
    }
    Duration::from_millis(u64::try_from(a).unwrap_or(u64::MAX))
}
