//! The tasks that make a new version of the state.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Data, Error, Key, Record, Result, StageId, key_hash};
use waterclock_engine::{
    Claim, Compute, Engine, Halt, Parent, Sink, StageOutput, Step, TaskCx, TaskOutput, lend_all,
};

use super::{Delta, Pin, StateStore, View, saved};

/// What a task of a state stage makes: the delta, and records that it emits on the way.
pub(crate) struct Updated<K, S, M> {
    pub(crate) delta: Delta<K, S>,
    pub(crate) emitted: Vec<M>,
}

/// What a task hands over: its update, and the delta's rows written down where a checkpoint wants them.
struct Made<K, S, M> {
    updated: Updated<K, S, M>,
    saved: Option<Vec<u8>>,
}

/// What is there of a version, partition by partition.
struct Finished<M> {
    emitted: Arc<Vec<M>>,
    saved: Option<Vec<u8>>,
}

/// How the state of a partition changes in one batch. It must only answer: the task may run several times.
pub(crate) trait Update<K: Key, S: Record, M: Data>: Send + Sync + 'static {
    /// What its tasks read, besides the state.
    fn parents(&self) -> Vec<Parent>;
    /// Makes the delta of a partition from what is before.
    fn update(&self, partition: usize, before: &View<'_, K, S>, cx: &TaskCx) -> Step<Updated<K, S, M>>;
}

/// Makes one version of a stream's state.
pub(crate) struct StateStage<K: Key, S: Record, M: Data> {
    id: StageId,
    operator: &'static str,
    site: &'static Location<'static>,
    time: BatchTime,
    store: Arc<StateStore<K, S>>,
    /// The version before, where that is not made yet.
    before: RwLock<Option<Arc<StateStage<K, S, M>>>>,
    update: Box<dyn Update<K, S, M>>,
    finished: Mutex<Vec<Option<Finished<M>>>>,
    claim: Claim,
}

impl<K: Key, S: Record, M: Data> StateStage<K, S, M> {
    pub(crate) fn new(
        engine: &Engine,
        operator: &'static str,
        site: &'static Location<'static>,
        time: BatchTime,
        store: Arc<StateStore<K, S>>,
        before: Option<Arc<StateStage<K, S, M>>>,
        update: impl Update<K, S, M>,
    ) -> Arc<Self> {
        let finished = (0..store.partitions()).map(|_| None).collect();
        Arc::new(StateStage {
            id: engine.next_stage_id(),
            operator,
            site,
            time,
            store,
            before: RwLock::new(before),
            update: Box::new(update),
            finished: Mutex::new(finished),
            claim: Claim::default(),
        })
    }

    /// Cuts the chain: this version is the state, or never will be.
    pub(crate) fn settle(&self) {
        *self.before.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The records that a task emitted.
    fn emitted(&self, partition: usize) -> Step<Arc<Vec<M>>> {
        let finished = lock(&self.finished);
        let of_task = finished.get(partition).and_then(Option::as_ref);
        of_task.map(|finished| finished.emitted.clone()).ok_or(Halt::Missing)
    }

    /// The version.
    pub(crate) fn time(&self) -> BatchTime {
        self.time
    }

    /// What each partition changed, written down; once.
    pub(crate) fn take_saved(&self) -> Vec<(usize, Vec<u8>)> {
        let mut finished = lock(&self.finished);
        let saved = |of_task: &mut Option<Finished<M>>| of_task.as_mut()?.saved.take();
        let all = finished.iter_mut().enumerate();
        all.filter_map(|(partition, of_task)| Some((partition, saved(of_task)?))).collect()
    }
}

impl<K: Key, S: Record, M: Data> StageOutput for StateStage<K, S, M> {
    fn id(&self) -> StageId {
        self.id
    }

    fn operator(&self) -> Cow<'static, str> {
        self.operator.into()
    }

    fn site(&self) -> &'static Location<'static> {
        self.site
    }

    fn parents(&self) -> Vec<Parent> {
        let before = self.before.read().unwrap_or_else(PoisonError::into_inner);
        let before = before.clone().map(|stage| Parent::Stage(stage as Arc<dyn StageOutput>));
        self.update.parents().into_iter().chain(before).collect()
    }

    fn tasks(&self) -> usize {
        self.store.partitions()
    }

    fn missing(&self) -> Vec<usize> {
        let finished = lock(&self.finished);
        (0..finished.len()).filter(|&partition| finished[partition].is_none()).collect()
    }

    fn run(&self, partition: usize, cx: &TaskCx) -> Step<TaskOutput> {
        // Everything strictly before this batch.
        let before = BatchTime::from_millis(self.time.as_millis() - 1);
        let view = self.store.view(partition, before);
        let updated = self.update.update(partition, &view, cx)?;
        // Here and not when the batch is over, so that all workers share the effort.
        let saved = self.store.is_saved().then(|| saved::write(&updated.delta)).transpose()?;
        Ok(Box::new(Made { updated, saved }))
    }

    /// What is emitted can't always be written, so that it is only counted.
    fn rehearse(&self, partition: usize, cx: &TaskCx) -> Step<Option<u64>> {
        let before = BatchTime::from_millis(self.time.as_millis() - 1);
        let updated = self.update.update(partition, &self.store.view(partition, before), cx)?;
        Ok(Some(key_hash(&(saved::hash(&updated.delta), updated.emitted.len()))))
    }

    fn install(&self, partition: usize, output: TaskOutput) -> Result<()> {
        let wrong = || Error::Internal { what: format!("the state of {} got another delta", self.operator) };
        let made = output.downcast::<Made<K, S, M>>().map_err(|_| wrong())?;
        self.store.install(partition, made.updated.delta);
        let finished = Finished { emitted: Arc::new(made.updated.emitted), saved: made.saved };
        *lock(&self.finished).get_mut(partition).ok_or_else(wrong)? = Some(finished);
        Ok(())
    }

    fn claim(&self) -> &Claim {
        &self.claim
    }

    fn bytes(&self) -> Option<u64> {
        let finished = lock(&self.finished);
        let bytes = |of_task: &Option<Finished<M>>| Some(size_of_val(&of_task.as_ref()?.emitted[..]) as u64);
        finished.iter().try_fold(0, |sum, of_task| Some(sum + bytes(of_task)?))
    }
}

/// The records that a state stage emitted, as a dataset.
pub(crate) struct Emitted<K: Key, S: Record, M: Data>(pub(crate) Arc<StateStage<K, S, M>>);

impl<K: Key, S: Record, M: Data> Compute<M> for Emitted<K, S, M> {
    fn compute(&self, partition: usize, _cx: &TaskCx, out: &mut dyn Sink<M>) -> Step {
        lend_all(&self.0.emitted(partition)?, out)
    }
}

/// The whole state after a batch, as a dataset: of each key what `show` makes of its state, if anything.
pub(crate) struct Snapshot<K: Key, S: Record, M: Data, F> {
    pub(crate) pin: Pin<K, S>,
    /// Kept so that the version is made before it is read.
    pub(crate) stage: Arc<StateStage<K, S, M>>,
    pub(crate) show: F,
}

impl<K, S, M, O, F> Compute<O> for Snapshot<K, S, M, F>
where
    K: Key,
    S: Record,
    M: Data,
    O: Data,
    F: Fn(&K, &S) -> Option<O> + Send + Sync + 'static,
{
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<O>) -> Step {
        self.stage.emitted(partition)?;
        let view = self.pin.view(partition);
        let mut chunk = Vec::with_capacity(waterclock_engine::CHUNK);
        view.for_each(|_, key, entry| {
            chunk.extend((self.show)(key, &entry.state));
            if chunk.len() >= waterclock_engine::CHUNK {
                cx.check()?;
                out.push(&mut chunk)?;
            }
            Ok(())
        })?;
        if chunk.is_empty() { Ok(()) } else { out.push(&mut chunk) }
    }
}
