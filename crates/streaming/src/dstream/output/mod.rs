//! What leaves a stream: outputs run for every batch, in the order of their definition.

mod collect; // into memory, for tests and notebooks
mod files; // directories of files
mod foreach_partition; // a closure of the program for each partition
mod foreach_rdd; // a closure of the program
mod print; // on standard output
mod register; // nowhere: computed, that is all
mod show; // for whoever looks at the status
mod write_to; // a sink of a connector

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{Data, Error, Result};
use waterclock_engine::Rdd;

use crate::dstream::DStream;
use crate::graph::{Graph, JobCx, OutputNode, Refusal};

pub use collect::Collected;
pub use write_to::{BatchMark, BatchSink, SinkClass};

/// An output that was defined. Dropping the handle changes nothing.
pub struct Output {
    node: Option<Arc<OutputNode>>,
    refusal: Option<Refusal>,
    graph: Arc<Graph>,
}

impl Output {
    /// Gives the output a name: in errors and on the page, and for its commits across releases of the
    /// program. A second name is ignored, with a warning in the log.
    pub fn named(self, name: impl Into<String>) -> Self {
        if let Some(node) = &self.node
            && let Err(name) = node.set_name(name.into())
        {
            tracing::warn!(output = %node.label(), name, "an output keeps its first name");
        }
        self
    }

    /// The output, or why it was refused; see [`DStream::checked`].
    ///
    /// # Errors
    /// The error of the output or of an operation above it.
    pub fn checked(self) -> Result<Self> {
        match &self.refusal {
            None => Ok(self),
            Some(refusal) => {
                self.graph.forgive(refusal);
                Err(refusal.error.clone())
            }
        }
    }
}

impl<T: Data> DStream<T> {
    /// Defines an output.
    pub(crate) fn output(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        run: impl Fn(Rdd<T>, &JobCx) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Output {
        let (node, refusal) = self.graph.add_output(operator, site, &self.node, run);
        Output { node, refusal, graph: self.graph.clone() }
    }
}
