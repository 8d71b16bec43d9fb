//! `window`: the records of the last batches.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use waterclock_base::{BatchTime, Data, Record, Result};
use waterclock_engine::{Rdd, StorageLevel};

use super::bounds::{Asked, Bounds};
use crate::dstream::{DStream, define};
use crate::graph::{AnyNode, BatchCx, Derive, StreamCompute, StreamNode};

/// # Windows
///
/// A window of length `w` that moves on by `s` has a dataset at every `s` after the start, made of this
/// stream's datasets in `(t - w, t]`. Both must be multiples of this stream's slide. The first windows are
/// shorter, as far as there is something, and are not held back; times at which this stream has no dataset
/// are left out; there is always a dataset, if need be an empty one. A window longer than its slide shows
/// records several times; a shorter one never shows some.
///
/// A batch that failed fails the windows that contain it; the first window behind it is right again.
///
/// # Refused
/// Lengths and slides of zero, of broken milliseconds, or not multiples of this stream's slide.
impl<T: Data> DStream<T> {
    /// The records of the last `length`, at each of this stream's own times.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(
    ///     vec![vec![1], vec![2], vec![3]],
    ///     |s| s.window(Duration::from_secs(2)),
    ///     vec![vec![1], vec![1, 2], vec![2, 3], vec![3], vec![]],
    /// );
    /// ```
    #[track_caller]
    pub fn window(&self, length: Duration) -> DStream<T>
    where
        T: Record,
    {
        self.window_as("window", Location::caller(), length, self.slide_duration())
    }

    /// The records of the last `length`, every `slide`: oldest batch first, in each batch its partitions in
    /// order. Where all batches are spread by key alike, so is the window.
    ///
    /// This stream's datasets are read by several windows, and are kept in memory until the last one has
    /// been there, unless the program has them kept elsewhere. [`persist`](DStream::persist) on the window
    /// means them.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterclock_streaming::testing::run_stream;
    /// let (length, slide) = (Duration::from_secs(3), Duration::from_secs(2));
    /// let seen = run_stream(vec![vec![1], vec![2], vec![3], vec![4]], |s| s.window_sliding(length, slide), 4);
    /// assert_eq!(seen, [None, Some(vec![1, 2]), None, Some(vec![2, 3, 4])]);
    /// ```
    #[track_caller]
    pub fn window_sliding(&self, length: Duration, slide: Duration) -> DStream<T>
    where
        T: Record,
    {
        self.window_as("window", Location::caller(), length, slide)
    }

    /// [`window_sliding`](DStream::window_sliding) under another name, for operations made of it.
    pub(crate) fn window_as(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        length: Duration,
        slide: Duration,
    ) -> DStream<T>
    where
        T: Record,
    {
        let stream = self.over(operator, site, length, slide, |bounds| Window {
            parent: self.node.clone(),
            bounds,
            operator,
            site,
        });
        if stream.node.refusal().is_none() {
            self.node.persist_by_default(StorageLevel::MemoryOnly);
        }
        stream
    }

    /// Defines a stream that looks back over a window of this one's datasets.
    pub(crate) fn over<U: Record, C: StreamCompute<U>>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        length: Duration,
        slide: Duration,
        body: impl FnOnce(Bounds) -> C,
    ) -> DStream<U>
    where
        T: Record,
    {
        let step = self.node.slide();
        let rules = self.graph.settings.spark_rules;
        let checked = Bounds::new(Asked { call: operator, site }, length, slide, step, rules);
        let (bounds, possible) = match checked {
            Ok(bounds) => (bounds, Ok(())),
            Err(error) => (Bounds::of_refused(step), Err(error)),
        };
        let info = Derive { slide: bounds.slide, looks_back: bounds.length, ..self.derived(operator, site) };
        define(&self.graph, info, possible, self.node.refusal().cloned(), body(bounds))
    }
}

struct Window<T: Record> {
    parent: Arc<StreamNode<T>>,
    bounds: Bounds,
    operator: &'static str,
    site: &'static Location<'static>,
}

impl<T: Record> StreamCompute<T> for Window<T> {
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        let datasets = datasets(&self.parent, self.bounds.times(t, cx.zero), cx)?;
        Ok(Some(cx.engine.union_at(self.operator, self.site, &datasets)))
    }

    fn kept_instead(&self) -> Option<&Arc<StreamNode<T>>> {
        Some(&self.parent)
    }
}

/// The stream's datasets of these times, without the times at which it has none.
pub(super) fn datasets<T: Record>(
    stream: &StreamNode<T>,
    times: impl Iterator<Item = BatchTime>,
    cx: &BatchCx<'_>,
) -> Result<Vec<Rdd<T>>> {
    times.filter_map(|t| stream.rdd_at(t, cx).transpose()).collect()
}
