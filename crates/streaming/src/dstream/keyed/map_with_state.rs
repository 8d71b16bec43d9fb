//! `map_with_state`: a state for each key, touched only where a batch has records of the key.

use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Data, Key, Record, Result, millis};
use waterclock_engine::{Parent, Rdd, Sink, Step, TaskCx};

use super::state_input::StateInput;
use super::state_spec::Now;
use super::state_stream::{StateStream, emitted, snapshot};
use super::{State, StateSpec};
use crate::dstream::DStream;
use crate::graph::{AnyNode, BatchCx, StateKind, StreamCompute, StreamNode, StreamState};
use crate::state::{Change, Changed, Delta, Entry, StateStage, Update, Updated, View};

impl<K: Data, V: Data> DStream<(K, V)> {
    /// Calls a function with each record and the state of its key; gives what the function answers, in the
    /// order of the records, and behind them what it answers for keys that time out.
    ///
    /// Only keys of the batch are touched, so cost follows the batch, not the number of keys. Several
    /// records of a key are handled one after the other. A time without a dataset counts as an empty batch.
    /// The whole state is the stream [`state_snapshots`](MapWithState::state_snapshots).
    ///
    /// # Recovery
    /// A batch that fails leaves the state as it was. The function may be called again for the same batch
    /// and must be a function of its arguments.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// use waterclock_streaming::{State, StateSpec};
    /// check_stream(
    ///     vec![vec![(7, 1), (7, 2)], vec![(7, 3)]],
    ///     |s| {
    ///         let spec = StateSpec::function(|_, key: &i32, value: Option<i32>, state: &mut State<'_, i32>| {
    ///             let total = state.get().copied().unwrap_or(0) + value?;
    ///             state.update(total);
    ///             Some((*key, total))
    ///         });
    ///         s.map_with_state(spec.partitions(1)).stream()
    ///     },
    ///     vec![vec![(7, 1), (7, 3)], vec![(7, 6)]],
    /// );
    /// ```
    #[track_caller]
    pub fn map_with_state<S, M, F>(&self, spec: StateSpec<K, S, F>) -> MapWithState<K, S, M>
    where
        K: Key,
        V: Record,
        S: Record,
        M: Data,
        F: Fn(BatchTime, &K, Option<V>, &mut State<'_, S>) -> Option<M> + Send + Sync + 'static,
    {
        let (operator, site) = ("map_with_state", Location::caller());
        let (graph, rules) = (&self.graph, self.graph.settings.spark_rules);
        let possible = match spec.timeout {
            Some(idle) if !(rules.accept_zero && idle.is_zero()) => millis("timeout", idle).map(|_| ()),
            _ => Ok(()),
        };
        let partitioner = spec.options.resolve(&graph.engine);
        let stream = StateStream::new(operator, site, partitioner, &graph.engine, spec.timeout.is_some());
        let core = Arc::new(Core {
            parent: self.node.clone(),
            stream,
            initial: spec.options.initial,
            timeout: spec.timeout,
            look: Mutex::new(None),
            f: Arc::new(spec.function),
        });
        let mut info = self.derived(operator, site);
        info.state = Some(StateKind::TenSlides);
        let possible = possible.map_err(|error| error.to_string());
        let mapped = self.define_if(info, possible, Mapped { core: core.clone() });
        let mut info = self.derived("state_snapshots", site);
        // The mapped stream is a parent so that both settle, and look for time-outs, together.
        info.parents.push(mapped.parent());
        info.state = Some(StateKind::TenSlides);
        let snapshots = Snapshots { mapped: mapped.node.clone(), core };
        let snapshots =
            crate::dstream::define(graph, info, Ok(()), mapped.node.refusal().cloned(), snapshots);
        MapWithState { mapped, snapshots }
    }
}

/// The streams that [`map_with_state`](DStream::map_with_state) makes.
pub struct MapWithState<K: Key, S: Record, M: Data> {
    mapped: DStream<M>,
    snapshots: DStream<(K, S)>,
}

impl<K: Key, S: Record, M: Data> MapWithState<K, S, M> {
    /// What the function answered: nothing, or one record, for each record and each time-out.
    pub fn stream(&self) -> DStream<M> {
        self.mapped.clone()
    }

    /// Every key with its state, in every batch from the first.
    pub fn state_snapshots(&self) -> DStream<(K, S)> {
        self.snapshots.clone()
    }

    /// Gives the state a name, under which it outlives the process; see [`DStream::named`].
    #[must_use = "the answer is the named state"]
    pub fn named(self, name: impl Into<String>) -> Self {
        self.mapped(|mapped| mapped.named(name))
    }

    /// The same with something said of the mapped stream, whose the state is.
    pub(crate) fn mapped(self, say: impl FnOnce(DStream<M>) -> DStream<M>) -> Self {
        MapWithState { mapped: say(self.mapped), snapshots: self.snapshots }
    }

    /// Sets Spark's checkpoint interval: a multiple of the slide (default: ten slides). What batches change is
    /// written down in every batch here; with `SparkRules::timeout_at_checkpoint` the interval decides when idle
    /// keys are looked for.
    #[track_caller]
    pub fn checkpoint(self, interval: Duration) -> Self {
        self.mapped.checkpoint(interval);
        self
    }

    /// The streams, or why they were refused; see [`DStream::checked`].
    ///
    /// # Errors
    /// The error of the operation, or of one above it.
    pub fn checked(self) -> Result<Self> {
        let mapped = self.mapped.checked()?;
        Ok(MapWithState { mapped, snapshots: self.snapshots })
    }
}

/// What both streams work on.
struct Core<K: Key, V: Record, S: Record, M: Data, F> {
    parent: Arc<StreamNode<(K, V)>>,
    stream: StateStream<K, S, M>,
    initial: Option<Rdd<(K, S)>>,
    timeout: Option<Duration>,
    /// How often idle keys are looked for, where not in every batch.
    look: Mutex<Option<Duration>>,
    f: Arc<F>,
}

impl<K, V, S, M, F> Core<K, V, S, M, F>
where
    K: Key,
    V: Record,
    S: Record,
    M: Data,
    F: Fn(BatchTime, &K, Option<V>, &mut State<'_, S>) -> Option<M> + Send + Sync + 'static,
{
    fn stage_at(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Arc<StateStage<K, S, M>>>> {
        let slide = self.parent.slide();
        self.stream.versions.at(t, cx.zero, slide, |time, before| self.version(time, before, cx).map(Some))
    }

    fn version(
        &self,
        time: BatchTime,
        before: Option<Arc<StateStage<K, S, M>>>,
        cx: &BatchCx<'_>,
    ) -> Result<Arc<StateStage<K, S, M>>> {
        let data = self.parent.rdd_at(time, cx)?;
        let look = *lock(&self.look);
        let looks = look.is_none_or(|interval| time.is_multiple_of(interval, cx.zero));
        let update = Touch {
            input: StateInput::new(&self.stream, time, data, self.initial.as_ref()),
            refreshes: self.timeout.is_some(),
            threshold: self.timeout.filter(|_| looks).map(|idle| time - idle),
            f: self.f.clone(),
        };
        Ok(self.stream.stage(time, before, cx.engine, update))
    }
}

struct Mapped<K: Key, V: Record, S: Record, M: Data, F> {
    core: Arc<Core<K, V, S, M, F>>,
}

impl<K, V, S, M, F> StreamCompute<M> for Mapped<K, V, S, M, F>
where
    K: Key,
    V: Record,
    S: Record,
    M: Data,
    F: Fn(BatchTime, &K, Option<V>, &mut State<'_, S>) -> Option<M> + Send + Sync + 'static,
{
    fn begin(&self, node: &dyn AnyNode, settings: &waterclock_base::Settings) {
        if settings.spark_rules.timeout_at_checkpoint {
            *lock(&self.core.look) = node.checkpoint_interval().or(Some(node.slide() * 10));
        }
    }

    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<M>>> {
        Ok(self.core.stage_at(t, cx)?.map(|stage| emitted(&self.core.stream, stage, cx.engine)))
    }

    fn state(&self) -> Option<&dyn StreamState> {
        Some(&self.core.stream)
    }
}

struct Snapshots<K: Key, V: Record, S: Record, M: Data, F> {
    mapped: Arc<StreamNode<M>>,
    core: Arc<Core<K, V, S, M, F>>,
}

impl<K, V, S, M, F> StreamCompute<(K, S)> for Snapshots<K, V, S, M, F>
where
    K: Key,
    V: Record,
    S: Record,
    M: Data,
    F: Fn(BatchTime, &K, Option<V>, &mut State<'_, S>) -> Option<M> + Send + Sync + 'static,
{
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<(K, S)>>> {
        // Asked for, so that the version of `t` exists.
        self.mapped.rdd_at(t, cx)?;
        let show = |key: &K, state: &S| Some((key.clone(), state.clone()));
        let stage = self.core.stage_at(t, cx)?;
        Ok(stage.map(|stage| snapshot(&self.core.stream, stage, t, cx.engine, show)))
    }

    fn forget(&self, _upto: BatchTime) {
        self.core.stream.versions.forget();
    }
}

/// Touches the keys of a batch, and those that time out.
struct Touch<K: Key, V: Record, S: Record, F> {
    input: StateInput<K, V, S>,
    /// Whether a look alone counts as a touch: where there is a time-out.
    refreshes: bool,
    /// Keys that were last touched before this time out now.
    threshold: Option<BatchTime>,
    f: Arc<F>,
}

impl<K, V, S, M, F> Update<K, S, M> for Touch<K, V, S, F>
where
    K: Key,
    V: Record,
    S: Record,
    M: Data,
    F: Fn(BatchTime, &K, Option<V>, &mut State<'_, S>) -> Option<M> + Send + Sync + 'static,
{
    fn parents(&self) -> Vec<Parent> {
        self.input.parents()
    }

    fn update(&self, partition: usize, before: &View<'_, K, S>, cx: &TaskCx) -> Step<Updated<K, S, M>> {
        let mut delta = before.delta(self.input.time);
        for (key, state) in self.input.initial(partition, cx)? {
            let change = Change::Set(Entry { state, touched: self.input.time });
            delta.rows.insert(delta.rows.hash(&key), key, Changed { at: None, change });
        }
        let mut toucher = Toucher { rule: self, before, cx, delta, emitted: Vec::new() };
        if let Some(data) = &self.input.data {
            data.compute(partition, cx, &mut toucher)?;
        }
        toucher.time_out()?;
        Ok(Updated { delta: toucher.delta, emitted: toucher.emitted })
    }
}

struct Toucher<'a, 'v, K: Key, V: Record, S: Record, M, F> {
    rule: &'a Touch<K, V, S, F>,
    before: &'a View<'v, K, S>,
    cx: &'a TaskCx,
    delta: Delta<K, S>,
    emitted: Vec<M>,
}

impl<K, V, S, M, F> Toucher<'_, '_, K, V, S, M, F>
where
    K: Key,
    V: Record,
    S: Record,
    M: Data,
    F: Fn(BatchTime, &K, Option<V>, &mut State<'_, S>) -> Option<M> + Send + Sync + 'static,
{
    /// Calls the function for one record.
    fn touch(&mut self, key: K, value: V) -> Step {
        let (hash, time) = (self.delta.rows.hash(&key), self.rule.input.time);
        if let Some(at) = self.delta.rows.find(hash, &key) {
            if let Some((key, changed)) = self.delta.rows.row_mut(at) {
                let old = match &changed.change {
                    Change::Set(entry) => Some(&entry.state),
                    Change::Removed => None,
                    Change::Same => self.before.find(hash, key).1.map(|entry| &entry.state),
                };
                let mut state = State::new(old, false);
                self.emitted.extend((self.rule.f)(time, key, Some(value), &mut state));
                let now = state.into_now()?;
                match now {
                    Now::AsBefore => {}
                    Now::Updated(state) => changed.change = Change::Set(Entry { state, touched: time }),
                    Now::Removed => changed.change = Change::Removed,
                }
            }
            return Ok(());
        }
        let (at, old) = self.before.find(hash, &key);
        let mut state = State::new(old.map(|entry| &entry.state), false);
        self.emitted.extend((self.rule.f)(time, &key, Some(value), &mut state));
        let change = match state.into_now()? {
            Now::AsBefore => match old {
                Some(entry) if self.rule.refreshes => {
                    Change::Set(Entry { state: entry.state.clone(), touched: time })
                }
                _ => Change::Same,
            },
            Now::Updated(state) => Change::Set(Entry { state, touched: time }),
            Now::Removed => Change::Removed,
        };
        self.delta.rows.insert(hash, key, Changed { at, change });
        Ok(())
    }

    /// Calls the function for every key that is idle for too long, and removes it.
    fn time_out(&mut self) -> Step {
        let Some(threshold) = self.rule.threshold else { return Ok(()) };
        let mut idle = Vec::new();
        self.before.for_each_untouched(threshold, |key, entry| {
            let touched_now = self.delta.rows.find(self.delta.rows.hash(key), key).is_some();
            if !touched_now {
                idle.push((key.clone(), entry.state.clone()));
            }
        });
        for (key, old) in idle {
            self.cx.check()?;
            let mut state = State::new(Some(&old), true);
            self.emitted.extend((self.rule.f)(self.rule.input.time, &key, None, &mut state));
            state.into_now()?;
            let hash = self.delta.rows.hash(&key);
            let (at, _) = self.before.find(hash, &key);
            self.delta.rows.insert(hash, key, Changed { at, change: Change::Removed });
        }
        self.delta.expired = Some(threshold);
        Ok(())
    }
}

impl<K, V, S, M, F> Sink<(K, V)> for Toucher<'_, '_, K, V, S, M, F>
where
    K: Key,
    V: Record,
    S: Record,
    M: Data,
    F: Fn(BatchTime, &K, Option<V>, &mut State<'_, S>) -> Option<M> + Send + Sync + 'static,
{
    fn push(&mut self, chunk: &mut Vec<(K, V)>) -> Step {
        self.cx.check()?;
        chunk.drain(..).try_for_each(|(key, value)| self.touch(key, value))
    }
}
