//! Base tables, deltas and pins of one stream's state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Data, Key};
use waterclock_engine::Step;

use super::Rows;

/// A value and when its key was last touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<S> {
    pub(crate) state: S,
    pub(crate) touched: BatchTime,
}

/// What a batch did to a key.
#[derive(Clone, Debug)]
pub(crate) enum Change<S> {
    Set(Entry<S>),
    Removed,
    /// Looked at, and left as it was.
    Same,
}

/// A change, with where its key's row is in the base.
pub(crate) struct Changed<S> {
    /// Good within the delta's epoch of the base.
    pub(crate) at: Option<u32>,
    pub(crate) change: Change<S>,
}

/// What one batch did to one partition.
pub(crate) struct Delta<K, S> {
    pub(crate) time: BatchTime,
    pub(crate) epoch: u64,
    pub(crate) rows: Rows<K, Changed<S>>,
    /// Everything that was there before is gone.
    pub(crate) from_scratch: bool,
    /// Every key that was last touched before this was removed.
    pub(crate) expired: Option<BatchTime>,
}

/// The folded state of one partition.
struct Base<K, S> {
    rows: Rows<K, Entry<S>>,
    /// Places of keys by the time they were touched, where time-outs are looked for. A place stays under an
    /// old time when its key is touched again, and is passed over then.
    by_touch: Option<BTreeMap<BatchTime, Vec<u32>>>,
}

struct Partition<K, S> {
    base: RwLock<Base<K, S>>,
    /// Oldest first.
    deltas: Mutex<Vec<Arc<Delta<K, S>>>>,
}

/// The state of one stream.
pub(crate) struct StateStore<K, S> {
    partitions: Vec<Partition<K, S>>,
    seed: u64,
    /// How many readers need the version of a time.
    pins: Mutex<BTreeMap<BatchTime, usize>>,
    /// The newest version that is committed.
    committed: Mutex<Option<BatchTime>>,
    /// How many keys the newest delta changed, so that the next one is made large enough at once.
    expected: AtomicUsize,
}

/// Keeps a version readable until dropped.
pub(crate) struct Pin<K: Key, S: Data> {
    store: Arc<StateStore<K, S>>,
    time: BatchTime,
}

impl<K: Key, S: Data> Drop for Pin<K, S> {
    fn drop(&mut self) {
        let mut pins = lock(&self.store.pins);
        if let Some(readers) = pins.get_mut(&self.time) {
            *readers -= 1;
            if *readers == 0 {
                pins.remove(&self.time);
            }
        }
    }
}

impl<K: Key, S: Data> Pin<K, S> {
    /// The pinned version of a partition.
    pub(crate) fn view(&self, partition: usize) -> View<'_, K, S> {
        self.store.view(partition, self.time)
    }
}

impl<K: Key, S: Data> StateStore<K, S> {
    /// No state in so many partitions. `with_timeouts`: keys will be looked for by the time of their last
    /// touch.
    pub(crate) fn new(partitions: usize, seed: u64, with_timeouts: bool) -> Arc<Self> {
        let partition = || Partition {
            base: RwLock::new(Base { rows: Rows::new(seed), by_touch: with_timeouts.then(BTreeMap::new) }),
            deltas: Mutex::default(),
        };
        Arc::new(StateStore {
            partitions: (0..partitions).map(|_| partition()).collect(),
            seed,
            pins: Mutex::default(),
            committed: Mutex::default(),
            expected: AtomicUsize::new(0),
        })
    }

    pub(crate) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The newest version that is committed; none before the first.
    pub(crate) fn committed(&self) -> Option<BatchTime> {
        *lock(&self.committed)
    }

    /// Keeps the version of `time` readable.
    pub(crate) fn pin(self: &Arc<Self>, time: BatchTime) -> Pin<K, S> {
        *lock(&self.pins).entry(time).or_insert(0) += 1;
        Pin { store: self.clone(), time }
    }

    /// The version of a partition after the batch of `time`. The caller has it pinned, or is making the next.
    pub(crate) fn view(&self, partition: usize, time: BatchTime) -> View<'_, K, S> {
        let partition = &self.partitions[partition];
        // The deltas first: one that is folded meanwhile is then seen twice, with the same effect.
        let mut deltas = lock(&partition.deltas).clone();
        deltas.retain(|delta| delta.time <= time);
        if let Some(scratch) = deltas.iter().rposition(|delta| delta.from_scratch) {
            deltas.drain(..scratch);
        }
        let base = partition.base.read().unwrap_or_else(PoisonError::into_inner);
        View { base, deltas, expected: self.expected.load(Ordering::Relaxed) }
    }

    /// Adds what a task of the batch did.
    pub(crate) fn install(&self, partition: usize, delta: Delta<K, S>) {
        self.expected.store(delta.rows.len(), Ordering::Relaxed);
        let mut deltas = lock(&self.partitions[partition].deltas);
        deltas.retain(|other| other.time != delta.time);
        deltas.push(Arc::new(delta));
    }

    /// What the batches up to `time` did is the state.
    pub(crate) fn commit(&self, time: BatchTime) {
        *lock(&self.committed) = Some(time);
        self.fold();
    }

    /// What the batch did is dropped.
    pub(crate) fn roll_back(&self, time: BatchTime) {
        for partition in &self.partitions {
            lock(&partition.deltas).retain(|delta| delta.time != time);
        }
    }

    /// Folds committed deltas into the base, as far as nobody needs an older version.
    pub(crate) fn fold(&self) {
        let Some(committed) = self.committed() else { return };
        let oldest = lock(&self.pins).keys().next().copied();
        let upto = oldest.map_or(committed, |oldest| oldest.min(committed));
        self.partitions.iter().for_each(|partition| partition.fold(upto));
    }
}

impl<K: Key, S: Data> Partition<K, S> {
    fn fold(&self, upto: BatchTime) {
        let due: Vec<_> = lock(&self.deltas).iter().filter(|delta| delta.time <= upto).cloned().collect();
        if due.is_empty() {
            return;
        }
        // A reader that hangs (a slow copy of a task that another copy finished) must not hold up the
        // batch: the deltas are folded the next time.
        let Ok(mut base) = self.base.try_write() else { return };
        lock(&self.deltas).retain(|delta| delta.time > upto);
        for delta in due {
            base.apply(delta);
        }
        if base.rows.compact() {
            base.sort_by_touch();
        }
    }
}

impl<K: Key, S: Data> Base<K, S> {
    fn apply(&mut self, delta: Arc<Delta<K, S>>) {
        if delta.from_scratch {
            let seed_rows = self.rows.like(0);
            self.rows = seed_rows;
            if let Some(by_touch) = &mut self.by_touch {
                by_touch.clear();
            }
        }
        let places_hold = delta.epoch == self.rows.epoch() && !delta.from_scratch;
        if let (Some(by_touch), Some(expired)) = (&mut self.by_touch, delta.expired) {
            *by_touch = by_touch.split_off(&expired);
        }
        match Arc::try_unwrap(delta) {
            Ok(delta) => {
                for (key, changed) in delta.rows.into_rows() {
                    let at = self.place(&key, changed.at, places_hold);
                    self.change(at, key, changed.change);
                }
            }
            Err(shared) => {
                for (_, (key, changed)) in shared.rows.iter() {
                    let at = self.place(key, changed.at, places_hold);
                    self.change(at, key.clone(), changed.change.clone());
                }
            }
        }
    }

    fn place(&self, key: &K, at: Option<u32>, places_hold: bool) -> Option<u32> {
        match at {
            // Only a row of the same key is the right one: an earlier delta may have removed it.
            Some(at) if places_hold && self.rows.row(at).is_some_and(|(other, _)| other == key) => Some(at),
            _ => self.rows.find(self.rows.hash(key), key),
        }
    }

    fn change(&mut self, at: Option<u32>, key: K, change: Change<S>) {
        match (at, change) {
            (_, Change::Same) | (None, Change::Removed) => {}
            (Some(at), Change::Removed) => {
                self.rows.remove(at);
            }
            (Some(at), Change::Set(entry)) => {
                self.touch(entry.touched, at);
                if let Some(row) = self.rows.row_mut(at) {
                    row.1 = entry;
                }
            }
            (None, Change::Set(entry)) => {
                let touched = entry.touched;
                let at = self.rows.insert(self.rows.hash(&key), key, entry);
                self.touch(touched, at);
            }
        }
    }

    fn touch(&mut self, touched: BatchTime, at: u32) {
        if let Some(by_touch) = &mut self.by_touch {
            by_touch.entry(touched).or_default().push(at);
        }
    }

    /// Notes places anew after they changed.
    fn sort_by_touch(&mut self) {
        if let Some(by_touch) = &mut self.by_touch {
            by_touch.clear();
            for (at, (_, entry)) in self.rows.iter() {
                by_touch.entry(entry.touched).or_default().push(at);
            }
        }
    }
}

/// One version of one partition.
pub(crate) struct View<'s, K, S> {
    base: RwLockReadGuard<'s, Base<K, S>>,
    /// Oldest first.
    deltas: Vec<Arc<Delta<K, S>>>,
    expected: usize,
}

impl<K: Key, S: Data> View<'_, K, S> {
    /// No change yet, for the batch of `time`.
    pub(crate) fn delta(&self, time: BatchTime) -> Delta<K, S> {
        let rows = self.base.rows.like(self.expected);
        Delta { time, epoch: self.base.rows.epoch(), rows, from_scratch: false, expired: None }
    }

    /// Whether the base counts: not when a delta began from scratch.
    fn has_base(&self) -> bool {
        self.deltas.first().is_none_or(|delta| !delta.from_scratch)
    }

    /// The place of a key's row in the base, and its state.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &K) -> (Option<u32>, Option<&Entry<S>>) {
        let at = if self.has_base() { self.base.rows.find(hash, key) } else { None };
        for delta in self.deltas.iter().rev() {
            let row = delta.rows.find(hash, key).and_then(|at| delta.rows.row(at));
            match row.map(|(_, changed)| &changed.change) {
                Some(Change::Set(entry)) => return (at, Some(entry)),
                Some(Change::Removed) => return (at, None),
                Some(Change::Same) | None => {}
            }
        }
        (at, at.and_then(|at| self.base.rows.row(at)).map(|(_, entry)| entry))
    }

    /// Shows every key with its state and the place of its row in the base: first the keys of the base in
    /// its order, then newer ones.
    pub(crate) fn for_each(&self, mut show: impl FnMut(Option<u32>, &K, &Entry<S>) -> Step) -> Step {
        match &self.deltas[..] {
            [delta] if !delta.from_scratch => return self.for_each_over(delta, show),
            _ => {}
        }
        if self.has_base() {
            for (at, (key, entry)) in self.base.rows.iter() {
                if self.deltas.is_empty() {
                    show(Some(at), key, entry)?;
                } else if let (at, Some(entry)) = self.find(self.base.rows.hash(key), key) {
                    show(at, key, entry)?;
                }
            }
        }
        for (n, delta) in self.deltas.iter().enumerate() {
            for (_, (key, _)) in delta.rows.iter() {
                if let Some(entry) = self.new_in(n, key) {
                    show(None, key, entry)?;
                }
            }
        }
        Ok(())
    }

    /// The same over one delta, the usual case: it is laid over the base by place, without looking keys up.
    fn for_each_over(
        &self,
        delta: &Delta<K, S>,
        mut show: impl FnMut(Option<u32>, &K, &Entry<S>) -> Step,
    ) -> Step {
        let mut changes: Vec<Option<&Change<S>>> = vec![None; self.base.rows.places()];
        let mut new = Vec::new();
        let places_hold = delta.epoch == self.base.rows.epoch();
        for (_, (key, changed)) in delta.rows.iter() {
            match self.base.place(key, changed.at, places_hold) {
                Some(at) => changes[at as usize] = Some(&changed.change),
                None => new.push((key, &changed.change)),
            }
        }
        for (at, (key, entry)) in self.base.rows.iter() {
            match changes[at as usize] {
                None | Some(Change::Same) => show(Some(at), key, entry)?,
                Some(Change::Set(entry)) => show(Some(at), key, entry)?,
                Some(Change::Removed) => {}
            }
        }
        new.into_iter().try_for_each(|(key, change)| match change {
            Change::Set(entry) => show(None, key, entry),
            Change::Removed | Change::Same => Ok(()),
        })
    }

    /// The state of a key that the `n`-th delta is the first to have.
    fn new_in(&self, n: usize, key: &K) -> Option<&Entry<S>> {
        let hash = self.base.rows.hash(key);
        let (in_base, entry) = self.find(hash, key);
        let sets = |delta: &Arc<Delta<K, S>>| {
            let row = delta.rows.find(hash, key).and_then(|at| delta.rows.row(at));
            row.is_some_and(|(_, changed)| matches!(changed.change, Change::Set(_)))
        };
        let first = self.deltas.iter().position(sets);
        if in_base.is_none() && first == Some(n) { entry } else { None }
    }

    /// Shows every key whose last touch is before `threshold`, in the order of their last touch.
    pub(crate) fn for_each_untouched(&self, threshold: BatchTime, mut show: impl FnMut(&K, &Entry<S>)) {
        let base = self.base.by_touch.iter().flat_map(|by_touch| by_touch.range(..threshold));
        if self.has_base() {
            for (touched, places) in base {
                for row in places.iter().filter_map(|at| self.base.rows.row(*at)) {
                    let (_, now) = self.find(self.base.rows.hash(&row.0), &row.0);
                    if let Some(entry) = now.filter(|entry| entry.touched == *touched) {
                        show(&row.0, entry);
                    }
                }
            }
        }
        for delta in &self.deltas {
            for (_, (key, changed)) in delta.rows.iter() {
                let Change::Set(Entry { touched, .. }) = changed.change else { continue };
                let (_, now) = self.find(self.base.rows.hash(key), key);
                if let Some(entry) = now.filter(|entry| entry.touched == touched && touched < threshold) {
                    show(key, entry);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Goal: versions of the state see their own past and nothing else. Method: deltas by hand.
    use super::*;

    fn at(t: i64) -> BatchTime {
        BatchTime::from_millis(t)
    }

    /// What a batch did: sets keys to values, or removes them.
    fn delta(store: &StateStore<char, i32>, t: i64, changes: &[(char, Option<i32>)]) -> Delta<char, i32> {
        let view = store.view(0, at(t - 1));
        let mut delta = view.delta(at(t));
        for (key, value) in changes {
            let hash = delta.rows.hash(key);
            let (place, _) = view.find(hash, key);
            let change = match value {
                Some(state) => Change::Set(Entry { state: *state, touched: at(t) }),
                None => Change::Removed,
            };
            delta.rows.insert(hash, *key, Changed { at: place, change });
        }
        delta
    }

    fn all(view: &View<'_, char, i32>) -> Vec<(char, i32)> {
        let mut rows = Vec::new();
        let step = view.for_each(|_, key, entry| {
            rows.push((*key, entry.state));
            Ok(())
        });
        step.unwrap();
        rows
    }

    fn untouched(view: &View<'_, char, i32>, threshold: i64) -> Vec<char> {
        let mut keys = Vec::new();
        view.for_each_untouched(at(threshold), |key, _| keys.push(*key));
        keys
    }

    /// T-071: an empty state has nothing, and removing from it does nothing.
    #[test]
    fn an_empty_state_has_nothing() {
        let store = StateStore::new(1, 7, true);
        let view = store.view(0, at(0));
        assert_eq!((all(&view), untouched(&view, 100)), (vec![], vec![]));
        drop(view);
        store.install(0, delta(&store, 1, &[('x', None)]));
        store.commit(at(1));
        assert_eq!(all(&store.view(0, at(1))), []);
    }

    /// T-072, vector 11.8: values are found by key, and by the time of the last touch, strictly before.
    #[test]
    fn values_are_found_by_key_and_by_touch() {
        for folded in [false, true] {
            let store = StateStore::new(1, 7, true);
            store.install(0, delta(&store, 10, &[('a', Some(100))]));
            if folded {
                store.commit(at(10));
            }
            let view = store.view(0, at(10));
            assert_eq!(all(&view), [('a', 100)]);
            assert_eq!(untouched(&view, 11), ['a']);
            assert_eq!(untouched(&view, 10), []);
            drop(view);
            store.install(0, delta(&store, 11, &[('a', None)]));
            assert_eq!(all(&store.view(0, at(11))), []);
        }
    }

    /// T-073: what a later version changes, an earlier one that is pinned does not see.
    #[test]
    fn versions_do_not_see_their_future() {
        let store = StateStore::new(1, 7, false);
        store.install(0, delta(&store, 1, &[('a', Some(1)), ('b', Some(2))]));
        store.commit(at(1));
        let first = store.pin(at(1));
        store.install(0, delta(&store, 2, &[('a', None), ('c', Some(3))]));
        store.commit(at(2));
        let second = store.pin(at(2));
        store.install(0, delta(&store, 3, &[('a', Some(4)), ('b', Some(5))]));
        store.commit(at(3));
        assert_eq!(all(&first.view(0)), [('a', 1), ('b', 2)]);
        assert_eq!(all(&second.view(0)), [('b', 2), ('c', 3)]);
        assert_eq!(all(&store.view(0, at(3))), [('a', 4), ('b', 5), ('c', 3)]);
        // Once nobody needs the old versions, all is one table.
        drop((first, second));
        store.fold();
        assert!(lock(&store.partitions[0].deltas).is_empty());
        let mut folded = all(&store.view(0, at(3)));
        folded.sort_unstable();
        assert_eq!(folded, [('a', 4), ('b', 5), ('c', 3)]);
    }

    #[test]
    fn a_batch_that_is_rolled_back_leaves_no_trace() {
        let store = StateStore::new(1, 7, true);
        store.install(0, delta(&store, 1, &[('a', Some(1))]));
        store.commit(at(1));
        store.install(0, delta(&store, 2, &[('a', Some(2)), ('b', Some(2))]));
        store.roll_back(at(2));
        assert_eq!(all(&store.view(0, at(9))), [('a', 1)]);
        assert_eq!(untouched(&store.view(0, at(9)), 9), ['a']);
    }
}
