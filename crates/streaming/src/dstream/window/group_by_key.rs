//! `group_by_key_and_window`: the values of each key in a window, as a list.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use waterclock_base::{BatchTime, Data, Key, Record, Result};
use waterclock_engine::{Combine, ExpectedKeys, Keyed, Merge, Rdd, StorageLevel};

use super::bounds::Bounds;
use super::fold::Merger;
use super::reduce_by_key::ByKey;
use super::sliding::datasets;
use crate::dstream::DStream;
use crate::graph::{BatchCx, StreamCompute, StreamNode};

impl<K: Data, V: Data> DStream<(K, V)> {
    /// The values of each key in the last `length` as a list, oldest first, every `slide`. A key without a
    /// value in the window does not occur.
    ///
    /// Each value of the window is copied at every slide: where a reduction is meant,
    /// [`reduce_by_key_and_window`](DStream::reduce_by_key_and_window) is far cheaper.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterclock_streaming::testing::check_stream_unordered;
    /// let second = Duration::from_secs(1);
    /// check_stream_unordered(
    ///     vec![vec![('k', 1), ('k', 2)], vec![('k', 3)], vec![]],
    ///     move |s| s.group_by_key_and_window(2 * second, second),
    ///     vec![vec![('k', vec![1, 2])], vec![('k', vec![1, 2, 3])], vec![('k', vec![3])], vec![]],
    /// );
    /// ```
    #[track_caller]
    pub fn group_by_key_and_window(&self, length: Duration, slide: Duration) -> DStream<(K, Vec<V>)>
    where
        K: Key,
        V: Record,
    {
        self.group_by_key_and_window_at(Location::caller(), length, slide, Keyed::new())
    }

    /// [`group_by_key_and_window`](DStream::group_by_key_and_window) with options.
    #[track_caller]
    pub fn group_by_key_and_window_with(
        &self,
        length: Duration,
        slide: Duration,
        options: Keyed<K>,
    ) -> DStream<(K, Vec<V>)>
    where
        K: Key,
        V: Record,
    {
        self.group_by_key_and_window_at(Location::caller(), length, slide, options)
    }

    fn group_by_key_and_window_at(
        &self,
        site: &'static Location<'static>,
        length: Duration,
        slide: Duration,
        options: Keyed<K>,
    ) -> DStream<(K, Vec<V>)>
    where
        K: Key,
        V: Record,
    {
        let operator = "group_by_key_and_window";
        let options = self.shared(options);
        let grouped = self.group_as(operator, site, options.clone());
        let merger =
            ByKey { operator, site, options, combine: Arc::new(Concat), expected: ExpectedKeys::default() };
        let parent = grouped.node.clone();
        if slide < length {
            parent.persist_by_default(StorageLevel::MemoryOnly);
        }
        grouped.over(operator, site, length, slide, |bounds| Concatenated { parent, bounds, merger })
    }
}

/// Lists are put together batch by batch: merged pieces would hold every value again.
struct Concatenated<K: Key, V: Record> {
    parent: Arc<StreamNode<(K, Vec<V>)>>,
    bounds: Bounds,
    merger: ByKey<K, Concat>,
}

impl<K: Key, V: Record> StreamCompute<(K, Vec<V>)> for Concatenated<K, V> {
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<(K, Vec<V>)>>> {
        let datasets = datasets(&self.parent, self.bounds.times(t, cx.zero), cx)?;
        Ok(Some(self.merger.merge(cx.engine, &datasets, true)))
    }
}

/// Puts lists one behind the other.
struct Concat;

impl<V: Data> Merge<Vec<V>> for Concat {
    fn merge(&self, slot: &mut Option<Vec<V>>, later: Vec<V>) {
        match slot {
            None => *slot = Some(later),
            Some(sofar) => sofar.extend(later),
        }
    }
}

impl<V: Data> Combine<Vec<V>, Vec<V>> for Concat {
    fn add(&self, slot: &mut Option<Vec<V>>, later: Vec<V>) {
        self.merge(slot, later);
    }
}
