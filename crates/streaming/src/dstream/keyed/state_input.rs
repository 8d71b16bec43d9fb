//! What a batch has for keyed state: its records and, in the first, the initial state.

use waterclock_base::{BatchTime, Data, Key, Record};
use waterclock_engine::{Parent, Rdd, Sink, Step, TaskCx};

use super::state_stream::StateStream;
use crate::state::Rows;

/// What a batch has for the state of a stream, spread as that is.
pub(super) struct StateInput<K: Key, V: Record, S: Record> {
    pub(super) time: BatchTime,
    pub(super) data: Option<Rdd<(K, V)>>,
    initial: Option<Rdd<(K, S)>>,
    seed: u64,
}

impl<K: Key, V: Record, S: Record> StateInput<K, V, S> {
    /// `initial` counts as long as there is no state.
    pub(super) fn new<M: Data>(
        stream: &StateStream<K, S, M>,
        time: BatchTime,
        data: Option<Rdd<(K, V)>>,
        initial: Option<&Rdd<(K, S)>>,
    ) -> Self {
        let initial = initial.filter(|_| !stream.versions.any());
        StateInput {
            time,
            data: data.map(|rdd| stream.spread(&rdd)),
            initial: initial.map(|rdd| stream.spread(rdd)),
            seed: stream.versions.store().seed(),
        }
    }

    /// What must be there before it can be read.
    pub(super) fn parents(&self) -> Vec<Parent> {
        let data = self.data.iter().map(Rdd::lineage);
        data.chain(self.initial.iter().map(Rdd::lineage)).map(Parent::Narrow).collect()
    }

    /// The values of each key of a partition, in order.
    pub(super) fn values(&self, partition: usize, cx: &TaskCx) -> Step<Rows<K, Vec<V>>> {
        grouped(self.data.as_ref(), partition, self.seed, cx)
    }

    /// The initial state of a partition, the last record of each key.
    pub(super) fn initial(
        &self,
        partition: usize,
        cx: &TaskCx,
    ) -> Step<impl Iterator<Item = (K, S)> + use<K, V, S>> {
        let last = grouped(self.initial.as_ref(), partition, self.seed, cx)?;
        Ok(last.into_rows().filter_map(|(key, mut states)| Some((key, states.pop()?))))
    }
}

fn grouped<K: Key, V: Data>(
    data: Option<&Rdd<(K, V)>>,
    partition: usize,
    seed: u64,
    cx: &TaskCx,
) -> Step<Rows<K, Vec<V>>> {
    let mut groups = Groups { cx, rows: Rows::new(seed) };
    if let Some(data) = data {
        data.compute(partition, cx, &mut groups)?;
    }
    Ok(groups.rows)
}

/// Gathers the values of each key, in order.
struct Groups<'a, K, V> {
    cx: &'a TaskCx,
    rows: Rows<K, Vec<V>>,
}

impl<K: Key, V: Data> Sink<(K, V)> for Groups<'_, K, V> {
    fn push(&mut self, chunk: &mut Vec<(K, V)>) -> Step {
        self.cx.check()?;
        for (key, value) in chunk.drain(..) {
            let hash = self.rows.hash(&key);
            match self.rows.find(hash, &key).and_then(|at| self.rows.row_mut(at)) {
                Some((_, values)) => values.push(value),
                None => {
                    self.rows.insert(hash, key, vec![value]);
                }
            }
        }
        Ok(())
    }
}
