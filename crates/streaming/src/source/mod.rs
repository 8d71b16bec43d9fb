//! Where streams begin.

mod queue; // datasets that the program hands over

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{BatchTime, Data, Error, Result};
use waterclock_engine::Rdd;

use crate::context::StreamingContext;
use crate::dstream::{DStream, define};
use crate::graph::{BatchCx, Derive, Source, StreamCompute};

pub use queue::{QueueOptions, RddQueue};

/// A source that gives a dataset for each batch that was cut.
pub(crate) trait Input<T: Data>: Source {
    /// The dataset of the batch of time `t`, as it was fixed when the batch was cut.
    fn rdd(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>>;

    /// What was fixed for this time and before is no longer needed.
    fn forget(&self, upto: BatchTime);
}

/// A stream that begins with a source.
struct InputStream<T: Data> {
    input: Arc<dyn Input<T>>,
}

impl<T: Data> StreamCompute<T> for InputStream<T> {
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        self.input.rdd(t, cx)
    }

    fn forget(&self, upto: BatchTime) {
        self.input.forget(upto);
    }
}

impl StreamingContext {
    /// Adds a source and gives its stream; `make` learns the stream's number.
    pub(crate) fn input<T: Data, I: Input<T>>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        make: impl FnOnce(waterclock_base::StreamId) -> I,
    ) -> DStream<T> {
        let graph = &self.inner.graph;
        let info = Derive { slide: graph.settings.batch_interval, ..Derive::new(operator, site, Vec::new()) };
        let input = Arc::new(make(graph.upcoming_stream_id()));
        let possible: Result<(), Error> = graph.may_define(operator);
        if possible.is_ok() {
            graph.add_source(input.clone());
        }
        define(graph, info, possible, None, InputStream { input })
    }
}
