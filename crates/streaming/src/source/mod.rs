//! Where streams begin.

mod file; // files that appear in directories
mod generator; // records made at a rate
mod queue; // datasets that the program hands over
mod ranges; // what can be read again
mod reader; // lines of standard input
mod receiver; // records that receivers push
mod socket; // sockets

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{BatchTime, Data, Result, StreamId};
use waterclock_engine::Rdd;

use crate::context::StreamingContext;
use crate::dstream::{DStream, define};
use crate::graph::{BatchCx, Derive, Source, StreamCompute};

pub use file::{FileOptions, FileReader, OnLost};
pub use queue::{QueueOptions, RddQueue};
pub use ranges::{RangeSource, Ranges};
pub use reader::TextReader;

/// A source that gives a dataset for each batch that was cut.
pub(crate) trait Input<T: Data>: Source {
    /// The dataset of the batch of time `t`, as it was fixed when the batch was cut.
    fn rdd(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>>;
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

/// The stream of a source that could not be made.
struct NoInput;

impl<T: Data> StreamCompute<T> for NoInput {
    fn compute(&self, _: BatchTime, _: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        Ok(None)
    }
}

impl StreamingContext {
    /// Adds a source and gives its stream; `make` learns the stream's number.
    pub(crate) fn input<T: Data, I: Input<T>>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        make: impl FnOnce(StreamId) -> Result<I>,
    ) -> DStream<T> {
        let graph = &self.inner.graph;
        let info = Derive { slide: graph.settings.batch_interval, ..Derive::new(operator, site, Vec::new()) };
        let made = graph.may_define(operator).and_then(|()| make(graph.upcoming_stream_id()));
        match made {
            Ok(input) => {
                let input = Arc::new(input);
                graph.add_source(input.clone());
                define(graph, info, Ok(()), None, InputStream { input })
            }
            Err(error) => define(graph, info, Err(error), None, NoInput),
        }
    }
}
