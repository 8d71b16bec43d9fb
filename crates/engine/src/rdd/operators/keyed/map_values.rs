//! `map_values`, `flat_map_values`, `keys`, `values`: keys stay where they are.

use std::panic::Location;

use waterclock_base::Data;

use crate::rdd::Rdd;

/// # Pairs: values alone
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// Applies `f` to each value. Keys, order and partitions stay, so that no later operation by key has
    /// to move records again.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let tens = Engine::local(2).parallelize(vec![(7, 1), (8, 2)], 1).map_values(|v| v * 10);
    /// assert_eq!(tens.collect()?, [(7, 10), (8, 20)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn map_values<W: Data>(&self, f: impl Fn(V) -> W + Send + Sync + 'static) -> Rdd<(K, W)> {
        self.map_values_at("map_values", Location::caller(), f)
    }

    /// [`map_values`](Rdd::map_values) under another name and place, for operations made of it.
    pub fn map_values_at<W: Data>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        f: impl Fn(V) -> W + Send + Sync + 'static,
    ) -> Rdd<(K, W)> {
        let mapped = self.map_at(operator, site, move |(key, value)| (key, f(value)));
        mapped.keeping_partitioner_of(self)
    }

    /// Applies `f` to each value and pairs each result with the value's key.
    #[track_caller]
    pub fn flat_map_values<W: Data, I: IntoIterator<Item = W>>(
        &self,
        f: impl Fn(V) -> I + Send + Sync + 'static,
    ) -> Rdd<(K, W)> {
        self.flat_map_values_at("flat_map_values", Location::caller(), f)
    }

    /// [`flat_map_values`](Rdd::flat_map_values) under another name and place, for operations made of it.
    pub fn flat_map_values_at<W: Data, I: IntoIterator<Item = W>>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        f: impl Fn(V) -> I + Send + Sync + 'static,
    ) -> Rdd<(K, W)> {
        let mapped = self.flat_map_at(operator, site, move |(key, value)| {
            f(value).into_iter().map(move |value| (key.clone(), value)).collect::<Vec<_>>()
        });
        mapped.keeping_partitioner_of(self)
    }

    /// The keys, as often as they occur.
    #[track_caller]
    pub fn keys(&self) -> Rdd<K> {
        self.map_at("keys", Location::caller(), |(key, _)| key)
    }

    /// The values.
    #[track_caller]
    pub fn values(&self) -> Rdd<V> {
        self.map_at("values", Location::caller(), |(_, value)| value)
    }
}
