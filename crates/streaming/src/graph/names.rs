//! The names under which sources, state and outputs outlive the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use waterclock_base::{Error, Result, StreamId, key_hash};

use super::{AnyNode, Graph, Source};

/// What the name of a source that nothing reads begins with.
const UNREAD: &str = "unread ";

/// What a checkpoint calls the parts of a graph.
pub(crate) struct Names {
    /// The sources that are read or not, by name.
    pub(crate) sources: Vec<(String, Arc<dyn Source>)>,
    /// The streams that keep state, by name, parents first.
    pub(crate) states: Vec<(String, Arc<dyn AnyNode>)>,
    /// A number that another program would hardly have.
    pub(crate) program: u64,
}

impl Names {
    /// The names of a graph.
    ///
    /// # Errors
    /// [`Error::Start`] where two parts have the same name, and where one has none but what would be derived
    /// from the program, unless that is allowed.
    pub(crate) fn of(graph: &Graph) -> Result<Self> {
        let nodes = graph.reachable();
        let mut unnamed = Vec::new();
        let mut name = |node: &Arc<dyn AnyNode>| match given(node, &nodes) {
            Some(name) => name,
            None => {
                unnamed.push(node.label());
                path(node)
            }
        };
        let node_of = |id: StreamId| nodes.iter().find(|node| node.id() == id);
        let sources = graph.sources().into_iter();
        let sources: Vec<_> = sources
            .map(|source| match node_of(source.stream()) {
                Some(node) => (name(node), source),
                // Nothing reads it, so nothing of it is ever asked for.
                None => (format!("{UNREAD}{}", source.stream()), source),
            })
            .collect();
        let states: Vec<_> = nodes
            .iter()
            .filter(|node| node.state().is_some())
            .map(|node| (name(node), node.clone()))
            .collect();
        if !unnamed.is_empty() && !graph.settings.allow_derived_names {
            return Err(Error::Start {
                why: format!("with a checkpoint, these need a name: {}", unnamed.join("; ")),
                hint: "add `.named(\"..\")` to each, so that it is known again after the program has changed, or \
                       allow derived names with `allow_derived_names(true)`",
            });
        }
        unique("sources", sources.iter().map(|(name, _)| name))?;
        unique("streams with state", states.iter().map(|(name, _)| name))?;
        let part = |node: &Arc<dyn AnyNode>| {
            let parents: Vec<usize> = node.info().parents.iter().map(|parent| parent.id().0).collect();
            (node.id().0, node.info().operator, parents)
        };
        let parts: Vec<_> = nodes.iter().map(part).collect();
        Ok(Names { sources, states, program: key_hash(&parts) })
    }

    /// Whether this stands for a source that nothing reads.
    pub(crate) fn is_unread(name: &str) -> bool {
        name.starts_with(UNREAD)
    }
}

/// The name that the program gave: to the stream itself, or to the composite operation that it is part of.
fn given(node: &Arc<dyn AnyNode>, nodes: &[Arc<dyn AnyNode>]) -> Option<String> {
    if let Some(name) = node.name() {
        return Some(name.to_owned());
    }
    // The streams of a composite operation were all defined by one call.
    let child = nodes.iter().find(|child| {
        let same_call =
            std::ptr::eq(child.info().site, node.info().site) || child.info().site == node.info().site;
        same_call && child.info().parents.iter().any(|parent| parent.id() == node.id())
    })?;
    given(child, nodes).map(|name| format!("{name}/{}", node.info().operator))
}

/// The kinds of operations that lead to a stream.
fn path(node: &Arc<dyn AnyNode>) -> String {
    let parents: Vec<String> = node.info().parents.iter().map(path).collect();
    match &parents[..] {
        [] => node.info().operator.to_owned(),
        [parent] => format!("{parent}/{}", node.info().operator),
        many => format!("({})/{}", many.join("+"), node.info().operator),
    }
}

fn unique<'n>(what: &str, names: impl Iterator<Item = &'n String>) -> Result<()> {
    let mut seen: BTreeMap<&String, usize> = BTreeMap::new();
    names.for_each(|name| *seen.entry(name).or_default() += 1);
    match seen.into_iter().find(|(_, times)| *times > 1) {
        None => Ok(()),
        Some((name, times)) => Err(Error::Start {
            why: format!("{times} {what} are called {name}"),
            hint: "give each a name of its own with `.named(\"..\")`",
        }),
    }
}
