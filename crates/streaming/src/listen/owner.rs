//! For which batch the jobs of a thread run: the engine that runs them does not know of batches.

use std::cell::Cell;

use waterclock_base::{BatchTime, Event, JobOwner, OutputId};

thread_local! {
    static OWNER: Cell<Option<JobOwner>> = const { Cell::new(None) };
}

/// Has the jobs that `run` starts on this thread told as those of a batch, and of its output where one runs.
pub(crate) fn on_behalf_of<R>(time: BatchTime, output: Option<OutputId>, run: impl FnOnce() -> R) -> R {
    struct Reset(Option<JobOwner>);
    impl Drop for Reset {
        fn drop(&mut self) {
            OWNER.set(self.0);
        }
    }
    let _reset = Reset(OWNER.replace(Some(JobOwner { time, output })));
    run()
}

/// Notes in what is told of a job whose it is.
pub(super) fn sign(event: &mut Event) {
    if let Event::JobStarted(job) | Event::JobCompleted(job) = event {
        job.owner = job.owner.or(OWNER.get());
    }
}
