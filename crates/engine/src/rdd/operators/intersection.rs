//! `intersection` and `subtract`: what two datasets have in common, and what one has alone.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{Data, Key};

use super::keyed::{Keep, Keyed, KeyedInput, Once, matching};
use crate::rdd::{Asked, Rdd};
use crate::shuffle::{ExpectedKeys, combined};

impl<T: Data> Rdd<T> {
    /// The records that are in both datasets, each once.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let both = engine.parallelize(vec![1, 2, 2, 3], 2).intersection(&engine.parallelize(vec![3, 2, 4], 1));
    /// assert_eq!(both.sorted()?, [2, 3]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn intersection(&self, other: &Rdd<T>) -> Rdd<T>
    where
        T: Key,
    {
        self.intersection_with(other, Keyed::follow_inputs())
    }

    /// [`intersection`](Rdd::intersection) with options: over how many partitions.
    #[track_caller]
    pub fn intersection_with(&self, other: &Rdd<T>, options: Keyed<T>) -> Rdd<T>
    where
        T: Key,
    {
        let by = Asked { operator: "intersection", site: Location::caller() };
        self.picked(by, other, &options, Keep::Matched)
    }

    /// The records that are not in `other`, as often as they occur here, in as many partitions as this
    /// dataset has.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let rest = engine.parallelize(vec![1, 1, 2, 3], 2).subtract(&engine.parallelize(vec![3, 2], 1));
    /// assert_eq!(rest.collect()?, [1, 1]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn subtract(&self, other: &Rdd<T>) -> Rdd<T>
    where
        T: Key,
    {
        let partitions = self.engine().keyed_partitions(self.partitions());
        self.subtract_with(other, Keyed::new().partitions(partitions))
    }

    /// [`subtract`](Rdd::subtract) with options: over how many partitions.
    #[track_caller]
    pub fn subtract_with(&self, other: &Rdd<T>, options: Keyed<T>) -> Rdd<T>
    where
        T: Key,
    {
        let by = Asked { operator: "subtract", site: Location::caller() };
        self.picked(by, other, &options, Keep::Unmatched)
    }

    /// The records that `other` has, each once, or all that it has not.
    fn picked(&self, by: Asked, other: &Rdd<T>, options: &Keyed<T>, keep: Keep) -> Rdd<T>
    where
        T: Key,
    {
        let Asked { operator, site } = by;
        let (left, right) = (self.keys_alone(by), other.keys_alone(by));
        let to = match options.spread(self.engine(), by, &[KeyedInput::of(&left), KeyedInput::of(&right)]) {
            Ok(to) => to,
            Err(error) => return self.engine().failing_at(operator, site, error),
        };
        let left = match keep {
            Keep::Matched => combined(&left, operator, site, &to, Arc::new(Once), &ExpectedKeys::default()),
            Keep::Unmatched => left,
        };
        matching(&left, &right, by, &to, keep).map_at(operator, site, |(record, ())| record)
    }
}
