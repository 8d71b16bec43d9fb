//! Incremental windows without keys of the program's: `reduce_by_window_inverse`, `count_by_window`,
//! `count_by_value_and_window`.

use std::panic::Location;
use std::time::Duration;

use waterclock_base::{Data, Key, Record};
use waterclock_engine::Keyed;

use super::bounds::Asked;
use super::inverse::Rule;
use crate::dstream::DStream;
use crate::dstream::operators::Count;

/// # Windows, incremental
impl<T: Data> DStream<T> {
    /// At each slide, all records in the window combined by `f`: added as they enter, taken out by `inverse`
    /// as they leave. No record before the first one ever; one in every window from then on.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterclock_streaming::testing::check_stream;
    /// let (window, slide) = (Duration::from_secs(2), Duration::from_secs(1));
    /// check_stream(
    ///     vec![vec![], vec![1, 2], vec![3], vec![]],
    ///     |s| s.reduce_by_window_inverse(|a, b| a + b, |a, b| a - b, window, slide),
    ///     vec![vec![], vec![3], vec![6], vec![3]],
    /// );
    /// ```
    #[track_caller]
    pub fn reduce_by_window_inverse(
        &self,
        f: impl Fn(T, T) -> T + Send + Sync + 'static,
        inverse: impl Fn(T, T) -> T + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
    ) -> DStream<T>
    where
        T: Record,
    {
        let asked = Asked { call: "reduce_by_window_inverse", site: Location::caller() };
        let single = self.map_as(asked.call, asked.site, |record| ((), record));
        let rule = Rule { f, inverse, keep: None };
        let reduced = single.inverse_window(asked, rule, length, slide, Keyed::new().partitions(1));
        reduced.map_as(asked.call, asked.site, |((), record)| record)
    }

    /// At each slide, the number of records in the window: nothing before the first record ever, then also 0.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterclock_streaming::testing::check_stream;
    /// let (window, slide) = (Duration::from_secs(2), Duration::from_secs(1));
    /// check_stream(
    ///     vec![vec![], vec!['a', 'b'], vec!['c'], vec![], vec![]],
    ///     |s| s.count_by_window(window, slide),
    ///     vec![vec![], vec![2], vec![3], vec![1], vec![0]],
    /// );
    /// ```
    #[track_caller]
    pub fn count_by_window(&self, length: Duration, slide: Duration) -> DStream<u64> {
        let asked = Asked { call: "count_by_window", site: Location::caller() };
        let counts = self.each(asked.call, asked.site, move |rdd, _| {
            let count = rdd.fold_all_at(asked.call, asked.site, Count);
            // An empty batch is no record: a window says nothing before the first.
            Ok(count.flat_map_at(asked.call, asked.site, |count| (count > 0).then_some(((), count))))
        });
        let rule = Rule { f: |a, b| a + b, inverse: |a: u64, b| a - b, keep: None };
        let counts = counts.inverse_window(asked, rule, length, slide, Keyed::new().partitions(1));
        counts.map_as(asked.call, asked.site, |((), count)| count)
    }

    /// At each slide, each distinct record in the window with how often it occurs.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterclock_streaming::testing::check_stream;
    /// let (window, slide) = (Duration::from_secs(2), Duration::from_secs(1));
    /// check_stream(
    ///     vec![vec![7], vec![7], vec![], vec![]],
    ///     |s| s.count_by_value_and_window(window, slide),
    ///     vec![vec![(7, 1)], vec![(7, 2)], vec![(7, 1)], vec![]],
    /// );
    /// ```
    #[track_caller]
    pub fn count_by_value_and_window(&self, length: Duration, slide: Duration) -> DStream<(T, u64)>
    where
        T: Key,
    {
        self.count_by_value_and_window_with(length, slide, Keyed::new())
    }

    /// [`count_by_value_and_window`](DStream::count_by_value_and_window) with options.
    #[track_caller]
    pub fn count_by_value_and_window_with(
        &self,
        length: Duration,
        slide: Duration,
        options: Keyed<T>,
    ) -> DStream<(T, u64)>
    where
        T: Key,
    {
        let asked = Asked { call: "count_by_value_and_window", site: Location::caller() };
        let ones = self.map_as(asked.call, asked.site, |record| (record, 1u64));
        let keep = Some(Box::new(|_: &T, count: &u64| *count != 0) as _);
        let rule = Rule { f: |a, b| a + b, inverse: |a: u64, b| a - b, keep };
        ones.inverse_window(asked, rule, length, slide, options)
    }
}
