//! `union`: the records of several streams.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{BatchTime, Data, Error, Result};
use waterclock_engine::Rdd;

use crate::context::StreamingContext;
use crate::dstream::{DStream, define};
use crate::graph::{AnyNode, BatchCx, Derive, StreamCompute, StreamNode};

impl<T: Data> DStream<T> {
    /// The records of this stream and of `other`, batch by batch: this one's partitions first.
    ///
    /// Both must have the same slide and be of one context. Where one of them has no dataset the batch
    /// fails.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec![1, 2]], |s| s.union(&s.map(|n| -n)), vec![vec![1, 2, -1, -2]]);
    /// ```
    #[track_caller]
    pub fn union(&self, other: &DStream<T>) -> DStream<T> {
        union_of(Location::caller(), &[self.clone(), other.clone()])
    }
}

impl StreamingContext {
    /// The records of all streams; see [`DStream::union`].
    ///
    /// # Errors
    /// [`Error::Definition`] for no streams at all. What else is wrong, the stream tells, as every
    /// operation's.
    #[track_caller]
    pub fn union<T: Data>(&self, streams: &[DStream<T>]) -> Result<DStream<T>> {
        let site = Location::caller();
        if streams.is_empty() {
            return Err(Error::Definition { call: "union", site, why: "there is no stream to unite".into() });
        }
        Ok(union_of(site, streams))
    }
}

fn union_of<T: Data>(site: &'static Location<'static>, streams: &[DStream<T>]) -> DStream<T> {
    let parents: Vec<Arc<dyn AnyNode>> = streams.iter().map(DStream::parent).collect();
    let first = &streams[0];
    let possible = same_context(streams).and_then(|()| same_slide(&parents));
    let (call, refusal) = ("union", streams.iter().find_map(|stream| stream.node.refusal().cloned()));
    let possible = possible.map_err(|why| Error::Definition { call, site, why });
    let nodes = streams.iter().map(|stream| stream.node.clone()).collect();
    define(&first.graph, Derive::new(call, site, parents), possible, refusal, Union { nodes, site })
}

fn same_context<T: Data>(streams: &[DStream<T>]) -> Result<(), String> {
    let first = &streams[0].graph;
    let same = streams.iter().all(|stream| Arc::ptr_eq(first, &stream.graph));
    if same { Ok(()) } else { Err("the streams are of different contexts".into()) }
}

/// Streams that are read together must have datasets at the same times.
pub(crate) fn same_slide(parents: &[Arc<dyn AnyNode>]) -> Result<(), String> {
    let mut slides: Vec<_> = parents.iter().map(|parent| parent.slide()).collect();
    slides.dedup();
    if slides.len() <= 1 {
        return Ok(());
    }
    Err(format!("the streams have different slides: {slides:?}; give them the same with `window`"))
}

/// The dataset of a parent at a time at which it must have one.
pub(crate) fn needed<T: Data>(
    node: &StreamNode<T>,
    t: BatchTime,
    cx: &BatchCx<'_>,
    operator: &'static str,
) -> Result<Rdd<T>> {
    node.rdd_at(t, cx)?.ok_or_else(|| {
        node.cannot(t, format!("it has no dataset at this time, and {operator} needs one from each stream"))
    })
}

struct Union<T: Data> {
    nodes: Vec<Arc<StreamNode<T>>>,
    site: &'static Location<'static>,
}

impl<T: Data> StreamCompute<T> for Union<T> {
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        let datasets: Result<Vec<_>> = self.nodes.iter().map(|node| needed(node, t, cx, "union")).collect();
        Ok(Some(cx.engine.union_at("union", self.site, &datasets?)))
    }
}
