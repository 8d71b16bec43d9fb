//! The job threads: they make each batch's datasets, run its outputs and settle it.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

use waterclock_base::world::{JoinHandle, lock, spawn};
use waterclock_base::{BatchInfo, BatchTime, Error, Event, FailurePolicy, OutputInfo, Result};

use super::Waiters;
use super::scheduler::{Schedule, Turn};
use crate::graph::{AnyNode, BatchCx, Graph, JobCx, OutputNode, Settled, Source};
use crate::job::{Job, call};

struct State {
    schedule: Schedule,
    batches: HashMap<BatchTime, Batch>,
    closed: bool,
}

/// A batch on its way.
struct Batch {
    info: BatchInfo,
    jobs: Vec<Arc<Job>>,
    errors: Vec<Error>,
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
    state: Mutex<State>,
    changed: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: OnStop,
}

impl Runner {
    /// Starts the threads. `stop` is called when a failed batch must end the context.
    pub(crate) fn start(
        graph: Arc<Graph>,
        waiters: Arc<Waiters>,
        zero: BatchTime,
        stop: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        let nodes = graph.reachable();
        let unread = graph.unread_sources();
        let has_state = nodes.iter().any(|node| node.info().state.is_some());
        let state = State { schedule: Schedule::new(!has_state), batches: HashMap::new(), closed: false };
        let threads = graph.settings.concurrent_jobs.max(1);
        let runner = Arc::new(Runner {
            graph,
            waiters,
            zero,
            nodes,
            unread,
            state: Mutex::new(state),
            changed: Condvar::new(),
            threads: Mutex::default(),
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
    pub(crate) fn submit(&self, info: BatchInfo) {
        let time = info.time();
        let mut state = lock(&self.state);
        state.batches.insert(time, Batch { info, jobs: Vec::new(), errors: Vec::new() });
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
            if let Some(turn) = state.schedule.next() {
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
        let (jobs, error) = match self.make_jobs(t) {
            Ok(jobs) => (jobs, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let count = jobs.len();
        self.change(t, |batch| {
            batch.jobs = jobs;
            batch.errors.extend(error);
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
        match self.graph.settings.on_failure {
            FailurePolicy::Retry { times } => times + 1,
            _ => 1,
        }
    }

    fn run(&self, t: BatchTime, index: usize) {
        let Some(job) = self.change(t, |batch| batch.jobs.get(index).cloned()).flatten() else { return };
        let mut info = self.output_info(t, &job.output);
        self.note_output(&info);
        self.graph.bus.post(Event::OutputOperationStarted(info.clone()));
        let cx = JobCx { time: t };
        let outcome = retried(self.tries(), || call(&info.name, t, || (job.run)(&cx)));
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

    /// A batch's work is over: commits or drops what it did to state, lets go of old datasets, and tells.
    fn settle(&self, t: BatchTime) {
        let ended = self.now();
        let Some(batch) = lock(&self.state).batches.remove(&t) else { return };
        let how = if batch.errors.is_empty() { Settled::Committed } else { Settled::Skipped };
        let mut info = batch.info;
        info.ended_micros = Some(ended);
        if let (true, Some(error)) = (info.outputs.is_empty(), batch.errors.first()) {
            info.outputs.push(failed_making(t, error));
        }
        for node in &self.nodes {
            node.settle(t, how);
            node.forget(t, self.graph.settings.unpersist);
        }
        self.unread.iter().for_each(|source| source.forget(t));
        if self.graph.settings.backpressure {
            self.graph.sources().iter().for_each(|source| source.batch_completed(&info));
        }
        let failed = !batch.errors.is_empty();
        for error in batch.errors {
            tracing::error!(batch = %t, error = ?error, "a batch failed");
            self.waiters.failed(error);
        }
        self.graph.bus.post(Event::BatchCompleted(info));
        lock(&self.state).schedule.settled(t);
        self.waiters.finished(t);
        if failed && self.graph.settings.on_failure == FailurePolicy::Stop {
            (self.stop)();
        }
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
