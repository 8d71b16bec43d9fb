//! The streaming context: what a program defines its streams in, starts and stops.

mod accumulator;
mod builder;
mod dry_run;
mod replay;
mod resume;
mod start;
mod start_report;
mod stop;
mod watch;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[cfg(doc)]
use waterclock_base::Error;
use waterclock_base::world::lock;
use waterclock_base::{BatchTime, BoxError, Listener, Result, Settings, Status, Watcher, millis};
use waterclock_engine::Engine;

use crate::batch::Waiters;
use crate::checkpoint::Checkpoint;
use crate::graph::Graph;

pub use builder::Builder;
pub use replay::{Replay, ReplayOutcome, Replayed};
pub use start_report::{Fate, PartKind, StartPart, StartReport};
pub use stop::Stop;

/// Where a context is in its life. It never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextState {
    /// Streams are being defined.
    Initialized,
    /// Batches run.
    Active,
    /// Over.
    Stopped,
}

/// What a program defines its streams in, then starts.
///
/// Handles are cheap to clone and all mean the same context. When the last one is dropped, the context
/// stops without finishing what waits.
///
/// ```no_run
/// use std::time::Duration;
/// use waterclock_streaming::StreamingContext;
///
/// let ssc = StreamingContext::builder("lines").batch_interval(Duration::from_millis(100)).build()?;
/// ssc.socket_text_stream("127.0.0.1:9999")?.count().print();
/// ssc.start()?;
/// ssc.await_termination()?;
/// # Ok::<(), waterclock_base::Error>(())
/// ```
#[derive(Clone)]
pub struct StreamingContext {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) graph: Arc<Graph>,
    pub(crate) waiters: Arc<Waiters>,
    /// A stop has come so far that no source takes in data any more.
    pub(crate) sources_stopped: AtomicBool,
    life: Mutex<Life>,
    running: Mutex<Option<start::Running>>,
}

/// The state, and whether somebody is at changing it.
struct Life {
    state: ContextState,
    stopping: bool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.halt(Stop::Now);
    }
}

/// # About the context
impl StreamingContext {
    /// Begins to make a context for the program of this name.
    pub fn builder(app_name: impl Into<String>) -> Builder {
        Builder::new(app_name)
    }

    /// Goes on from the checkpoint in `dir`, or begins one there.
    ///
    /// `create` is the program, and is always called: it is given a builder that knows the checkpoint, makes
    /// the context with it and defines streams and outputs. The checkpoint holds what the program can't say
    /// again: state, what batches read, what is still to be run; never code. The time grid, the seed of hash
    /// maps and the number of key groups are the checkpoint's, everything else is the program's.
    ///
    /// After `start`, batches that were begun and not finished are run again with the same input; then
    /// batches are formed for the time in which the program did not run: one for each interval, or
    /// [`max_catch_up`](Builder::max_catch_up) where those are more, which share the time evenly.
    ///
    /// Every source and every stream with state needs a name, see [`DStream::named`](crate::DStream::named). So the
    /// program may change: what a new release would do with a checkpoint is told by [`dry_run`](Self::dry_run), and
    /// state of another type is read by [`migrate`](crate::DStream::migrate).
    ///
    /// # Errors
    /// What `create` returns; [`Error::Checkpoint`] when another process has the directory or when what is in
    /// it is damaged; [`Error::Outside`] when it can't be read.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use waterclock_streaming::StreamingContext;
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path().join("checkpoint");
    /// let ssc = StreamingContext::get_or_create(dir, |builder| {
    ///     let ssc = builder.app_name("lines").batch_interval(Duration::from_millis(100)).build()?;
    ///     let lines = ssc.text_file_stream("/var/spool/messages")?.named("messages");
    ///     lines.words().count_by_value().print();
    ///     Ok(ssc)
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_or_create(
        dir: impl Into<PathBuf>,
        create: impl FnOnce(Builder) -> Result<Self, BoxError>,
    ) -> Result<Self> {
        let builder = match replay::asked_for()? {
            None => Builder::resuming(dir.into()),
            Some((batch, asked)) => Builder::replaying(asked.unwrap_or_else(|| dir.into()), batch),
        };
        let created = replay::created("get_or_create", builder, create);
        created.inspect_err(dry_run::failed)
    }

    /// The context of this process that is active with the checkpoint in `dir`, or else
    /// [`get_or_create`](Self::get_or_create): for code that may be run again while its batches go on, as in a
    /// notebook. `create` is then not called, and whoever needs a stream or an output must have kept it.
    ///
    /// The directory is compared as it is written.
    ///
    /// # Errors
    /// As `get_or_create`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_base::BoxError;
    /// # use waterclock_streaming::{Builder, ContextState, Stop};
    /// use waterclock_streaming::StreamingContext;
    /// # fn program(builder: Builder) -> Result<StreamingContext, BoxError> {
    /// #     let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
    /// #     ssc.queue_stream(vec![vec![1u32]]).named("in").print();
    /// #     Ok(ssc)
    /// # }
    /// # let dir = tempfile::tempdir()?;
    /// let ssc = StreamingContext::get_active_or_create(dir.path(), program)?;
    /// ssc.start()?;
    /// let same = StreamingContext::get_active_or_create(dir.path(), program)?;
    /// assert_eq!(same.state(), ContextState::Active);
    /// # ssc.stop(Stop::Now)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_active_or_create(
        dir: impl Into<PathBuf>,
        create: impl FnOnce(Builder) -> Result<Self, BoxError>,
    ) -> Result<Self> {
        let dir = dir.into();
        match start::active_with(&dir) {
            Some(active) => Ok(active),
            None => Self::get_or_create(dir, create),
        }
    }

    pub(crate) fn from_graph(graph: Arc<Graph>, watchers: Vec<Arc<dyn Watcher>>) -> Self {
        graph.bus.watched_by(watchers);
        let life = Life { state: ContextState::Initialized, stopping: false };
        let inner = Inner {
            graph,
            waiters: Arc::default(),
            sources_stopped: AtomicBool::new(false),
            life: Mutex::new(life),
            running: Mutex::default(),
        };
        StreamingContext { inner: Arc::new(inner) }
    }

    /// The engine that runs its jobs; also for datasets that no stream makes.
    pub fn engine(&self) -> &Engine {
        &self.inner.graph.engine
    }

    /// What it was set to.
    pub fn settings(&self) -> &Settings {
        &self.inner.graph.settings
    }

    /// Where it is in its life.
    pub fn state(&self) -> ContextState {
        lock(&self.inner.life).state
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        self.inner.graph.status()
    }

    /// Whether every operation so far was possible.
    ///
    /// # Errors
    /// The first one that was refused and that [`DStream::checked`](crate::DStream::checked) was not asked
    /// about.
    pub fn check(&self) -> Result<()> {
        self.inner.graph.first_refusal().map_or(Ok(()), Err)
    }

    /// Keeps every dataset for at least `duration`, as `slice` needs. Once.
    ///
    /// # Errors
    /// [`Error::Duration`], or [`Error::Setting`] at a second call.
    pub fn remember(&self, duration: Duration) -> Result<()> {
        self.inner.graph.set_remember(millis("remember", duration)?)
    }

    /// Keeps everything that a restart needs in this directory, which is made if need be, and locks it for
    /// this process. See [`get_or_create`](Self::get_or_create), which goes on from what is there.
    ///
    /// Key groups and the seed of hash maps are those of this context; a directory that has a checkpoint of
    /// an earlier run is refused by `start`.
    ///
    /// # Errors
    /// [`Error::Outside`] when the directory can't be made or read; [`Error::Checkpoint`] when another
    /// process has it, or when it is damaged; [`Error::Lifecycle`] after `start`.
    pub fn checkpoint(&self, dir: impl Into<PathBuf>) -> Result<()> {
        let graph = &self.inner.graph;
        if let Err(late) = graph.may_define("checkpoint") {
            // Spark takes note of the directory and does nothing with it.
            return if self.settings().spark_rules.checkpoint_for_state { Ok(()) } else { Err(late) };
        }
        let (world, settings) = (self.engine().world(), self.settings());
        let checkpoint = match dry_run::asked() {
            Some(asked) => Checkpoint::look(world, &asked.dir, settings),
            None => Checkpoint::open(world, &dir.into(), settings),
        };
        graph.set_checkpoint(checkpoint?, false);
        Ok(())
    }

    /// Has `listener` called for everything that happens, on a thread of its own, in order.
    ///
    /// A listener that can't keep up loses events; it never holds up a batch. Answers with a number for
    /// [`remove_listener`](Self::remove_listener).
    pub fn add_listener(&self, listener: impl Listener) -> u64 {
        self.inner.graph.bus.add(Arc::new(listener))
    }

    /// Stops calling a listener.
    pub fn remove_listener(&self, number: u64) {
        self.inner.graph.bus.remove(number);
    }

    /// Waits until the context stops, or until a batch fails: then the error is returned, again at each
    /// later call, while the context goes on.
    ///
    /// # Errors
    /// The first failure of a batch or of an operation. A receiver that fails is started again, and tells
    /// listeners and [`status`](Self::status) instead.
    pub fn await_termination(&self) -> Result<()> {
        self.inner.waiters.wait_for_end(None).map(|_| ())
    }

    /// The same for at most `timeout` of real time; false when that passed.
    ///
    /// # Errors
    /// As [`await_termination`](Self::await_termination).
    pub fn await_termination_for(&self, timeout: Duration) -> Result<bool> {
        self.inner.waiters.wait_for_end(Some(timeout))
    }

    /// The time before the first batch, once it was started.
    pub fn zero_time(&self) -> Option<BatchTime> {
        self.inner.graph.zero()
    }
}
