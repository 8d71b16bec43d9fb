//! Settings, then a context.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[cfg(feature = "testing")]
use waterclock_base::world::Clock;
use waterclock_base::world::World;
use waterclock_base::{
    BackpressurePid, BatchTime, Durability, Error, FailurePolicy, Result, Settings, SparkRules, Watcher,
    millis,
};
use waterclock_engine::{Engine, Executor};

use super::watch::prepare;
use super::{StreamingContext, dry_run};
use crate::checkpoint::Checkpoint;
use crate::graph::{Graph, Printer};
use crate::listen::{Bus, Progress};

/// Makes a [`StreamingContext`]. Everything has a default; see [`Settings`] for each.
///
/// ```
/// use std::time::Duration;
/// use waterclock_streaming::StreamingContext;
/// let ssc = StreamingContext::builder("app").batch_interval(Duration::from_millis(50)).threads(2).build()?;
/// assert_eq!(ssc.settings().default_parallelism, 2);
/// # Ok::<(), waterclock_base::Error>(())
/// ```
#[must_use = "`build` makes the context"]
pub struct Builder {
    settings: Settings,
    world: World,
    parallelism: Option<usize>,
    interval: Option<Duration>,
    executor: Option<Arc<dyn Executor>>,
    printer: Printer,
    watchers: Vec<Arc<dyn Watcher>>,
    mode: Mode,
}

/// What is done with the checkpoint that is found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// None may be there: one is begun.
    Begin,
    /// The program goes on from it.
    Resume,
    /// It is looked at, for a dry run.
    Look,
    /// This batch is run again, to compare.
    Replay(BatchTime),
}

impl Builder {
    pub(crate) fn new(app_name: impl Into<String>) -> Self {
        let mut settings = Settings::default();
        settings.app_name = app_name.into();
        Builder {
            settings,
            world: World::real(),
            parallelism: None,
            interval: None,
            executor: None,
            printer: Arc::new(Mutex::new(std::io::stdout())),
            watchers: Vec::new(),
            mode: Mode::Begin,
        }
    }

    /// Goes on from the checkpoint in `dir`, if there is one.
    pub(crate) fn resuming(dir: PathBuf) -> Self {
        let mut builder = Builder::new("waterclock");
        builder.settings.checkpoint_dir = Some(dir);
        builder.mode = Mode::Resume;
        builder
    }

    /// Looks at the checkpoint in `dir`, for a dry run.
    pub(super) fn looking(dir: PathBuf) -> Self {
        Builder { mode: Mode::Look, ..Builder::resuming(dir) }
    }

    /// Runs a batch again of the checkpoint in `dir`.
    pub(crate) fn replaying(dir: PathBuf, batch: BatchTime) -> Self {
        Builder { mode: Mode::Replay(batch), ..Builder::resuming(dir) }
    }

    /// The program's name.
    pub fn app_name(mut self, name: impl Into<String>) -> Self {
        self.settings.app_name = name.into();
        self
    }

    /// The batch interval: whole milliseconds, from 1 (default 1 s). With a [latency target](Self::latency) the step of
    /// the grid that batches end on.
    pub fn batch_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// How long records may take from being received to being through the outputs, in place of a fixed batch interval.
    ///
    /// Batches then follow the load: while there is time, one spans up to half the target; when they take longer, the
    /// next one begins as soon as the one before is over. So 99 of 100 records are in time as long as that can be.
    /// When more comes in than can be processed, receivers are held back and sources of ranges give less, so that what
    /// was taken in is still in time, and listeners see [`Event::PaceChanged`](waterclock_base::Event); what costs so
    /// much for each batch that the target can't be met is done in larger batches, late. What has queued up while
    /// nothing ran is taken in parts, too; what a source of ranges still has at a graceful stop is left to the next
    /// start. Files are read as they come: one that is too large for the target makes a long batch.
    ///
    /// Batches end on a grid whose step is about a twentieth of the target: 1, 2 or 5 times a power of ten
    /// milliseconds, or [`batch_interval`](Self::batch_interval) where that is given. Windows and slides are multiples
    /// of it. No batch crosses the begin or end of a window whose slide is longer than the step, so these have the same
    /// records whatever the pace; a window that slides with each batch consists of whole batches. Under overload what
    /// waits belongs to the batch that takes it. What a batch covers is in its log, so that it is redone as it was.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterclock_streaming::StreamingContext;
    /// let ssc = StreamingContext::builder("soon").latency(Duration::from_millis(100)).build()?;
    /// assert_eq!(ssc.settings().batch_interval, Duration::from_millis(5));
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    pub fn latency(mut self, target: Duration) -> Self {
        self.settings.latency = Some(target);
        self
    }

    /// Worker threads (default: the machine's cores).
    pub fn threads(mut self, threads: usize) -> Self {
        self.settings.threads = threads;
        self
    }

    /// Partitions of a dataset where none are given (default: `threads`).
    ///
    /// Results may depend on it, as the sum of floating-point numbers does. So a start that finds a batch in its
    /// checkpoint that was begun and not finished keeps the number which that one was begun with, for as long as the
    /// process runs, and warns that it does. A change counts from the first start that finds nothing begun: stop the
    /// program gracefully before.
    pub fn default_parallelism(mut self, partitions: usize) -> Self {
        self.parallelism = Some(partitions);
        self
    }

    /// Key groups (default 1,024).
    pub fn key_groups(mut self, groups: u32) -> Self {
        self.settings.key_groups = groups;
        self
    }

    /// Jobs that run at the same time (default 1). With more, outputs no longer run in the order of their
    /// definition.
    pub fn concurrent_jobs(mut self, jobs: usize) -> Self {
        self.settings.concurrent_jobs = jobs;
        self
    }

    /// How often a task is tried (default 4).
    pub fn task_attempts(mut self, attempts: u32) -> Self {
        self.settings.task_attempts = attempts;
        self
    }

    /// Whether slow tasks are run a second time (default no). Closures with side effects see both.
    pub fn speculation(mut self, yes: bool) -> Self {
        self.settings.speculation = yes;
        self
    }

    /// Whether it is checked that batches do the same every time they are run (default no), as
    /// [recovery](StreamingContext::get_or_create) and [`replay`](StreamingContext::replay) rely on. For tests and
    /// trials: everything takes about three times as long.
    ///
    /// Before a task is run it is tried out twice, without effect: once as it will be run, and once with what earlier
    /// stages left read in the opposite order. A difference fails the batch with
    /// [`Error::Determinism`], which names the operation and where the program calls it: a closure that looks at a
    /// clock, a counter or random numbers, or a reduction whose function is not commutative and associative (the sum
    /// of floating-point numbers is not: such a result is the same after a restart, and another one with another
    /// number of partitions).
    ///
    /// Closures that make records are called in all three runs, those of outputs once; only
    /// [`BatchSink::stage`](crate::BatchSink::stage) is tried out, too. Accumulators count once. Records are compared
    /// where they are shuffled, become state, are written or are collected, by their serialised form and in any
    /// order; where they can't be serialised (`for_each` and its kin) their number is. What closures do on the driver,
    /// those of `transform`, `transform_with` and `foreach_rdd`, is not checked: the start warns of each.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use std::sync::atomic::{AtomicU32, Ordering};
    /// # use waterclock_streaming::{Stop, StreamingContext, testing};
    /// let builder = StreamingContext::builder("checked").batch_interval(Duration::from_secs(1));
    /// let (ssc, clock) = testing::manual(builder.check_determinism(true))?;
    /// let count = AtomicU32::new(0);
    /// let numbered = ssc.queue_stream(vec![vec!["a", "b"]]).map(move |_| count.fetch_add(1, Ordering::Relaxed));
    /// numbered.count_by_value().print();
    /// ssc.start()?;
    /// clock.advance_batches(1);
    /// let error = ssc.await_termination().unwrap_err();
    /// assert!(error.full_text().contains("map at"));
    /// # ssc.stop(Stop::Now)?;
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    pub fn check_determinism(mut self, yes: bool) -> Self {
        self.settings.check_determinism = yes;
        self
    }

    /// What happens after a failed batch (default: it is skipped; with a checkpoint the context stops, and the
    /// next start runs it again).
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.settings.on_failure = Some(policy);
        self
    }

    /// Batches that may wait before further ticks are merged (default 100).
    pub fn max_waiting_batches(mut self, batches: usize) -> Self {
        self.settings.max_waiting_batches = batches;
        self
    }

    /// Bytes for received, shuffled, cached and state data together (default: half of the machine's).
    ///
    /// Each may take up to half of them as long as the whole is not used up. Beyond that, shuffled and cached data go
    /// to disk; received blocks too, up to [`received_on_disk`](Self::received_on_disk), then receivers are held back;
    /// nothing is dropped. State stays in memory: where it takes more than its half, listeners are warned and the
    /// others get less, but receivers always an eighth of the budget, so that the program goes on.
    /// [`Status::memory`](waterclock_base::Status) says who has how much.
    pub fn memory_budget(mut self, bytes: u64) -> Self {
        self.settings.memory_budget = bytes;
        self
    }

    /// Bytes of received blocks that may wait on disk when memory is short, before receivers are held back (default: as
    /// much as [`memory_budget`](Self::memory_budget)). With 0 they are held back at once.
    pub fn received_on_disk(mut self, bytes: u64) -> Self {
        self.settings.received_on_disk = Some(bytes);
        self
    }

    /// Where data that does not fit in memory goes (default: the system's temporary directory).
    pub fn spill_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.settings.spill_dir = dir.into();
        self
    }

    /// The directory for checkpoints; see [`StreamingContext::checkpoint`].
    pub fn checkpoint_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.settings.checkpoint_dir = Some(dir.into());
        self
    }

    /// When what a checkpoint holds counts as safe (default: when the disk has it).
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// Whether sources and streams with state may go without a name and be known by the path of operations
    /// that leads to them (default no). Then a change of the program may make state unknown, and the start
    /// is refused.
    pub fn allow_derived_names(mut self, yes: bool) -> Self {
        self.settings.allow_derived_names = yes;
        self
    }

    /// Drops what the checkpoint has under this name, when the program has no such stream any more: state, or what a
    /// source took in and no batch has finished. Without this, such a start is refused.
    pub fn forget_state(mut self, name: impl Into<String>) -> Self {
        self.settings.forget_state.push(name.into());
        self
    }

    /// Batches that are formed, at most, for the time in which the program did not run (default 1,000).
    pub fn max_catch_up(mut self, batches: u32) -> Self {
        self.settings.max_catch_up = batches;
        self
    }

    /// Bytes of log after which a snapshot of the state is written; where the state is larger, its own size
    /// (default 64 MiB). Less makes restarts faster, more makes running cheaper.
    pub fn snapshot_after_bytes(mut self, bytes: u64) -> Self {
        self.settings.snapshot_after_bytes = bytes;
        self
    }

    /// Snapshots that are kept, with the log since the oldest of them (default 2, which is the least): so far back
    /// batches can be [replayed](StreamingContext::replay).
    pub fn keep_snapshots(mut self, snapshots: usize) -> Self {
        self.settings.keep_snapshots = snapshots;
        self
    }

    /// Whether a [replay](StreamingContext::replay) calls the closures of `foreach_rdd` too, and compares what
    /// actions returned to them (default no, as they may write somewhere).
    pub fn replay_closures(mut self, yes: bool) -> Self {
        self.settings.replay_closures = yes;
        self
    }

    /// How long a receiver gathers records before it cuts a block (default 200 ms).
    pub fn block_interval(mut self, interval: Duration) -> Self {
        self.settings.block_interval = interval;
        self
    }

    /// Records a second that each receiver may take in (default: no limit).
    pub fn receiver_max_rate(mut self, records_per_second: f64) -> Self {
        self.settings.receiver_max_rate = Some(records_per_second);
        self
    }

    /// Receivers, and sources of ranges such as Kafka, are slowed down to the speed of processing (default no),
    /// beginning with `initial_rate` records a second: of each receiver, and of each stream of ranges. Where none is
    /// given they begin with [`receiver_max_rate`](Self::receiver_max_rate), or 10,000 where there is none either;
    /// infinity lets the first batch have everything, as in Spark.
    pub fn backpressure(mut self, initial_rate: Option<f64>) -> Self {
        self.settings.backpressure = true;
        self.settings.backpressure_initial_rate = initial_rate;
        self
    }

    /// How back-pressure, where it is switched on, reacts to what batches tell (default: Spark's weights).
    ///
    /// With back-pressure, a receiver stream whose weights are no such numbers is refused.
    ///
    /// ```
    /// use waterclock_base::BackpressurePid;
    /// use waterclock_streaming::StreamingContext;
    /// let pid = BackpressurePid { min_rate: 10.0, ..BackpressurePid::default() };
    /// let ssc = StreamingContext::builder("slow jobs").backpressure(None).backpressure_pid(pid).build()?;
    /// assert_eq!(ssc.settings().backpressure_pid.min_rate, 10.0);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    pub fn backpressure_pid(mut self, pid: BackpressurePid) -> Self {
        self.settings.backpressure_pid = pid;
        self
    }

    /// Pause before a failed receiver starts again (default 2 s); it doubles while failures go on.
    pub fn receiver_restart_delay(mut self, delay: Duration) -> Self {
        self.settings.receiver_restart_delay = delay;
        self
    }

    /// Bound of a graceful stop's wait for batches (default: ten batch intervals, at least 10 s).
    pub fn graceful_stop_timeout(mut self, timeout: Duration) -> Self {
        self.settings.graceful_stop_timeout = Some(timeout);
        self
    }

    /// How far a file source looks back (default 60 s).
    pub fn file_min_remember(mut self, duration: Duration) -> Self {
        self.settings.file_min_remember = duration;
        self
    }

    /// Longest line of a text source in bytes (default 1 MiB); longer ones are dropped and counted.
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_line_bytes = bytes;
        self
    }

    /// Whether a persisted dataset that its stream no longer remembers is let go at once (default yes).
    /// Without, it is kept as long as the program holds it.
    pub fn unpersist(mut self, yes: bool) -> Self {
        self.settings.unpersist = yes;
        self
    }

    /// Seed of hash maps and samples (default: drawn once per context).
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = Some(seed);
        self
    }

    /// Spark's habits where ours are better (default: none).
    pub fn spark_rules(mut self, rules: SparkRules) -> Self {
        self.settings.spark_rules = rules;
        self
    }

    /// The clock, disk and network that the context lives with (default: the machine's).
    pub fn world(mut self, world: World) -> Self {
        self.world = world;
        self
    }

    /// Another clock for the same disk and network.
    #[cfg(feature = "testing")]
    pub(crate) fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.world.clock = clock;
        self
    }

    /// Everything happens in the same order every time, as far as the program lets it.
    #[cfg(feature = "testing")]
    pub(crate) fn simulated(mut self, seed: u64) -> Self {
        self.settings.inline_log = true;
        self.threads(1).seed(seed)
    }

    /// Where tasks run (default: a pool of `threads` threads in this process).
    pub fn executor(mut self, executor: Arc<dyn Executor>) -> Self {
        self.executor = Some(executor);
        self
    }

    /// Where `print` prints (default: standard output).
    pub fn print_to(mut self, printer: impl Write + Send + 'static) -> Self {
        self.printer = Arc::new(Mutex::new(printer));
        self
    }

    /// Completed batches that [`status`](StreamingContext::status) keeps (default 1,000).
    pub fn retained_batches(mut self, batches: usize) -> Self {
        self.settings.retained_batches = batches;
        self
    }

    /// Has the context watched for as long as it runs, as by a page.
    pub fn watch(mut self, watcher: impl Watcher) -> Self {
        self.watchers.push(Arc::new(watcher));
        self
    }

    /// Makes the context. Its worker threads start now, batches with
    /// [`start`](StreamingContext::start).
    ///
    /// # Errors
    /// [`Error::Duration`] or [`Error::Setting`] for a setting that can't be used; [`Error::Outside`] when
    /// the checkpoint directory can't be made; what a [watcher](Self::watch) says that can't begin.
    pub fn build(mut self) -> Result<StreamingContext> {
        self.settings.default_parallelism = self.parallelism.unwrap_or(self.settings.threads);
        let step = self.settings.latency.map(grid_step);
        self.settings.batch_interval = self.interval.or(step).unwrap_or(self.settings.batch_interval);
        check(&self.settings)?;
        let checkpoint = self.checkpoint()?;
        let resumes = self.mode != Mode::Begin;
        let mut notes = Vec::new();
        if let Some(checkpoint) = checkpoint.as_ref().filter(|checkpoint| resumes && !checkpoint.is_fresh()) {
            self.settings.seed = Some(checkpoint.seed());
            self.settings.key_groups = checkpoint.key_groups();
            let asked = self.settings.default_parallelism;
            if let Some((batch, begun)) = checkpoint.begun().filter(|(_, begun)| *begun != asked) {
                self.settings.default_parallelism = begun;
                if checkpoint.recorded().is_none() {
                    notes.push(format!(
                        "batch {batch} was begun with {begun} partitions, which this process keeps instead of \
                         {asked}; the next one that finds nothing begun, as after a graceful stop, changes them"
                    ));
                }
            }
            check(&self.settings)?;
        }
        let bus = Bus::new(Arc::new(Progress::default()));
        let events = bus.clone();
        let on_event = move |event| events.post(event);
        let engine = match self.executor {
            None => Engine::with_events(self.settings.clone(), self.world, on_event),
            Some(executor) => Engine::with_executor(self.settings.clone(), self.world, executor, on_event),
        };
        let graph = Graph::new(self.settings, engine, bus, self.printer);
        if let Some(checkpoint) = checkpoint {
            graph.set_checkpoint(checkpoint, resumes);
            graph.note(notes);
        }
        Ok(StreamingContext::from_graph(graph, prepare(self.watchers)?))
    }
}

impl Builder {
    /// The checkpoint as it is needed: to go on from, to look at, or as it was before a batch.
    fn checkpoint(&mut self) -> Result<Option<Arc<Checkpoint>>> {
        let Some(dir) = self.settings.checkpoint_dir.clone() else { return Ok(None) };
        if let Mode::Replay(batch) = self.mode {
            return Checkpoint::before(&self.world, &dir, batch).map(Some);
        }
        let Some(asked) = dry_run::asked() else {
            let open = if self.mode == Mode::Look { Checkpoint::look } else { Checkpoint::open };
            return open(&self.world, &dir, &self.settings).map(Some);
        };
        let found = Checkpoint::look(&self.world, &asked.dir, &self.settings);
        self.settings.checkpoint_dir = Some(asked.dir);
        found.map(Some).inspect_err(dry_run::failed)
    }
}

fn check(settings: &Settings) -> Result<()> {
    millis("batch_interval", settings.batch_interval)?;
    if let Some(target) = settings.latency {
        let (target, step) = (millis("latency", target)?, settings.batch_interval);
        if target < step * 2 {
            let why = format!("{target:?} is less than two steps of {step:?}, in which no batch can be over");
            return Err(Error::Setting { setting: "latency", why });
        }
    }
    millis("block_interval", settings.block_interval)?;
    millis("file_min_remember", settings.file_min_remember)?;
    at_least_one("threads", settings.threads)?;
    at_least_one("default_parallelism", settings.default_parallelism)?;
    at_least_one("concurrent_jobs", settings.concurrent_jobs)?;
    at_least_one("key_groups", settings.key_groups as usize)?;
    at_least_one("task_attempts", settings.task_attempts as usize)?;
    at_least_one("max_waiting_batches", settings.max_waiting_batches)?;
    at_least_one("max_line_bytes", settings.max_line_bytes)?;
    if settings.default_parallelism > settings.key_groups as usize {
        return Err(Error::Setting {
            setting: "default_parallelism",
            why: format!(
                "{} partitions can't share {} key groups; raise `key_groups`",
                settings.default_parallelism, settings.key_groups
            ),
        });
    }
    Ok(())
}

fn at_least_one(setting: &'static str, value: usize) -> Result<()> {
    if value > 0 {
        Ok(())
    } else {
        Err(Error::Setting { setting, why: "it is 0, and must be at least 1".into() })
    }
}

/// About a twentieth of a latency target, as a number of milliseconds that usual windows are multiples of.
fn grid_step(target: Duration) -> Duration {
    let most = (target.as_millis() / 20).max(1);
    let tens = (0..10).map(|power| 10u128.pow(power));
    let steps = tens.flat_map(|ten| [ten, 2 * ten, 5 * ten]);
    let step = steps.take_while(|step| *step <= most).last().unwrap_or(1);
    Duration::from_millis(u64::try_from(step).unwrap_or(u64::MAX))
}
