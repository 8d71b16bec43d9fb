//! `combine_by_key`, `reduce_by_key`, `group_by_key`, `partition_by`: the values of each key of a batch.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{Data, Key, Record};
use waterclock_engine::{Combine, CombineValues, ExpectedKeys, GroupValues, Keyed, ReduceValues};

use crate::dstream::DStream;

/// # Pairs: by key, batch by batch
///
/// Rows come in the order in which their keys came. By default the result is spread over
/// `default_parallelism` partitions by key group.
impl<K: Data, V: Data> DStream<(K, V)> {
    /// The values of each key of a batch, combined by `f`, which must be associative. Nothing for an empty
    /// batch.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream_unordered;
    /// check_stream_unordered(
    ///     vec![vec![(1, 5), (2, 7), (1, 1)], vec![]],
    ///     |s| s.reduce_by_key(|a, b| a + b),
    ///     vec![vec![(1, 6), (2, 7)], vec![]],
    /// );
    /// ```
    #[track_caller]
    pub fn reduce_by_key(&self, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> DStream<(K, V)>
    where
        K: Key,
        V: Record,
    {
        self.reduce_as("reduce_by_key", Location::caller(), Keyed::new(), f)
    }

    /// [`reduce_by_key`](DStream::reduce_by_key) with options.
    #[track_caller]
    pub fn reduce_by_key_with(
        &self,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        options: Keyed<K>,
    ) -> DStream<(K, V)>
    where
        K: Key,
        V: Record,
    {
        self.reduce_as("reduce_by_key", Location::caller(), options, f)
    }

    /// The values of each key of a batch as a list, in order.
    ///
    /// Every value is moved and kept: where a reduction is meant, `reduce_by_key` is far cheaper.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream_unordered;
    /// check_stream_unordered(
    ///     vec![vec![(1, 'a'), (2, 'b'), (1, 'c')]],
    ///     |s| s.group_by_key(),
    ///     vec![vec![(1, vec!['a', 'c']), (2, vec!['b'])]],
    /// );
    /// ```
    #[track_caller]
    pub fn group_by_key(&self) -> DStream<(K, Vec<V>)>
    where
        K: Key,
        V: Record,
    {
        self.group_as("group_by_key", Location::caller(), Keyed::new())
    }

    /// [`group_by_key`](DStream::group_by_key) with options.
    #[track_caller]
    pub fn group_by_key_with(&self, options: Keyed<K>) -> DStream<(K, Vec<V>)>
    where
        K: Key,
        V: Record,
    {
        self.group_as("group_by_key", Location::caller(), options)
    }

    /// Combines the values of each key of a batch into another type: `create` makes it from the first
    /// value, `add` adds a value, `merge` joins what two partitions made.
    #[track_caller]
    pub fn combine_by_key<C: Record>(
        &self,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        add: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> DStream<(K, C)>
    where
        K: Key,
        V: Record,
    {
        self.combine_by_key_with(create, add, merge, Keyed::new())
    }

    /// [`combine_by_key`](DStream::combine_by_key) with options.
    #[track_caller]
    pub fn combine_by_key_with<C: Record>(
        &self,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        add: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
        options: Keyed<K>,
    ) -> DStream<(K, C)>
    where
        K: Key,
        V: Record,
    {
        let combiner = CombineValues { create, add, merge };
        self.combine_as("combine_by_key", Location::caller(), options, combiner)
    }

    /// The same records, spread by key as `options` say.
    #[track_caller]
    pub fn partition_by(&self, options: Keyed<K>) -> DStream<(K, V)>
    where
        K: Key,
        V: Record,
    {
        let site = Location::caller();
        let options = self.shared(options);
        self.each("partition_by", site, move |rdd, _| Ok(rdd.partition_by_at("partition_by", site, &options)))
    }

    /// [`group_by_key`](DStream::group_by_key) under another name, for operations made of it.
    pub(crate) fn group_as(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        options: Keyed<K>,
    ) -> DStream<(K, Vec<V>)>
    where
        K: Key,
        V: Record,
    {
        self.combine_as(operator, site, options.map_side_combine(false), GroupValues)
    }

    /// [`reduce_by_key`](DStream::reduce_by_key) under another name, for operations made of it.
    pub(crate) fn reduce_as(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        options: Keyed<K>,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> DStream<(K, V)>
    where
        K: Key,
        V: Record,
    {
        self.combine_as(operator, site, options, ReduceValues(f))
    }

    fn combine_as<C: Record, A: Combine<V, C>>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        options: Keyed<K>,
        combiner: A,
    ) -> DStream<(K, C)>
    where
        K: Key,
        V: Record,
    {
        let (options, expected) = (self.shared(options), ExpectedKeys::default());
        let combiner = Arc::new(combiner);
        self.each(operator, site, move |rdd, _| {
            Ok(rdd.combine_at(operator, site, &options, combiner.clone(), &expected))
        })
    }

    /// The options with their partitioner made once, so that all batches share its identity.
    pub(crate) fn shared(&self, options: Keyed<K>) -> Keyed<K>
    where
        K: Key,
        V: Record,
    {
        let partitioner = options.resolve(&self.graph.engine);
        options.partitioner(partitioner)
    }
}
