//! Whoever watches a context: what they see of it, and when they begin and end.

use std::sync::Arc;

use waterclock_base::{InputStatus, Result, Status, Watched, Watcher};

use super::Inner;
use crate::graph::{Graph, Waiting};
use crate::listen::strains;

impl Watched for Graph {
    fn status(&self) -> Status {
        Graph::status(self)
    }
}

impl Graph {
    /// How the context is doing.
    pub(crate) fn status(&self) -> Status {
        let (settings, memory) = (&self.settings, self.engine.memory());
        let mut status = self.bus.progress().snapshot(settings, self.engine.world().clock.now_micros());
        status.app_name = settings.app_name.clone();
        status.batch_interval_ms = u64::try_from(settings.batch_interval.as_millis()).unwrap_or(u64::MAX);
        status.memory = self.memory_status();
        let shares = &status.memory;
        status.memory_used = shares.received + shares.shuffled + shares.cached + shares.state;
        status.spilled_bytes = memory.spilled();
        status.states = self.states();
        let dir = self.checkpoint().map(|checkpoint| checkpoint.dir().display().to_string());
        status.checkpoint = status.checkpoint.zip(dir).map(|(mut checkpoint, dir)| {
            checkpoint.dir = dir;
            checkpoint
        });
        status.settings = settings.shown();
        self.show_sources(&mut status.inputs);
        status.health.strains = strains(&status);
        status
    }

    /// What inputs have waiting, and how they are held back.
    fn show_sources(&self, inputs: &mut [InputStatus]) {
        for source in self.sources() {
            let Some(input) = inputs.iter_mut().find(|input| input.stream == source.stream()) else {
                continue;
            };
            let held = source.held_back();
            (input.held_back_micros, input.held_back) = (held.micros, held.lately);
            input.waiting_records = match source.waiting() {
                Waiting::Records(records) => Some(records),
                Waiting::Unknown | Waiting::Unlimited => None,
            };
        }
    }
}

impl Inner {
    /// The graph, and not the context, which ends when nobody holds it any more.
    pub(super) fn begin_watching(&self) {
        self.graph.bus.watchers().for_each(|watcher| watcher.begin(self.graph.clone()));
    }

    pub(super) fn end_watching(&self) {
        self.graph.bus.watchers().for_each(|watcher| watcher.end());
    }
}

/// Those that a builder was given, ready to begin.
pub(super) fn prepare(watchers: Vec<Arc<dyn Watcher>>) -> Result<Vec<Arc<dyn Watcher>>> {
    for (ready, watcher) in watchers.iter().enumerate() {
        if let Err(error) = watcher.prepare() {
            watchers[..ready].iter().for_each(|watcher| watcher.end());
            return Err(error);
        }
    }
    Ok(watchers)
}
