//! `filter`: the records that satisfy a condition.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::Data;

use crate::dstream::DStream;

impl<T: Data> DStream<T> {
    /// Keeps the records for which `keep` is true; the order stays. No dataset where this stream has none.
    ///
    /// A line of a text source is shown to `keep` where it lies, without being copied.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec![1, 2, 3]], |s| s.filter(|n| *n != 2), vec![vec![1, 3]]);
    /// ```
    #[track_caller]
    pub fn filter(&self, keep: impl Fn(&T) -> bool + Send + Sync + 'static) -> DStream<T> {
        let (keep, site) = (Arc::new(keep), Location::caller());
        self.each("filter", site, move |rdd, _| {
            let keep = keep.clone();
            Ok(rdd.filter_at("filter", site, move |record| keep(record)))
        })
    }
}
