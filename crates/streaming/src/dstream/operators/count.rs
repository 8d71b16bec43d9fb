//! `count`: how many records each batch has; `count_by_value`: how often each value occurs.

use std::panic::Location;

use waterclock_base::{Data, Key};
use waterclock_engine::{FoldAll, Keyed};

use crate::dstream::DStream;

/// # Batch by batch
impl<T: Data> DStream<T> {
    /// The number of records of each batch: always one record, 0 for an empty batch.
    ///
    /// Where this stream has no dataset the batch fails, as Spark's does.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec!['a', 'b'], vec![]], |s| s.count(), vec![vec![2], vec![0]]);
    /// ```
    #[track_caller]
    pub fn count(&self) -> DStream<u64> {
        let site = Location::caller();
        self.needing("count", site, move |rdd, _| Ok(rdd.fold_all_at("count", site, Count)))
    }

    /// Each distinct record of a batch with how often it occurs; nothing for an empty batch.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream_unordered;
    /// check_stream_unordered(vec![vec![7, 8, 7]], |s| s.count_by_value(), vec![vec![(7, 2), (8, 1)]]);
    /// ```
    #[track_caller]
    pub fn count_by_value(&self) -> DStream<(T, u64)>
    where
        T: Key,
    {
        self.count_by_value_with(Keyed::new())
    }

    /// [`count_by_value`](DStream::count_by_value) with options.
    #[track_caller]
    pub fn count_by_value_with(&self, options: Keyed<T>) -> DStream<(T, u64)>
    where
        T: Key,
    {
        let site = Location::caller();
        let ones = self.map_as("count_by_value", site, |record| (record, 1u64));
        ones.reduce_as("count_by_value", site, options, |a, b| a + b)
    }
}

/// Counts without looking.
pub(crate) struct Count;

impl<T: Data> FoldAll<T> for Count {
    type Sum = u64;

    fn zero(&self) -> u64 {
        0
    }

    fn add(&self, sum: &mut u64, _: T) {
        *sum += 1;
    }

    fn add_lent(&self, sum: &mut u64, _: &T) {
        *sum += 1;
    }

    fn merge(&self, sum: &mut u64, later: u64) {
        *sum += later;
    }
}
