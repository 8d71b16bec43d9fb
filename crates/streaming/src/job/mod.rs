//! A job: the work of one output for one batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use waterclock_base::{BatchTime, Error, Result};
use waterclock_engine::panic_message;

use crate::graph::{OutputJob, OutputNode};

/// One output of one batch, ready to run.
pub(crate) struct Job {
    pub(crate) output: Arc<OutputNode>,
    pub(crate) run: OutputJob,
}

/// Calls into the program on a job thread; a panic becomes the error of `operator`.
pub(crate) fn call<R>(operator: &str, t: BatchTime, run: impl FnOnce() -> Result<R>) -> Result<R> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let panic = Error::Panic { message: panic_message(panic) };
        Err(Error::User { operator: operator.to_owned(), batch: Some(t), source: Arc::new(panic) })
    })
}
