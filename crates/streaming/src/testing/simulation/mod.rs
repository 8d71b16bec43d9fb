//! A program's life under crashes: the real generator, scheduler, state, log and recovery under a clock that
//! stands still, a disk that loses what it may, and a seed that decides everything.

mod job; // what the program is given
mod plan; // what happens in each life: from the seed alone
mod seen; // what came out, and whether it should have
mod sink; // a sink outside
mod source; // records that can be read again until they are acknowledged

use std::fmt;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use waterclock_base::world::{Clock, ManualClock, Rng, World};
use waterclock_base::{BatchTime, BoxError, Error};

use super::{Failure, SimDisk};
use crate::context::{Builder, Stop, StreamingContext};
use job::Outside;
use plan::{Ending, Flip, LifePlan};

pub use job::SimJob;

/// Where the program keeps its checkpoint.
const CHECKPOINT: &str = "/checkpoint";
/// Batch intervals by which the time may go on, at most, while the outputs of due batches run.
const OVERLAP: u64 = 3;
/// Lines of a trace that a failure prints.
const SHOWN: usize = 200;

/// Runs a program again and again from one checkpoint, with everything going wrong that may, and compares
/// what came out with what should have.
///
/// A simulation has many *lives*: in each the program is started with
/// [`get_or_create`](StreamingContext::get_or_create), runs some batches and ends: it is killed, or the
/// machine loses its power, between or in the middle of any operations of its disk; or it stops by itself.
/// In between time passes, often more than `max_catch_up` makes up for. Each life has another parallelism,
/// other thresholds of snapshots, now and then a sync that fails, a full disk, or a bit that flips where
/// nobody looks. The last life is a calm one, and takes what is left of the input.
///
/// The seed decides all of that, input too: the same seed gives the same [`Trace`].
///
/// What is checked, besides the program's own expectations ([`SimJob::check`]):
/// * what the batches read of each source is its input, whole, once, in order;
/// * a batch that is run again gives what it gave before;
/// * every time of the grid has its batch, but for those that a long time without a process passes over;
/// * a sink ([`SimJob::sink`]) shows no batch before all outputs of the batch have succeeded;
/// * nothing is run again after a stop in order;
/// * no start is refused, but for damage of what is durable, and then it says so.
///
/// ```
/// use waterclock_streaming::testing::Simulation;
///
/// Simulation::new(7).run(|builder, job| {
///     let ssc = builder.build()?;
///     let numbers = job.records(&ssc, "numbers", |rng| (rng.below(3), 1u64));
///     let totals = numbers
///         .update_state_by_key(|new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.iter().sum::<u64>()))
///         .named("totals");
///     job.check(&numbers, &totals, |batches| {
///         let mut totals = std::collections::BTreeMap::new();
///         let mut expected = Vec::new();
///         for (time, records) in batches {
///             for (key, n) in records {
///                 *totals.entry(*key).or_insert(0) += n;
///             }
///             expected.push((*time, totals.iter().map(|(key, n)| (*key, *n)).collect()));
///         }
///         expected
///     });
///     Ok(ssc)
/// });
/// ```
#[derive(Clone, Debug)]
#[must_use = "`run` runs it"]
pub struct Simulation {
    seed: u64,
    interval: Duration,
    batches: u32,
}

/// Everything that happened in a simulation, one thing a line: operations of the disk, numbered within each
/// life; effects outside; lives and how they ended.
///
/// ```
/// use waterclock_streaming::testing::Simulation;
/// let run = || Simulation::new(3).batches(4).run(|builder, job| {
///     let ssc = builder.build()?;
///     job.records(&ssc, "numbers", |rng| rng.below(3)).count().register();
///     Ok(ssc)
/// });
/// assert_eq!(run(), run());
/// assert!(run().lines().len() > 10);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Trace(Vec<String>);

/// Why a simulation failed. Its text has the seed, what was wrong, and the end of the trace.
#[derive(Clone)]
pub struct SimFailure {
    seed: u64,
    why: String,
    trace: Trace,
}

impl Trace {
    /// What happened, one thing a line.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl SimFailure {
    /// The seed that gives this failure again.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What was wrong.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Everything that had happened before.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }
}

impl fmt::Debug for SimFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = &self.trace.0;
        let from = lines.len().saturating_sub(SHOWN);
        let what = if from == 0 { "all that happened" } else { "the last that happened" };
        let SimFailure { seed, why, .. } = self;
        write!(f, "seed {seed}: {why}\n{what}:\n{}\nseed {seed}: {why}", lines[from..].join("\n"))
    }
}

impl Simulation {
    /// The simulation of this seed.
    pub fn new(seed: u64) -> Self {
        Simulation { seed, interval: Duration::from_secs(1), batches: 30 }
    }

    /// The batch interval (default 1 s); the program must not set another one.
    pub fn batch_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// For how many batch intervals there is input (default 30).
    pub fn batches(mut self, batches: u32) -> Self {
        self.batches = batches;
        self
    }

    /// The time before the first batch, whatever the seed: multiples of slides count from it. A multiple of
    /// all common intervals.
    pub const fn zero() -> BatchTime {
        BatchTime::from_millis(86_400_000)
    }

    /// Runs the simulation. `create` is the program: it is called at each start, makes its context with the
    /// builder, takes its input from the [`SimJob`] and says there what is expected.
    ///
    /// # Panics
    /// When something is not as it should be, with the seed and what happened.
    #[track_caller]
    pub fn run(self, create: impl Fn(Builder, &SimJob) -> Result<StreamingContext, BoxError>) -> Trace {
        let site = Location::caller();
        match self.try_run(create) {
            Ok(trace) => trace,
            Err(failure) => panic!("the simulation at {site} failed: {failure:?}"),
        }
    }

    /// [`run`](Self::run), where the caller looks at failures.
    ///
    /// # Errors
    /// What is not as it should be.
    ///
    /// ```
    /// use waterclock_streaming::testing::Simulation;
    /// let failure = Simulation::new(5).try_run(|builder, job| {
    ///     let ssc = builder.build()?;
    ///     let numbers = job.records(&ssc, "numbers", |rng| rng.below(3));
    ///     job.check(&numbers, &numbers.map(|n| n + 1), |batches| batches.to_vec());
    ///     Ok(ssc)
    /// });
    /// assert!(failure.unwrap_err().why().contains("should have been"));
    /// ```
    pub fn try_run(
        self,
        create: impl Fn(Builder, &SimJob) -> Result<StreamingContext, BoxError>,
    ) -> Result<Trace, SimFailure> {
        let mut rng = Rng::new(self.seed);
        // Not on the grid, as the time of a first start never is.
        let most = self.interval.as_millis() as u64;
        let begin = Self::zero() + Duration::from_millis(rng.below(most));
        let clock = ManualClock::at(begin);
        let disk = SimDisk::new(clock.clone(), rng.next_u64());
        let end = begin + self.interval * self.batches;
        let outside = Outside::new(self.seed, clock.clone(), begin, end, self.interval);
        let Simulation { seed, interval, .. } = self;
        let flipped = Vec::new();
        let mut world = Lives { rng, clock, disk, outside, flipped, end, seed, interval };
        let lived = world.live(create);
        let trace = Trace(world.disk.trace());
        match lived {
            Ok(()) => Ok(trace),
            Err(why) => Err(SimFailure { seed: self.seed, why, trace }),
        }
    }
}

/// One life after the other.
struct Lives {
    rng: Rng,
    clock: Arc<ManualClock>,
    disk: Arc<SimDisk>,
    outside: Arc<Outside>,
    /// Damage that nobody noticed yet.
    flipped: Vec<Flip>,
    end: BatchTime,
    seed: u64,
    interval: Duration,
}

impl Lives {
    fn live(
        &mut self,
        create: impl Fn(Builder, &SimJob) -> Result<StreamingContext, BoxError>,
    ) -> Result<(), String> {
        for number in 1.. {
            let is_last = self.clock.now() >= self.end;
            let plan = if is_last { LifePlan::calm() } else { LifePlan::draw(&mut self.rng) };
            self.disk = self.disk.restart();
            if !is_last {
                self.flipped.extend(plan.flip(&self.disk, Path::new(CHECKPOINT)));
            }
            self.disk.note(format!("life {number} at {}: {plan:?}", self.clock.now()));
            let job = SimJob::new(self.outside.clone(), self.disk.clone(), plan.overlap, number);
            self.one_life(&plan, &job, &create)?;
            self.outside.failure()?;
            if is_last {
                break;
            }
            if self.outside.has_started() {
                self.disk.note(format!("nothing runs for {:?}", plan.down));
                self.clock.advance(plan.down);
            }
        }
        self.outside.compare()
    }

    fn one_life(
        &mut self,
        plan: &LifePlan,
        job: &SimJob,
        create: &impl Fn(Builder, &SimJob) -> Result<StreamingContext, BoxError>,
    ) -> Result<(), String> {
        self.outside.starting(plan.max_catch_up);
        let mut started = self.start(plan, job, create);
        if let (Err(error @ Error::Checkpoint { .. }), false) = (&started, self.flipped.is_empty()) {
            // It was noticed, and not gone on from: somebody brings good copies.
            self.disk.note(format!("refused: {}", error.full_text()));
            self.flipped.drain(..).for_each(|flip| flip.undo(&self.disk));
            started = self.start(plan, job, create);
        }
        let ssc = match started {
            Ok(ssc) => ssc,
            Err(_) if self.is_disturbed() => return Ok(()),
            Err(error) => return Err(format!("a start failed: {error:?}")),
        };
        self.outside.started(ssc.zero_time());
        self.settle(&ssc);
        for _ in 0..plan.batches {
            if !self.disk.is_alive() {
                break;
            }
            job.allow_overlap(OVERLAP);
            self.clock.advance(self.interval);
            self.settle(&ssc);
        }
        job.allow_overlap(0);
        let outcome = ssc.await_termination_for(Duration::ZERO);
        if let (Err(error), false) = (outcome, self.is_disturbed()) {
            return Err(format!("a batch failed: {error:?}"));
        }
        // What is disturbed may be stopping by itself, at any speed.
        let in_order = plan.ending == Ending::InOrder && !self.is_disturbed();
        if let Ending::Crash(crash) = plan.ending {
            self.disk.crash(crash);
        }
        self.disk.note(format!("stops {}", if in_order { "in order" } else { "at once" }));
        let stopped = ssc.stop(if in_order { Stop::Gracefully } else { Stop::Now });
        if in_order && !self.is_disturbed() {
            stopped.map_err(|error| format!("a stop failed: {error:?}"))?;
            self.outside.stopped_in_order();
        }
        Ok(())
    }

    fn start(
        &self,
        plan: &LifePlan,
        job: &SimJob,
        create: &impl Fn(Builder, &SimJob) -> Result<StreamingContext, BoxError>,
    ) -> Result<StreamingContext, Error> {
        if let Some((operation, crash)) = plan.crash {
            self.disk.crash_at(operation, crash);
        }
        if let Some((operation, failure)) = plan.failure {
            self.disk.fail_at(operation, failure);
        }
        let world = World { clock: self.clock.clone(), disk: self.disk.clone(), ..World::real() };
        let ssc = StreamingContext::get_or_create(CHECKPOINT, |builder| {
            let builder = builder
                .batch_interval(self.interval)
                .world(world)
                .simulated(self.seed)
                .default_parallelism(plan.parallelism)
                .snapshot_after_bytes(plan.snapshot_after_bytes)
                .max_catch_up(plan.max_catch_up)
                .max_waiting_batches(plan.max_waiting);
            create(builder, job)
        })?;
        job.belongs_to(&ssc);
        ssc.start()?;
        Ok(ssc)
    }

    /// Whether the process may fail.
    fn is_disturbed(&self) -> bool {
        !self.disk.is_alive() || self.disk.has_failed()
    }

    /// Waits for all batches that are due; the time may go on while they run.
    fn settle(&self, ssc: &StreamingContext) {
        loop {
            let now = self.clock.now();
            let zero = ssc.zero_time().unwrap_or(now);
            let due = now.floor(self.interval, zero);
            if due > zero {
                ssc.inner.waiters.wait_for_batch(due);
            }
            if self.clock.now() == now {
                return;
            }
        }
    }
}

impl fmt::Debug for LifePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} batches, parallelism {}, snapshots after {} bytes, catches up {}, {} may wait",
            self.batches, self.parallelism, self.snapshot_after_bytes, self.max_catch_up, self.max_waiting
        )?;
        if let Some((at, crash)) = self.crash {
            write!(f, ", {crash:?} at {at}")?;
        }
        match self.failure {
            Some((at, Failure::Sync)) => write!(f, ", a sync fails from {at}"),
            Some((at, Failure::FullDisk)) => write!(f, ", the disk is full from {at}"),
            None => Ok(()),
        }
    }
}
