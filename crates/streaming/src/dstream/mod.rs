//! `DStream<T>`: a live stream as a sequence of datasets, one for each batch.

mod keyed; // by key
mod migrate; // state of an old type
mod operators; // record by record, batch by batch
mod output; // what leaves
mod window; // over several batches

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use waterclock_base::{Data, Error, Result, StreamId};
use waterclock_engine::Rdd;

use crate::graph::{AnyNode, BatchCx, Derive, Graph, StreamCompute, StreamNode};

pub use keyed::{MapWithState, State, StateOptions, StateSpec};
pub use migrate::MigrateOptions;
pub use operators::{OnBadRecord, Rejected};
pub use output::{BatchMark, BatchSink, Collected, Output, SinkClass};

/// A discretized stream: at each time of its slide one dataset of `T`, or none.
///
/// Handles are cheap to clone. Operations define new streams and compute nothing; what an output needs is
/// computed in every batch, and only that. A stream that two others read is made once a batch.
///
/// # Refused operations
/// Operations answer with a stream, not with a `Result`, so that they chain. One that asks for the
/// impossible (a window that is no multiple of the slide, an operation after `start`) gives a stream that
/// carries the error: `start` returns it; once the context runs,
/// [`check`](crate::StreamingContext::check) does, and the log; and
/// [`checked`](DStream::checked) does at once.
///
/// ```
/// use waterclock_streaming::testing::check_stream;
/// check_stream(vec![vec![1, 2], vec![3]], |s| s.map(|n| n * 10), vec![vec![10, 20], vec![30]]);
/// ```
pub struct DStream<T: Data> {
    pub(crate) node: Arc<StreamNode<T>>,
    pub(crate) graph: Arc<Graph>,
}

impl<T: Data> Clone for DStream<T> {
    fn clone(&self) -> Self {
        DStream { node: self.node.clone(), graph: self.graph.clone() }
    }
}

impl<T: Data> std::fmt::Debug for DStream<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.node.id(), self.node.label())
    }
}

/// # About the stream
impl<T: Data> DStream<T> {
    /// Gives the stream a name: in errors, on the page, and for its state across releases of the program.
    ///
    /// A second name is ignored, with a warning in the log.
    #[must_use = "the answer is the named stream"]
    pub fn named(self, name: impl Into<String>) -> Self {
        if let Err(name) = self.node.set_name(name.into()) {
            tracing::warn!(stream = %self.node.label(), name, "a stream keeps its first name");
        }
        self
    }

    /// Says which version of its form the stream's state has, for types whose schema can't be found out from
    /// their `Deserialize` (some of those that are written by hand). From 1; raise it when the form changes:
    /// state of another version is refused instead of being read wrongly, unless
    /// [`migrate_with`](DStream::migrate_with) converts it.
    ///
    /// Without state, or where the types can be traced, it changes nothing.
    #[must_use = "the answer is the same stream"]
    pub fn state_version(self, version: u32) -> Self {
        if let Some(state) = self.node.state() {
            state.set_version(version);
        }
        self
    }

    /// The stream, or why it was refused. Who asks has seen the error: it no longer keeps the context from
    /// starting.
    ///
    /// # Errors
    /// The error of the operation that was refused, or of the one above it that was.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::testing::manual_context;
    /// let (ssc, _clock) = manual_context("doc", Duration::from_secs(1))?;
    /// let numbers = ssc.queue_stream(vec![vec![1]]);
    /// assert!(numbers.window(Duration::from_millis(1500)).checked().is_err());
    /// assert!(numbers.window(Duration::from_millis(2000)).checked().is_ok());
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    pub fn checked(self) -> Result<Self> {
        match self.node.refusal() {
            None => Ok(self),
            Some(refusal) => {
                self.graph.forgive(refusal);
                Err(refusal.error.clone())
            }
        }
    }

    /// How far apart in time its datasets are.
    pub fn slide_duration(&self) -> Duration {
        self.node.slide()
    }

    /// Its number.
    pub fn id(&self) -> StreamId {
        self.node.id()
    }

    /// The numbers of the streams that it is made from.
    pub fn dependencies(&self) -> Vec<StreamId> {
        self.node.info().parents.iter().map(|parent| parent.id()).collect()
    }
}

impl<T: Data> DStream<T> {
    /// The stream as a parent, without its record type.
    pub(crate) fn parent(&self) -> Arc<dyn AnyNode> {
        self.node.clone()
    }

    /// A stream with this one's slide, made from it.
    pub(crate) fn derived(&self, operator: &'static str, site: &'static Location<'static>) -> Derive {
        Derive::new(operator, site, vec![self.parent()])
    }

    /// Defines a stream, unless the graph is closed or a parent was refused.
    pub(crate) fn define<U: Data>(&self, info: Derive, body: impl StreamCompute<U>) -> DStream<U> {
        define(&self.graph, info, Ok(()), self.node.refusal().cloned(), body)
    }

    /// Defines a stream, or refuses with the error.
    pub(crate) fn define_if<U: Data>(
        &self,
        info: Derive,
        possible: Result<(), String>,
        body: impl StreamCompute<U>,
    ) -> DStream<U> {
        let (call, site) = (info.operator, info.site);
        let possible = possible.map_err(|why| Error::Definition { call, site, why });
        define(&self.graph, info, possible, self.node.refusal().cloned(), body)
    }

    /// A stream whose datasets are made from this one's of the same time; none from none.
    pub(crate) fn each<U: Data>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        make: impl Fn(Rdd<T>, &BatchCx<'_>) -> Result<Rdd<U>> + Send + Sync + 'static,
    ) -> DStream<U> {
        let info = self.derived(operator, site);
        self.define(info, Each { parent: self.node.clone(), make })
    }
}

/// Defines a stream, unless the graph is closed, a parent was refused, or it is impossible.
pub(crate) fn define<U: Data>(
    graph: &Arc<Graph>,
    info: Derive,
    possible: Result<()>,
    parent_refused: Option<crate::graph::Refusal>,
    body: impl StreamCompute<U>,
) -> DStream<U> {
    let refusal = match parent_refused {
        Some(refusal) => Some(refusal),
        None => {
            possible.and_then(|()| graph.may_define(info.operator)).err().map(|error| graph.refuse(error))
        }
    };
    DStream { node: StreamNode::new(graph.next_stream_id(), info, refusal, body), graph: graph.clone() }
}

/// Makes each dataset from the parent's of the same time.
struct Each<T: Data, F> {
    parent: Arc<StreamNode<T>>,
    make: F,
}

impl<T, U, F> StreamCompute<U> for Each<T, F>
where
    T: Data,
    U: Data,
    F: Fn(Rdd<T>, &BatchCx<'_>) -> Result<Rdd<U>> + Send + Sync + 'static,
{
    fn compute(&self, t: waterclock_base::BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<U>>> {
        self.parent.rdd_at(t, cx)?.map(|rdd| (self.make)(rdd, cx)).transpose()
    }
}
