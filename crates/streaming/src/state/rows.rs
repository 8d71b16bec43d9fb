//! Keyed rows in insertion order that can be found, changed and removed.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// A hash table whose rows have a place that stays until [`compact`](Rows::compact) is called.
pub(crate) struct Rows<K, V> {
    index: HashTable<u32>,
    rows: Vec<Option<(K, V)>>,
    holes: usize,
    hasher: FixedState,
    /// Counts compactions: places are only good within one epoch.
    epoch: u64,
}

impl<K: Hash + Eq, V> Rows<K, V> {
    /// An empty table; `seed` is the application's.
    pub(crate) fn new(seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        Rows { index: HashTable::new(), rows: Vec::new(), holes: 0, hasher, epoch: 0 }
    }

    /// One more than the last place that a row may have.
    pub(crate) fn places(&self) -> usize {
        self.rows.len()
    }

    /// How many rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() - self.holes
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The hash of a key, the same in every table of the application.
    #[inline]
    pub(crate) fn hash(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Where the row of a key is.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &K) -> Option<u32> {
        let rows = &self.rows;
        let is_it = |&at: &u32| rows[at as usize].as_ref().is_some_and(|(other, _)| other == key);
        self.index.find(hash, is_it).copied()
    }

    /// The row at a place.
    #[inline]
    pub(crate) fn row(&self, at: u32) -> Option<&(K, V)> {
        self.rows.get(at as usize)?.as_ref()
    }

    /// The row at a place, to change its value.
    #[inline]
    pub(crate) fn row_mut(&mut self, at: u32) -> Option<&mut (K, V)> {
        self.rows.get_mut(at as usize)?.as_mut()
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, rows: usize) {
        self.index.reserve(rows, rehash(&self.rows, &self.hasher));
        self.rows.reserve(rows);
    }

    /// Adds a row whose key is new.
    pub(crate) fn insert(&mut self, hash: u64, key: K, value: V) -> u32 {
        let at = u32::try_from(self.rows.len()).expect("a partition holds fewer than 2^32 keys");
        self.index.insert_unique(hash, at, rehash(&self.rows, &self.hasher));
        self.rows.push(Some((key, value)));
        at
    }

    /// Removes the row at a place.
    pub(crate) fn remove(&mut self, at: u32) -> Option<(K, V)> {
        let row = self.rows.get_mut(at as usize)?.take()?;
        let hash = self.hasher.hash_one(&row.0);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == at) {
            entry.remove();
        }
        self.holes += 1;
        Some(row)
    }

    /// Closes holes when they are more than half; places change, the order does not.
    pub(crate) fn compact(&mut self) -> bool {
        if self.holes < 1024 || self.holes * 2 < self.rows.len() {
            return false;
        }
        self.rows.retain(Option::is_some);
        self.rows.shrink_to(self.rows.len() * 2);
        self.holes = 0;
        self.epoch += 1;
        self.index.clear();
        let hash = rehash(&self.rows, &self.hasher);
        self.index.shrink_to(self.rows.len() * 2, &hash);
        for at in 0..self.rows.len() as u32 {
            self.index.insert_unique(hash(&at), at, &hash);
        }
        true
    }

    /// A table without rows that hashes as this one does, with room for so many.
    pub(crate) fn like<W>(&self, capacity: usize) -> Rows<K, W> {
        Rows {
            index: HashTable::with_capacity(capacity),
            rows: Vec::with_capacity(capacity),
            holes: 0,
            hasher: self.hasher.clone(),
            epoch: self.epoch + 1,
        }
    }

    /// The rows with their places, in insertion order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &(K, V))> {
        self.rows.iter().enumerate().filter_map(|(at, row)| Some((at as u32, row.as_ref()?)))
    }

    /// Shows each row, its value to be changed.
    pub(crate) fn for_each_mut(&mut self, mut show: impl FnMut(&K, &mut V)) {
        self.rows.iter_mut().flatten().for_each(|(key, value)| show(key, value));
    }

    /// The rows, in insertion order.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = (K, V)> {
        self.rows.into_iter().flatten()
    }
}

/// The hash of the key at a place, for an index that is laid out anew.
fn rehash<K: Hash, V>(rows: &[Option<(K, V)>], hasher: &FixedState) -> impl Fn(&u32) -> u64 {
    |&at| rows[at as usize].as_ref().map_or(0, |(key, _)| hasher.hash_one(key))
}

#[cfg(test)]
mod tests {
    //! Goal: the table is a map that remembers insertion order. Method: against a naive list.
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_behave_like_a_list(steps in prop::collection::vec((0u8..40, any::<bool>()), 0..400)) {
            let mut rows = Rows::new(9);
            let mut model: Vec<(u8, usize)> = Vec::new();
            for (n, (key, put)) in steps.into_iter().enumerate() {
                let found = rows.find(rows.hash(&key), &key);
                let known = model.iter().position(|(k, _)| *k == key);
                prop_assert_eq!(found.is_some(), known.is_some());
                match (found, known, put) {
                    (Some(at), Some(i), true) => {
                        rows.row_mut(at).unwrap().1 = n;
                        model[i].1 = n;
                    }
                    (Some(at), Some(i), false) => {
                        prop_assert_eq!(rows.remove(at), Some(model.remove(i)));
                    }
                    (_, _, true) => {
                        rows.insert(rows.hash(&key), key, n);
                        model.push((key, n));
                    }
                    _ => {}
                }
                rows.compact();
            }
            prop_assert_eq!(rows.len(), model.len());
            prop_assert_eq!(rows.into_rows().collect::<Vec<_>>(), model);
        }
    }

    #[test]
    fn compaction_keeps_rows_and_order() {
        let mut rows = Rows::new(1);
        for n in 0u32..5000 {
            rows.insert(rows.hash(&n), n, n);
        }
        for n in 0u32..4000 {
            let at = rows.find(rows.hash(&n), &n).unwrap();
            rows.remove(at);
        }
        assert!(rows.compact());
        assert_eq!(rows.epoch(), 1);
        assert_eq!(rows.iter().map(|(_, (k, _))| *k).collect::<Vec<_>>(), (4000..5000).collect::<Vec<_>>());
        assert_eq!(rows.find(rows.hash(&4321), &4321).and_then(|at| rows.row(at)), Some(&(4321, 4321)));
    }
}
