//! Base tables, deltas and pins of one stream's state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Key, Record, Result, encode};
use waterclock_engine::Step;

use super::Rows;

/// Rows of a partition that are looked at to estimate its bytes.
const SAMPLE: usize = 16;
/// Bytes that the index takes for a row, about.
const INDEX_BYTES: usize = 6;

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
pub(crate) struct Base<K, S> {
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
    /// Whether what batches change is written down, and then how far back versions must stay apart.
    saved: Mutex<Option<Duration>>,
    /// How many keys the newest delta changed, so that the next one is made large enough at once.
    expected: AtomicUsize,
}

/// Keeps a version readable until dropped.
pub(crate) struct Pin<K: Key, S: Record> {
    store: Arc<StateStore<K, S>>,
    time: BatchTime,
}

impl<K: Key, S: Record> Drop for Pin<K, S> {
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

impl<K: Key, S: Record> Pin<K, S> {
    /// The pinned version of a partition.
    pub(crate) fn view(&self, partition: usize) -> View<'_, K, S> {
        self.store.view(partition, self.time)
    }
}

impl<K: Key, S: Record> StateStore<K, S> {
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
            saved: Mutex::default(),
            expected: AtomicUsize::new(0),
        })
    }

    pub(crate) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Keys of the oldest version that is still kept.
    pub(crate) fn keys(&self) -> u64 {
        let of = |partition: &Partition<K, S>| {
            partition.base.read().unwrap_or_else(PoisonError::into_inner).rows.len() as u64
        };
        self.partitions.iter().map(of).sum()
    }

    /// Bytes of the committed state in memory, about: what rows take in the table, and what a sample of them says of
    /// the heap.
    pub(crate) fn bytes(&self) -> u64 {
        let of = |partition: &Partition<K, S>| {
            let base = partition.base.read().unwrap_or_else(PoisonError::into_inner);
            let places = base.rows.places();
            let step = (places / SAMPLE).max(1);
            let rows = (0..places).step_by(step).filter_map(|at| base.rows.row(u32::try_from(at).ok()?));
            let (mut sampled, mut encoded) = (0, Vec::new());
            for (key, entry) in rows {
                // What can't be encoded counts as nothing: this is an estimate.
                encode(&(key, &entry.state), &mut encoded).unwrap_or_default();
                sampled += 1;
            }
            // How much of a row is on the heap can't be seen from outside; its bytes are a fair guess.
            let heap = (encoded.len() * base.rows.len()).checked_div(sampled).unwrap_or(0);
            places * (size_of::<Option<(K, Entry<S>)>>() + INDEX_BYTES) + heap
        };
        self.partitions.iter().map(of).sum::<usize>() as u64
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// From now on, what batches change is written down, and versions that are younger than the newest by up
    /// to `lookback` stay apart, so that any of them can be saved.
    pub(crate) fn save(&self, lookback: Duration) {
        *lock(&self.saved) = Some(lookback);
    }

    pub(crate) fn is_saved(&self) -> bool {
        lock(&self.saved).is_some()
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

    /// Lets a partition's state be filled with what was saved.
    pub(crate) fn fill(
        &self,
        partition: usize,
        fill: impl FnOnce(&mut Base<K, S>) -> Result<()>,
    ) -> Result<()> {
        let mut base = self.partitions[partition].base.write().unwrap_or_else(PoisonError::into_inner);
        fill(&mut base)
    }

    /// What the partitions were filled with is the version of `time`.
    pub(crate) fn filled(&self, time: BatchTime) {
        *lock(&self.committed) = Some(time);
    }

    /// The changes of a partition that are newer than `time`, oldest first.
    pub(crate) fn newer(&self, partition: usize, time: BatchTime) -> Vec<Arc<Delta<K, S>>> {
        let deltas = lock(&self.partitions[partition].deltas);
        deltas.iter().filter(|delta| delta.time > time).cloned().collect()
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
        let lookback = lock(&self.saved).unwrap_or_default();
        let upto = oldest.map_or(committed, |oldest| oldest.min(committed)).min(committed - lookback);
        self.partitions.iter().for_each(|partition| partition.fold(upto));
    }
}

impl<K: Key, S: Record> Partition<K, S> {
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

impl<K: Key, S: Record> Base<K, S> {
    /// How many keys there are.
    pub(crate) fn keys(&self) -> usize {
        self.rows.len()
    }

    /// Makes room for about so many more.
    pub(crate) fn reserve(&mut self, keys: usize) {
        self.rows.reserve(keys);
    }

    /// Forgets every key.
    pub(crate) fn clear(&mut self) {
        self.rows = self.rows.like(0);
        if let Some(by_touch) = &mut self.by_touch {
            by_touch.clear();
        }
    }

    /// No key that was last touched before is there any more.
    pub(crate) fn expire(&mut self, before: BatchTime) {
        if let Some(by_touch) = &mut self.by_touch {
            *by_touch = by_touch.split_off(&before);
        }
    }

    /// Changes keys. All are looked for before any is changed: the processor then waits for memory once for many
    /// of them.
    pub(crate) fn put_all(&mut self, changes: &mut Vec<(K, Change<S>)>) {
        let find = |(key, _): &(K, Change<S>)| self.rows.find(self.rows.hash(key), key);
        let places: Vec<Option<u32>> = changes.iter().map(find).collect();
        for ((key, change), at) in changes.drain(..).zip(places) {
            // One before it may have been the same key.
            let at = at.or_else(|| self.rows.find(self.rows.hash(&key), &key));
            self.change(at, key, change);
        }
    }

    fn apply(&mut self, delta: Arc<Delta<K, S>>) {
        if delta.from_scratch {
            self.clear();
        }
        let places_hold = delta.epoch == self.rows.epoch() && !delta.from_scratch;
        delta.expired.into_iter().for_each(|before| self.expire(before));
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

impl<K: Key, S: Record> View<'_, K, S> {
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
mod tests;
