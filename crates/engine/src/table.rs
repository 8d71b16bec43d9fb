//! Keyed rows in insertion order: what combines, groups, joins and keeps state.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;

/// Keys that are looked up together: all their places are read before the first row is, so that the
/// processor waits for memory once instead of each time (a word count of 100,000 keys: 0.7 of the time).
const GROUP: usize = 32;

/// A hash table that hands its rows out in the order in which their keys came.
///
/// The hash is seeded once per application, so that crafted keys can't collide on purpose. A key type whose
/// own `Hash` is useless makes it slow, never wrong; [`is_crowded`](Table::is_crowded) tells.
///
/// ```
/// let mut table = waterclock_engine::Table::new(7);
/// for word in ["b", "a", "b"] {
///     *table.value(word).get_or_insert(0) += 1;
/// }
/// assert_eq!(table.into_rows().collect::<Vec<_>>(), [("b", 2), ("a", 1)]);
/// ```
// The index is our own because a place must be readable before its row is, which no library offers: a power
// of two of slots, each 0 or the upper half of the hash beside the row's number plus one, probed one after
// the other.
pub struct Table<K, V> {
    slots: Vec<u64>,
    rows: Vec<(K, Option<V>)>,
    hasher: FixedState,
    lookups: u64,
    comparisons: u64,
}

impl<K: Hash + Eq, V> Table<K, V> {
    /// An empty table.
    pub fn new(seed: u64) -> Self {
        Table::with_capacity(seed, 0)
    }

    /// An empty table with room for so many keys.
    pub fn with_capacity(seed: u64, keys: usize) -> Self {
        Table {
            slots: vec![0; slots_for(keys)],
            rows: Vec::with_capacity(keys),
            hasher: FixedState::with_seed(seed),
            lookups: 0,
            comparisons: 0,
        }
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether keys are found by comparing with far more others than a sound hash leaves.
    pub fn is_crowded(&self) -> bool {
        self.comparisons > 1_000_000 && self.comparisons / 100 > self.lookups
    }

    /// The place of a key's value, empty if the key is new. The caller must fill it.
    #[inline]
    pub fn value(&mut self, key: K) -> &mut Option<V> {
        let hash = self.hasher.hash_one(&key);
        let row = self.position(hash, &key).unwrap_or_else(|| self.insert(hash, key));
        &mut self.rows[row].1
    }

    /// The same for a key that belongs to somebody else: it is cloned only if it is new.
    #[inline]
    pub fn value_of(&mut self, key: &K) -> &mut Option<V>
    where
        K: Clone,
    {
        let hash = self.hasher.hash_one(key);
        let row = self.position(hash, key).unwrap_or_else(|| self.insert(hash, key.clone()));
        &mut self.rows[row].1
    }

    /// Hands each record's value to `add` with the place of its key's value, empty if the key is new, which
    /// `add` must fill. The records are taken out.
    pub fn add_all<X>(&mut self, records: &mut Vec<(K, X)>, mut add: impl FnMut(&mut Option<V>, X)) {
        let mut records = records.drain(..);
        loop {
            let mut near = [(0u64, 0u64); GROUP];
            let mask = self.slots.len() - 1;
            let group = records.as_slice();
            let count = group.len().min(GROUP);
            for ((key, _), near) in group.iter().zip(&mut near) {
                let hash = self.hasher.hash_one(key);
                *near = (hash, self.slots[hash as usize & mask]);
            }
            for (hash, slot) in near.into_iter().take(count) {
                let Some((key, value)) = records.next() else { break };
                // The first slot is nearly always the right one; it stays so while others are added.
                let row = (slot as u32 as usize).wrapping_sub(1);
                if slot >> 32 == hash >> 32 && self.rows.get(row).is_some_and(|(other, _)| *other == key) {
                    self.lookups += 1;
                    add(&mut self.rows[row].1, value);
                } else {
                    let row = self.position(hash, &key).unwrap_or_else(|| self.insert(hash, key));
                    add(&mut self.rows[row].1, value);
                }
            }
            if count < GROUP {
                return;
            }
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let (row, _) = self.find(self.hasher.hash_one(key), key);
        self.rows[row?].1.as_ref()
    }

    #[inline]
    fn position(&mut self, hash: u64, key: &K) -> Option<usize> {
        let (row, comparisons) = self.find(hash, key);
        self.lookups += 1;
        self.comparisons += comparisons;
        row
    }

    /// The row of a key, and how many keys it was compared with.
    #[inline]
    fn find(&self, hash: u64, key: &K) -> (Option<usize>, u64) {
        let mask = self.slots.len() - 1;
        let (mut at, mut comparisons) = (hash as usize & mask, 0);
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return (None, comparisons);
            }
            if slot >> 32 == hash >> 32 {
                comparisons += 1;
                let row = slot as u32 as usize - 1;
                if self.rows[row].0 == *key {
                    return (Some(row), comparisons);
                }
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn insert(&mut self, hash: u64, key: K) -> usize {
        let row = self.rows.len();
        assert!(row < u32::MAX as usize - 1, "a partition holds fewer than 2^32 keys");
        self.rows.push((key, None));
        if (row + 1) * 4 > self.slots.len() * 3 {
            self.slots = vec![0; self.slots.len() * 2];
            for row in 0..=row {
                let hash = self.hasher.hash_one(&self.rows[row].0);
                self.occupy(hash, row);
            }
        } else {
            self.occupy(hash, row);
        }
        row
    }

    /// Writes a row's number into the first free slot for its hash. There is one: a quarter is always free.
    fn occupy(&mut self, hash: u64, row: usize) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = (hash >> 32) << 32 | (row as u64 + 1);
    }

    /// The rows, in the order in which their keys came.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)))
    }

    /// The rows, in the order in which their keys came.
    pub fn into_rows(self) -> impl Iterator<Item = (K, V)> {
        self.rows.into_iter().filter_map(|(key, value)| Some((key, value?)))
    }
}

/// Slots for so many keys: a power of two of which they take at most three quarters.
fn slots_for(keys: usize) -> usize {
    (keys + keys / 3 + 1).next_power_of_two().max(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, Eq)]
    struct Clumsy(u32);
    impl Hash for Clumsy {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }

    #[test]
    fn a_constant_hash_is_slow_but_right_and_noticed() {
        let mut table = Table::new(1);
        for n in 0..2000 {
            *table.value(Clumsy(n % 1500)).get_or_insert(0) += 1;
        }
        assert_eq!(table.len(), 1500);
        assert_eq!(table.get(&Clumsy(3)), Some(&2));
        assert!(table.is_crowded());
    }

    #[test]
    fn a_lent_key_is_cloned_once() {
        let mut table = Table::new(1);
        let key = "key".to_owned();
        table.value_of(&key).replace(1);
        table.value_of(&key).replace(2);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(&key, &2)]);
        assert!(!table.is_crowded());
    }
}
