//! `join`, the outer joins and `cogroup`: two streams side by side, batch by batch.

use std::panic::Location;

use waterclock_base::{Data, Key, Record};
use waterclock_engine::Keyed;

use crate::dstream::DStream;

/// # Pairs: two streams
///
/// Each batch is joined with the other stream's of the same time, and with no other: to join over a span
/// of time, join windows. Both must be of one context and have the same slide. Where one of them has no
/// dataset the batch fails; an empty one is a batch without keys.
///
/// Each value of a key on this side meets each on the other: m and n values give m·n rows. Keys come in the
/// order in which this stream has them, then those that only the other has. A side that is spread by key
/// as the result is, is not moved.
impl<K: Data, V: Data> DStream<(K, V)> {
    /// The values of the keys that both batches have.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream_unordered;
    /// check_stream_unordered(
    ///     vec![vec![(1, 'a'), (2, 'b')]],
    ///     |s| s.join(&s.filter(|(k, _)| *k == 1)),
    ///     vec![vec![(1, ('a', 'a'))]],
    /// );
    /// ```
    #[track_caller]
    pub fn join<W: Record>(&self, other: &DStream<(K, W)>) -> DStream<(K, (V, W))>
    where
        K: Key,
        V: Record,
    {
        self.join_with(other, Keyed::new())
    }

    /// [`join`](DStream::join) with options.
    #[track_caller]
    pub fn join_with<W: Record>(&self, other: &DStream<(K, W)>, options: Keyed<K>) -> DStream<(K, (V, W))>
    where
        K: Key,
        V: Record,
    {
        let (call, site, options) = ("join", Location::caller(), self.shared(options));
        self.with_other(call, site, other, move |a, b, _, _| Ok(a.join_at(call, site, &b, &options)))
    }

    /// All values of this stream, with those of the other where its batch has the key.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream_unordered;
    /// check_stream_unordered(
    ///     vec![vec![(1, 'a'), (2, 'b')]],
    ///     |s| s.left_outer_join(&s.filter(|(k, _)| *k == 1)),
    ///     vec![vec![(1, ('a', Some('a'))), (2, ('b', None))]],
    /// );
    /// ```
    #[track_caller]
    pub fn left_outer_join<W: Record>(&self, other: &DStream<(K, W)>) -> DStream<(K, (V, Option<W>))>
    where
        K: Key,
        V: Record,
    {
        self.left_outer_join_with(other, Keyed::new())
    }

    /// [`left_outer_join`](DStream::left_outer_join) with options.
    #[track_caller]
    pub fn left_outer_join_with<W: Record>(
        &self,
        other: &DStream<(K, W)>,
        options: Keyed<K>,
    ) -> DStream<(K, (V, Option<W>))>
    where
        K: Key,
        V: Record,
    {
        let (call, site, options) = ("left_outer_join", Location::caller(), self.shared(options));
        self.with_other(call, site, other, move |a, b, _, _| {
            Ok(a.left_outer_join_at(call, site, &b, &options))
        })
    }

    /// All values of the other stream, with those of this one where its batch has the key.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream_unordered;
    /// check_stream_unordered(
    ///     vec![vec![(1, 'a'), (2, 'b')]],
    ///     |s| s.filter(|(k, _)| *k == 1).right_outer_join(&s),
    ///     vec![vec![(1, (Some('a'), 'a')), (2, (None, 'b'))]],
    /// );
    /// ```
    #[track_caller]
    pub fn right_outer_join<W: Record>(&self, other: &DStream<(K, W)>) -> DStream<(K, (Option<V>, W))>
    where
        K: Key,
        V: Record,
    {
        self.right_outer_join_with(other, Keyed::new())
    }

    /// [`right_outer_join`](DStream::right_outer_join) with options.
    #[track_caller]
    pub fn right_outer_join_with<W: Record>(
        &self,
        other: &DStream<(K, W)>,
        options: Keyed<K>,
    ) -> DStream<(K, (Option<V>, W))>
    where
        K: Key,
        V: Record,
    {
        let (call, site, options) = ("right_outer_join", Location::caller(), self.shared(options));
        self.with_other(call, site, other, move |a, b, _, _| {
            Ok(a.right_outer_join_at(call, site, &b, &options))
        })
    }

    /// All values of both streams, each with those of the other where its batch has the key.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream_unordered;
    /// check_stream_unordered(
    ///     vec![vec![(1, 'a'), (2, 'b')]],
    ///     |s| s.filter(|(k, _)| *k == 1).full_outer_join(&s.filter(|(k, _)| *k == 2)),
    ///     vec![vec![(1, (Some('a'), None)), (2, (None, Some('b')))]],
    /// );
    /// ```
    #[track_caller]
    pub fn full_outer_join<W: Record>(&self, other: &DStream<(K, W)>) -> DStream<(K, (Option<V>, Option<W>))>
    where
        K: Key,
        V: Record,
    {
        self.full_outer_join_with(other, Keyed::new())
    }

    /// [`full_outer_join`](DStream::full_outer_join) with options.
    #[track_caller]
    pub fn full_outer_join_with<W: Record>(
        &self,
        other: &DStream<(K, W)>,
        options: Keyed<K>,
    ) -> DStream<(K, (Option<V>, Option<W>))>
    where
        K: Key,
        V: Record,
    {
        let (call, site, options) = ("full_outer_join", Location::caller(), self.shared(options));
        self.with_other(call, site, other, move |a, b, _, _| {
            Ok(a.full_outer_join_at(call, site, &b, &options))
        })
    }

    /// For each key of either batch the list of its values in each, empty where it has none.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream_unordered;
    /// check_stream_unordered(
    ///     vec![vec![(1, 'a'), (1, 'b'), (2, 'c')]],
    ///     |s| s.cogroup(&s.filter(|(k, _)| *k == 2)),
    ///     vec![vec![(1, (vec!['a', 'b'], vec![])), (2, (vec!['c'], vec!['c']))]],
    /// );
    /// ```
    #[track_caller]
    pub fn cogroup<W: Record>(&self, other: &DStream<(K, W)>) -> DStream<(K, (Vec<V>, Vec<W>))>
    where
        K: Key,
        V: Record,
    {
        self.cogroup_with(other, Keyed::new())
    }

    /// [`cogroup`](DStream::cogroup) with options.
    #[track_caller]
    pub fn cogroup_with<W: Record>(
        &self,
        other: &DStream<(K, W)>,
        options: Keyed<K>,
    ) -> DStream<(K, (Vec<V>, Vec<W>))>
    where
        K: Key,
        V: Record,
    {
        let (call, site, options) = ("cogroup", Location::caller(), self.shared(options));
        self.with_other(call, site, other, move |a, b, _, _| Ok(a.cogroup_at(call, site, &b, &options)))
    }
}
