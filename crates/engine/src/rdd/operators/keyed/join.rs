//! `join` and the outer joins: pairs of values with the same key in two datasets.

use std::panic::Location;

use waterclock_base::{Data, Key, Record};

use super::Keyed;
use super::expand::expanded;
use crate::chunk::Step;
use crate::rdd::{Asked, Rdd};

/// # Pairs: joins
///
/// Each value of a key in this dataset meets each of the key in the other: a key with m and n values gives
/// m·n rows, the first value's rows first. Keys come in the order in which the first dataset has them, then
/// those that only the second has. What is shuffled, see [`cogroup`](Rdd::cogroup).
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// The values of the keys that both datasets have.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let ages = engine.parallelize(vec![(1, 30), (2, 40)], 2);
    /// let names = engine.parallelize(vec![(1, 'a'), (1, 'b'), (3, 'c')], 2);
    /// assert_eq!(ages.join(&names).sorted()?, [(1, (30, 'a')), (1, (30, 'b'))]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn join<W: Record>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (V, W))>
    where
        K: Key,
        V: Record,
    {
        self.join_at("join", Location::caller(), other, &Keyed::follow_inputs())
    }

    /// [`join`](Rdd::join) with options.
    #[track_caller]
    pub fn join_with<W: Record>(&self, other: &Rdd<(K, W)>, options: Keyed<K>) -> Rdd<(K, (V, W))>
    where
        K: Key,
        V: Record,
    {
        self.join_at("join", Location::caller(), other, &options)
    }

    /// [`join`](Rdd::join) under another name and place, for operations made of it.
    pub fn join_at<W: Record>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        other: &Rdd<(K, W)>,
        options: &Keyed<K>,
    ) -> Rdd<(K, (V, W))>
    where
        K: Key,
        V: Record,
    {
        let lists = self.cogroup_at(operator, site, other, options);
        expanded(&lists, Asked { operator, site }, |(left, right), out| cross(left, right, out))
    }

    /// All values of this dataset, with those of the other where it has the key.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let ages = engine.parallelize(vec![(1, 30), (2, 40)], 2);
    /// let names = engine.parallelize(vec![(1, 'a'), (3, 'c')], 2);
    /// assert_eq!(ages.left_outer_join(&names).sorted()?, [(1, (30, Some('a'))), (2, (40, None))]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn left_outer_join<W: Record>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (V, Option<W>))>
    where
        K: Key,
        V: Record,
    {
        self.left_outer_join_at("left_outer_join", Location::caller(), other, &Keyed::follow_inputs())
    }

    /// [`left_outer_join`](Rdd::left_outer_join) with options.
    #[track_caller]
    pub fn left_outer_join_with<W: Record>(
        &self,
        other: &Rdd<(K, W)>,
        options: Keyed<K>,
    ) -> Rdd<(K, (V, Option<W>))>
    where
        K: Key,
        V: Record,
    {
        self.left_outer_join_at("left_outer_join", Location::caller(), other, &options)
    }

    /// [`left_outer_join`](Rdd::left_outer_join) under another name and place, for operations made of it.
    pub fn left_outer_join_at<W: Record>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        other: &Rdd<(K, W)>,
        options: &Keyed<K>,
    ) -> Rdd<(K, (V, Option<W>))>
    where
        K: Key,
        V: Record,
    {
        let lists = self.cogroup_at(operator, site, other, options);
        expanded(&lists, Asked { operator, site }, |(left, right), out| cross(left, optional(right), out))
    }

    /// All values of the other dataset, with those of this one where it has the key.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let ages = engine.parallelize(vec![(1, 30), (2, 40)], 2);
    /// let names = engine.parallelize(vec![(1, 'a'), (3, 'c')], 2);
    /// assert_eq!(ages.right_outer_join(&names).sorted()?, [(1, (Some(30), 'a')), (3, (None, 'c'))]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn right_outer_join<W: Record>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (Option<V>, W))>
    where
        K: Key,
        V: Record,
    {
        self.right_outer_join_at("right_outer_join", Location::caller(), other, &Keyed::follow_inputs())
    }

    /// [`right_outer_join`](Rdd::right_outer_join) with options.
    #[track_caller]
    pub fn right_outer_join_with<W: Record>(
        &self,
        other: &Rdd<(K, W)>,
        options: Keyed<K>,
    ) -> Rdd<(K, (Option<V>, W))>
    where
        K: Key,
        V: Record,
    {
        self.right_outer_join_at("right_outer_join", Location::caller(), other, &options)
    }

    /// [`right_outer_join`](Rdd::right_outer_join) under another name and place, for operations made of it.
    pub fn right_outer_join_at<W: Record>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        other: &Rdd<(K, W)>,
        options: &Keyed<K>,
    ) -> Rdd<(K, (Option<V>, W))>
    where
        K: Key,
        V: Record,
    {
        let lists = self.cogroup_at(operator, site, other, options);
        expanded(&lists, Asked { operator, site }, |(left, right), out| cross(optional(left), right, out))
    }

    /// All values of both datasets, those of the same key together.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let ages = engine.parallelize(vec![(1, 30), (2, 40)], 2);
    /// let names = engine.parallelize(vec![(1, 'a'), (3, 'c')], 2);
    /// let all = [(1, (Some(30), Some('a'))), (2, (Some(40), None)), (3, (None, Some('c')))];
    /// assert_eq!(ages.full_outer_join(&names).sorted()?, all);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn full_outer_join<W: Record>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (Option<V>, Option<W>))>
    where
        K: Key,
        V: Record,
    {
        self.full_outer_join_at("full_outer_join", Location::caller(), other, &Keyed::follow_inputs())
    }

    /// [`full_outer_join`](Rdd::full_outer_join) with options.
    #[track_caller]
    pub fn full_outer_join_with<W: Record>(
        &self,
        other: &Rdd<(K, W)>,
        options: Keyed<K>,
    ) -> Rdd<(K, (Option<V>, Option<W>))>
    where
        K: Key,
        V: Record,
    {
        self.full_outer_join_at("full_outer_join", Location::caller(), other, &options)
    }

    /// [`full_outer_join`](Rdd::full_outer_join) under another name and place, for operations made of it.
    pub fn full_outer_join_at<W: Record>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        other: &Rdd<(K, W)>,
        options: &Keyed<K>,
    ) -> Rdd<(K, (Option<V>, Option<W>))>
    where
        K: Key,
        V: Record,
    {
        let lists = self.cogroup_at(operator, site, other, options);
        expanded(&lists, Asked { operator, site }, |(left, right), out| {
            cross(optional(left), optional(right), out)
        })
    }
}

/// Each value of an outer side; one `None` where it has none.
fn optional<V>(values: Vec<V>) -> Vec<Option<V>> {
    if values.is_empty() { vec![None] } else { values.into_iter().map(Some).collect() }
}

/// Each value of the left with each of the right; the last of the left takes the right ones as they are.
fn cross<V: Data, W: Data>(left: Vec<V>, right: Vec<W>, out: &mut dyn FnMut((V, W)) -> Step) -> Step {
    let mut left = left;
    let Some(last) = left.pop() else { return Ok(()) };
    for value in left {
        for other in &right {
            out((value.clone(), other.clone()))?;
        }
    }
    for other in right {
        out((last.clone(), other))?;
    }
    Ok(())
}
