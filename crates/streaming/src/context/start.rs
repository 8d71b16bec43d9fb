//! Starting: validate, fix the time grid, then sources, job threads and ticks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use waterclock_base::world::{at_point, lock};
use waterclock_base::{BatchInterval, BatchTime, Error, Event, RecoveryInfo, Result};

use super::resume::{self, Beginning};
use super::{ContextState, Inner, Stop, StreamingContext};
use crate::batch::{Generator, Pacer, Runner};
use crate::checkpoint::{missed, missed_at};
use crate::graph::stop_all;

/// The threads of an active context.
pub(super) struct Running {
    pub(super) runner: Arc<Runner>,
    pub(super) generator: Generator,
}

/// The active contexts of this process.
static ACTIVE: Mutex<Vec<Active>> = Mutex::new(Vec::new());

struct Active {
    context: Weak<Inner>,
    /// Whether it wants to be the only one.
    single: bool,
    checkpoint: Option<PathBuf>,
}

impl StreamingContext {
    /// Starts the batches. The first has the next multiple of the batch interval as its time.
    ///
    /// Starting a context that is active already does nothing. When starting fails, the program may mend
    /// what was wrong and start again (`SparkRules::failed_start_stops`: it is stopped for good).
    ///
    /// # Errors
    /// [`Error::Lifecycle`] on a stopped context, or where another one is active and only one may be;
    /// [`Error::Start`] and the errors of refused operations when the graph can't run; a source's own
    /// error when it can't begin; [`Error::DryRun`] where a [dry run](Self::dry_run) was asked for.
    pub fn start(&self) -> Result<()> {
        if self.is_for_replay() {
            return self.replay_instead();
        }
        if self.state() == ContextState::Initialized {
            self.start_dry()?;
        }
        let mut life = lock(&self.inner.life);
        match life.state {
            ContextState::Active => {
                tracing::warn!("the context is active already");
                return Ok(());
            }
            ContextState::Stopped => return Err(stopped("start")),
            ContextState::Initialized => {}
        }
        self.claim_process()?;
        let started = self.inner.begin();
        match started {
            Ok(running) => {
                *lock(&self.inner.running) = Some(running);
                life.state = ContextState::Active;
                self.inner.begin_watching();
                Ok(())
            }
            Err(error) => {
                release_process(&self.inner);
                if self.settings().spark_rules.failed_start_stops {
                    life.state = ContextState::Stopped;
                    self.inner.graph.stop();
                    self.inner.end_watching();
                    self.inner.waiters.stopped();
                }
                Err(error)
            }
        }
    }

    fn claim_process(&self) -> Result<()> {
        let single = self.settings().spark_rules.single_active;
        let mut active = lock(&ACTIVE);
        if single && active.iter().any(|other| other.single && other.context.strong_count() > 0) {
            let hint = "stop the other one first, or switch `SparkRules::single_active` off";
            return Err(Error::Lifecycle {
                call: "start",
                state: "not the only active one of the process",
                hint,
            });
        }
        let checkpoint = self.inner.graph.checkpoint().map(|checkpoint| checkpoint.dir().to_owned());
        active.push(Active { context: Arc::downgrade(&self.inner), single, checkpoint });
        Ok(())
    }
}

/// Lets another context be the active one.
pub(super) fn release_process(inner: &Inner) {
    lock(&ACTIVE).retain(|active| !std::ptr::eq(active.context.as_ptr(), inner));
}

/// The active context with the checkpoint in this directory.
pub(super) fn active_with(dir: &Path) -> Option<StreamingContext> {
    let has_it = |active: &&Active| active.checkpoint.as_deref() == Some(dir);
    // Given back only when the list is free again: the last handle of a context takes it off the list.
    let found = { lock(&ACTIVE).iter().filter(has_it).find_map(|active| active.context.upgrade()) };
    found.map(|inner| StreamingContext { inner }).filter(|ssc| ssc.state() == ContextState::Active)
}

pub(super) fn stopped(call: &'static str) -> Error {
    Error::Lifecycle { call, state: "stopped", hint: "a context can't be started twice; make a new one" }
}

impl Inner {
    fn begin(self: &Arc<Self>) -> Result<Running> {
        let graph = &self.graph;
        let clock = graph.engine.world().clock.clone();
        let interval = graph.settings.batch_interval;
        let (now, started_micros) = (clock.now(), clock.now_micros());
        let fresh = now.floor(interval, BatchTime::ZERO);
        let checkpoint = graph.checkpoint();
        let beginning = match &checkpoint {
            Some(checkpoint) => resume::decide(graph, checkpoint, fresh)?,
            None => Beginning::fresh(fresh),
        };
        let zero = beginning.zero;
        graph.start(zero)?;
        let keeper = checkpoint.map(|checkpoint| resume::restore(graph, checkpoint, &beginning)).transpose();
        let keeper = keeper.inspect_err(|_| graph.reopen())?;
        let restored_micros = clock.now_micros();
        if cfg!(panic = "abort") {
            tracing::warn!("this program is built with panic=abort: a panicking closure ends it");
        }
        graph.bus.start();
        graph.bus.progress().begin(graph.show(), &graph.settings);
        let weak = Arc::downgrade(self);
        let stop = move || {
            if let Some(inner) = weak.upgrade() {
                inner.waiters.halted();
                // On a thread of its own: the caller is a job thread, which the stop has to wait for.
                waterclock_base::world::spawn("stop", move || inner.halt(Stop::Now));
            }
        };
        let pacer = Pacer::of(graph, zero);
        let runner = Runner::start(graph.clone(), self.waiters.clone(), zero, keeper, pacer.clone(), stop);
        self.tell_notes();
        graph.bus.post(Event::StreamingStarted { at_micros: clock.now_micros() });
        for (begun, source) in graph.sources().iter().enumerate() {
            if let Err(error) = source.start(zero) {
                stop_all(graph.sources().iter().take(begun).map(|source| &**source), false);
                runner.stop(false);
                graph.bus.stop();
                graph.reopen();
                return Err(error);
            }
        }
        let missed = if beginning.resumed { self.pick_up(&runner, &beginning, now) } else { Vec::new() };
        if let (true, Some(checkpoint)) = (beginning.resumed, graph.checkpoint()) {
            graph.bus.post(Event::Recovered(RecoveryInfo {
                application: checkpoint.application(),
                starts: checkpoint.starts(),
                ended: beginning.ended,
                redone: beginning.pending().len(),
                missed: missed.len(),
                started_micros,
                restored_micros,
            }));
        }
        let from = beginning.from;
        let generator =
            Generator::start(graph.clone(), runner.clone(), self.waiters.clone(), pacer, from, missed);
        Ok(Running { runner, generator })
    }

    /// Says what whoever started it should know.
    fn tell_notes(&self) {
        for text in self.graph.notes().into_iter().chain(self.unchecked()) {
            self.graph.bus.post(Event::Warning { text });
        }
    }

    /// What a check of determinism does not look at, where one was asked for.
    fn unchecked(&self) -> Option<String> {
        let (nodes, outputs) = (self.graph.reachable(), self.graph.outputs());
        let nodes = nodes.iter().map(|node| (node.info().operator, node.operation()));
        let outputs = outputs.iter().map(|output| (output.operator(), output.operation()));
        let on_driver = ["transform", "transform_with", "foreach_rdd"];
        let found = nodes.chain(outputs).filter(|(operator, _)| on_driver.contains(operator));
        let found: Vec<String> = found.map(|(_, operation)| operation).collect();
        (self.graph.settings.check_determinism && !found.is_empty()).then(|| {
            format!(
                "batches are checked for doing the same every time, but what these closures do on the driver is not: {}",
                found.join(", ")
            )
        })
    }

    /// Lines up the batches that another process left; those that are to be formed for the time since.
    fn pick_up(&self, runner: &Runner, beginning: &Beginning, now: BatchTime) -> Vec<BatchInterval> {
        let (settings, clock) = (&self.graph.settings, &self.graph.engine.world().clock);
        let redo = runner.keeper().map(|keeper| beginning.redo(keeper.names(), clock.now_micros()));
        for batch in redo.into_iter().flatten() {
            self.waiters.formed(batch.time());
            self.graph.bus.post(Event::BatchSubmitted(batch.clone()));
            at_point("before-redo");
            runner.submit(batch, None);
        }
        self.waiters.ticked(beginning.from);
        let most = (!settings.spark_rules.form_every_missed_batch).then_some(settings.max_catch_up);
        let (from, step) = (beginning.from, settings.batch_interval);
        match settings.latency {
            Some(_) => missed_at(from, now, (step, beginning.zero), &self.graph.boundaries(), most),
            None => missed(from, now, step, most),
        }
    }
}
