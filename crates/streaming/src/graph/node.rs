//! A stream: how its dataset of a time is made, and which of them are remembered.

use std::collections::{BTreeMap, HashSet};
use std::panic::Location;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Data, Error, Record, Result, Settings, StreamId};
use waterclock_engine::{Rdd, StorageLevel};

use super::{BatchCx, Refusal, StreamState};

/// How a stream makes its dataset of a time.
///
/// # Contract
/// 1. `compute` is called for valid times only (a whole number of slides after zero), by one thread at a
///    time, at most once for each time that is still remembered, unless it failed.
/// 2. `None` means that there is no dataset at this time, which is not the same as an empty one.
pub(crate) trait StreamCompute<T: Data>: Send + Sync + 'static {
    /// The dataset of time `t`.
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>>;

    /// The graph is about to start: its intervals are known now.
    fn begin(&self, _node: &dyn AnyNode, _settings: &Settings) {}

    /// The state that the stream keeps from batch to batch, if it does.
    fn state(&self) -> Option<&dyn StreamState> {
        None
    }

    /// Datasets of this time and before are no longer needed.
    fn forget(&self, _upto: BatchTime) {}

    /// The stream whose datasets are kept where the program asks to keep this one's, as those are only
    /// another view of them.
    fn kept_instead(&self) -> Option<&Arc<StreamNode<T>>> {
        None
    }
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// All its outputs succeeded.
    Committed,
    /// It failed and is skipped.
    Skipped,
}

/// What is fixed about a stream when it is defined.
pub(crate) struct Derive {
    pub(crate) operator: &'static str,
    pub(crate) site: &'static Location<'static>,
    pub(crate) slide: Duration,
    pub(crate) parents: Vec<Arc<dyn AnyNode>>,
    /// How much longer than itself its parents must remember.
    pub(crate) looks_back: Duration,
    /// Slides between two checkpoints, for streams that hold state.
    pub(crate) state: Option<StateKind>,
}

/// What kind of state a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateKind {
    /// Checkpointed by default at the least multiple of the slide that makes ten seconds.
    TenSeconds,
    /// Checkpointed by default every ten slides.
    TenSlides,
}

impl Derive {
    /// A stream with the slide of its first parent.
    pub(crate) fn new(
        operator: &'static str,
        site: &'static Location<'static>,
        parents: Vec<Arc<dyn AnyNode>>,
    ) -> Self {
        let slide = parents.first().map_or(Duration::ZERO, |parent| parent.slide());
        Derive { operator, site, slide, parents, looks_back: Duration::ZERO, state: None }
    }
}

/// A stream whose datasets are of `T`.
pub(crate) struct StreamNode<T: Data> {
    id: StreamId,
    info: Derive,
    refusal: Option<Refusal>,
    body: Box<dyn StreamCompute<T>>,
    name: OnceLock<String>,
    persist: Mutex<Option<Persist<T>>>,
    checkpoint_interval: Mutex<Option<Duration>>,
    remember: Mutex<Duration>,
    made: Mutex<BTreeMap<BatchTime, Option<Rdd<T>>>>,
}

/// How the stream's datasets are kept.
struct Persist<T: Data> {
    level: StorageLevel,
    /// Whether the program said so, or an operation that reads datasets more than once.
    asked: bool,
    apply: fn(&Rdd<T>, StorageLevel) -> Result<Rdd<T>>,
}

impl<T: Data> Clone for Persist<T> {
    fn clone(&self) -> Self {
        Persist { level: self.level, asked: self.asked, apply: self.apply }
    }
}

impl<T: Data> StreamNode<T> {
    pub(crate) fn new(
        id: StreamId,
        info: Derive,
        refusal: Option<Refusal>,
        body: impl StreamCompute<T>,
    ) -> Arc<Self> {
        let remember = Mutex::new(info.slide);
        Arc::new(StreamNode {
            id,
            info,
            refusal,
            body: Box::new(body),
            name: OnceLock::new(),
            persist: Mutex::default(),
            checkpoint_interval: Mutex::new(None),
            remember,
            made: Mutex::default(),
        })
    }

    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    pub(crate) fn set_name(&self, name: String) -> Result<(), String> {
        self.name.set(name)
    }

    /// The dataset of time `t`: remembered, or made now. None at times that are not the stream's.
    pub(crate) fn rdd_at(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        if !self.is_valid(t, cx.zero)? {
            return Ok(None);
        }
        if let Some(made) = lock(&self.made).get(&t) {
            return Ok(made.clone());
        }
        // Not under the lock: the program's own functions may be called.
        let made = self.body.compute(t, cx)?;
        let persist = lock(&self.persist).clone();
        if let (Some(rdd), Some(persist)) = (&made, persist) {
            (persist.apply)(rdd, persist.level)?;
        }
        Ok(lock(&self.made).entry(t).or_insert(made).clone())
    }

    fn is_valid(&self, t: BatchTime, zero: BatchTime) -> Result<bool> {
        if self.info.slide.is_zero() {
            return Err(self.cannot(t, "its slide is zero"));
        }
        Ok(t > zero && t.is_multiple_of(self.info.slide, zero))
    }

    /// The error of a stream that can't make its dataset.
    pub(crate) fn cannot(&self, time: BatchTime, why: impl Into<String>) -> Error {
        Error::Generate { time, operator: self.label(), why: why.into() }
    }

    /// The times of the datasets that are remembered.
    pub(crate) fn remembered(&self) -> Vec<BatchTime> {
        lock(&self.made).iter().filter(|(_, made)| made.is_some()).map(|(time, _)| *time).collect()
    }

    /// Where the stream's datasets are kept, if they are.
    pub(crate) fn storage_level(&self) -> Option<StorageLevel> {
        lock(&self.persist).as_ref().map(|persist| persist.level)
    }
}

impl<T: Record> StreamNode<T> {
    /// Keeps the stream's datasets at this level, as the program asks for; tells the level at which the
    /// program had them kept before, if that is another one, which then stays.
    pub(crate) fn persist(&self, level: StorageLevel) -> Result<(), StorageLevel> {
        if let Some(instead) = self.body.kept_instead() {
            return instead.persist(level);
        }
        let mut persist = lock(&self.persist);
        match &*persist {
            Some(now) if now.asked && now.level != level => Err(now.level),
            _ => {
                *persist = Some(Persist { level, asked: true, apply: keep });
                Ok(())
            }
        }
    }

    /// Keeps the stream's datasets because an operation reads them more than once; a level that the
    /// program asks for, before or after, wins.
    pub(crate) fn persist_by_default(&self, level: StorageLevel) {
        match self.body.kept_instead() {
            Some(instead) => instead.persist_by_default(level),
            None => {
                lock(&self.persist).get_or_insert(Persist { level, asked: false, apply: keep });
            }
        }
    }
}

/// Marks a dataset to be kept. One that belongs to another stream as well keeps that stream's level.
fn keep<T: Record>(rdd: &Rdd<T>, level: StorageLevel) -> Result<Rdd<T>> {
    match rdd.storage_level() {
        Some(_) => Ok(rdd.clone()),
        None => rdd.persist(level),
    }
}

/// A stream without its record type: what start, clean-up and validation see.
pub(crate) trait AnyNode: Send + Sync + 'static {
    fn id(&self) -> StreamId;
    fn info(&self) -> &Derive;
    fn name(&self) -> Option<&str>;
    fn checkpoint_interval(&self) -> Option<Duration>;
    fn set_checkpoint_interval(&self, interval: Duration);
    fn remember(&self) -> Duration;
    fn set_remember(&self, duration: Duration);
    fn begin(&self, settings: &Settings);
    /// The state that it keeps from batch to batch, if it does.
    fn state(&self) -> Option<&dyn StreamState>;
    /// Makes datasets of past times, so that they are remembered.
    fn recall(&self, times: &[BatchTime], cx: &BatchCx<'_>) -> Result<()>;
    /// Drops datasets that are older than `now` by what is remembered.
    fn forget(&self, now: BatchTime, unpersist: bool);

    fn slide(&self) -> Duration {
        self.info().slide
    }

    /// The operation and where the program calls it.
    fn operation(&self) -> String {
        format!("{} at {}", self.info().operator, self.info().site)
    }

    /// How people call it.
    fn label(&self) -> String {
        match self.name() {
            Some(name) => format!("{} ({name}) at {}", self.info().operator, self.info().site),
            None => format!("{} at {}", self.info().operator, self.info().site),
        }
    }
}

impl<T: Data> AnyNode for StreamNode<T> {
    fn id(&self) -> StreamId {
        self.id
    }

    fn info(&self) -> &Derive {
        &self.info
    }

    fn name(&self) -> Option<&str> {
        self.name.get().map(String::as_str)
    }

    fn checkpoint_interval(&self) -> Option<Duration> {
        *lock(&self.checkpoint_interval)
    }

    fn set_checkpoint_interval(&self, interval: Duration) {
        *lock(&self.checkpoint_interval) = Some(interval);
    }

    fn remember(&self) -> Duration {
        *lock(&self.remember)
    }

    fn set_remember(&self, duration: Duration) {
        let mut remember = lock(&self.remember);
        *remember = duration.max(*remember);
    }

    fn begin(&self, settings: &Settings) {
        self.body.begin(self, settings);
    }

    fn state(&self) -> Option<&dyn StreamState> {
        self.body.state()
    }

    fn recall(&self, times: &[BatchTime], cx: &BatchCx<'_>) -> Result<()> {
        times.iter().try_for_each(|t| self.rdd_at(*t, cx).map(drop))
    }

    fn forget(&self, now: BatchTime, unpersist: bool) {
        let upto = now - self.remember();
        let old = {
            let mut made = lock(&self.made);
            let kept = made.split_off(&BatchTime::from_millis(upto.as_millis() + 1));
            std::mem::replace(&mut *made, kept)
        };
        // Datasets are let go outside the lock: freeing them may take a while.
        for rdd in old.into_values().flatten() {
            if unpersist {
                rdd.unpersist();
            }
        }
        if let Some(state) = self.body.state() {
            state.forget();
        }
        self.body.forget(upto);
    }
}

/// Adds `node` and everything above it to `found`, parents first.
pub(crate) fn visit(
    node: &Arc<dyn AnyNode>,
    seen: &mut HashSet<StreamId>,
    found: &mut Vec<Arc<dyn AnyNode>>,
) {
    if seen.insert(node.id()) {
        for parent in &node.info().parents {
            visit(parent, seen, found);
        }
        found.push(node.clone());
    }
}
