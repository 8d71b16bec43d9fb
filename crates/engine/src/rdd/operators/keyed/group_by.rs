//! `key_by` and `group_by`: pairs out of records.

use std::panic::Location;

use waterclock_base::{Data, Key, Record};

use super::Keyed;
use crate::rdd::Rdd;

/// # Pairs out of records
impl<T: Data> Rdd<T> {
    /// Each record with the key that `key` gives it.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let keyed = Engine::local(2).parallelize(vec![7, 12], 2).key_by(|n| n % 10);
    /// assert_eq!(keyed.collect()?, [(7, 7), (2, 12)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn key_by<K: Data>(&self, key: impl Fn(&T) -> K + Send + Sync + 'static) -> Rdd<(K, T)> {
        self.map_at("key_by", Location::caller(), move |record| (key(&record), record))
    }

    /// For each key that `key` gives the list of its records, in order. Every record is moved and kept, see
    /// [`group_by_key`](Rdd::group_by_key).
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let rdd = Engine::local(2).parallelize(vec![1, 2, 3, 4], 2);
    /// assert_eq!(rdd.group_by(|n| n % 2).sorted()?, [(0, vec![2, 4]), (1, vec![1, 3])]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn group_by<K: Key>(&self, key: impl Fn(&T) -> K + Send + Sync + 'static) -> Rdd<(K, Vec<T>)>
    where
        T: Record,
    {
        self.group_by_with(key, Keyed::new())
    }

    /// [`group_by`](Rdd::group_by) with options.
    #[track_caller]
    pub fn group_by_with<K: Key>(
        &self,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
        options: Keyed<K>,
    ) -> Rdd<(K, Vec<T>)>
    where
        T: Record,
    {
        let (operator, site) = ("group_by", Location::caller());
        let keyed = self.map_at(operator, site, move |record| (key(&record), record));
        keyed.group_by_key_at(operator, site, &options)
    }
}
