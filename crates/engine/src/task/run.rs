//! Runs one task: the only place from which the user's closures on records are reached.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use waterclock_base::Error;

use super::TaskCx;
use crate::chunk::{Halt, Step};
use crate::shared::Updates;
use crate::stage::{StageOutput, TaskOutput};

thread_local! {
    /// The task that runs on this thread.
    static CURRENT: Cell<*const TaskCx> = const { Cell::new(ptr::null()) };
}

/// Whether the calling thread is running a task: an action may not be started there.
pub(crate) fn in_task() -> bool {
    !CURRENT.get().is_null()
}

/// Runs `f` on the accumulator updates of the task that runs on this thread; none outside tasks.
#[expect(
    unsafe_code,
    reason = "a reference can't be kept in a thread local; saves a reference count per task"
)]
pub(crate) fn with_current_updates<R>(f: impl FnOnce(&mut Updates) -> R) -> Option<R> {
    let current = CURRENT.get();
    // SAFETY: the pointer is set by `inside` to a context that it borrows until it resets the pointer,
    // on this same thread, also when the closure panics.
    let cx = unsafe { current.as_ref() }?;
    Some(f(&mut cx.updates.borrow_mut()))
}

/// Runs one partition of a stage, turning a panic into an error.
pub(crate) fn run_task(stage: &dyn StageOutput, cx: &TaskCx) -> Step<TaskOutput> {
    inside(cx, || stage.run(cx.id.partition.0, cx)).unwrap_or_else(|panic| Err(Halt::from(panic)))
}

/// Runs `f` as a part of the task, turning a panic into an error.
pub(super) fn inside<R>(cx: &TaskCx, f: impl FnOnce() -> R) -> Result<R, Error> {
    struct Reset(*const TaskCx);
    impl Drop for Reset {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _reset = Reset(CURRENT.replace(cx));
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| Error::Panic { message: panic_message(panic) })
}

/// What a panic said. Takes the panic, since what a program throws may itself panic when it is dropped.
pub fn panic_message(panic: Box<dyn Any + Send>) -> String {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(no message)".to_owned());
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    message
}
