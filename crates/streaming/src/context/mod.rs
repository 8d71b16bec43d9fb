//! The streaming context: what a program defines its streams in, starts and stops.

mod builder;
mod resume;
mod start;
mod stop;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, BoxError, Error, Listener, Result, Settings, Status, millis};
use waterclock_engine::Engine;

use crate::batch::Waiters;
use crate::checkpoint::Checkpoint;
use crate::graph::Graph;

pub use builder::Builder;
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
    /// Every source and every stream with state needs a name, see [`DStream::named`](crate::DStream::named).
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
        create(Builder::resuming(dir.into())).map_err(|error| match error.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => Error::user("get_or_create", None, other),
        })
    }

    pub(crate) fn from_graph(graph: Arc<Graph>) -> Self {
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
        let mut status = self.inner.graph.bus.progress().snapshot();
        let (settings, memory) = (self.settings(), self.engine().memory());
        status.app_name = settings.app_name.clone();
        status.batch_interval_ms = u64::try_from(settings.batch_interval.as_millis()).unwrap_or(u64::MAX);
        status.memory_used = memory.used();
        status.memory = self.inner.graph.memory_status();
        status.spilled_bytes = memory.spilled();
        status
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
        graph.set_checkpoint(Checkpoint::open(self.engine().world(), &dir.into(), self.settings())?, false);
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
