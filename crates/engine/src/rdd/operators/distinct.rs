//! `distinct`: each record once.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{Data, Key};

use super::keyed::{Keyed, KeyedInput, Once};
use crate::rdd::{Asked, Rdd};
use crate::shuffle::{ExpectedKeys, combined};

/// # As sets
///
/// Records are compared as keys: they are spread by key group, and come in the order in which they occur
/// first.
impl<T: Data> Rdd<T> {
    /// Each record once, in as many partitions as this dataset has.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let rdd = Engine::local(2).parallelize(vec![3, 1, 3, 2, 1], 2);
    /// assert_eq!(rdd.distinct().sorted()?, [1, 2, 3]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn distinct(&self) -> Rdd<T>
    where
        T: Key,
    {
        let partitions = self.engine().keyed_partitions(self.partitions());
        self.distinct_with(Keyed::new().partitions(partitions))
    }

    /// [`distinct`](Rdd::distinct) with options: over how many partitions.
    #[track_caller]
    pub fn distinct_with(&self, options: Keyed<T>) -> Rdd<T>
    where
        T: Key,
    {
        let by = Asked { operator: "distinct", site: Location::caller() };
        let pairs = self.keys_alone(by);
        match options.spread(self.engine(), by, &[KeyedInput::of(&pairs)]) {
            Ok(to) => {
                let (once, expected) = (Arc::new(Once), ExpectedKeys::default());
                let once = combined(&pairs, by.operator, by.site, &to, once, &expected);
                once.map_at(by.operator, by.site, |(record, ())| record)
            }
            Err(error) => self.engine().failing_at(by.operator, by.site, error),
        }
    }

    /// Each record as a key.
    pub(crate) fn keys_alone(&self, by: Asked) -> Rdd<(T, ())>
    where
        T: Key,
    {
        self.map_at(by.operator, by.site, |record| (record, ()))
    }
}
