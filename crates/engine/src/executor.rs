//! The seam between stages and threads. Nothing else starts the work of a task.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use waterclock_base::{JobId, RddId, TaskId};

use crate::chunk::{Halt, Step};
use crate::context::Engine;
use crate::shared::Updates;
use crate::stage::{StageOutput, TaskOutput};
use crate::task::{TaskCx, check_determinism, run_task};

/// One attempt of one task, on its way to an executor.
pub struct Submission {
    /// Which task.
    pub id: TaskId,
    /// The stage that it belongs to; an executor on another machine finds it again by `id`.
    pub stage: Arc<dyn StageOutput>,
    /// The engine that the task runs for.
    pub engine: Engine,
    /// Raised when the result is no longer wanted.
    pub cancelled: Arc<AtomicBool>,
    /// Called when the task leaves its queue, if somebody wants to know: what waits is not slow.
    pub began: Option<Box<dyn FnOnce() + Send>>,
    /// Called once with how the task ended, from any thread; not called for a task that was cancelled
    /// before it began.
    pub report: Box<dyn FnOnce(Report) + Send>,
}

impl Submission {
    /// Runs the task here and now and reports how it ended.
    pub fn run(self) {
        let Submission { id, stage, engine, cancelled, began, report } = self;
        if let Some(began) = began {
            began();
        }
        let ended = Report::of(id, &*stage, engine, cancelled);
        // Before the report: when the job has ended, no worker holds its datasets any more.
        drop(stage);
        report(ended);
    }
}

/// How a task ended.
pub struct Report {
    /// Which task.
    pub id: TaskId,
    /// Its output, or why there is none.
    pub outcome: Step<TaskOutput>,
    /// The operator that was at work last.
    pub operator: Option<RddId>,
    /// What it added to accumulators.
    pub updates: Updates,
    /// How long it ran, in microseconds.
    pub micros: u64,
    /// How long each operator was at work, in microseconds; without one: what the stage does itself.
    pub times: Vec<(Option<RddId>, u64)>,
}

impl Report {
    /// Runs the task and tells how it ended.
    pub(crate) fn of(
        id: TaskId,
        stage: &dyn StageOutput,
        engine: Engine,
        cancelled: Arc<AtomicBool>,
    ) -> Self {
        let checks = engine.settings().check_determinism;
        let agreed = if checks { check_determinism(stage, id, &engine, &cancelled) } else { Ok(()) };
        let cx = TaskCx::new(id, engine, cancelled);
        let outcome = agreed.map_err(Halt::from).and_then(|()| run_task(stage, &cx));
        let (operator, updates) = (cx.operator(), cx.updates.into_inner());
        let (times, micros) = cx.times.close();
        Report { id, outcome, operator, updates, micros, times }
    }
}

/// Runs tasks somewhere.
///
/// # Contract
/// 1. `submit` returns without waiting for the task.
/// 2. Every submitted task is reported once, unless its job was cancelled or the executor shut down.
/// 3. A task that panics is reported as failed.
pub trait Executor: Send + Sync + 'static {
    /// Tasks that can run at the same time.
    fn slots(&self) -> usize;
    /// Takes a task on.
    fn submit(&self, submission: Submission);
    /// Drops tasks of a job that have not begun.
    fn cancel(&self, job: JobId);
    /// Ends all threads; called once, when the engine goes.
    fn shut_down(&self);
}
