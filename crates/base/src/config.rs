//! Settings: every number that can be set, its default and its unit.

use std::path::PathBuf;
use std::time::Duration;

/// What a context may be told. Set through the builder; this is the record of what holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The program's name, in logs and on the page.
    pub app_name: String,
    /// The batch interval; with a latency target the step of the grid that batches end on.
    pub batch_interval: Duration,
    /// How long a record may take from being received to being through its outputs (default: batches have a fixed
    /// interval, and take what it takes).
    pub latency: Option<Duration>,
    /// Worker threads (default: the machine's cores).
    pub threads: usize,
    /// Partitions of a dataset where none are given (default: `threads`).
    pub default_parallelism: usize,
    /// Key groups: the grain in which keyed state is shared out (default 1,024).
    pub key_groups: u32,
    /// Jobs that run at the same time (default 1; more give up the order of outputs).
    pub concurrent_jobs: usize,
    /// Whether every task is first tried out, twice, to see that it does the same every time (default no).
    pub check_determinism: bool,
    /// How often a task is tried before its job fails (default 4).
    pub task_attempts: u32,
    /// Whether slow tasks are run a second time (default no).
    pub speculation: bool,
    /// A task is slow when it takes this many times the median of its stage (default 1.5).
    pub speculation_multiplier: f64,
    /// The share of a stage's tasks that must have finished before any is called slow (default 0.75).
    pub speculation_quantile: f64,
    /// What happens after a failed batch (default: it is skipped; with a checkpoint: the context stops, and
    /// the next start runs it again).
    pub on_failure: Option<FailurePolicy>,
    /// Batches that may wait for their turn before further ticks are merged (default 100).
    pub max_waiting_batches: usize,
    /// Bytes for received, shuffled, cached and state data together (default: half of the machine's).
    pub memory_budget: u64,
    /// Bytes of received blocks that may wait on disk when memory is short, before receivers are held back
    /// (default: as much as `memory_budget`).
    pub received_on_disk: Option<u64>,
    /// Where blocks that do not fit in memory go (default: the system's temporary directory).
    pub spill_dir: PathBuf,
    /// Where everything is kept that a restart needs (default: nothing is kept).
    pub checkpoint_dir: Option<PathBuf>,
    /// When what was written there counts as safe.
    pub durability: Durability,
    /// Whether state and sources without a name may be kept under one that is derived from the program
    /// (default no).
    pub allow_derived_names: bool,
    /// State that is dropped from the checkpoint when the program no longer has it.
    pub forget_state: Vec<String>,
    /// Batches that are formed, at most, for the time in which the program did not run (default 1,000).
    pub max_catch_up: u32,
    /// Whether what a checkpoint holds is written by the thread that has it to say, instead of a thread of its
    /// own (default no). Slower; for simulations, in which the order of things must be the same every time.
    pub inline_log: bool,
    /// Bytes of log after which the state is written anew; where the state is larger, its own size
    /// (default 64 MiB).
    pub snapshot_after_bytes: u64,
    /// Snapshots that are kept, with the log since the oldest of them (default 2, which is the least).
    pub keep_snapshots: usize,
    /// Whether closures of `foreach_rdd` are called too when a batch is replayed (default no).
    pub replay_closures: bool,
    /// How long a receiver gathers records before it cuts a block (default 200 ms).
    pub block_interval: Duration,
    /// Records a second that one receiver may take in (default: no limit).
    pub receiver_max_rate: Option<f64>,
    /// Whether the rate of receivers and of sources of ranges follows the speed of processing (default no).
    pub backpressure: bool,
    /// Records a second before the first estimate (default: `receiver_max_rate`, and 10,000 where there is none;
    /// infinity for no limit).
    pub backpressure_initial_rate: Option<f64>,
    /// How back-pressure reacts to what batches tell.
    pub backpressure_pid: BackpressurePid,
    /// Pause before a failed receiver starts again; it doubles up to a minute while failures go on (default 2 s).
    pub receiver_restart_delay: Duration,
    /// Bound of a graceful stop's wait for batches (default: ten batch intervals, at least 10 s).
    pub graceful_stop_timeout: Option<Duration>,
    /// How far a file source looks back (default 60 s).
    pub file_min_remember: Duration,
    /// Longest line of a text source, in bytes (default 1 MiB); longer ones are dropped and counted.
    pub max_line_bytes: usize,
    /// Completed batches that the status keeps (default 1,000); counts go on beyond.
    pub retained_batches: usize,
    /// Whether datasets that nobody needs any more are dropped from the cache at once (default yes).
    pub unpersist: bool,
    /// Seed of all hash maps and samples; drawn once per application unless set.
    pub seed: Option<u64>,
    /// Spark's habits where ours are better.
    pub spark_rules: SparkRules,
}

impl Default for Settings {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Settings {
            app_name: "waterclock".into(),
            batch_interval: Duration::from_secs(1),
            latency: None,
            threads,
            default_parallelism: threads,
            key_groups: 1024,
            concurrent_jobs: 1,
            check_determinism: false,
            task_attempts: 4,
            speculation: false,
            speculation_multiplier: 1.5,
            speculation_quantile: 0.75,
            on_failure: None,
            max_waiting_batches: 100,
            memory_budget: crate::world::memory_bytes() / 2,
            received_on_disk: None,
            spill_dir: std::env::temp_dir(),
            checkpoint_dir: None,
            durability: Durability::Synced,
            allow_derived_names: false,
            forget_state: Vec::new(),
            max_catch_up: 1000,
            inline_log: false,
            snapshot_after_bytes: 64 << 20,
            keep_snapshots: 2,
            replay_closures: false,
            block_interval: Duration::from_millis(200),
            receiver_max_rate: None,
            backpressure: false,
            backpressure_initial_rate: None,
            backpressure_pid: BackpressurePid::default(),
            receiver_restart_delay: Duration::from_secs(2),
            graceful_stop_timeout: None,
            file_min_remember: Duration::from_secs(60),
            max_line_bytes: 1 << 20,
            retained_batches: 1000,
            unpersist: true,
            seed: None,
            spark_rules: SparkRules::default(),
        }
    }
}

impl Settings {
    /// Names and values of all settings, for people. None of them is secret: what connects to other systems is told
    /// its passwords in other ways.
    ///
    /// ```
    /// let shown = waterclock_base::Settings::default().shown();
    /// assert!(shown.contains(&("batch_interval".to_owned(), "1s".to_owned())));
    /// ```
    pub fn shown(&self) -> Vec<(String, String)> {
        // The derived text has one line for each field, and can't forget one.
        let text = format!("{self:#?}");
        let fields = text.lines().skip(1);
        let mut shown: Vec<(String, String)> = Vec::new();
        for line in fields.take_while(|line| *line != "}") {
            let field = line.strip_prefix("    ").filter(|field| !field.starts_with([' ', '}', ')', ']']));
            match (field.and_then(|field| field.split_once(": ")), shown.last_mut()) {
                (Some((name, value)), _) => shown.push((name.to_owned(), value.to_owned())),
                (None, Some((_, value))) => value.push_str(line.trim()),
                (None, None) => {}
            }
        }
        for (_, value) in &mut shown {
            *value = value.trim_end_matches(',').replace(",}", " }").replace(",)", ")");
        }
        shown
    }
}

/// When something counts as safe on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// When the disk says that it has it: survives a crash of the machine.
    #[default]
    Synced,
    /// When the operating system has it: survives the end of the process, however sudden, but not a crash
    /// of the machine.
    OsBuffered,
}

/// How back-pressure reacts to what batches tell: the weights of a PID controller, by the words of Spark's
/// settings. Weights are 0 or positive.
///
/// ```
/// use waterclock_base::BackpressurePid;
/// let calm = BackpressurePid { proportional: 0.5, ..BackpressurePid::default() };
/// assert_eq!((calm.proportional, calm.integral, calm.derived, calm.min_rate), (0.5, 0.2, 0.0, 100.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackpressurePid {
    /// Weight of the difference between the rate and the speed of the last batch (default 1).
    pub proportional: f64,
    /// Weight of the backlog, which the wait of the last batch shows (default 0.2).
    pub integral: f64,
    /// Weight of the change of the difference (default 0: with more, rates swing easily).
    pub derived: f64,
    /// Records a second below which the rate never goes (default 100); more than 0.
    pub min_rate: f64,
}

impl Default for BackpressurePid {
    fn default() -> Self {
        BackpressurePid { proportional: 1.0, integral: 0.2, derived: 0.0, min_rate: 100.0 }
    }
}

/// What the context does when a batch fails after all attempts of its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// The error goes to `await_termination`, state is as before the batch, the next batch runs.
    Skip,
    /// The batch is run again up to this many times, then skipped.
    Retry {
        /// How many more times.
        times: u32,
    },
    /// The context stops; `await_termination` returns the error.
    Stop,
}

/// Switches that bring back a habit of Spark Streaming where ours is better. All are off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SparkRules {
    /// One partition for each received block, however many there are, instead of at most
    /// `default_parallelism`.
    pub one_partition_per_block: bool,
    /// Only one context of the process may be active.
    pub single_active: bool,
    /// State and inverse windows refuse to start without a checkpoint directory; one that is given after
    /// `start` is ignored.
    pub checkpoint_for_state: bool,
    /// `map_with_state` looks for time-outs only at multiples of its checkpoint interval (ten slides by
    /// default), not in every batch.
    pub timeout_at_checkpoint: bool,
    /// Every tick forms a batch of its own, however many wait.
    pub one_batch_per_tick: bool,
    /// A window of length zero is accepted (always empty), a slide of zero fails every batch instead of
    /// the definition, and zero partitions are accepted (nothing comes out).
    pub accept_zero: bool,
    /// A failed `start` leaves the context stopped for good, instead of letting the program mend it.
    pub failed_start_stops: bool,
    /// A graceful stop lets two more batches be formed, not only the one that takes what was received.
    pub stop_after_second_tick: bool,
    /// A batch is formed for every interval in which the program did not run, however many they are.
    pub form_every_missed_batch: bool,
}

impl SparkRules {
    /// Every habit at once: what the conformance tool runs with.
    pub fn all() -> Self {
        SparkRules {
            one_partition_per_block: true,
            single_active: true,
            checkpoint_for_state: true,
            timeout_at_checkpoint: true,
            one_batch_per_tick: true,
            accept_zero: true,
            failed_start_stops: true,
            stop_after_second_tick: true,
            form_every_missed_batch: true,
        }
    }
}
