//! The last stage of a job: the action's own function on each wanted partition.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{Data, Error, Record, Result, StageId, key_hash};

use super::run_job;
use crate::chunk::{Sink, Step};
use crate::rdd::{Asked, Parent, Rdd};
use crate::stage::{Claim, StageOutput, TaskOutput};
use crate::task::{TaskCx, in_task, panic_message};

struct ResultStage<T: Data, F, H, R> {
    id: StageId,
    call: &'static str,
    site: &'static Location<'static>,
    rdd: Rdd<T>,
    run: F,
    /// What a partition makes of the result, as a number.
    hash: H,
    /// One place for each partition of the dataset; those that were not asked for stay empty.
    results: Mutex<Vec<Option<R>>>,
    wanted: Vec<usize>,
    claim: Claim,
}

impl<T, F, H, R> StageOutput for ResultStage<T, F, H, R>
where
    T: Data,
    R: Send + 'static,
    F: Fn(usize, &Rdd<T>, &TaskCx) -> Step<R> + Send + Sync + 'static,
    H: Fn(usize, &Rdd<T>, &TaskCx) -> Step<u64> + Send + Sync + 'static,
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

    fn rehearse(&self, partition: usize, cx: &TaskCx) -> Step<Option<u64>> {
        (self.hash)(partition, &self.rdd, cx).map(Some)
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

/// [`run_action`] for a call at another place. Two runs of it are compared by how many records there are: `run` may
/// have effects, and records can't always be written.
pub(crate) fn run_action_at<T: Data, R: Send + 'static>(
    by: Asked,
    rdd: &Rdd<T>,
    wanted: Vec<usize>,
    run: impl Fn(usize, &Rdd<T>, &TaskCx) -> Step<R> + Send + Sync + 'static,
) -> Result<Vec<R>> {
    run_action_hashed(by, rdd, wanted, run, |partition, rdd, cx| {
        let mut counter = Counter(0);
        rdd.compute(partition, cx, &mut counter)?;
        Ok(counter.0)
    })
}

/// A number for the records of a partition, whatever their order.
pub(crate) fn hash_records<T: Record>(partition: usize, rdd: &Rdd<T>, cx: &TaskCx) -> Step<u64> {
    let mut hashing = Hashing(0);
    rdd.compute(partition, cx, &mut hashing)?;
    Ok(hashing.0)
}

/// [`run_action_at`] whose runs are compared by the number that `hash` gives for a partition, without effect and
/// whatever the order of the records.
pub(crate) fn run_action_hashed<T: Data, R: Send + 'static>(
    by: Asked,
    rdd: &Rdd<T>,
    wanted: Vec<usize>,
    run: impl Fn(usize, &Rdd<T>, &TaskCx) -> Step<R> + Send + Sync + 'static,
    hash: impl Fn(usize, &Rdd<T>, &TaskCx) -> Step<u64> + Send + Sync + 'static,
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
        hash,
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

/// Counts records without looking at them.
pub(crate) struct Counter(pub(crate) u64);

impl<T: Data> Sink<T> for Counter {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.0 += chunk.len() as u64;
        chunk.clear();
        Ok(())
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        self.0 += records.len() as u64;
        Ok(())
    }
}

/// Adds up the hashes of records.
struct Hashing(u64);

impl<T: Record> Sink<T> for Hashing {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.0 = chunk.drain(..).map(|record| key_hash(&record)).fold(self.0, u64::wrapping_add);
        Ok(())
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        self.0 = records.iter().map(key_hash).fold(self.0, u64::wrapping_add);
        Ok(())
    }
}

fn missing(call: &'static str) -> Error {
    Error::Internal { what: format!("the job of {call} ended without a result") }
}
