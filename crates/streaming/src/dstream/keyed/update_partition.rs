//! `update_state_by_partition`: the state of a whole partition, made anew in every batch.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{BatchTime, Key, Record, Result};
use waterclock_engine::{Parent, Rdd, Step, TaskCx};

use super::StateOptions;
use super::state_stream::{StateStream, snapshot};
use super::update_state::{grouped, last_of_each, take};
use crate::dstream::DStream;
use crate::graph::{AnyNode, BatchCx, Settled, StateKind, StreamCompute, StreamNode};
use crate::state::{Change, Changed, Entry, StateStage, Update, Updated, View};

impl<K: Key, V: Record> DStream<(K, V)> {
    /// A state for each key, as [`update_state_by_key`](DStream::update_state_by_key), made by one call for
    /// each partition and batch: `f(batch time, rows)` is given every key with the batch's values and the
    /// state before, and answers with every key that has a state from now on. A key that it leaves out is
    /// removed.
    ///
    /// ```
    /// use waterclock_streaming::StateOptions;
    /// use waterclock_streaming::testing::check_stream_unordered;
    /// check_stream_unordered(
    ///     vec![vec![(7, 1), (8, 2)], vec![(7, 3)]],
    ///     |s| s.update_state_by_partition(
    ///         |_, rows| rows.into_iter().map(|(key, new, old): (i32, Vec<i32>, Option<i32>)| {
    ///             (key, old.unwrap_or(0) + new.iter().sum::<i32>())
    ///         }).collect::<Vec<_>>(),
    ///         StateOptions::new(),
    ///     ),
    ///     vec![vec![(7, 1), (8, 2)], vec![(7, 4), (8, 2)]],
    /// );
    /// ```
    #[track_caller]
    pub fn update_state_by_partition<S: Record, I: IntoIterator<Item = (K, S)>>(
        &self,
        f: impl Fn(BatchTime, Vec<(K, Vec<V>, Option<S>)>) -> I + Send + Sync + 'static,
        options: StateOptions<K, S>,
    ) -> DStream<(K, S)> {
        let (operator, site) = ("update_state_by_partition", Location::caller());
        let partitioner = options.resolve(&self.graph.engine);
        let stream = StateStream::new(operator, site, partitioner, &self.graph.engine, false);
        let f = Arc::new(move |t, rows| f(t, rows).into_iter().collect());
        let body = ByPartition { parent: self.node.clone(), stream, initial: options.initial, f };
        let mut info = self.derived(operator, site);
        info.state = Some(StateKind::TenSeconds);
        self.define(info, body)
    }
}

type Rows3<K, V, S> = Vec<(K, Vec<V>, Option<S>)>;
type Function<K, V, S> = Arc<dyn Fn(BatchTime, Rows3<K, V, S>) -> Vec<(K, S)> + Send + Sync>;

struct ByPartition<K: Key, V: Record, S: Record> {
    parent: Arc<StreamNode<(K, V)>>,
    stream: StateStream<K, S, ()>,
    initial: Option<Rdd<(K, S)>>,
    f: Function<K, V, S>,
}

impl<K: Key, V: Record, S: Record> StreamCompute<(K, S)> for ByPartition<K, V, S> {
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<(K, S)>>> {
        let versions = &self.stream.versions;
        let made =
            versions.at(t, cx.zero, self.parent.slide(), |time, before| self.version(time, before, cx))?;
        let show = |key: &K, state: &S| Some((key.clone(), state.clone()));
        Ok(made.map(|stage| snapshot(&self.stream, stage, t, cx.engine, show)))
    }

    fn settle(&self, t: BatchTime, how: Settled) {
        self.stream.versions.settle(t, how);
    }

    fn forget(&self, _upto: BatchTime) {
        self.stream.versions.forget();
    }
}

impl<K: Key, V: Record, S: Record> ByPartition<K, V, S> {
    fn version(
        &self,
        time: BatchTime,
        before: Option<Arc<StateStage<K, S, ()>>>,
        cx: &BatchCx<'_>,
    ) -> Result<Option<Arc<StateStage<K, S, ()>>>> {
        let data = self.parent.rdd_at(time, cx)?;
        let begins = !self.stream.versions.any();
        if data.is_none() && begins {
            return Ok(None);
        }
        let update = Whole {
            time,
            seed: self.stream.versions.store().seed(),
            data: data.map(|rdd| self.stream.spread(&rdd)),
            initial: self.initial.as_ref().filter(|_| begins).map(|rdd| self.stream.spread(rdd)),
            f: self.f.clone(),
        };
        Ok(Some(self.stream.stage(time, before, cx.engine, update)))
    }
}

/// Runs the function once for a partition.
struct Whole<K: Key, V: Record, S: Record> {
    time: BatchTime,
    seed: u64,
    data: Option<Rdd<(K, V)>>,
    initial: Option<Rdd<(K, S)>>,
    f: Function<K, V, S>,
}

impl<K: Key, V: Record, S: Record> Update<K, S, ()> for Whole<K, V, S> {
    fn parents(&self) -> Vec<Parent> {
        let data = self.data.iter().map(Rdd::lineage);
        data.chain(self.initial.iter().map(Rdd::lineage)).map(Parent::Narrow).collect()
    }

    fn update(&self, partition: usize, before: &View<'_, K, S>, cx: &TaskCx) -> Step<Updated<K, S, ()>> {
        let mut groups = grouped(self.data.as_ref(), partition, self.seed, cx)?;
        let mut rows = Vec::new();
        before.for_each(|_, key, entry| {
            rows.push((key.clone(), take(&mut groups, key), Some(entry.state.clone())));
            Ok(())
        })?;
        for (key, state) in last_of_each(self.initial.as_ref(), partition, self.seed, cx)? {
            let values = take(&mut groups, &key);
            rows.push((key, values, Some(state)));
        }
        rows.extend(groups.into_rows().map(|(key, values)| (key, values, None)));
        // What the function leaves out is gone: the delta begins from scratch.
        let mut delta = before.delta(self.time);
        delta.from_scratch = true;
        for (key, state) in (self.f)(self.time, rows) {
            let hash = delta.rows.hash(&key);
            let change = Change::Set(Entry { state, touched: self.time });
            match delta.rows.find(hash, &key).and_then(|at| delta.rows.row_mut(at)) {
                Some((_, changed)) => changed.change = change,
                None => {
                    delta.rows.insert(hash, key, Changed { at: None, change });
                }
            }
        }
        Ok(Updated { delta, emitted: Vec::new() })
    }
}
