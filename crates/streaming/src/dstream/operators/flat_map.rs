//! `flat_map`: any number of records for each record.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::Data;

use crate::dstream::DStream;

impl<T: Data> DStream<T> {
    /// Applies `f` to each record and puts what it gives one after the other. No dataset where this stream
    /// has none.
    ///
    /// [`flat_map_into`](DStream::flat_map_into) does the same without making a collection for each record;
    /// for words of text, [`words`](DStream::words) is faster still.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec![1, 2]], |s| s.flat_map(|n| vec![n; n]), vec![vec![1, 2, 2]]);
    /// ```
    #[track_caller]
    pub fn flat_map<U: Data, I: IntoIterator<Item = U>>(
        &self,
        f: impl Fn(T) -> I + Send + Sync + 'static,
    ) -> DStream<U> {
        self.flat_map_as("flat_map", Location::caller(), f)
    }

    /// [`flat_map`](DStream::flat_map) under another name, for operations made of it.
    pub(crate) fn flat_map_as<U: Data, I: IntoIterator<Item = U>>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        f: impl Fn(T) -> I + Send + Sync + 'static,
    ) -> DStream<U> {
        let f = Arc::new(f);
        self.each(operator, site, move |rdd, _| {
            let f = f.clone();
            Ok(rdd.flat_map_at(operator, site, move |record| f(record)))
        })
    }

    /// Shows each record to `f`, which emits any number of records: over text, a line is shown where it
    /// lies in its block.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(
    ///     vec![vec!["to be".to_owned()]],
    ///     |s| s.flat_map_into(|line, out| line.split(' ').for_each(|word| out(word.len()))),
    ///     vec![vec![2, 2]],
    /// );
    /// ```
    #[track_caller]
    pub fn flat_map_into<U: Data>(
        &self,
        f: impl Fn(&T, &mut dyn FnMut(U)) + Send + Sync + 'static,
    ) -> DStream<U> {
        let (f, site) = (Arc::new(f), Location::caller());
        self.each("flat_map_into", site, move |rdd, _| {
            let f = f.clone();
            Ok(rdd.flat_map_into_at("flat_map_into", site, move |record, out| f(record, out)))
        })
    }
}
