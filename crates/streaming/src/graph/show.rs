//! The graph as the status shows it.

use waterclock_base::{GraphStatus, OutputStatus, StateStatus, StreamStatus};

use super::Graph;

impl Graph {
    /// The streams that outputs read, and the outputs.
    pub(crate) fn show(&self) -> GraphStatus {
        let inputs: Vec<_> = self.sources().iter().map(|source| source.stream()).collect();
        let nodes = self.reachable();
        let stream = |node: &std::sync::Arc<dyn super::AnyNode>| StreamStatus {
            id: node.id(),
            operator: node.info().operator.to_owned(),
            name: node.name().map(str::to_owned),
            site: node.info().site.into(),
            parents: node.info().parents.iter().map(|parent| parent.id()).collect(),
            slide_ms: u64::try_from(node.slide().as_millis()).unwrap_or(u64::MAX),
            has_state: node.state().is_some(),
            is_input: inputs.contains(&node.id()),
        };
        let streams = nodes.iter().map(stream).collect();
        GraphStatus { streams, outputs: self.outputs().iter().map(|output| output.show()).collect() }
    }

    /// How large the state of each stream is.
    pub(crate) fn states(&self) -> Vec<StateStatus> {
        let nodes = self.reachable();
        let with_state = nodes.iter().filter_map(|node| Some((node, node.state()?)));
        let status = |(node, state): (&std::sync::Arc<dyn super::AnyNode>, &dyn super::StreamState)| {
            let name = node.name().map_or_else(|| node.info().operator.to_owned(), str::to_owned);
            StateStatus { stream: node.id().0, name, keys: state.keys(), bytes: state.bytes() }
        };
        with_state.map(status).collect()
    }
}

impl super::OutputNode {
    fn show(&self) -> OutputStatus {
        OutputStatus {
            id: self.id(),
            name: self.label(),
            operator: self.operator().to_owned(),
            site: self.site().into(),
            stream: self.parent().id(),
        }
    }
}
