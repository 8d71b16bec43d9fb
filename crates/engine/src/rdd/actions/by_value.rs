//! `count_by_value`, `count_by_key` and other small tables at the driver.

use std::collections::HashMap;
use std::panic::Location;

use waterclock_base::{Data, Key, Record, Result};

use super::Each;
use crate::job::{at_driver, run_action_at};
use crate::rdd::{Asked, Rdd};
use crate::table::Table;
use crate::task::TaskCx;

/// # Small tables
///
/// One row for each different key, in the order in which the keys come. All rows are brought to the driver:
/// where they may be many, the operations by key that give a dataset are meant.
impl<T: Data> Rdd<T> {
    /// How often each record occurs.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let letters = Engine::local(2).parallelize(vec!['b', 'a', 'b'], 2);
    /// assert_eq!(letters.count_by_value()?, [('b', 2), ('a', 1)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn count_by_value(&self) -> Result<Vec<(T, u64)>>
    where
        T: Key,
    {
        let by = Asked { operator: "count_by_value", site: Location::caller() };
        self.map_at(by.operator, by.site, |record| (record, 1)).table_at(by, |a, b| a + b)
    }
}

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// How many pairs each key has.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let pairs = Engine::local(2).parallelize(vec![('b', 7), ('a', 8), ('b', 9)], 2);
    /// assert_eq!(pairs.count_by_key()?, [('b', 2), ('a', 1)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn count_by_key(&self) -> Result<Vec<(K, u64)>>
    where
        K: Key,
    {
        let by = Asked { operator: "count_by_key", site: Location::caller() };
        self.map_at(by.operator, by.site, |(key, _)| (key, 1)).table_at(by, |a, b| a + b)
    }

    /// The values of each key combined by `f`, which must be associative: as
    /// [`reduce_by_key`](Rdd::reduce_by_key), but without a shuffle, at the driver.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let pairs = Engine::local(2).parallelize(vec![('b', 7), ('a', 8), ('b', 9)], 2);
    /// assert_eq!(pairs.reduce_by_key_locally(|a, b| a + b)?, [('b', 16), ('a', 8)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce_by_key_locally(
        &self,
        f: impl Fn(V, V) -> V + Clone + Send + Sync + 'static,
    ) -> Result<Vec<(K, V)>>
    where
        K: Key,
        V: Record,
    {
        self.table_at(Asked { operator: "reduce_by_key_locally", site: Location::caller() }, f)
    }

    /// The value of each key; of several the last one.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let pairs = Engine::local(2).parallelize(vec![('b', 7), ('a', 8), ('b', 9)], 2);
    /// assert_eq!(pairs.collect_as_map()?[&'b'], 9);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn collect_as_map(&self) -> Result<HashMap<K, V>>
    where
        K: Key,
        V: Record,
    {
        let by = Asked { operator: "collect_as_map", site: Location::caller() };
        Ok(self.table_at(by, |_, last| last)?.into_iter().collect())
    }

    /// The values of one key, in the order of (partition, position). Only the key's partition is computed
    /// where the dataset is spread by key.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let pairs = Engine::local(2).parallelize(vec![('b', 7), ('a', 8), ('b', 9)], 2);
    /// assert_eq!(pairs.lookup(&'b')?, [7, 9]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn lookup(&self, key: &K) -> Result<Vec<V>>
    where
        K: Key,
        V: Record,
    {
        let by = Asked { operator: "lookup", site: Location::caller() };
        let wanted = match self.spread::<K>() {
            Some(known) if known.partitions() > 0 => vec![known.partition(key)],
            Some(_) | None => self.all_partitions(),
        };
        let key = key.clone();
        let parts = run_action_at(by, self, wanted, move |partition, rdd, cx| {
            let mut values = Vec::new();
            let mut each = Each::new(cx, |(other, value): (K, V)| {
                if other == key {
                    values.push(value);
                }
                Ok(())
            });
            rdd.compute(partition, cx, &mut each)?;
            Ok(values)
        })?;
        Ok(parts.into_iter().flatten().collect())
    }

    fn table_at(
        &self,
        by: Asked,
        f: impl Fn(V, V) -> V + Clone + Send + Sync + 'static,
    ) -> Result<Vec<(K, V)>>
    where
        K: Key,
        V: Record,
    {
        let join = f.clone();
        let seed = self.engine().seed();
        let parts = run_action_at(by, self, self.all_partitions(), move |partition, rdd, cx: &TaskCx| {
            let mut table = Table::new(seed);
            let mut each = Each::new(cx, |(key, value)| {
                put(&mut table, key, value, &f);
                Ok(())
            });
            rdd.compute(partition, cx, &mut each)?;
            Ok(table.into_rows().collect::<Vec<_>>())
        })?;
        at_driver(by, || {
            let mut table = Table::new(seed);
            parts.into_iter().flatten().for_each(|(key, value)| put(&mut table, key, value, &join));
            table.into_rows().collect()
        })
    }
}

fn put<K: Key, V>(table: &mut Table<K, V>, key: K, value: V, f: &impl Fn(V, V) -> V) {
    let slot = table.value(key);
    *slot = Some(match slot.take() {
        None => value,
        Some(sofar) => f(sofar, value),
    });
}
