//! Goal: a job whose earlier stage loses its output while a later one reads it plans itself again, and ends
//! with the right result.
//! Method: a stage of our own, whose outputs a test can take away at a chosen moment.
//! Caught: reports of the plan that was given up were taken for the new plan's; a task that had stopped
//! because its plan was stale made the whole job look cancelled.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{Result, StageId};
use waterclock_engine::{
    Claim, Compute, Define, Engine, Halt, Parent, Rdd, Sink, StageOutput, Step, TaskCx, TaskOutput, push_all,
};

/// A stage with one output, the number of times that it was made.
struct Losable {
    id: StageId,
    made: AtomicU32,
    output: Mutex<Option<u32>>,
    claim: Claim,
}

impl Losable {
    fn lose(&self) {
        *lock(&self.output) = None;
    }
}

impl StageOutput for Losable {
    fn id(&self) -> StageId {
        self.id
    }
    fn operator(&self) -> Cow<'static, str> {
        "losable".into()
    }
    fn site(&self) -> &'static Location<'static> {
        Location::caller()
    }
    fn parents(&self) -> Vec<Parent> {
        Vec::new()
    }
    fn tasks(&self) -> usize {
        1
    }
    fn missing(&self) -> Vec<usize> {
        if lock(&self.output).is_none() { vec![0] } else { Vec::new() }
    }
    fn run(&self, _: usize, _: &TaskCx) -> Step<TaskOutput> {
        Ok(Box::new(self.made.fetch_add(1, Ordering::SeqCst) + 1))
    }
    fn install(&self, _: usize, output: TaskOutput) -> Result<()> {
        *lock(&self.output) = output.downcast::<u32>().ok().map(|made| *made);
        Ok(())
    }
    fn claim(&self) -> &Claim {
        &self.claim
    }
}

/// Two partitions that read it: while the first one works, the second loses the output, so often.
struct Reader {
    stage: Arc<Losable>,
    losses: AtomicU32,
    both_run: Barrier,
}

impl Compute<u32> for Reader {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<u32>) -> Step {
        let lose = self.losses.load(Ordering::SeqCst) > 0;
        if lose {
            self.both_run.wait();
        }
        if lose && partition == 1 {
            self.stage.lose();
            self.losses.fetch_sub(1, Ordering::SeqCst);
        }
        if lose && partition == 0 {
            // Works on until it is told that nobody wants the result any more.
            while cx.check().is_ok() {
                std::thread::yield_now();
            }
            cx.check()?;
        }
        let made = lock(&self.stage.output).ok_or(Halt::Missing)?;
        push_all(vec![made], out)
    }
}

fn dataset(engine: &Engine, losses: u32) -> (Arc<Losable>, Rdd<u32>) {
    let stage = Arc::new(Losable {
        id: engine.next_stage_id(),
        made: AtomicU32::new(0),
        output: Mutex::default(),
        claim: Claim::default(),
    });
    let body = Reader { stage: stage.clone(), losses: AtomicU32::new(losses), both_run: Barrier::new(2) };
    (stage.clone(), Define::new("reader", 2).after(stage).build(engine, body))
}

#[test]
fn a_lost_output_is_made_again_within_the_job() {
    let engine = Engine::local(2);
    let (stage, rdd) = dataset(&engine, 1);
    assert_eq!(rdd.collect().unwrap(), [2, 2]);
    assert_eq!(stage.made.load(Ordering::SeqCst), 2);
}

#[test]
fn an_output_that_is_lost_again_and_again_fails_the_job_and_no_other() {
    let engine = Engine::local(2);
    let (_, rdd) = dataset(&engine, 100);
    let error = rdd.collect().unwrap_err();
    assert!(error.to_string().contains("lost its inputs"), "{error:?}");
    assert_eq!(dataset(&engine, 0).1.collect().unwrap(), [1, 1]);
}

#[test]
fn an_output_that_is_lost_between_two_jobs_is_made_again_by_the_second() {
    let engine = Engine::local(2);
    let (stage, rdd) = dataset(&engine, 0);
    assert_eq!(rdd.collect().unwrap(), [1, 1]);
    assert_eq!(rdd.collect().unwrap(), [1, 1]);
    stage.lose();
    assert_eq!(rdd.collect().unwrap(), [2, 2]);
}
