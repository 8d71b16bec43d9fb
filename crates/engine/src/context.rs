//! The engine: worker threads, memory, and what jobs are started with.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use waterclock_base::world::{World, lock, random_seed};
use waterclock_base::{Data, Event, JobId, RddId, Settings, StageId};

use crate::block::Memory;
use crate::executor::Executor;
use crate::job::Jobs;
use crate::shared::{Accumulator, Broadcast};
use crate::task::ThreadPool;

/// Runs jobs over datasets: the thing that one is made from. Handles are cheap to clone; the worker
/// threads end when the last handle and the last dataset are gone.
///
/// ```
/// use waterclock_engine::Engine;
/// let engine = Engine::local(2);
/// assert_eq!(engine.parallelize((1u64..=100).collect(), 4).sum()?, 5050);
/// # Ok::<(), waterclock_base::Error>(())
/// ```
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    world: World,
    executor: Arc<dyn Executor>,
    memory: Memory,
    jobs: Jobs,
    seed: u64,
    next: AtomicU64,
    warned: Mutex<HashSet<String>>,
    on_event: Box<dyn Fn(Event) + Send + Sync>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.executor.shut_down();
    }
}

impl Engine {
    /// An engine in this process with this many worker threads and otherwise default settings.
    pub fn local(threads: usize) -> Self {
        let mut settings = Settings::default();
        settings.threads = threads.max(1);
        settings.default_parallelism = settings.threads;
        Engine::new(settings, World::real())
    }

    /// An engine in this process.
    pub fn new(settings: Settings, world: World) -> Self {
        Engine::with_events(settings, world, |_| {})
    }

    /// An engine in this process that tells `on_event` what is worth knowing.
    pub fn with_events(
        settings: Settings,
        world: World,
        on_event: impl Fn(Event) + Send + Sync + 'static,
    ) -> Self {
        let executor = Arc::new(ThreadPool::new(settings.threads));
        Engine::with_executor(settings, world, executor, on_event)
    }

    /// An engine whose tasks run wherever `executor` runs them.
    pub fn with_executor(
        settings: Settings,
        world: World,
        executor: Arc<dyn Executor>,
        on_event: impl Fn(Event) + Send + Sync + 'static,
    ) -> Self {
        let inner = Inner {
            memory: Memory::new(settings.memory_budget, settings.spill_dir.clone(), world.disk.clone()),
            seed: settings.seed.unwrap_or_else(random_seed),
            settings,
            world,
            executor,
            jobs: Jobs::default(),
            next: AtomicU64::new(0),
            warned: Mutex::default(),
            on_event: Box::new(on_event),
        };
        Engine { inner: Arc::new(inner) }
    }

    /// What it was set to.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The seams to the world.
    pub fn world(&self) -> &World {
        &self.inner.world
    }

    /// The account of memory.
    pub fn memory(&self) -> &Memory {
        &self.inner.memory
    }

    /// The seed of hash maps and samples.
    pub fn seed(&self) -> u64 {
        self.inner.seed
    }

    pub(crate) fn executor(&self) -> &Arc<dyn Executor> {
        &self.inner.executor
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.inner.jobs
    }

    /// As many partitions as `partitions`, but no more than can be filled by key group.
    pub(crate) fn keyed_partitions(&self, partitions: usize) -> usize {
        partitions.min(self.settings().key_groups as usize)
    }

    /// Tells whoever listens.
    pub fn tell(&self, event: Event) {
        (self.inner.on_event)(event);
    }

    /// Tells whoever listens, the first time only that `what` comes up.
    pub fn warn_once(&self, what: &str, event: impl FnOnce() -> Event) {
        if lock(&self.inner.warned).insert(what.to_owned()) {
            self.tell(event());
        }
    }

    fn next(&self) -> u64 {
        self.inner.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A number for a dataset that is being defined, for bodies that need to know it: see
    /// [`Define::build_with`](crate::Define::build_with).
    pub fn next_rdd_id(&self) -> RddId {
        RddId(self.next())
    }

    pub(crate) fn next_job_id(&self) -> JobId {
        JobId(self.next())
    }

    /// A number for a stage that is being defined.
    pub fn next_stage_id(&self) -> StageId {
        StageId(self.next())
    }

    /// A value that every task can read.
    pub fn broadcast<T>(&self, value: T) -> Broadcast<T> {
        Broadcast::new(value)
    }

    /// A value that tasks add to; `add` is called at the driver, once for each value of each finished task.
    pub fn accumulator<A: Data, V: Send + 'static>(
        &self,
        name: impl Into<String>,
        zero: A,
        add: impl Fn(&mut A, V) + Send + Sync + 'static,
    ) -> Accumulator<A, V> {
        Accumulator::new(self.next(), name.into(), zero, add)
    }

    /// Calls off every job that runs or waits; their actions return
    /// [`Error::Cancelled`](waterclock_base::Error::Cancelled).
    pub fn cancel_all_jobs(&self) {
        self.inner.jobs.cancel_all();
    }

    /// Calls off one job.
    pub fn cancel_job(&self, job: JobId) {
        self.inner.jobs.cancel(job);
    }
}
