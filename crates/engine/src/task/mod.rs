//! A task: one partition of one stage, and what it may know while it runs.

mod helper;
mod pool;
mod rehearsal;
mod run;
mod timing; // how long each operator was at work

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use waterclock_base::{Data, RddId, TaskId};

use crate::chunk::{Emit, Halt, Sink, Step};
use crate::context::Engine;
use crate::shared::Updates;

pub use helper::TaskHelper;
pub use pool::ThreadPool;
pub(crate) use rehearsal::{Rehearsal, check as check_determinism};
pub use run::panic_message;
pub(crate) use run::{in_task, run_task, with_current_updates};
pub(crate) use timing::{Timed, Times};

/// What a task knows: who it is, whether it was called off, which operator is at work.
pub struct TaskCx {
    /// Which task this is.
    pub id: TaskId,
    engine: Engine,
    cancelled: Arc<AtomicBool>,
    operator: Cell<Option<RddId>>,
    pub(crate) updates: RefCell<Updates>,
    /// Set where the task only tries out what it would do: nothing may be seen of it.
    pub(crate) rehearsal: Option<Rehearsal>,
    pub(crate) times: Times,
}

impl TaskCx {
    pub(crate) fn new(id: TaskId, engine: Engine, cancelled: Arc<AtomicBool>) -> Self {
        TaskCx {
            times: Times::new(engine.world().clock.clone()),
            id,
            engine,
            cancelled,
            operator: Cell::new(None),
            updates: RefCell::default(),
            rehearsal: None,
        }
    }

    /// The engine that runs the task: memory, settings, disk; never to start jobs with.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether the task only tries out what it would do: its closures are called, and nothing may be seen of it.
    pub fn is_rehearsal(&self) -> bool {
        self.rehearsal.is_some()
    }

    /// Halts when the job was cancelled. Called once a chunk by every loop over records.
    pub fn check(&self) -> Step {
        if self.cancelled.load(Ordering::Relaxed) { Err(Halt::Cancelled) } else { Ok(()) }
    }

    /// Notes which operator is about to call the user's closure, so that a panic can be blamed on it.
    /// The caller notes the operator before it again when the call came back.
    pub fn enter(&self, operator: RddId) -> Option<RddId> {
        self.operator.replace(Some(operator))
    }

    /// Notes the operator that was at work before [`enter`](Self::enter).
    pub fn leave(&self, before: Option<RddId>) {
        self.operator.set(before);
    }

    /// The operator that was at work last.
    pub fn operator(&self) -> Option<RddId> {
        self.operator.get()
    }
}

/// Hands chunks on as long as the job is not cancelled: for whoever has the records ready.
pub(crate) struct Checked<'a, T: Data> {
    cx: &'a TaskCx,
    out: &'a mut dyn Sink<T>,
}

impl<'a, T: Data> Checked<'a, T> {
    pub(crate) fn new(cx: &'a TaskCx, out: &'a mut dyn Sink<T>) -> Self {
        Checked { cx, out }
    }
}

impl<T: Data> Sink<T> for Checked<'_, T> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.cx.check()?;
        self.out.push(chunk)
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        self.cx.check()?;
        self.out.lend(records)
    }

    fn wants_blocks(&self) -> bool {
        self.out.wants_blocks()
    }

    fn block(&mut self, lines: &str) -> Step {
        self.cx.check()?;
        self.out.block(lines)
    }
}

/// Emits what a closure of the program makes. The operator is noted while the closure and its iterator are
/// at work, and not while records are handed on.
pub(crate) fn emit_made<T: Data, I: IntoIterator<Item = T>>(
    cx: &TaskCx,
    operator: RddId,
    make: impl FnOnce() -> I,
    emit: &mut Emit<'_, T>,
) -> Step {
    let before = cx.enter(operator);
    for record in make() {
        if emit.add(record) {
            cx.leave(before);
            cx.check()?;
            emit.flush()?;
            cx.enter(operator);
        }
    }
    cx.leave(before);
    Ok(())
}
