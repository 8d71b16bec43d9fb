//! `show`: the results of a stream, for whoever looks at the status.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{Data, Record, Row, key_hash};

use super::Output;
use crate::dstream::DStream;
use crate::graph::Prepared;

/// Records of a batch that are shown.
const ROWS: usize = 100;
/// Bytes of a cell.
const CELL: usize = 200;

impl<T: Data> DStream<T> {
    /// Shows the stream's results under this name: on the page, in `rest` and in
    /// [`status`](crate::StreamingContext::status).
    ///
    /// Of each batch the first 100 records in partition order, each as a row: one column for each part of a tuple or
    /// struct, in their [text form](waterclock_base::text_form), cut after 200 bytes. Where records are numbers, or
    /// pairs of a key and a number, the largest ten of the latest batches are kept for a chart: 300 points, at least
    /// 200 ms apart. A batch is shown when all its outputs have succeeded.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// let (ssc, clock) = manual_context("doc", Duration::from_secs(1))?;
    /// let tags = ssc.queue_stream(vec![vec![("#rust", 7u64), ("#tea", 2)]]).map(|(tag, n)| (tag.to_owned(), n));
    /// tags.show("top hashtags");
    /// ssc.start()?;
    /// clock.advance_batches(1);
    /// let shown = &ssc.status().results[0];
    /// assert_eq!((&*shown.name, &*shown.rows[0]), ("top hashtags", &["#rust".to_owned(), "7".to_owned()][..]));
    /// ssc.stop(Stop::Now)?;
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn show(&self, name: impl Into<String>) -> Output
    where
        T: Record,
    {
        let (name, progress) = (name.into(), self.graph.bus.progress().clone());
        let place = progress.shelf(|shelf| shelf.add(name.clone(), self.id()));
        let site = Location::caller();
        let output = self.output("show", site, move |rdd, cx| {
            let first = rdd.take_at("show", site, ROWS + 1)?;
            let (more, time) = (first.len() > ROWS, cx.time);
            let rows: Arc<[Row]> = first.iter().take(ROWS).map(|record| Row::of(record, CELL)).collect();
            let hash = first.iter().map(key_hash).fold(0, u64::wrapping_add);
            let progress = progress.clone();
            cx.prepare(Prepared {
                hash,
                publish: Box::new(move || {
                    progress.shelf(|shelf| shelf.put(place, time, &rows, more));
                    Ok(())
                }),
                is_as_published: Box::new(|| Ok(None)),
                discard: Box::new(|| {}),
            });
            Ok(())
        });
        output.named(format!("show {name}"))
    }
}
