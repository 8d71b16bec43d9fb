//! What state takes of the memory: it can't be moved to disk, so who runs the program has to know.

use std::sync::{Arc, Mutex};

use waterclock_base::Event;
use waterclock_base::world::lock;
use waterclock_engine::Share;

use crate::graph::{AnyNode, Graph};

/// State is measured this often at most: a look takes a sample of every partition.
const EVERY_MICROS: i64 = 100_000;

/// Enters state into the account of memory, and warns when it has more than its share.
pub(super) struct StateAccount {
    graph: Arc<Graph>,
    states: Vec<Arc<dyn AnyNode>>,
    looked: Mutex<Looked>,
}

#[derive(Default)]
struct Looked {
    at: Option<i64>,
    /// Whether the last look found too much.
    over: bool,
}

impl StateAccount {
    pub(super) fn new(graph: &Arc<Graph>, nodes: &[Arc<dyn AnyNode>]) -> Self {
        let states = nodes.iter().filter(|node| node.state().is_some()).cloned().collect();
        StateAccount { graph: graph.clone(), states, looked: Mutex::default() }
    }

    /// State has changed.
    pub(super) fn settled(&self, now: i64) {
        let mut looked = lock(&self.looked);
        if self.states.is_empty() || looked.at.is_some_and(|at| now - at < EVERY_MICROS) {
            return;
        }
        looked.at = Some(now);
        let bytes: Vec<u64> =
            self.states.iter().map(|node| node.state().map_or(0, |state| state.bytes())).collect();
        let (memory, all) = (self.graph.engine.memory(), bytes.iter().sum());
        memory.note(Share::State, all);
        let over = all > memory.share();
        if over
            && !looked.over
            && let Some((node, largest)) = self.states.iter().zip(bytes).max_by_key(|(_, bytes)| *bytes)
        {
            let keys = node.state().map_or(0, |state| state.keys());
            let text = format!(
                "state takes about {all} bytes, more than its share of {} of the memory budget, and can't go to disk: \
                 other data does, and receivers are held back. The largest is {}, with {keys} keys and {largest} \
                 bytes. Let keys expire, or raise `memory_budget`",
                memory.share(),
                node.label(),
            );
            self.graph.bus.post(Event::Warning { text });
        }
        looked.over = over;
    }
}
