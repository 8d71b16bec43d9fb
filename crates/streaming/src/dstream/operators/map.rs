//! `map`: one record for each record.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::Data;

use crate::dstream::DStream;

/// # Record by record
impl<T: Data> DStream<T> {
    /// Applies `f` to each record of each batch; the order stays. No dataset where this stream has none.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec![1, 2], vec![]], |s| s.map(|n| n + 1), vec![vec![2, 3], vec![]]);
    /// ```
    #[track_caller]
    pub fn map<U: Data>(&self, f: impl Fn(T) -> U + Send + Sync + 'static) -> DStream<U> {
        self.map_as("map", Location::caller(), f)
    }

    /// [`map`](DStream::map) under another name, for operations made of it.
    pub(crate) fn map_as<U: Data>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        f: impl Fn(T) -> U + Send + Sync + 'static,
    ) -> DStream<U> {
        let f = Arc::new(f);
        self.each(operator, site, move |rdd, _| {
            let f = f.clone();
            Ok(rdd.map_at(operator, site, move |record| f(record)))
        })
    }
}
