//! The job threads: they make each batch's datasets, run its outputs and settle it.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

use waterclock_base::world::{JoinHandle, at_point, lock, spawn};
use waterclock_base::{BatchInfo, BatchTime, Error, Event, FailurePolicy, OutputInfo, Result, StateInfo};
use waterclock_engine::noting;

use super::account::StateAccount;
use super::scheduler::{Schedule, Turn};
use super::{Keeper, Pacer, Waiters};
use crate::checkpoint::{Counted, Ticket};
use crate::graph::{AnyNode, BatchCx, Begun, Graph, JobCx, OutputNode, Prepared, Settled, Source};
use crate::job::{Job, call};
use crate::listen::on_behalf_of;

struct State {
    schedule: Schedule,
    batches: HashMap<BatchTime, Batch>,
    /// The newest that is over.
    newest: Option<BatchTime>,
    /// No batch is begun any more: one failed that later ones must not overtake.
    halted: bool,
    /// What is running was called off.
    abandoned: bool,
    closed: bool,
}

/// A batch on its way.
struct Batch {
    info: BatchInfo,
    /// When its descriptor is durable, where it is logged: nothing of it may be seen before.
    logged: Option<Ticket>,
    /// Whether another process had begun it.
    is_redone: bool,
    jobs: Vec<Arc<Job>>,
    errors: Vec<Error>,
    /// Name and content hash of the outputs that succeeded.
    outputs: Vec<(String, u64)>,
    /// What they have ready, with their numbers.
    prepared: Vec<(usize, Prepared)>,
}

/// Ends the context.
type OnStop = Box<dyn Fn() + Send + Sync>;

thread_local! {
    static ON_JOB: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is a job thread, of this context or another.
pub(crate) fn on_job_thread() -> bool {
    ON_JOB.get()
}

/// Runs batches on `concurrent_jobs` threads.
pub(crate) struct Runner {
    graph: Arc<Graph>,
    waiters: Arc<Waiters>,
    zero: BatchTime,
    /// Everything that an output reads, parents first.
    nodes: Vec<Arc<dyn AnyNode>>,
    /// Inputs that no output reads: what they take in is let go with each batch.
    unread: Vec<Arc<dyn Source>>,
    account: StateAccount,
    state: Mutex<State>,
    changed: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
    keeper: Option<Keeper>,
    /// Where batches follow a latency target.
    pacer: Option<Arc<Pacer>>,
    stop: OnStop,
}

impl Runner {
    /// Starts the threads. `stop` is called when a failed batch must end the context.
    pub(crate) fn start(
        graph: Arc<Graph>,
        waiters: Arc<Waiters>,
        zero: BatchTime,
        keeper: Option<Keeper>,
        pacer: Option<Arc<Pacer>>,
        stop: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        let nodes = graph.reachable();
        let unread = graph.unread_sources();
        let account = StateAccount::new(&graph, &nodes);
        // State that was restored takes memory before the first batch does anything to it.
        account.settled(graph.engine.world().clock.now_micros());
        let has_state = nodes.iter().any(|node| node.info().state.is_some());
        // What accumulators have come to after a batch is only known where no other is at work.
        let overlap = !has_state && graph.accumulators.is_empty();
        let state = State {
            schedule: Schedule::new(overlap),
            batches: HashMap::new(),
            newest: None,
            halted: false,
            abandoned: false,
            closed: false,
        };
        let threads = graph.settings.concurrent_jobs.max(1);
        let runner = Arc::new(Runner {
            graph,
            waiters,
            zero,
            nodes,
            unread,
            account,
            state: Mutex::new(state),
            changed: Condvar::new(),
            threads: Mutex::default(),
            keeper,
            pacer,
            stop: Box::new(stop),
        });
        for number in 0..threads {
            let weak = Arc::downgrade(&runner);
            let thread = spawn(&format!("job-{number}"), move || work(&weak));
            lock(&runner.threads).push(thread);
        }
        runner
    }

    /// A batch takes its place in line.
    pub(crate) fn submit(&self, info: BatchInfo, logged: Option<Ticket>) {
        let time = info.time();
        let mut state = lock(&self.state);
        state.batches.insert(
            time,
            Batch {
                info,
                logged,
                // What this process begins is logged by it.
                is_redone: self.keeper.is_some() && logged.is_none(),
                jobs: Vec::new(),
                errors: Vec::new(),
                outputs: Vec::new(),
                prepared: Vec::new(),
            },
        );
        state.schedule.submit(time);
        drop(state);
        self.changed.notify_all();
    }

    /// Ends the threads: after all batches, or after what they are at. Batches that wait are then dropped.
    pub(crate) fn stop(&self, finish: bool) {
        {
            let mut state = lock(&self.state);
            if !finish {
                for time in state.schedule.clear() {
                    self.waiters.finished(time);
                }
            }
            state.closed = true;
        }
        self.changed.notify_all();
        let me = std::thread::current().id();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            if thread.thread().id() != me && thread.join().is_err() {
                tracing::error!("a job thread panicked");
            }
        }
    }

    /// Waits for something to do; none at the end.
    fn next_turn(&self) -> Option<Turn> {
        let mut state = lock(&self.state);
        loop {
            if !state.halted
                && let Some(turn) = state.schedule.next()
            {
                return Some(turn);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn take(&self, turn: Turn) {
        match turn {
            Turn::Make(t) => self.make(t),
            Turn::Run(t, job) => self.run(t, job),
        }
        self.changed.notify_all();
    }

    /// Makes the datasets of a batch, and so its jobs.
    fn make(&self, t: BatchTime) {
        let started = self.now();
        let info = self.change(t, |batch| {
            batch.info.started_micros = Some(started);
            batch.info.clone()
        });
        if let Some(info) = info {
            self.graph.bus.post(Event::BatchStarted(info));
        }
        let made = on_behalf_of(t, None, || self.make_jobs(t));
        let making = self.since(started);
        let (jobs, error) = match made {
            Ok(jobs) => (jobs, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let count = jobs.len();
        self.change(t, |batch| {
            batch.jobs = jobs;
            batch.errors.extend(error);
            batch.info.phases.making = making;
        });
        let done = lock(&self.state).schedule.made(t, count);
        if done {
            self.settle(t);
        }
    }

    fn make_jobs(&self, t: BatchTime) -> Result<Vec<Arc<Job>>> {
        let cx = BatchCx { zero: self.zero, engine: &self.graph.engine, settings: &self.graph.settings };
        let tries = self.tries();
        let mut jobs = Vec::new();
        for output in self.graph.outputs() {
            if let Some(job) = retried(tries, || call(&output.label(), t, || output.job(t, &cx)))? {
                jobs.push(Arc::new(Job { output, run: job }));
            }
        }
        Ok(jobs)
    }

    /// How often a batch's work is tried.
    fn tries(&self) -> u32 {
        match self.graph.on_failure() {
            FailurePolicy::Retry { times } => times + 1,
            _ => 1,
        }
    }

    fn run(&self, t: BatchTime, index: usize) {
        let Some(job) = self.change(t, |batch| batch.jobs.get(index).cloned()).flatten() else { return };
        let mut info = self.output_info(t, &job.output);
        self.note_output(&info);
        self.graph.bus.post(Event::OutputOperationStarted(info.clone()));
        let application = self.keeper.as_ref().map(Keeper::application);
        let output = job.output.lasting_name();
        let begun = self.begun(t, &output);
        let cx = JobCx { time: t, output, application, begun, replay: None, prepared: Mutex::default() };
        let outcome = self.await_logged(t).and_then(|()| {
            at_point("before-stage");
            let run = || {
                let (outcome, noted) = noting(|| call(&info.name, t, || (job.run)(&cx)));
                outcome.map(|()| noted)
            };
            on_behalf_of(t, Some(info.id), || retried(self.tries(), run))
        });
        let outcome = outcome.map(|noted| self.keep_prepared(index, noted, cx));
        at_point("after-stage");
        info.ended_micros = Some(self.now());
        if let Err(source) = outcome {
            let error = Error::Batch { time: t, output: info.name.clone(), source: Box::new(source) };
            info.failure = Some(error.full_text());
            self.change(t, |batch| batch.errors.push(error));
        }
        self.note_output(&info);
        self.graph.bus.post(Event::OutputOperationCompleted(info));
        let done = lock(&self.state).schedule.ended(t);
        if done {
            self.settle(t);
        }
    }

    /// Which process had begun the batch, for one of its outputs.
    fn begun(&self, t: BatchTime, output: &str) -> Begun {
        match (&self.keeper, self.change(t, |batch| batch.is_redone)) {
            (Some(keeper), Some(true)) => Begun::Before { earlier: keeper.published_before(t, output) },
            _ => Begun::Here,
        }
    }

    /// A batch's work is over: commits or drops what it did to state, lets go of old datasets, and tells.
    fn settle(&self, t: BatchTime) {
        let ended = self.now();
        let Some(mut batch) = lock(&self.state).batches.remove(&t) else { return };
        let (records, started) = (batch.info.records(), batch.info.started_micros.unwrap_or(ended));
        let broken = self.conclude(t, &mut batch, ended);
        let committed = self.now();
        let how = if batch.errors.is_empty() { Settled::Committed } else { Settled::Skipped };
        let stops = broken || !batch.errors.is_empty() && self.graph.on_failure() == FailurePolicy::Stop;
        let mut info = batch.info;
        info.ended_micros = Some(ended);
        if let (true, Some(error)) = (info.outputs.is_empty(), batch.errors.first()) {
            info.outputs.push(failed_making(t, error));
        }
        for node in &self.nodes {
            if let Some(state) = node.state() {
                state.settle(t, how);
                let (stream, keys, committed) = (node.id(), state.keys(), how == Settled::Committed);
                self.graph.bus.post(Event::StateSettled(StateInfo { stream, time: t, keys, committed }));
            }
            node.forget(t, self.graph.settings.unpersist);
        }
        self.account.settled(ended);
        self.unread.iter().for_each(|source| source.forget(t));
        // Others may have left room.
        self.graph.received.wake();
        if self.graph.settings.backpressure {
            self.graph.sources().iter().for_each(|source| source.batch_completed(&info));
        }
        for error in batch.errors {
            tracing::error!(batch = t.as_millis(), "{}", error.full_text());
            self.waiters.failed(error);
        }
        info.phases.cleaning = self.since(committed);
        self.graph.bus.post(Event::BatchCompleted(info));
        if let (Some(keeper), Settled::Committed) = (&self.keeper, how) {
            keeper.settled(t);
        }
        {
            let mut state = lock(&self.state);
            state.halted |= stops;
            state.schedule.settled(t);
        }
        if self.keeper.is_none() && !stops {
            self.acknowledge(t);
        }
        if let Some(pacer) = &self.pacer {
            pacer.ended(records, self.now() - started);
        }
        self.waiters.finished(t);
        if stops {
            (self.stop)();
        }
    }

    /// What comes after the last job: state that nobody asked for, publishing, and the record of it. Whether that
    /// record could not be written.
    fn conclude(&self, t: BatchTime, batch: &mut Batch, ended: i64) -> bool {
        let phases = &mut batch.info.phases;
        let began = batch.info.started_micros.unwrap_or(ended);
        let before = phases.making + phases.logging;
        phases.running = u64::try_from(ended - began).unwrap_or_default().saturating_sub(before);
        if batch.errors.is_empty() {
            batch.errors.extend(on_behalf_of(t, None, || self.complete(t)).err());
        }
        let completed = self.now();
        batch.info.phases.completing = self.since(ended);
        self.publish(t, batch);
        let published = self.now();
        batch.info.phases.publishing = self.since(completed);
        let counted = self.count(batch);
        let broken = self.write_down(t, batch, counted).map_err(|error| batch.errors.push(error)).is_err();
        batch.info.phases.committing = self.since(published);
        broken
    }

    /// Tells sources which batches are over, where there is no checkpoint to wait for: those before the first
    /// that is still at work.
    fn acknowledge(&self, t: BatchTime) {
        let newest = {
            let mut state = lock(&self.state);
            state.newest = state.newest.max(Some(t));
            state.newest.unwrap_or(t)
        };
        let at_work = self.waiters.first_unfinished_but(t).map(|first| first.as_millis() - 1);
        let upto = at_work.map_or(newest, |last| newest.min(BatchTime::from_millis(last)));
        self.graph.sources().iter().for_each(|source| source.acknowledge(upto));
    }

    /// Makes what the batch should have made of the state and no output asked for.
    fn complete(&self, t: BatchTime) -> Result<()> {
        let mut states = self.nodes.iter().filter_map(|node| node.state());
        states.try_for_each(|state| state.complete(t, &self.graph.engine))
    }

    /// What the batch added to accumulators counts, or is taken back: those that it changed.
    fn count(&self, batch: &mut Batch) -> Vec<Counted> {
        let accumulators = &self.graph.accumulators;
        let outcome = match batch.errors.is_empty() {
            true => accumulators.commit(),
            false => accumulators.roll_back().map(|()| Vec::new()),
        };
        outcome.map_err(|error| batch.errors.push(error)).unwrap_or_default()
    }

    /// Writes down how the batch ended and what it changed, before memory changes.
    fn write_down(&self, t: BatchTime, batch: &Batch, counted: Vec<Counted>) -> Result<()> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let succeeded = batch.errors.is_empty();
        let given_up = lock(&self.state).abandoned || self.graph.on_failure() == FailurePolicy::Stop;
        if !succeeded && given_up {
            // It is left as it is to the next start, which runs it again.
            return Ok(());
        }
        keeper.ended(t, succeeded, batch.outputs.clone(), counted)
    }

    /// Begins no batch any more, and ends the context.
    pub(crate) fn halt(&self) {
        lock(&self.state).halted = true;
        (self.stop)();
    }

    /// What is running will be cancelled, and is not to be taken for failed.
    pub(crate) fn abandon(&self) {
        lock(&self.state).abandoned = true;
    }

    /// What writes batches down.
    pub(crate) fn keeper(&self) -> Option<&Keeper> {
        self.keeper.as_ref()
    }

    /// Keeps what an output has ready until the batch is over.
    fn keep_prepared(&self, index: usize, noted: u64, cx: JobCx) {
        let prepared = cx.prepared.into_inner().unwrap_or_else(PoisonError::into_inner);
        let hash = prepared.as_ref().map_or(noted, |prepared| prepared.hash);
        self.change(cx.time, |batch| {
            batch.outputs.push((cx.output, hash));
            batch.prepared.extend(prepared.map(|prepared| (index, prepared)));
        });
    }

    /// Shows what the outputs have ready, in the order of their definition, or throws it away.
    fn publish(&self, t: BatchTime, batch: &mut Batch) {
        batch.prepared.sort_by_key(|(index, _)| *index);
        at_point("before-publish");
        for (index, prepared) in std::mem::take(&mut batch.prepared) {
            if !batch.errors.is_empty() {
                (prepared.discard)();
                continue;
            }
            let published = retried(self.tries(), || call("publish", t, || (prepared.publish)()));
            if published.is_ok() && batch.is_redone {
                let name = batch.jobs.get(index).map(|job| job.output.label());
                self.compare(t, &name.unwrap_or_default(), &prepared);
            }
            batch.errors.extend(published.err());
        }
        at_point("after-publish");
    }

    /// Another process had begun the batch and may have published it: tells where that was something else.
    fn compare(&self, t: BatchTime, name: &str, prepared: &Prepared) {
        match call("is_as_published", t, || (prepared.is_as_published)()) {
            Ok(Some(false)) => {
                let text = format!(
                    "output {name}: what was published of batch {t} before the restart is not what the batch makes now, \
                     and was left as it is; the program or what it reads has changed, or a closure does not do the \
                     same every time (`check_determinism` finds it)"
                );
                self.graph.bus.post(Event::Warning { text });
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(output = name, error = ?error, "can't ask what was published before")
            }
        }
    }

    /// Waits until the batch's descriptor is durable.
    fn await_logged(&self, t: BatchTime) -> Result<()> {
        let logged = self.change(t, |batch| batch.logged).flatten();
        let (Some(keeper), Some(ticket)) = (&self.keeper, logged) else { return Ok(()) };
        let asked = self.now();
        let outcome = keeper.wait(ticket);
        let waited = self.since(asked);
        self.change(t, |batch| batch.info.phases.logging += waited);
        outcome
    }

    fn change<R>(&self, t: BatchTime, change: impl FnOnce(&mut Batch) -> R) -> Option<R> {
        lock(&self.state).batches.get_mut(&t).map(change)
    }

    fn output_info(&self, t: BatchTime, output: &OutputNode) -> OutputInfo {
        OutputInfo {
            time: t,
            id: output.id(),
            name: output.label(),
            started_micros: Some(self.now()),
            ended_micros: None,
            failure: None,
        }
    }

    fn note_output(&self, info: &OutputInfo) {
        self.change(info.time, |batch| match batch.info.outputs.iter_mut().find(|o| o.id == info.id) {
            Some(known) => *known = info.clone(),
            None => batch.info.outputs.push(info.clone()),
        });
    }

    /// Microseconds since then.
    fn since(&self, then: i64) -> u64 {
        u64::try_from(self.now() - then).unwrap_or_default()
    }

    fn now(&self) -> i64 {
        self.graph.engine.world().clock.now_micros()
    }
}

/// A thread's life. It keeps the runner alive only while it works, so that one that nobody stops ends too.
fn work(runner: &Weak<Runner>) {
    ON_JOB.set(true);
    while let Some(runner) = runner.upgrade() {
        match runner.next_turn() {
            Some(turn) => runner.take(turn),
            None => return,
        }
    }
}

/// Tries up to so many times.
fn retried<R>(tries: u32, mut run: impl FnMut() -> Result<R>) -> Result<R> {
    let mut outcome = run();
    for _ in 1..tries {
        if outcome.is_ok() {
            break;
        }
        outcome = run();
    }
    outcome
}

/// Shows a batch whose jobs could not even be made as one failed output.
fn failed_making(time: BatchTime, error: &Error) -> OutputInfo {
    OutputInfo {
        time,
        id: waterclock_base::OutputId(0),
        name: "making the batch's jobs".into(),
        started_micros: None,
        ended_micros: None,
        failure: Some(error.full_text()),
    }
}
