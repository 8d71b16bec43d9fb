//! How long the datasets of each stream are kept: as long as itself, the program or any child needs them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use waterclock_base::StreamId;

use super::node::StateKind;
use super::{AnyNode, Graph};

/// Fixes what every stream remembers, from the outputs upwards.
pub(crate) fn fix(graph: &Graph) {
    let least = graph.remember().unwrap_or(Duration::ZERO);
    for output in graph.outputs() {
        ask(output.parent(), least);
    }
}

/// Makes the stream remember for at least `duration`, and its parents for as long as it needs them.
fn ask(node: &Arc<dyn AnyNode>, duration: Duration) {
    let twice = node.checkpoint_interval().filter(|interval| *interval >= node.slide()).map(|i| 2 * i);
    node.set_remember(duration.max(node.slide()).max(twice.unwrap_or_default()));
    for parent in &node.info().parents {
        ask(parent, node.remember() + node.info().looks_back);
    }
}

/// How far before its newest dataset each stream may be asked for one, because an operation below it looks
/// back: what a new process must be able to make again.
pub(crate) fn lookbacks(graph: &Graph) -> HashMap<StreamId, Duration> {
    let mut found = HashMap::new();
    for output in graph.outputs() {
        look_back(output.parent(), Duration::ZERO, &mut found);
    }
    found
}

fn look_back(node: &Arc<dyn AnyNode>, duration: Duration, found: &mut HashMap<StreamId, Duration>) {
    let known = found.entry(node.id()).or_default();
    *known = duration.max(*known);
    for parent in &node.info().parents {
        look_back(parent, duration + node.info().looks_back, found);
    }
}

/// The checkpoint interval that a stream with state has where the program sets none.
pub(crate) fn default_checkpoint_interval(kind: StateKind, slide: Duration) -> Duration {
    match kind {
        StateKind::TenSlides => slide * 10,
        StateKind::TenSeconds => {
            let slides = Duration::from_secs(10).as_millis().div_ceil(slide.as_millis().max(1));
            slide * u32::try_from(slides).unwrap_or(u32::MAX)
        }
    }
}
