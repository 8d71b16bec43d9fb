//! `map_values` and `flat_map_values`: keys stay where they are.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::Data;

use crate::dstream::DStream;

/// # Pairs: values alone
impl<K: Data, V: Data> DStream<(K, V)> {
    /// Applies `f` to each value; keys, order and partitions stay.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec![(1, 2)]], |s| s.map_values(|v| v * 10), vec![vec![(1, 20)]]);
    /// ```
    #[track_caller]
    pub fn map_values<W: Data>(&self, f: impl Fn(V) -> W + Send + Sync + 'static) -> DStream<(K, W)> {
        let (f, site) = (Arc::new(f), Location::caller());
        self.each("map_values", site, move |rdd, _| {
            let f = f.clone();
            Ok(rdd.map_values_at("map_values", site, move |value| f(value)))
        })
    }

    /// Applies `f` to each value and pairs each result with the value's key.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec![(1, 2)]], |s| s.flat_map_values(|v| vec![v; 2]), vec![vec![(1, 2), (1, 2)]]);
    /// ```
    #[track_caller]
    pub fn flat_map_values<W: Data, I: IntoIterator<Item = W>>(
        &self,
        f: impl Fn(V) -> I + Send + Sync + 'static,
    ) -> DStream<(K, W)> {
        let (f, site) = (Arc::new(f), Location::caller());
        self.each("flat_map_values", site, move |rdd, _| {
            let f = f.clone();
            Ok(rdd.flat_map_values_at("flat_map_values", site, move |value| f(value)))
        })
    }
}
