//! `combine_by_key` and what is made of it: `reduce_by_key`, `group_by_key`, `aggregate_by_key`, `fold_by_key`.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{Data, Key, Record};

use super::Keyed;
use super::options::KeyedInput;
use crate::rdd::{Asked, Rdd};
use crate::shuffle::{Combine, ExpectedKeys, Merge, combined};

/// # Pairs: by key
///
/// Rows come in the order in which their keys came; the values of a key are combined in the order of
/// (partition, position), never in order of arrival.
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// The values of each key, combined by `f`, which must be associative.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let pairs = Engine::local(2).parallelize(vec![(1, 5), (2, 7), (1, 1)], 2);
    /// assert_eq!(pairs.reduce_by_key(|a, b| a + b).sorted()?, [(1, 6), (2, 7)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce_by_key(&self, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> Rdd<(K, V)>
    where
        K: Key,
        V: Record,
    {
        self.reduce_by_key_with(f, Keyed::follow_inputs())
    }

    /// [`reduce_by_key`](Rdd::reduce_by_key) with options.
    #[track_caller]
    pub fn reduce_by_key_with(
        &self,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        options: Keyed<K>,
    ) -> Rdd<(K, V)>
    where
        K: Key,
        V: Record,
    {
        self.combine_at(
            "reduce_by_key",
            Location::caller(),
            &options,
            Arc::new(ReduceValues(f)),
            &ExpectedKeys::default(),
        )
    }

    /// The values of each key as a list, in order.
    ///
    /// Every value is moved and kept: where a reduction is meant, `reduce_by_key` is far cheaper.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let pairs = Engine::local(2).parallelize(vec![(1, 'x'), (2, 'y'), (1, 'a')], 3);
    /// assert_eq!(pairs.group_by_key().sorted()?, [(1, vec!['x', 'a']), (2, vec!['y'])]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn group_by_key(&self) -> Rdd<(K, Vec<V>)>
    where
        K: Key,
        V: Record,
    {
        self.group_by_key_with(Keyed::follow_inputs())
    }

    /// [`group_by_key`](Rdd::group_by_key) with options. Lists are not made before the shuffle.
    #[track_caller]
    pub fn group_by_key_with(&self, options: Keyed<K>) -> Rdd<(K, Vec<V>)>
    where
        K: Key,
        V: Record,
    {
        self.group_by_key_at("group_by_key", Location::caller(), &options)
    }

    /// [`group_by_key`](Rdd::group_by_key) under another name and place, for operations made of it.
    pub fn group_by_key_at(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        options: &Keyed<K>,
    ) -> Rdd<(K, Vec<V>)>
    where
        K: Key,
        V: Record,
    {
        let options = options.clone().map_side_combine(false);
        self.combine_at(operator, site, &options, Arc::new(GroupValues), &ExpectedKeys::default())
    }

    /// Combines the values of each key into another type: `create` makes it from the first value, `add` adds
    /// a value, `merge` joins what two partitions made.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let pairs = Engine::local(2).parallelize(vec![("a".to_owned(), 1), ("a".into(), 3)], 2);
    /// let mean = pairs
    ///     .combine_by_key(|v| (v, 1), |(s, n), v| (s + v, n + 1), |a, b| (a.0 + b.0, a.1 + b.1))
    ///     .map_values(|(sum, n)| sum / n);
    /// assert_eq!(mean.collect()?, [("a".to_owned(), 2)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn combine_by_key<C: Record>(
        &self,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        add: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Rdd<(K, C)>
    where
        K: Key,
        V: Record,
    {
        self.combine_by_key_with(create, add, merge, Keyed::follow_inputs())
    }

    /// [`combine_by_key`](Rdd::combine_by_key) with options.
    #[track_caller]
    pub fn combine_by_key_with<C: Record>(
        &self,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        add: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
        options: Keyed<K>,
    ) -> Rdd<(K, C)>
    where
        K: Key,
        V: Record,
    {
        let combine = Arc::new(CombineValues { create, add, merge });
        self.combine_at("combine_by_key", Location::caller(), &options, combine, &ExpectedKeys::default())
    }

    /// Combines the values of each key into another type: `add` adds a value, beginning with `zero` once in
    /// each partition where the key occurs; `merge` joins what two partitions made.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let pairs = Engine::local(2).parallelize(vec![(1, 'a'), (1, 'b'), (2, 'c')], 2);
    /// let spelled = pairs.aggregate_by_key(String::new(), |word, c| word + &c.to_string(), |a, b| a + &b);
    /// assert_eq!(spelled.sorted()?, [(1, "ab".to_owned()), (2, "c".to_owned())]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn aggregate_by_key<C: Record>(
        &self,
        zero: C,
        add: impl Fn(C, V) -> C + Clone + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Rdd<(K, C)>
    where
        K: Key,
        V: Record,
    {
        self.aggregate_by_key_with(zero, add, merge, Keyed::follow_inputs())
    }

    /// [`aggregate_by_key`](Rdd::aggregate_by_key) with options.
    #[track_caller]
    pub fn aggregate_by_key_with<C: Record>(
        &self,
        zero: C,
        add: impl Fn(C, V) -> C + Clone + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
        options: Keyed<K>,
    ) -> Rdd<(K, C)>
    where
        K: Key,
        V: Record,
    {
        let first = add.clone();
        let create = move |value| first(zero.clone(), value);
        let combine = Arc::new(CombineValues { create, add, merge });
        let site = Location::caller();
        self.combine_at("aggregate_by_key", site, &options, combine, &ExpectedKeys::default())
    }

    /// Combines the values of each key by `f`, beginning with `zero` once in each partition where the key
    /// occurs.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let pairs = Engine::local(2).parallelize(vec![(1, 2), (1, 3), (2, 4)], 1);
    /// assert_eq!(pairs.fold_by_key(1, |a, b| a * b).sorted()?, [(1, 6), (2, 4)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn fold_by_key(&self, zero: V, f: impl Fn(V, V) -> V + Clone + Send + Sync + 'static) -> Rdd<(K, V)>
    where
        K: Key,
        V: Record,
    {
        self.fold_by_key_with(zero, f, Keyed::follow_inputs())
    }

    /// [`fold_by_key`](Rdd::fold_by_key) with options.
    #[track_caller]
    pub fn fold_by_key_with(
        &self,
        zero: V,
        f: impl Fn(V, V) -> V + Clone + Send + Sync + 'static,
        options: Keyed<K>,
    ) -> Rdd<(K, V)>
    where
        K: Key,
        V: Record,
    {
        let (first, merge) = (f.clone(), f.clone());
        let create = move |value| first(zero.clone(), value);
        let combine = Arc::new(CombineValues { create, add: f, merge });
        self.combine_at("fold_by_key", Location::caller(), &options, combine, &ExpectedKeys::default())
    }

    /// Combines under another name and place, for operations made of it; `expected` is shared by the
    /// datasets of one stream.
    pub fn combine_at<C: Record, A: Combine<V, C>>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        options: &Keyed<K>,
        combine: Arc<A>,
        expected: &ExpectedKeys,
    ) -> Rdd<(K, C)>
    where
        K: Key,
        V: Record,
    {
        let by = Asked { operator, site };
        let partitioner = match options.spread(self.engine(), by, &[KeyedInput::of(self)]) {
            Ok(partitioner) => partitioner,
            Err(error) => return self.engine().failing_at(operator, site, error),
        };
        if options.combines_map_side() {
            return combined(self, operator, site, &partitioner, combine, expected);
        }
        combined(&self.spread_by(by, &partitioner), operator, site, &partitioner, combine, expected)
    }
}

/// Combines values by one associative function.
pub struct ReduceValues<F>(pub F);

impl<V, F: Fn(V, V) -> V + Send + Sync + 'static> Merge<V> for ReduceValues<F> {
    #[inline]
    fn merge(&self, slot: &mut Option<V>, other: V) {
        *slot = Some(match slot.take() {
            None => other,
            Some(sofar) => (self.0)(sofar, other),
        });
    }
}

impl<V, F: Fn(V, V) -> V + Send + Sync + 'static> Combine<V, V> for ReduceValues<F> {
    #[inline]
    fn add(&self, slot: &mut Option<V>, value: V) {
        self.merge(slot, value);
    }
}

/// Combines values into a list.
pub struct GroupValues;

impl<V: Data> Merge<Vec<V>> for GroupValues {
    fn merge(&self, slot: &mut Option<Vec<V>>, other: Vec<V>) {
        match slot {
            None => *slot = Some(other),
            Some(sofar) => sofar.extend(other),
        }
    }
}

impl<V: Data> Combine<V, Vec<V>> for GroupValues {
    fn add(&self, slot: &mut Option<Vec<V>>, value: V) {
        slot.get_or_insert_default().push(value);
    }
}

/// Combines values by three functions of the program.
pub struct CombineValues<Create, Add, Join> {
    /// Makes the combination of one value.
    pub create: Create,
    /// Adds a value.
    pub add: Add,
    /// Joins two combinations.
    pub merge: Join,
}

impl<C, Create, Add, Join> Merge<C> for CombineValues<Create, Add, Join>
where
    Create: Send + Sync + 'static,
    Add: Send + Sync + 'static,
    Join: Fn(C, C) -> C + Send + Sync + 'static,
{
    fn merge(&self, slot: &mut Option<C>, other: C) {
        *slot = Some(match slot.take() {
            None => other,
            Some(sofar) => (self.merge)(sofar, other),
        });
    }
}

impl<V, C, Create, Add, Join> Combine<V, C> for CombineValues<Create, Add, Join>
where
    Create: Fn(V) -> C + Send + Sync + 'static,
    Add: Fn(C, V) -> C + Send + Sync + 'static,
    Join: Fn(C, C) -> C + Send + Sync + 'static,
{
    fn add(&self, slot: &mut Option<C>, value: V) {
        *slot = Some(match slot.take() {
            None => (self.create)(value),
            Some(sofar) => (self.add)(sofar, value),
        });
    }
}
