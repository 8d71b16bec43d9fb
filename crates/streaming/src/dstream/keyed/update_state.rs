//! `update_state_by_key`: a state for each key, made anew for every key in every batch.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{BatchTime, Data, Key, Record, Result};
use waterclock_engine::{Parent, Rdd, Step, TaskCx};

use super::StateOptions;
use super::state_input::StateInput;
use super::state_stream::{StateStream, snapshot};
use crate::dstream::DStream;
use crate::graph::{BatchCx, StateKind, StreamCompute, StreamNode, StreamState};
use crate::state::{Change, Changed, Delta, Entry, Rows, StateStage, Update, Updated, View};

/// # Pairs: state across batches
impl<K: Data, V: Data> DStream<(K, V)> {
    /// A state for each key: after each batch `f` makes it from the batch's values of the key, in order, and
    /// the state before. The result has every key with its state, in every batch.
    ///
    /// `f` is called for *every* key that has a state, with no values where the batch has none; answering
    /// `None` removes the key. Cost is in proportion to all keys:
    /// [`map_with_state`](DStream::map_with_state) touches only those of the batch. A time without a dataset
    /// counts as a batch without values.
    ///
    /// # Recovery
    /// A batch that fails leaves the state as it was. `f` may be called again for the same batch and must be
    /// a function of its arguments.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream_unordered;
    /// check_stream_unordered(
    ///     vec![vec![(7, 1), (8, 2)], vec![], vec![(7, 3)]],
    ///     |s| s.update_state_by_key(|new: Vec<i32>, old: Option<i32>| {
    ///         Some(old.unwrap_or(0) + new.iter().sum::<i32>())
    ///     }),
    ///     vec![vec![(7, 1), (8, 2)], vec![(7, 1), (8, 2)], vec![(7, 4), (8, 2)]],
    /// );
    /// ```
    #[track_caller]
    pub fn update_state_by_key<S: Record>(
        &self,
        f: impl Fn(Vec<V>, Option<S>) -> Option<S> + Send + Sync + 'static,
    ) -> DStream<(K, S)>
    where
        K: Key,
        V: Record,
    {
        self.update_state_as(Location::caller(), StateOptions::new(), move |_, _, new, old| f(new, old))
    }

    /// [`update_state_by_key`](DStream::update_state_by_key) with options.
    #[track_caller]
    pub fn update_state_by_key_with<S: Record>(
        &self,
        f: impl Fn(Vec<V>, Option<S>) -> Option<S> + Send + Sync + 'static,
        options: StateOptions<K, S>,
    ) -> DStream<(K, S)>
    where
        K: Key,
        V: Record,
    {
        self.update_state_as(Location::caller(), options, move |_, _, new, old| f(new, old))
    }

    /// [`update_state_by_key`](DStream::update_state_by_key) whose function also learns the batch time and
    /// the key.
    #[track_caller]
    pub fn update_state_by_key_at<S: Record>(
        &self,
        f: impl Fn(BatchTime, &K, Vec<V>, Option<S>) -> Option<S> + Send + Sync + 'static,
        options: StateOptions<K, S>,
    ) -> DStream<(K, S)>
    where
        K: Key,
        V: Record,
    {
        self.update_state_as(Location::caller(), options, f)
    }

    fn update_state_as<S: Record>(
        &self,
        site: &'static Location<'static>,
        options: StateOptions<K, S>,
        f: impl Fn(BatchTime, &K, Vec<V>, Option<S>) -> Option<S> + Send + Sync + 'static,
    ) -> DStream<(K, S)>
    where
        K: Key,
        V: Record,
    {
        let operator = "update_state_by_key";
        let partitioner = options.resolve(&self.graph.engine);
        let stream = StateStream::new(operator, site, partitioner, &self.graph.engine, false);
        let (parent, rule) = (self.node.clone(), Arc::new(EveryKey(f)));
        let body = UpdateState { parent, stream, initial: options.initial, rule };
        let mut info = self.derived(operator, site);
        info.state = Some(StateKind::TenSeconds);
        self.define(info, body)
    }
}

/// How the state of a partition is made anew in a batch.
pub(super) trait UpdateRule<K: Key, V: Record, S: Record>: Send + Sync + 'static {
    /// What changes, given the state before, the batch's values, and the initial state in the first batch.
    fn delta(
        &self,
        time: BatchTime,
        before: &View<'_, K, S>,
        values: Rows<K, Vec<V>>,
        initial: impl Iterator<Item = (K, S)>,
        cx: &TaskCx,
    ) -> Step<Delta<K, S>>;
}

/// The stream of a state that a rule makes anew in every batch.
pub(super) struct UpdateState<K: Key, V: Record, S: Record, R> {
    pub(super) parent: Arc<StreamNode<(K, V)>>,
    pub(super) stream: StateStream<K, S, ()>,
    pub(super) initial: Option<Rdd<(K, S)>>,
    pub(super) rule: Arc<R>,
}

impl<K, V, S, R> StreamCompute<(K, S)> for UpdateState<K, V, S, R>
where
    K: Key,
    V: Record,
    S: Record,
    R: UpdateRule<K, V, S>,
{
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<(K, S)>>> {
        let slide = crate::graph::AnyNode::slide(&*self.parent);
        let versions = &self.stream.versions;
        let made = versions.at(t, cx.zero, slide, |time, before| self.version(time, before, cx))?;
        let show = |key: &K, state: &S| Some((key.clone(), state.clone()));
        Ok(made.map(|stage| snapshot(&self.stream, stage, t, cx.engine, show)))
    }

    fn state(&self) -> Option<&dyn StreamState> {
        Some(&self.stream)
    }
}

impl<K: Key, V: Record, S: Record, R: UpdateRule<K, V, S>> UpdateState<K, V, S, R> {
    /// The stage of one version. A time without a dataset begins no state.
    fn version(
        &self,
        time: BatchTime,
        before: Option<Arc<StateStage<K, S, ()>>>,
        cx: &BatchCx<'_>,
    ) -> Result<Option<Arc<StateStage<K, S, ()>>>> {
        let data = self.parent.rdd_at(time, cx)?;
        if data.is_none() && !self.stream.versions.any() {
            return Ok(None);
        }
        let input = StateInput::new(&self.stream, time, data, self.initial.as_ref());
        let update = UpdateAll { input, rule: self.rule.clone() };
        Ok(Some(self.stream.stage(time, before, cx.engine, update)))
    }
}

/// Runs the rule for a partition.
struct UpdateAll<K: Key, V: Record, S: Record, R> {
    input: StateInput<K, V, S>,
    rule: Arc<R>,
}

impl<K, V, S, R> Update<K, S, ()> for UpdateAll<K, V, S, R>
where
    K: Key,
    V: Record,
    S: Record,
    R: UpdateRule<K, V, S>,
{
    fn parents(&self) -> Vec<Parent> {
        self.input.parents()
    }

    fn update(&self, partition: usize, before: &View<'_, K, S>, cx: &TaskCx) -> Step<Updated<K, S, ()>> {
        let (values, initial) = (self.input.values(partition, cx)?, self.input.initial(partition, cx)?);
        let delta = self.rule.delta(self.input.time, before, values, initial, cx)?;
        Ok(Updated { delta, emitted: Vec::new() })
    }
}

/// The function is called for every key.
struct EveryKey<F>(F);

impl<K, V, S, F> UpdateRule<K, V, S> for EveryKey<F>
where
    K: Key,
    V: Record,
    S: Record,
    F: Fn(BatchTime, &K, Vec<V>, Option<S>) -> Option<S> + Send + Sync + 'static,
{
    fn delta(
        &self,
        time: BatchTime,
        before: &View<'_, K, S>,
        mut values: Rows<K, Vec<V>>,
        initial: impl Iterator<Item = (K, S)>,
        cx: &TaskCx,
    ) -> Step<Delta<K, S>> {
        let mut delta = before.delta(time);
        let mut change = |at: Option<u32>, key: &K, new: Vec<V>, old: Option<S>| {
            let known = old.is_some();
            let change = match (self.0)(time, key, new, old) {
                Some(state) => Change::Set(Entry { state, touched: time }),
                None if known => Change::Removed,
                None => return,
            };
            delta.rows.insert(delta.rows.hash(key), key.clone(), Changed { at, change });
        };
        before.for_each(|at, key, entry| {
            cx.check()?;
            change(at, key, take(&mut values, key), Some(entry.state.clone()));
            Ok(())
        })?;
        for (key, state) in initial {
            change(None, &key, take(&mut values, &key), Some(state));
        }
        for (key, values) in values.into_rows() {
            change(None, &key, values, None);
        }
        Ok(delta)
    }
}

/// The values of a key, taken out of the groups.
pub(super) fn take<K: Key, V>(groups: &mut Rows<K, Vec<V>>, key: &K) -> Vec<V> {
    let at = groups.find(groups.hash(key), key);
    at.and_then(|at| groups.remove(at)).map_or_else(Vec::new, |(_, values)| values)
}
