//! A job: an action over a dataset, run through its stages by the thread that asked for it.

mod noted; // what actions return, as one number
mod result; // the last stage: what the action makes of each partition
mod run; // the shell that performs the scheduler's commands
mod told; // what listeners hear of it

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use waterclock_base::JobId;
use waterclock_base::world::lock;

pub(crate) use noted::note;
pub use noted::noting;
pub(crate) use result::{
    Counter, at_driver, hash_records, refuse_in_task, run_action, run_action_at, run_action_hashed,
};
pub(crate) use run::run_job;

/// The jobs that run, so that they can be called off.
#[derive(Default)]
pub(crate) struct Jobs(Mutex<HashMap<JobId, Running>>);

struct Running {
    cancelled: Arc<AtomicBool>,
    wake: Box<dyn Fn() + Send>,
}

impl Running {
    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        (self.wake)();
    }
}

impl Jobs {
    /// Enters a job, until the answer is dropped.
    fn enter(&self, id: JobId, cancelled: Arc<AtomicBool>, wake: impl Fn() + Send + 'static) -> Entry<'_> {
        lock(&self.0).insert(id, Running { cancelled, wake: Box::new(wake) });
        Entry { jobs: self, id }
    }

    pub(crate) fn cancel(&self, id: JobId) {
        if let Some(job) = lock(&self.0).get(&id) {
            job.cancel();
        }
    }

    pub(crate) fn cancel_all(&self) {
        lock(&self.0).values().for_each(Running::cancel);
    }
}

struct Entry<'j> {
    jobs: &'j Jobs,
    id: JobId,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        lock(&self.jobs.0).remove(&self.id);
    }
}
