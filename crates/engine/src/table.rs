//! Keyed rows in insertion order: what combines, groups, joins and keeps state.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

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
pub struct Table<K, V> {
    index: HashTable<u32>,
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
            index: HashTable::with_capacity(keys),
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
        let position = match self.position(&key) {
            Ok(position) => position,
            Err(hash) => self.insert(hash, key),
        };
        &mut self.rows[position].1
    }

    /// The same for a key that belongs to somebody else: it is cloned only if it is new.
    #[inline]
    pub fn value_of(&mut self, key: &K) -> &mut Option<V>
    where
        K: Clone,
    {
        let position = match self.position(key) {
            Ok(position) => position,
            Err(hash) => self.insert(hash, key.clone()),
        };
        &mut self.rows[position].1
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let position = self.index.find(self.hasher.hash_one(key), |&at| self.rows[at as usize].0 == *key)?;
        self.rows[*position as usize].1.as_ref()
    }

    #[inline]
    fn position(&mut self, key: &K) -> Result<usize, u64> {
        let hash = self.hasher.hash_one(key);
        self.lookups += 1;
        let (rows, comparisons) = (&self.rows, &mut self.comparisons);
        let same = |&at: &u32| {
            *comparisons += 1;
            rows[at as usize].0 == *key
        };
        self.index.find(hash, same).map(|&at| at as usize).ok_or(hash)
    }

    fn insert(&mut self, hash: u64, key: K) -> usize {
        let position = self.rows.len();
        let at = u32::try_from(position).expect("a partition holds fewer than 2^32 keys");
        let (rows, hasher) = (&self.rows, &self.hasher);
        self.index.insert_unique(hash, at, |&at| hasher.hash_one(&rows[at as usize].0));
        self.rows.push((key, None));
        position
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
