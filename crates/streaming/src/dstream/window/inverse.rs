//! Windows that are kept up to date: what enters is added, what leaves is taken out again.

use std::any::Any;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use waterclock_base::{BatchTime, Data, Error, Key, Record, Result, Schema, SchemaField, decode};
use waterclock_engine::{Keyed, Parent, Rdd, Sink, Step, StorageLevel, TaskCx};

use super::bounds::{Asked, Bounds};
use crate::dstream::DStream;
use crate::dstream::keyed::{StateStream, snapshot};
use crate::graph::{AnyNode, BatchCx, StateKind, StreamCompute, StreamNode, StreamState};
use crate::state::{Change, Changed, Delta, Entry, Migration, StateStage, Update, Updated, View};

/// # Pairs: windows, incremental
///
/// Cost follows what enters and leaves, however long the window is. `inverse` must undo `f`:
/// `inverse(f(x, y), y) == x`.
impl<K: Data, V: Data> DStream<(K, V)> {
    /// At each slide, the values of each key in the window combined by `f`: added as they enter, taken out by
    /// `inverse` as they leave.
    ///
    /// A key that was ever seen stays, with what is left when all its values are gone (0 for a sum); see
    /// [`reduce_by_key_and_window_inverse_filtered`](DStream::reduce_by_key_and_window_inverse_filtered).
    /// The first windows, which are not full, are shown; batches without a dataset count as empty.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterclock_streaming::testing::check_stream;
    /// let (window, slide) = (Duration::from_secs(2), Duration::from_secs(1));
    /// check_stream(
    ///     vec![vec![(7, 1)], vec![(7, 2)], vec![], vec![]],
    ///     |s| s.reduce_by_key_and_window_inverse(|a, b| a + b, |a, b| a - b, window, slide),
    ///     vec![vec![(7, 1)], vec![(7, 3)], vec![(7, 2)], vec![(7, 0)]],
    /// );
    /// ```
    #[track_caller]
    pub fn reduce_by_key_and_window_inverse(
        &self,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        inverse: impl Fn(V, V) -> V + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
    ) -> DStream<(K, V)>
    where
        K: Key,
        V: Record,
    {
        self.reduce_by_key_and_window_inverse_with(f, inverse, length, slide, Keyed::new())
    }

    /// [`reduce_by_key_and_window_inverse`](DStream::reduce_by_key_and_window_inverse) with options.
    #[track_caller]
    pub fn reduce_by_key_and_window_inverse_with(
        &self,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        inverse: impl Fn(V, V) -> V + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
        options: Keyed<K>,
    ) -> DStream<(K, V)>
    where
        K: Key,
        V: Record,
    {
        let asked = Asked { call: "reduce_by_key_and_window_inverse", site: Location::caller() };
        self.inverse_window(asked, Rule { f, inverse, keep: None }, length, slide, options)
    }

    /// [`reduce_by_key_and_window_inverse`](DStream::reduce_by_key_and_window_inverse) that shows only keys
    /// for which `keep` is true, and forgets a key once no value of it is in the window and `keep` is false.
    ///
    /// (Spark forgets a key as soon as `keep` is false, and fails when values of it leave the window later.)
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterclock_engine::Keyed;
    /// use waterclock_streaming::testing::check_stream;
    /// let second = Duration::from_secs(1);
    /// check_stream(
    ///     vec![vec![(7, 1)], vec![]],
    ///     |s| s.reduce_by_key_and_window_inverse_filtered(
    ///         |a, b| a + b, |a, b| a - b, |_, sum| *sum != 0, second, second, Keyed::new()),
    ///     vec![vec![(7, 1)], vec![]],
    /// );
    /// ```
    #[track_caller]
    pub fn reduce_by_key_and_window_inverse_filtered(
        &self,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        inverse: impl Fn(V, V) -> V + Send + Sync + 'static,
        keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
        options: Keyed<K>,
    ) -> DStream<(K, V)>
    where
        K: Key,
        V: Record,
    {
        let asked = Asked { call: "reduce_by_key_and_window_inverse_filtered", site: Location::caller() };
        self.inverse_window(asked, Rule { f, inverse, keep: Some(Box::new(keep)) }, length, slide, options)
    }

    /// The incremental window that all others are made of.
    pub(super) fn inverse_window<F, I>(
        &self,
        asked: Asked,
        rule: Rule<K, V, F, I>,
        length: Duration,
        slide: Duration,
        options: Keyed<K>,
    ) -> DStream<(K, V)>
    where
        K: Key,
        V: Record,
        F: Fn(V, V) -> V + Send + Sync + 'static,
        I: Fn(V, V) -> V + Send + Sync + 'static,
    {
        let Asked { call, site } = asked;
        let rules = self.graph.settings.spark_rules;
        let (possible, bounds) = match Bounds::new(asked, length, slide, self.node.slide(), rules) {
            Ok(bounds) => (Ok(()), bounds),
            Err(error) => (Err(error), Bounds::of_refused(self.node.slide())),
        };
        let options = self.shared(options);
        let partitioner = options.resolve(&self.graph.engine);
        let rule = Arc::new(rule);
        let add = rule.clone();
        let reduced = self.reduce_as(call, site, options, move |a, b| (add.f)(a, b));
        reduced.node.persist_by_default(StorageLevel::MemoryOnly);
        let stream = StateStream::new(call, site, partitioner, &self.graph.engine, false).lifting(in_window);
        let mut info = reduced.derived(call, site);
        info.slide = bounds.slide;
        // What leaves the window was in the one before.
        info.looks_back = bounds.length + bounds.slide;
        info.state = Some(StateKind::TenSeconds);
        let body = Inverse { reduced: reduced.node.clone(), bounds, stream, rule };
        crate::dstream::define(&self.graph, info, possible, reduced.node.refusal().cloned(), body)
    }
}

/// Which keys a window shows and keeps.
pub(super) type KeepRule<K, V> = Box<dyn Fn(&K, &V) -> bool + Send + Sync>;

/// The program's functions.
pub(super) struct Rule<K, V, F, I> {
    pub(super) f: F,
    pub(super) inverse: I,
    pub(super) keep: Option<KeepRule<K, V>>,
}

/// The value of a key in the window.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Serialize", deserialize = "V: Deserialize<'de>"))]
struct InWindow<V> {
    /// Empty only while a function has it.
    value: Option<V>,
    /// How many batches of the window have the key.
    batches: u32,
}

/// A migration of the program's values is one of values in a window.
fn in_window<V: Record>(migration: Box<dyn Any>) -> Option<Migration<InWindow<V>>> {
    let of_value: Box<Migration<V>> = migration.downcast().ok()?;
    let around = |value| {
        let value = SchemaField::new("value", Schema::Option(Box::new(value)));
        let batches = Schema::Integer { signed: false, bits: 32 };
        Schema::Struct(vec![value, SchemaField::new("batches", batches)])
    };
    Some(of_value.within(around, |read, bytes| {
        let value = if decode(bytes)? { Some(read(bytes)?) } else { None };
        Ok(InWindow { value, batches: decode(bytes)? })
    }))
}

struct Inverse<K: Key, V: Record, F, I> {
    reduced: Arc<StreamNode<(K, V)>>,
    bounds: Bounds,
    stream: StateStream<K, InWindow<V>, ()>,
    rule: Arc<Rule<K, V, F, I>>,
}

type Stage<K, V> = Arc<StateStage<K, InWindow<V>, ()>>;

impl<K, V, F, I> StreamCompute<(K, V)> for Inverse<K, V, F, I>
where
    K: Key,
    V: Record,
    F: Fn(V, V) -> V + Send + Sync + 'static,
    I: Fn(V, V) -> V + Send + Sync + 'static,
{
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<(K, V)>>> {
        let versions = &self.stream.versions;
        let made = versions
            .at(t, cx.zero, self.bounds.slide, |time, before| self.version(time, before, cx).map(Some))?;
        let rule = self.rule.clone();
        let show = move |key: &K, state: &InWindow<V>| {
            let value = state.value.as_ref()?;
            let shown = rule.keep.as_ref().is_none_or(|keep| keep(key, value));
            shown.then(|| (key.clone(), value.clone()))
        };
        Ok(made.map(|stage| snapshot(&self.stream, stage, t, cx.engine, show)))
    }

    fn state(&self) -> Option<&dyn StreamState> {
        Some(&self.stream)
    }
}

impl<K, V, F, I> Inverse<K, V, F, I>
where
    K: Key,
    V: Record,
    F: Fn(V, V) -> V + Send + Sync + 'static,
    I: Fn(V, V) -> V + Send + Sync + 'static,
{
    /// The stage of one window: what the one before lacks enters, what it has too much leaves. Where the one
    /// before was not made (its batch failed), the window is made from scratch.
    fn version(&self, time: BatchTime, before: Option<Stage<K, V>>, cx: &BatchCx<'_>) -> Result<Stage<K, V>> {
        let (versions, slide) = (&self.stream.versions, self.bounds.slide);
        let newest = versions.newest();
        let follows = newest.filter(|newest| versions.follows(time, *newest, slide));
        let now: Vec<BatchTime> = self.bounds.times(time, cx.zero).collect();
        let then: Vec<BatchTime> =
            follows.map_or_else(Vec::new, |before| self.bounds.times(before, cx.zero).collect());
        let datasets = |times: &[BatchTime], without: &[BatchTime]| -> Result<Vec<Rdd<(K, V)>>> {
            let times = times.iter().filter(|t| !without.contains(t));
            times.filter_map(|t| self.reduced.rdd_at(*t, cx).transpose()).collect()
        };
        let update = Slide {
            time,
            leaving: datasets(&then, &now)?,
            entering: datasets(&now, &then)?,
            from_scratch: newest.is_some() && follows.is_none(),
            rule: self.rule.clone(),
            operator: self.stream.operator,
        };
        Ok(self.stream.stage(time, before, cx.engine, update))
    }
}

/// Moves the window of a partition on by one slide.
struct Slide<K: Key, V: Record, F, I> {
    time: BatchTime,
    leaving: Vec<Rdd<(K, V)>>,
    entering: Vec<Rdd<(K, V)>>,
    from_scratch: bool,
    rule: Arc<Rule<K, V, F, I>>,
    operator: &'static str,
}

impl<K, V, F, I> Update<K, InWindow<V>, ()> for Slide<K, V, F, I>
where
    K: Key,
    V: Record,
    F: Fn(V, V) -> V + Send + Sync + 'static,
    I: Fn(V, V) -> V + Send + Sync + 'static,
{
    fn parents(&self) -> Vec<Parent> {
        self.leaving.iter().chain(&self.entering).map(|rdd| Parent::Narrow(rdd.lineage())).collect()
    }

    fn update(
        &self,
        partition: usize,
        before: &View<'_, K, InWindow<V>>,
        cx: &TaskCx,
    ) -> Step<Updated<K, InWindow<V>, ()>> {
        let mut delta = before.delta(self.time);
        delta.from_scratch = self.from_scratch;
        let mut slider = Slider { slide: self, before, cx, delta, leaving: true };
        for rdd in &self.leaving {
            rdd.compute(partition, cx, &mut slider)?;
        }
        slider.leaving = false;
        for rdd in &self.entering {
            rdd.compute(partition, cx, &mut slider)?;
        }
        let mut delta = slider.delta;
        if let Some(keep) = &self.rule.keep {
            delta.rows.for_each_mut(|key, changed| {
                if let Change::Set(Entry { state: InWindow { value: Some(value), batches: 0 }, .. }) =
                    &changed.change
                    && !keep(key, value)
                {
                    changed.change = Change::Removed;
                }
            });
        }
        Ok(Updated { delta, emitted: Vec::new() })
    }
}

struct Slider<'a, 'v, K: Key, V: Record, F, I> {
    slide: &'a Slide<K, V, F, I>,
    before: &'a View<'v, K, InWindow<V>>,
    cx: &'a TaskCx,
    delta: Delta<K, InWindow<V>>,
    leaving: bool,
}

impl<K, V, F, I> Slider<'_, '_, K, V, F, I>
where
    K: Key,
    V: Record,
    F: Fn(V, V) -> V + Send + Sync + 'static,
    I: Fn(V, V) -> V + Send + Sync + 'static,
{
    /// The key's value in the window, taken from the one before when the key is met first.
    fn state(&mut self, key: &K) -> Option<&mut InWindow<V>> {
        let rows = &mut self.delta.rows;
        let hash = rows.hash(key);
        let row = match rows.find(hash, key) {
            Some(row) => row,
            None => {
                let (at, entry) =
                    if self.slide.from_scratch { (None, None) } else { self.before.find(hash, key) };
                let state = entry.map_or(InWindow { value: None, batches: 0 }, |entry| entry.state.clone());
                let change = Change::Set(Entry { state, touched: self.slide.time });
                rows.insert(hash, key.clone(), Changed { at, change })
            }
        };
        match &mut rows.row_mut(row)?.1.change {
            Change::Set(entry) => Some(&mut entry.state),
            Change::Removed | Change::Same => None,
        }
    }

    fn take_in(&mut self, key: &K, value: V) -> Step {
        let (slide, leaving) = (self.slide, self.leaving);
        let Some(state) = self.state(key) else { return Ok(()) };
        state.value = match (state.value.take(), leaving) {
            (Some(sofar), true) => Some((slide.rule.inverse)(sofar, value)),
            (Some(sofar), false) => Some((slide.rule.f)(sofar, value)),
            (None, false) => Some(value),
            (None, true) => return Err(unstable_key(slide.operator).into()),
        };
        state.batches = if leaving { state.batches.saturating_sub(1) } else { state.batches + 1 };
        Ok(())
    }
}

fn unstable_key(call: &'static str) -> Error {
    let why = "a value leaves the window whose key never entered it: two equal keys must compare, hash and \
               serialise alike, and not change";
    Error::Action { call, why: why.into() }
}

impl<K, V, F, I> Sink<(K, V)> for Slider<'_, '_, K, V, F, I>
where
    K: Key,
    V: Record,
    F: Fn(V, V) -> V + Send + Sync + 'static,
    I: Fn(V, V) -> V + Send + Sync + 'static,
{
    fn push(&mut self, chunk: &mut Vec<(K, V)>) -> Step {
        self.cx.check()?;
        chunk.drain(..).try_for_each(|(key, value)| self.take_in(&key, value))
    }

    fn lend(&mut self, records: &[&(K, V)]) -> Step {
        self.cx.check()?;
        records.iter().try_for_each(|(key, value)| self.take_in(key, value.clone()))
    }
}
