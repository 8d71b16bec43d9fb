//! `reduce_by_key_and_window`: the values of each key in a window, combined.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use waterclock_base::{Data, Key, Record};
use waterclock_engine::{Combine, Engine, ExpectedKeys, Keyed, Rdd, ReduceValues};

use super::fold::{Merger, WindowFold};
use crate::dstream::DStream;

/// # Pairs: by key, over windows
///
/// What is said of [windows](DStream::window) holds: first windows are partial, batches without a dataset are left out,
/// and lengths and slides must be multiples of this stream's slide.
impl<K: Data, V: Data> DStream<(K, V)> {
    /// The values of each key in the last `length`, combined by `f`, every `slide`. A key without a value
    /// in the window does not occur.
    ///
    /// `f` must be associative; it is called with the earlier value first. Each batch is reduced once and
    /// merged into pieces that many windows share, so a slide costs a few merges, however long the window is.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterclock_streaming::testing::check_stream_unordered;
    /// let second = Duration::from_secs(1);
    /// check_stream_unordered(
    ///     vec![vec![('a', 1), ('a', 1)], vec![('b', 1)], vec![]],
    ///     move |s| s.reduce_by_key_and_window(|a, b| a + b, 2 * second, second),
    ///     vec![vec![('a', 2)], vec![('a', 2), ('b', 1)], vec![('b', 1)], vec![]],
    /// );
    /// ```
    #[track_caller]
    pub fn reduce_by_key_and_window(
        &self,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
    ) -> DStream<(K, V)>
    where
        K: Key,
        V: Record,
    {
        self.reduce_by_key_and_window_at(Location::caller(), f, length, slide, Keyed::new())
    }

    /// [`reduce_by_key_and_window`](DStream::reduce_by_key_and_window) with options.
    #[track_caller]
    pub fn reduce_by_key_and_window_with(
        &self,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
        options: Keyed<K>,
    ) -> DStream<(K, V)>
    where
        K: Key,
        V: Record,
    {
        self.reduce_by_key_and_window_at(Location::caller(), f, length, slide, options)
    }

    fn reduce_by_key_and_window_at(
        &self,
        site: &'static Location<'static>,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
        options: Keyed<K>,
    ) -> DStream<(K, V)>
    where
        K: Key,
        V: Record,
    {
        let operator = "reduce_by_key_and_window";
        let (f, options) = (Arc::new(f), self.shared(options));
        let each = f.clone();
        let reduced = self.reduce_as(operator, site, options.clone(), move |a, b| each(a, b));
        let combine = Arc::new(ReduceValues(move |a, b| f(a, b)));
        let merger = ByKey { operator, site, options, combine, expected: ExpectedKeys::default() };
        let parent = reduced.node.clone();
        reduced.over(operator, site, length, slide, |bounds| WindowFold::new(parent, bounds, merger))
    }
}

/// Merges datasets that are spread by key alike: nothing is moved.
pub(super) struct ByKey<K, A> {
    pub(super) operator: &'static str,
    pub(super) site: &'static Location<'static>,
    pub(super) options: Keyed<K>,
    pub(super) combine: Arc<A>,
    /// Keys of whole windows.
    pub(super) expected: ExpectedKeys,
}

impl<K: Key, V: Record, A: Combine<V, V>> Merger<(K, V)> for ByKey<K, A> {
    fn merge(&self, engine: &Engine, parts: &[Rdd<(K, V)>], whole: bool) -> Rdd<(K, V)> {
        let all = engine.union_at(self.operator, self.site, parts);
        if parts.len() == 1 {
            return all;
        }
        let expected = if whole { self.expected.clone() } else { ExpectedKeys::default() };
        all.combine_at(self.operator, self.site, &self.options, self.combine.clone(), &expected)
    }
}
