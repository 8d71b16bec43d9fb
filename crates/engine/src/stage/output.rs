//! What a stage leaves behind for the next one: buckets of a shuffle, deltas of a state, results of an action.

use std::any::Any;
use std::borrow::Cow;
use std::panic::Location;
use std::sync::Mutex;

use waterclock_base::world::lock;
use waterclock_base::{Result, StageId};

use crate::chunk::Step;
use crate::rdd::Parent;
use crate::task::TaskCx;

/// What a finished task hands to the driver.
pub type TaskOutput = Box<dyn Any + Send>;

/// A set of tasks whose outputs others read.
///
/// # Contract
/// 1. `run` has no effect but its answer: it may be called several times for a partition, also at the same
///    time. Only the first finished attempt's answer is given to `install`.
/// 2. `install` is called by the job that holds the claim, and makes the partition no longer missing.
/// 3. What is installed stays until the object is dropped, or is reported missing again.
pub trait StageOutput: Send + Sync + 'static {
    /// Its number, drawn from the engine.
    fn id(&self) -> StageId;
    /// The operation that it belongs to.
    fn operator(&self) -> Cow<'static, str>;
    /// Where the program calls that.
    fn site(&self) -> &'static Location<'static>;
    /// What its tasks read.
    fn parents(&self) -> Vec<Parent>;
    /// How many tasks it has.
    fn tasks(&self) -> usize;
    /// The tasks whose output is not there.
    fn missing(&self) -> Vec<usize>;
    /// Does the work of one task.
    fn run(&self, partition: usize, cx: &TaskCx) -> Step<TaskOutput>;
    /// Does the work of one task without effect, to see whether it does the same every time: a number for what it
    /// makes, whatever the order of its records; none where none can be given.
    fn rehearse(&self, _partition: usize, _cx: &TaskCx) -> Step<Option<u64>> {
        Ok(None)
    }
    /// Keeps the output of one task.
    fn install(&self, partition: usize, output: TaskOutput) -> Result<()>;
    /// Who is producing it.
    fn claim(&self) -> &Claim;
    /// Bytes of what is installed, about, once all is.
    fn bytes(&self) -> Option<u64> {
        None
    }
    /// Bytes that its tasks read, about, where that is not what its parents say.
    fn input_bytes(&self) -> Option<u64> {
        None
    }
}

/// Lets one job at a time produce a stage's output; the others wait for it instead of working twice.
#[derive(Default)]
pub struct Claim(Mutex<ClaimState>);

#[derive(Default)]
struct ClaimState {
    taken: bool,
    waiting: Vec<Box<dyn FnOnce() + Send>>,
}

impl Claim {
    /// Takes the claim; or, if another job has it, has `released` called when it is free.
    pub(crate) fn take_or_wait(&self, released: impl FnOnce() + Send + 'static) -> bool {
        let mut state = lock(&self.0);
        if state.taken {
            state.waiting.push(Box::new(released));
            return false;
        }
        state.taken = true;
        true
    }

    /// Gives it back and calls those who wait.
    pub(crate) fn release(&self) {
        let waiting = {
            let mut state = lock(&self.0);
            state.taken = false;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(|released| released());
    }
}
