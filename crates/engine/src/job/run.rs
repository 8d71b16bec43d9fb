//! Performs the scheduler's commands for one job, on the thread that asked for it.
//!
//! Small stages run here at once: handing a task to a worker and waiting for it costs tens of
//! microseconds, more than an almost empty batch should. As soon as the tasks so run have taken
//! [`INLINE_MICROS`], the rest goes to the executor.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use waterclock_base::{Attempt, Error, JobId, PartitionIndex, Result, TaskId};

use super::told::Told;
use crate::chunk::Halt;
use crate::context::Engine;
use crate::executor::{Report, Submission};
use crate::rdd::{Parent, lineage};
use crate::stage::StageOutput;
use crate::stage::plan::{PlannedStage, plan};
use crate::stage::schedule::{Command, Happened, Rules, Schedule, Speculation, Try};
use crate::task::panic_message;

/// A stage that reads at most this much runs on the job's own thread.
const INLINE_BYTES: u64 = 32 * 1024;
/// ... for at most this long.
const INLINE_MICROS: i64 = 300;
/// How often slow tasks are looked for, where that is wanted.
const SPECULATION_INTERVAL: Duration = Duration::from_millis(100);
/// How often a job is planned again because an output that it counted on was gone.
const PLANS: u32 = 4;

enum Message {
    /// A task of the plan with this number.
    Task(u32, TaskMessage),
    /// Another job gave the claim of a stage of the plan with this number back.
    Released(u32, usize),
    Cancelled,
}

enum TaskMessage {
    Began(Try),
    Report(Try, Report),
}

/// Produces everything that is missing of `target`.
///
/// # Errors
/// The error of the task that failed as often as it may, or [`Error::Cancelled`].
pub(crate) fn run_job(engine: &Engine, target: Arc<dyn StageOutput>) -> Result<()> {
    let id = engine.next_job_id();
    engine.memory().keeping().job();
    let cancelled = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = channel();
    let wake = sender.clone();
    let _entry = engine.jobs().enter(id, cancelled.clone(), move || {
        // The job may have ended meanwhile.
        let _ = wake.send(Message::Cancelled);
    });
    let mut told = Told::begin(engine, id, &*target);
    let mut run_plans = || {
        for number in 0..PLANS {
            let plan = plan(target.clone());
            if plan.is_empty() {
                return Ok(());
            }
            let mut run = Run::new(engine, id, number, cancelled.clone(), plan, sender.clone(), &mut told);
            if let Outcome::Finished = run.all(&receiver)? {
                return Ok(());
            }
        }
        Err(Error::Internal { what: format!("{id} lost its inputs {PLANS} times in a row") })
    };
    let outcome = run_plans();
    told.end(&outcome);
    outcome
}

enum Outcome {
    Finished,
    PlanAgain,
}

struct Run<'e, 't> {
    engine: &'e Engine,
    told: &'t mut Told<'e>,
    job: JobId,
    /// Which plan of the job this is: messages about an earlier one mean nothing.
    number: u32,
    /// Of the whole job; tasks of this plan see `stale`.
    cancelled: Arc<AtomicBool>,
    /// Raised when this plan is given up, so that its tasks stop.
    stale: Arc<AtomicBool>,
    /// With speculation each attempt has a signal of its own, so that the slower copy can be stopped.
    copies: HashMap<(usize, usize), Vec<Arc<AtomicBool>>>,
    last_tick: i64,
    plan: Vec<PlannedStage>,
    held: Vec<bool>,
    inline: Vec<bool>,
    inline_since: Option<i64>,
    inline_tasks: VecDeque<Try>,
    outputs: HashMap<(usize, usize, u32), Report>,
    last_failure: Option<Error>,
    sender: Sender<Message>,
}

impl<'e, 't> Run<'e, 't> {
    fn new(
        engine: &'e Engine,
        job: JobId,
        number: u32,
        cancelled: Arc<AtomicBool>,
        plan: Vec<PlannedStage>,
        sender: Sender<Message>,
        told: &'t mut Told<'e>,
    ) -> Self {
        Run {
            engine,
            told,
            job,
            number,
            cancelled,
            stale: Arc::default(),
            copies: HashMap::new(),
            last_tick: engine.world().clock.now_micros(),
            held: vec![false; plan.len()],
            inline: vec![false; plan.len()],
            inline_since: None,
            inline_tasks: VecDeque::new(),
            outputs: HashMap::new(),
            last_failure: None,
            plan,
            sender,
        }
    }

    fn now(&self) -> i64 {
        self.engine.world().clock.now_micros()
    }

    fn rules(&self) -> Rules {
        let settings = self.engine.settings();
        let speculation = Speculation {
            multiplier: settings.speculation_multiplier,
            quantile: settings.speculation_quantile,
            at_least_micros: SPECULATION_INTERVAL.as_micros() as i64,
        };
        Rules { attempts: settings.task_attempts, speculation: settings.speculation.then_some(speculation) }
    }

    fn all(&mut self, receiver: &Receiver<Message>) -> Result<Outcome> {
        let after = self.plan.iter().map(|stage| stage.after.clone()).collect();
        let mut schedule = Schedule::new(after, self.rules());
        let mut events = VecDeque::from([Happened::Started]);
        loop {
            while let Some(event) = events.pop_front() {
                for command in schedule.step(event, self.now()) {
                    if let Some(outcome) = self.perform(command, &mut events)? {
                        return Ok(outcome);
                    }
                }
            }
            let message = match self.inline_tasks.pop_front() {
                Some(task) => self.run_inline(task),
                None => self.receive(receiver)?,
            };
            match message {
                None => events.push_back(Happened::Tick),
                Some(Message::Cancelled) => return Err(Error::Cancelled { job: self.job }),
                Some(Message::Released(number, stage)) if number == self.number => {
                    events.push_back(Happened::Released { stage });
                }
                Some(Message::Task(number, task)) if number == self.number => match task {
                    TaskMessage::Began(task) => events.push_back(Happened::Began(task)),
                    TaskMessage::Report(task, report) => match self.take_report(task, report)? {
                        Some(event) => events.push_back(event),
                        None => return Ok(Outcome::PlanAgain),
                    },
                },
                // About a plan that was given up.
                Some(Message::Released(..) | Message::Task(..)) => {}
            }
        }
    }

    /// The next message; none when it is time to look for slow tasks.
    fn receive(&mut self, receiver: &Receiver<Message>) -> Result<Option<Message>> {
        let closed = || Error::Internal { what: "a job lost the channel to its tasks".into() };
        if !self.engine.settings().speculation {
            return receiver.recv().map(Some).map_err(|_| closed());
        }
        let now = self.now();
        let left = (self.last_tick + SPECULATION_INTERVAL.as_micros() as i64).saturating_sub(now);
        if left > 0 {
            match receiver.recv_timeout(Duration::from_micros(left.unsigned_abs())) {
                Ok(message) => return Ok(Some(message)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(closed()),
            }
        }
        self.last_tick = self.now();
        Ok(None)
    }

    fn perform(&mut self, command: Command, events: &mut VecDeque<Happened>) -> Result<Option<Outcome>> {
        match command {
            Command::Claim(stage) => {
                let (sender, number) = (self.sender.clone(), self.number);
                let released = move || {
                    // The job may have ended meanwhile.
                    let _ = sender.send(Message::Released(number, stage));
                };
                let output = &self.plan[stage].output;
                if output.claim().take_or_wait(released) {
                    let missing = output.missing();
                    self.held[stage] = true;
                    self.inline[stage] = self.is_small(&**output);
                    let after = self.plan[stage].after.iter().map(|&at| self.plan[at].output.id());
                    self.told.stage_began(output, after.collect(), missing.len());
                    events.push_back(Happened::Claimed { stage, missing });
                }
            }
            Command::Submit(task) => self.submit(task),
            Command::Install(task) => {
                if let Some(report) = self.outputs.remove(&(task.stage, task.partition, task.attempt)) {
                    self.install(task, report)?;
                }
            }
            Command::Release(stage) => {
                self.release(stage);
                self.told.stage_ended(self.plan[stage].output.id());
            }
            Command::GiveUp(task) => return Err(self.given_up(task)),
            Command::Finish => return Ok(Some(Outcome::Finished)),
        }
        Ok(None)
    }

    fn is_small(&self, output: &dyn StageOutput) -> bool {
        let bytes = output.input_bytes().or_else(|| {
            output.parents().iter().try_fold(0u64, |sum, parent| {
                let bytes = match parent {
                    Parent::Narrow(rdd) => lineage::input_bytes(&**rdd)?,
                    Parent::Stage(stage) => stage.bytes()?,
                };
                Some(sum.saturating_add(bytes))
            })
        });
        !self.engine.settings().speculation && bytes.is_some_and(|bytes| bytes <= INLINE_BYTES)
    }

    fn submit(&mut self, task: Try) {
        let now = self.now();
        if self.inline[task.stage] && now - *self.inline_since.get_or_insert(now) <= INLINE_MICROS {
            self.inline_tasks.push_back(task);
            return;
        }
        let (sender, number) = (self.sender.clone(), self.number);
        // The job may have ended when a message comes.
        let tell = move |message| drop(sender.send(Message::Task(number, message)));
        let (mut cancelled, mut began) = (self.stale.clone(), None);
        if self.engine.settings().speculation {
            cancelled = Arc::default();
            self.copies.entry((task.stage, task.partition)).or_default().push(cancelled.clone());
            let tell = tell.clone();
            began = Some(Box::new(move || tell(TaskMessage::Began(task))) as Box<dyn FnOnce() + Send>);
        }
        self.engine.executor().submit(Submission {
            id: self.task_id(task),
            stage: self.plan[task.stage].output.clone(),
            engine: self.engine.clone(),
            cancelled,
            began,
            report: Box::new(move |report| tell(TaskMessage::Report(task, report))),
        });
    }

    fn task_id(&self, task: Try) -> TaskId {
        TaskId {
            job: self.job,
            stage: self.plan[task.stage].output.id(),
            partition: PartitionIndex(task.partition),
            attempt: Attempt(task.attempt),
        }
    }

    fn run_inline(&mut self, task: Try) -> Option<Message> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Some(Message::Cancelled);
        }
        if self.inline_since.is_some_and(|since| self.now() - since > INLINE_MICROS) {
            self.inline.fill(false);
            let waiting = std::mem::take(&mut self.inline_tasks);
            std::iter::once(task).chain(waiting).for_each(|task| self.submit(task));
            return None;
        }
        let stage = &self.plan[task.stage].output;
        let report = Report::of(self.task_id(task), &**stage, self.engine.clone(), self.cancelled.clone());
        Some(Message::Task(self.number, TaskMessage::Report(task, report)))
    }

    /// What a report means to the scheduler; none when the job has to be planned again.
    fn take_report(&mut self, task: Try, report: Report) -> Result<Option<Happened>> {
        match report.outcome {
            Ok(_) => {
                self.told.task_ended(self.task_id(task), report.micros, &report.times, None);
                self.outputs.insert((task.stage, task.partition, task.attempt), report);
                Ok(Some(Happened::Succeeded(task)))
            }
            Err(Halt::Missing) => Ok(None),
            Err(Halt::Cancelled) if self.cancelled.load(Ordering::Relaxed) => {
                Err(Error::Cancelled { job: self.job })
            }
            Err(Halt::Cancelled) => Ok(Some(Happened::Stopped(task))),
            Err(Halt::Enough) => {
                let operator = self.plan[task.stage].output.operator();
                let what = format!("{operator} stopped early without a result");
                Err(Error::Internal { what })
            }
            // Another attempt might look as if all were well.
            Err(Halt::Failed(error)) if matches!(*error, Error::Determinism { .. }) => Err(*error),
            Err(Halt::Failed(error)) => {
                let error = self.describe(task, *error, report.operator);
                self.told.task_ended(self.task_id(task), report.micros, &report.times, Some(&error));
                self.last_failure = Some(error);
                Ok(Some(Happened::Failed(task)))
            }
        }
    }

    /// Says which operator failed, and where.
    fn describe(&self, task: Try, error: Error, operator: Option<waterclock_base::RddId>) -> Error {
        let stage = &self.plan[task.stage].output;
        let blamed = operator.and_then(|id| {
            stage.parents().iter().find_map(|parent| match parent {
                Parent::Narrow(rdd) => lineage::find(rdd, id),
                Parent::Stage(_) => None,
            })
        });
        let (operator, site) = match &blamed {
            Some(rdd) => (rdd.info().operator.to_string(), rdd.info().site),
            None => (stage.operator().into_owned(), stage.site()),
        };
        let partition = PartitionIndex(task.partition);
        Error::Task { operator, site, partition, attempts: task.attempt + 1, source: Box::new(error) }
    }

    fn install(&mut self, task: Try, report: Report) -> Result<()> {
        for copy in self.copies.remove(&(task.stage, task.partition)).into_iter().flatten() {
            copy.store(true, Ordering::Relaxed);
        }
        if let Ok(output) = report.outcome {
            self.plan[task.stage].output.install(task.partition, output)?;
        }
        // An accumulator's function is the program's, and may panic.
        let updates = AssertUnwindSafe(report.updates);
        catch_unwind(move || { updates }.0.apply())
            .map_err(|panic| Error::Panic { message: format!("in an accumulator: {}", panic_message(panic)) })
    }

    fn given_up(&mut self, task: Try) -> Error {
        self.last_failure.take().unwrap_or_else(|| Error::Internal {
            what: format!("{} was given up without a failure", self.task_id(task)),
        })
    }

    fn release(&mut self, stage: usize) {
        if std::mem::take(&mut self.held[stage]) {
            self.plan[stage].output.claim().release();
        }
    }
}

/// However the plan ends, also by a panic: what still runs is stopped, and every claim is given back.
impl Drop for Run<'_, '_> {
    fn drop(&mut self) {
        self.stale.store(true, Ordering::Relaxed);
        for copy in self.copies.values().flatten() {
            copy.store(true, Ordering::Relaxed);
        }
        self.engine.executor().cancel(self.job);
        for stage in 0..self.plan.len() {
            self.release(stage);
        }
    }
}
