//! `map_partitions`: a function of whole partitions; `glom` makes each a record.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::Data;

use crate::dstream::DStream;

/// # Partition by partition
impl<T: Data> DStream<T> {
    /// Applies `f` once to each partition of each batch, empty ones too; none for a dataset without
    /// partitions. The records of a partition are in memory meanwhile.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec![1, 2, 3, 4], vec![]], |s| s.map_partitions(|p| [p.sum::<i32>()]),
    ///              vec![vec![3, 7], vec![0, 0]]);
    /// ```
    #[track_caller]
    pub fn map_partitions<U: Data, I: IntoIterator<Item = U>>(
        &self,
        f: impl Fn(std::vec::IntoIter<T>) -> I + Send + Sync + 'static,
    ) -> DStream<U> {
        self.map_partitions_as("map_partitions", Location::caller(), move |_, records| f(records))
    }

    /// [`map_partitions`](DStream::map_partitions) whose function also learns the partition's number.
    #[track_caller]
    pub fn map_partitions_with_index<U: Data, I: IntoIterator<Item = U>>(
        &self,
        f: impl Fn(usize, std::vec::IntoIter<T>) -> I + Send + Sync + 'static,
    ) -> DStream<U> {
        self.map_partitions_as("map_partitions_with_index", Location::caller(), f)
    }

    /// Each partition as one record, also where it is empty.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec![1, 2, 3]], |s| s.glom(), vec![vec![vec![1], vec![2, 3]]]);
    /// ```
    #[track_caller]
    pub fn glom(&self) -> DStream<Vec<T>> {
        self.map_partitions_as("glom", Location::caller(), |_, records| [records.collect::<Vec<T>>()])
    }

    fn map_partitions_as<U: Data, I: IntoIterator<Item = U>>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        f: impl Fn(usize, std::vec::IntoIter<T>) -> I + Send + Sync + 'static,
    ) -> DStream<U> {
        let f = Arc::new(f);
        self.each(operator, site, move |rdd, _| {
            let f = f.clone();
            Ok(rdd.map_partitions_at(operator, site, None, move |n, records| f(n, records)))
        })
    }
}
