//! The versions of a stream's state, batch by batch: which exist, which must be made first, which were skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::world::lock;
use waterclock_base::{BatchInterval, BatchTime, Data, Key, Record, Result};

use super::{StateStage, StateStore};
use crate::graph::Settled;

/// The versions that a state stream is at.
pub(crate) struct Versions<K: Key, S: Record, M: Data> {
    store: Arc<StateStore<K, S>>,
    state: Mutex<State<K, S, M>>,
}

struct State<K: Key, S: Record, M: Data> {
    /// Made and not yet settled, oldest first.
    open: BTreeMap<BatchTime, Arc<StateStage<K, S, M>>>,
    /// The newest version that is committed.
    settled: Option<BatchTime>,
    /// Times whose batch failed: they never get a version.
    skipped: BTreeSet<BatchTime>,
    /// Batches that cover several times: only the last of these is one of a batch and gets a version.
    long: Vec<BatchInterval>,
}

impl<K: Key, S: Record, M: Data> State<K, S, M> {
    fn is_without_version(&self, time: BatchTime) -> bool {
        self.skipped.contains(&time) || self.long.iter().any(|long| long.from < time && time < long.to)
    }
}

impl<K: Key, S: Record, M: Data> Versions<K, S, M> {
    pub(crate) fn new(store: Arc<StateStore<K, S>>) -> Self {
        let state =
            State { open: BTreeMap::new(), settled: None, skipped: BTreeSet::new(), long: Vec::new() };
        Versions { store, state: Mutex::new(state) }
    }

    pub(crate) fn store(&self) -> &Arc<StateStore<K, S>> {
        &self.store
    }

    /// The version of time `t`, making those between it and the last one first, oldest first: a state
    /// stream has a version at each of its own slides, also where a consumer asks for only some.
    ///
    /// `make(time, version before)` gives none where there is nothing to begin a state from.
    pub(crate) fn at(
        &self,
        t: BatchTime,
        zero: BatchTime,
        slide: Duration,
        make: impl Fn(BatchTime, Option<Arc<StateStage<K, S, M>>>) -> Result<Option<Arc<StateStage<K, S, M>>>>,
    ) -> Result<Option<Arc<StateStage<K, S, M>>>> {
        let begin = self.first_to_make(zero) + slide;
        for time in begin.to(t, slide) {
            let before = {
                let state = lock(&self.state);
                if state.open.contains_key(&time) || state.is_without_version(time) {
                    continue;
                }
                state.open.range(..time).next_back().map(|(_, stage)| stage.clone())
            };
            if let Some(stage) = make(time, before)? {
                lock(&self.state).open.insert(time, stage);
            }
        }
        Ok(lock(&self.state).open.get(&t).cloned())
    }

    /// Whether one version follows the other because a batch covers all the slides between them.
    pub(crate) fn follows(&self, time: BatchTime, before: BatchTime, slide: Duration) -> bool {
        let state = lock(&self.state);
        let covered = |between| state.long.iter().any(|long| long.from < between && between < long.to);
        (before + slide).until(time, slide).all(covered)
    }

    /// Whether any version exists, committed or on its way.
    pub(crate) fn any(&self) -> bool {
        self.store.committed().is_some() || !lock(&self.state).open.is_empty()
    }

    /// The newest version that exists, committed or on its way.
    pub(crate) fn newest(&self) -> Option<BatchTime> {
        let open = lock(&self.state).open.keys().next_back().copied();
        open.or_else(|| self.store.committed())
    }

    /// Goes on behind the version of `settled`; the versions of `skipped` will never be made.
    pub(crate) fn resume(&self, settled: BatchTime, skipped: impl IntoIterator<Item = BatchTime>) {
        let mut state = lock(&self.state);
        state.settled = Some(settled);
        state.skipped.extend(skipped.into_iter().filter(|skipped| *skipped > settled));
    }

    /// A batch covers several times.
    pub(crate) fn pass_over(&self, long: BatchInterval) {
        lock(&self.state).long.push(long);
    }

    /// The versions up to `t` that are made and not settled, oldest first.
    pub(crate) fn open(&self, t: BatchTime) -> Vec<Arc<StateStage<K, S, M>>> {
        lock(&self.state).open.range(..=t).map(|(_, stage)| stage.clone()).collect()
    }

    fn first_to_make(&self, zero: BatchTime) -> BatchTime {
        lock(&self.state).settled.unwrap_or(zero)
    }

    /// A batch is over: its version, and those made on its behalf, become the state or are dropped.
    pub(crate) fn settle(&self, t: BatchTime, how: Settled) {
        let closed = {
            let mut state = lock(&self.state);
            let open = state.open.split_off(&BatchTime::from_millis(t.as_millis() + 1));
            match (how, state.open.keys().next_back().copied()) {
                (Settled::Committed, Some(newest)) => state.settled = Some(newest),
                (Settled::Committed, None) => {}
                (Settled::Skipped, _) => {
                    state.skipped.insert(t);
                }
            }
            std::mem::replace(&mut state.open, open)
        };
        let newest = closed.keys().next_back().copied();
        for (time, stage) in &closed {
            stage.settle();
            if how == Settled::Skipped {
                self.store.roll_back(*time);
            }
        }
        if let (Settled::Committed, Some(newest)) = (how, newest) {
            self.store.commit(newest);
        }
    }

    /// Old datasets were let go of, and with them perhaps the last reader of an old version.
    pub(crate) fn forget(&self) {
        let mut state = lock(&self.state);
        let settled = state.settled;
        state.skipped.retain(|skipped| settled.is_none_or(|settled| *skipped > settled));
        state.long.retain(|long| settled.is_none_or(|settled| long.to > settled));
        drop(state);
        self.store.fold();
    }
}
