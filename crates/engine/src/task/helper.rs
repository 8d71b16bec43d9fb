//! Other threads that call the program's closures for a task.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use waterclock_base::{Error, TaskId};

use super::TaskCx;
use super::run::inside;
use crate::context::Engine;
use crate::shared::Updates;

/// What another thread needs to call closures for a task, so that they find what they would find in the task.
#[derive(Clone)]
pub struct TaskHelper {
    id: TaskId,
    engine: Engine,
    cancelled: Arc<AtomicBool>,
}

impl TaskHelper {
    /// Calls a closure of the program: a panic is an error, actions are refused, and what is added to accumulators is
    /// handed over, for [`TaskCx::add_updates`].
    pub fn call<R>(&self, f: impl FnOnce() -> R) -> (Result<R, Error>, Updates) {
        let cx = TaskCx::new(self.id, self.engine.clone(), self.cancelled.clone());
        let outcome = inside(&cx, f);
        (outcome, cx.updates.into_inner())
    }
}

impl TaskCx {
    /// For threads that call closures for this task while it waits for them.
    pub fn helper(&self) -> TaskHelper {
        TaskHelper { id: self.id, engine: self.engine.clone(), cancelled: self.cancelled.clone() }
    }

    /// Counts what was added to accumulators on another thread as if it had been added here.
    pub fn add_updates(&self, updates: Updates) {
        self.updates.borrow_mut().append(updates);
    }
}
