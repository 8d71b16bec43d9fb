//! `transform`: any operation on the dataset of each batch.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{BatchTime, BoxError, Data, Error, Result};
use waterclock_engine::Rdd;

use super::union::{needed, same_slide};
use crate::context::StreamingContext;
use crate::dstream::{DStream, define};
use crate::graph::{AnyNode, BatchCx, Derive, StreamCompute, StreamNode};

impl<T: Data> DStream<T> {
    /// Applies `f` to the dataset of each batch, on the driver, when the batch is made. It must be a
    /// function of its arguments.
    ///
    /// An error fails the making of the whole batch, and so does a time at which this stream has no
    /// dataset.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(
    ///     vec![vec![1, 2]],
    ///     |s| s.transform(|rdd, time| Ok(rdd.map(move |n| (time.as_millis(), n)))),
    ///     vec![vec![(1000, 1), (1000, 2)]],
    /// );
    /// ```
    #[track_caller]
    pub fn transform<U: Data>(
        &self,
        f: impl Fn(Rdd<T>, BatchTime) -> Result<Rdd<U>, BoxError> + Send + Sync + 'static,
    ) -> DStream<U> {
        self.needing("transform", Location::caller(), move |rdd, t| told("transform", t, f(rdd, t)))
    }

    /// Applies `f` to the datasets of this stream and of `other` of the same time. Both must have the same
    /// slide; errors as in [`transform`](DStream::transform).
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(
    ///     vec![vec![1, 2]],
    ///     |s| s.transform_with(&s.map(|n| n + 1), |a, b, _| Ok(a.union(&b))),
    ///     vec![vec![1, 2, 2, 3]],
    /// );
    /// ```
    #[track_caller]
    pub fn transform_with<U: Data, V: Data>(
        &self,
        other: &DStream<U>,
        f: impl Fn(Rdd<T>, Rdd<U>, BatchTime) -> Result<Rdd<V>, BoxError> + Send + Sync + 'static,
    ) -> DStream<V> {
        let make = move |a, b, t, _: &BatchCx<'_>| told("transform_with", t, f(a, b, t));
        self.with_other("transform_with", Location::caller(), other, make)
    }

    /// A stream whose datasets are made from this one's, which must have one at each of its times.
    pub(crate) fn needing<U: Data>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        make: impl Fn(Rdd<T>, BatchTime) -> Result<Rdd<U>> + Send + Sync + 'static,
    ) -> DStream<U> {
        self.define(self.derived(operator, site), Needing { parent: self.node.clone(), operator, make })
    }

    /// A stream whose datasets are made from this one's and another's of the same time.
    pub(crate) fn with_other<U: Data, V: Data>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        other: &DStream<U>,
        make: impl Fn(Rdd<T>, Rdd<U>, BatchTime, &BatchCx<'_>) -> Result<Rdd<V>> + Send + Sync + 'static,
    ) -> DStream<V> {
        let parents = vec![self.parent(), other.parent()];
        let same_context = Arc::ptr_eq(&self.graph, &other.graph);
        let possible = if same_context {
            same_slide(&parents)
        } else {
            Err("the streams are of different contexts".into())
        };
        let possible = possible.map_err(|why| Error::Definition { call: operator, site, why });
        let refusal = self.node.refusal().or(other.node.refusal()).cloned();
        let body = WithOther { left: self.node.clone(), right: other.node.clone(), operator, make };
        define(&self.graph, Derive::new(operator, site, parents), possible, refusal, body)
    }
}

impl StreamingContext {
    /// Applies `f` to the datasets of all streams of the same time, in their order; see
    /// [`DStream::transform`]. The streams must be of one record type and have the same slide.
    ///
    /// # Errors
    /// [`Error::Definition`] for no streams at all.
    #[track_caller]
    pub fn transform<T: Data, U: Data>(
        &self,
        streams: &[DStream<T>],
        f: impl Fn(Vec<Rdd<T>>, BatchTime) -> Result<Rdd<U>, BoxError> + Send + Sync + 'static,
    ) -> Result<DStream<U>> {
        let (call, site) = ("transform", Location::caller());
        let refused = |why: String| Error::Definition { call, site, why };
        let first = streams.first().ok_or_else(|| refused("there is no stream to transform".into()))?;
        let parents: Vec<Arc<dyn AnyNode>> = streams.iter().map(DStream::parent).collect();
        let possible = same_slide(&parents).map_err(refused);
        let refusal = streams.iter().find_map(|stream| stream.node.refusal().cloned());
        let nodes = streams.iter().map(|stream| stream.node.clone()).collect();
        let body = OfAll { nodes, f };
        Ok(define(&first.graph, Derive::new(call, site, parents), possible, refusal, body))
    }
}

/// The error of the program's closure, with its operator and batch.
fn told<R>(operator: &'static str, t: BatchTime, outcome: Result<R, BoxError>) -> Result<R> {
    outcome.map_err(|source| Error::user(operator, Some(t), source))
}

/// Makes each dataset from the parent's of the same time, which must be there.
pub(super) struct Needing<T: Data, F> {
    pub(super) parent: Arc<StreamNode<T>>,
    pub(super) operator: &'static str,
    pub(super) make: F,
}

impl<T, U, F> StreamCompute<U> for Needing<T, F>
where
    T: Data,
    U: Data,
    F: Fn(Rdd<T>, BatchTime) -> Result<Rdd<U>> + Send + Sync + 'static,
{
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<U>>> {
        (self.make)(needed(&self.parent, t, cx, self.operator)?, t).map(Some)
    }
}

struct WithOther<T: Data, U: Data, F> {
    left: Arc<StreamNode<T>>,
    right: Arc<StreamNode<U>>,
    operator: &'static str,
    make: F,
}

impl<T, U, V, F> StreamCompute<V> for WithOther<T, U, F>
where
    T: Data,
    U: Data,
    V: Data,
    F: Fn(Rdd<T>, Rdd<U>, BatchTime, &BatchCx<'_>) -> Result<Rdd<V>> + Send + Sync + 'static,
{
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<V>>> {
        let left = needed(&self.left, t, cx, self.operator)?;
        let right = needed(&self.right, t, cx, self.operator)?;
        (self.make)(left, right, t, cx).map(Some)
    }
}

struct OfAll<T: Data, F> {
    nodes: Vec<Arc<StreamNode<T>>>,
    f: F,
}

impl<T, U, F> StreamCompute<U> for OfAll<T, F>
where
    T: Data,
    U: Data,
    F: Fn(Vec<Rdd<T>>, BatchTime) -> Result<Rdd<U>, BoxError> + Send + Sync + 'static,
{
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<U>>> {
        let datasets: Result<Vec<_>> =
            self.nodes.iter().map(|node| needed(node, t, cx, "transform")).collect();
        told("transform", t, (self.f)(datasets?, t)).map(Some)
    }
}
