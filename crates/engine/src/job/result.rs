//! The last stage of a job: the action's own function on each wanted partition.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{Data, Error, Result, StageId};

use super::run_job;
use crate::chunk::Step;
use crate::rdd::{Asked, Parent, Rdd};
use crate::stage::{Claim, StageOutput, TaskOutput};
use crate::task::{TaskCx, in_task, panic_message};

struct ResultStage<T: Data, R, F> {
    id: StageId,
    call: &'static str,
    site: &'static Location<'static>,
    rdd: Rdd<T>,
    run: F,
    /// One place for each partition of the dataset; those that were not asked for stay empty.
    results: Mutex<Vec<Option<R>>>,
    wanted: Vec<usize>,
    claim: Claim,
}

impl<T, R, F> StageOutput for ResultStage<T, R, F>
where
    T: Data,
    R: Send + 'static,
    F: Fn(usize, &Rdd<T>, &TaskCx) -> Step<R> + Send + Sync + 'static,
{
    fn id(&self) -> StageId {
        self.id
    }

    fn operator(&self) -> Cow<'static, str> {
        self.call.into()
    }

    fn site(&self) -> &'static Location<'static> {
        self.site
    }

    fn parents(&self) -> Vec<Parent> {
        vec![Parent::Narrow(self.rdd.lineage())]
    }

    fn tasks(&self) -> usize {
        self.wanted.len()
    }

    fn missing(&self) -> Vec<usize> {
        let results = lock(&self.results);
        self.wanted.iter().copied().filter(|&p| results.get(p).is_none_or(Option::is_none)).collect()
    }

    fn run(&self, partition: usize, cx: &TaskCx) -> Step<TaskOutput> {
        Ok(Box::new((self.run)(partition, &self.rdd, cx)?))
    }

    fn install(&self, partition: usize, output: TaskOutput) -> Result<()> {
        let wrong = || Error::Internal { what: format!("{} got a result of another type", self.call) };
        let result = output.downcast::<R>().map_err(|_| wrong())?;
        *lock(&self.results).get_mut(partition).ok_or_else(wrong)? = Some(*result);
        Ok(())
    }

    fn claim(&self) -> &Claim {
        &self.claim
    }
}

/// Runs `run` on the wanted partitions of the dataset and gives the results in the order of `wanted`.
#[track_caller]
pub(crate) fn run_action<T: Data, R: Send + 'static>(
    call: &'static str,
    rdd: &Rdd<T>,
    wanted: Vec<usize>,
    run: impl Fn(usize, &Rdd<T>, &TaskCx) -> Step<R> + Send + Sync + 'static,
) -> Result<Vec<R>> {
    run_action_at(Asked { operator: call, site: Location::caller() }, rdd, wanted, run)
}

/// Refuses an action that is called from inside a task: its job would wait for the worker that waits for it.
pub(crate) fn refuse_in_task(call: &'static str) -> Result<()> {
    if !in_task() {
        return Ok(());
    }
    let why = "an action can't be called from inside a closure on records, because that closure runs on a \
               worker; collect first and capture the result, or use broadcast";
    Err(Error::Action { call, why: why.into() })
}

/// Calls closures of the program at the driver, for the last step of an action.
pub(crate) fn at_driver<R>(by: Asked, run: impl FnOnce() -> R) -> Result<R> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| Error::Panic {
        message: format!("in {} at {}: {}", by.operator, by.site, panic_message(panic)),
    })
}

/// [`run_action`] for a call at another place.
pub(crate) fn run_action_at<T: Data, R: Send + 'static>(
    by: Asked,
    rdd: &Rdd<T>,
    wanted: Vec<usize>,
    run: impl Fn(usize, &Rdd<T>, &TaskCx) -> Step<R> + Send + Sync + 'static,
) -> Result<Vec<R>> {
    let call = by.operator;
    refuse_in_task(call)?;
    let engine = rdd.engine();
    let stage = Arc::new(ResultStage {
        id: engine.next_stage_id(),
        call,
        site: by.site,
        results: Mutex::new((0..rdd.partitions()).map(|_| None).collect()),
        rdd: rdd.clone(),
        run,
        wanted,
        claim: Claim::default(),
    });
    run_job(engine, stage.clone())?;
    let mut results = lock(&stage.results);
    stage
        .wanted
        .iter()
        .map(|&p| results.get_mut(p).and_then(Option::take).ok_or_else(|| missing(call)))
        .collect()
}

fn missing(call: &'static str) -> Error {
    Error::Internal { what: format!("the job of {call} ended without a result") }
}
