//! An output: what runs for every batch in which its stream has a dataset.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Data, OutputId, Result};
use waterclock_engine::Rdd;

use super::{AnyNode, BatchCx, StreamNode};
use crate::checkpoint::{Fault, planted};

/// What an output may know while it runs.
pub(crate) struct JobCx {
    /// The batch.
    pub(crate) time: BatchTime,
    /// What the output is called across releases of the program.
    pub(crate) output: String,
    /// The application that the checkpoint belongs to; none without one. What is then shown outside must be
    /// durable, and be known again when the batch is run again.
    pub(crate) application: Option<u64>,
    /// Which process had begun the batch.
    pub(crate) begun: Begun,
    /// Set where the batch is only run again to compare: nothing may be seen of it.
    pub(crate) replay: Option<Replaying>,
    /// What the output has ready to be shown.
    pub(crate) prepared: Mutex<Option<Prepared>>,
}

impl JobCx {
    /// Leaves it to the end of the batch to show what is ready: all jobs must have succeeded by then.
    pub(crate) fn prepare(&self, prepared: Prepared) {
        if planted(Fault::PublishedAtStaging) {
            // It is shown again, and tells its errors, at its turn.
            let _ = (prepared.publish)();
        }
        *lock(&self.prepared) = Some(prepared);
    }
}

/// Which process had begun a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// This one: nobody can have published it.
    Here,
    /// One before: it may be published.
    Before {
        /// The newest batch before it that the log has as published by this output.
        earlier: Option<BatchTime>,
    },
}

/// How a batch is run again.
#[derive(Default)]
pub(crate) struct Replaying {
    /// Whether closures are called that may do anything.
    pub(crate) calls_closures: bool,
    /// Set by an output that therefore did nothing.
    pub(crate) did_nothing: AtomicBool,
}

impl JobCx {
    /// Whether a closure that may do anything is to be called; where it is not, that is noted.
    pub(crate) fn may_call(&self) -> bool {
        let Some(replay) = &self.replay else { return true };
        if !replay.calls_closures {
            replay.did_nothing.store(true, Ordering::Relaxed);
        }
        replay.calls_closures
    }
}

/// What an output has ready, and nobody sees yet.
pub(crate) struct Prepared {
    /// The hash of its content.
    pub(crate) hash: u64,
    /// Shows it, all at once; it may be tried again.
    pub(crate) publish: Box<dyn Fn() -> Result<()> + Send>,
    /// Once it is published, by whomever: whether that is this; none where that can't be told.
    pub(crate) is_as_published: Box<dyn Fn() -> Result<Option<bool>> + Send>,
    /// Throws it away.
    pub(crate) discard: Box<dyn Fn() + Send>,
}

/// The work of one output for one batch. It may be run again when it failed.
pub(crate) type OutputJob = Box<dyn Fn(&JobCx) -> Result<()> + Send + Sync>;

type Generate = dyn Fn(BatchTime, &BatchCx<'_>) -> Result<Option<OutputJob>> + Send + Sync;

/// One output of the graph.
pub(crate) struct OutputNode {
    id: OutputId,
    operator: &'static str,
    site: &'static Location<'static>,
    name: OnceLock<String>,
    parent: Arc<dyn AnyNode>,
    generate: Box<Generate>,
}

impl OutputNode {
    pub(crate) fn new<T: Data>(
        id: OutputId,
        operator: &'static str,
        site: &'static Location<'static>,
        parent: Arc<StreamNode<T>>,
        run: impl Fn(Rdd<T>, &JobCx) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let run = Arc::new(run);
        let node = parent.clone();
        let generate = move |t, cx: &BatchCx<'_>| {
            let Some(rdd) = node.rdd_at(t, cx)? else { return Ok(None) };
            let run = run.clone();
            Ok(Some(Box::new(move |cx: &JobCx| run(rdd.clone(), cx)) as OutputJob))
        };
        OutputNode { id, operator, site, name: OnceLock::new(), parent, generate: Box::new(generate) }
    }

    pub(crate) fn id(&self) -> OutputId {
        self.id
    }

    pub(crate) fn operator(&self) -> &'static str {
        self.operator
    }

    pub(crate) fn site(&self) -> &'static Location<'static> {
        self.site
    }

    pub(crate) fn parent(&self) -> &Arc<dyn AnyNode> {
        &self.parent
    }

    pub(crate) fn set_name(&self, name: String) -> Result<(), String> {
        self.name.set(name)
    }

    /// How people call it.
    pub(crate) fn label(&self) -> String {
        match self.name.get() {
            Some(name) => name.clone(),
            None => format!("{} at {}", self.operator, self.site),
        }
    }

    /// The operation and where the program calls it.
    pub(crate) fn operation(&self) -> String {
        format!("{} at {}", self.operator, self.site)
    }

    /// What it is called across releases of the program: its name, or its kind and number.
    pub(crate) fn lasting_name(&self) -> String {
        match self.name.get() {
            Some(name) => name.clone(),
            None => format!("{}-{}", self.operator, self.id.0),
        }
    }

    /// Its job of batch `t`; none when its stream has no dataset then.
    pub(crate) fn job(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<OutputJob>> {
        (self.generate)(t, cx)
    }
}
