//! `update_state_by_partition`: the state of a whole partition, made anew in every batch.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{BatchTime, Key, Record};
use waterclock_engine::{Step, TaskCx};

use super::StateOptions;
use super::state_stream::StateStream;
use super::update_state::{UpdateRule, UpdateState, take};
use crate::dstream::DStream;
use crate::graph::StateKind;
use crate::state::{Change, Changed, Delta, Entry, Rows, View};

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
        let rule = Arc::new(WholePartition(move |t, rows| f(t, rows).into_iter().collect()));
        let body = UpdateState { parent: self.node.clone(), stream, initial: options.initial, rule };
        let mut info = self.derived(operator, site);
        info.state = Some(StateKind::TenSeconds);
        self.define(info, body)
    }
}

/// The function is called once for a partition.
struct WholePartition<F>(F);

impl<K, V, S, F> UpdateRule<K, V, S> for WholePartition<F>
where
    K: Key,
    V: Record,
    S: Record,
    F: Fn(BatchTime, Vec<(K, Vec<V>, Option<S>)>) -> Vec<(K, S)> + Send + Sync + 'static,
{
    fn delta(
        &self,
        time: BatchTime,
        before: &View<'_, K, S>,
        mut values: Rows<K, Vec<V>>,
        initial: impl Iterator<Item = (K, S)>,
        _cx: &TaskCx,
    ) -> Step<Delta<K, S>> {
        let mut rows = Vec::new();
        before.for_each(|_, key, entry| {
            rows.push((key.clone(), take(&mut values, key), Some(entry.state.clone())));
            Ok(())
        })?;
        for (key, state) in initial {
            let new = take(&mut values, &key);
            rows.push((key, new, Some(state)));
        }
        rows.extend(values.into_rows().map(|(key, values)| (key, values, None)));
        // What the function leaves out is gone: the delta begins from scratch.
        let mut delta = before.delta(time);
        delta.from_scratch = true;
        for (key, state) in (self.0)(time, rows) {
            let hash = delta.rows.hash(&key);
            let change = Change::Set(Entry { state, touched: time });
            match delta.rows.find(hash, &key).and_then(|at| delta.rows.row_mut(at)) {
                Some((_, changed)) => changed.change = change,
                None => {
                    delta.rows.insert(hash, key, Changed { at: None, change });
                }
            }
        }
        Ok(delta)
    }
}
