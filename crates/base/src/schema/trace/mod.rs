//! The schema of a type, learnt by letting it deserialise itself from invented values.
//!
//! A run goes through the type once, and what it asks for becomes a tree of nodes. One run sees one variant of
//! each enum, and may end where a value is refused, so runs are repeated, each knowing what the ones before
//! it have seen, until every node is done and a value of the type has been made.
//!
//! Where a type contains itself, the tree ends in a reference, and what the reference stands for is only given
//! as much content as it can't do without: it is **closed**.

mod asked; // what the type asks for, and the invented values
mod given; // the parts of what is given
mod node; // what has been seen
mod stop; // how a run ends early

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;

use super::{MAX_DEPTH, Schema, SchemaField, SchemaVariant};
use asked::Tracer;
use node::{Fields, Key, Kind, Node, NodeId, ROOT, Variants};
use stop::Stop;

/// Any of these ends the tracing of a type that would take too long.
const MAX_RUNS: usize = 10_000;
const MAX_STEPS: usize = 1_000_000;
const MAX_NODES: usize = 10_000;

/// The schema of `T`, if it can be traced.
pub(super) fn trace<T: DeserializeOwned>() -> Option<Schema> {
    let mut trace = Trace::new();
    for _ in 0..MAX_RUNS {
        trace.begin_run();
        let tracer = Tracer { trace: &mut trace, node: ROOT, closing: false, depth: 0 };
        // A panic of the type's own code is a refusal like others.
        let run = catch_unwind(AssertUnwindSafe(|| T::deserialize(tracer).map(drop)));
        if trace.untraceable {
            return None;
        }
        if trace.done(ROOT) && matches!(run, Ok(Ok(()))) {
            return Some(trace.schema(ROOT, 0, &mut Vec::new()));
        }
        let refused = !matches!(run, Ok(Ok(()) | Err(Stop::Again)));
        if refused && !trace.probed && !trace.vary() {
            return None;
        }
    }
    None
}

/// What is known about a type, and about the run that goes on.
struct Trace {
    nodes: Vec<Node>,
    /// That something was met that no further run can change.
    untraceable: bool,
    /// How many values were asked for, in all runs.
    steps: usize,
    /// The enums that this run is inside of, and their variants.
    open: Vec<(NodeId, usize)>,
    /// The leaves that this run gave values for.
    leaves: Vec<NodeId>,
    /// That this run left something out or gave too much, to see what happens: its failure means nothing.
    probed: bool,
}

impl Trace {
    fn new() -> Self {
        let nodes = vec![Node::new(None)];
        Trace { nodes, untraceable: false, steps: 0, open: Vec::new(), leaves: Vec::new(), probed: false }
    }

    fn begin_run(&mut self) {
        self.open.clear();
        self.leaves.clear();
        self.probed = false;
    }

    fn give_up(&mut self) -> Stop {
        self.untraceable = true;
        Stop::Again
    }

    /// Something refused what it was made of. It can't be known which value was to blame: another one is
    /// tried for the last that has one left.
    fn vary(&mut self) -> bool {
        let nodes = &mut self.nodes;
        self.leaves.iter().rev().any(|leaf| match &mut nodes[*leaf].kind {
            Kind::Leaf { tried, values, .. } if *tried + 1 < *values => {
                *tried += 1;
                true
            }
            _ => false,
        })
    }

    /// The node around this one that is of the same type.
    fn around(&self, node: NodeId, key: &Key) -> Option<NodeId> {
        let mut next = self.nodes[node].parent;
        while let Some(id) = next {
            if self.nodes[id].key.as_ref() == Some(key) {
                return Some(id);
            }
            next = self.nodes[id].parent;
        }
        None
    }

    /// Whether nothing is left to be seen in a node.
    fn done(&self, node: NodeId) -> bool {
        let Node { kind, children, .. } = &self.nodes[node];
        let all =
            |count: usize| children.len() >= count && children[..count].iter().all(|child| self.done(*child));
        match kind {
            Kind::Unseen => false,
            Kind::Leaf { accepted, .. } => *accepted,
            Kind::Again(_) => true,
            Kind::Option | Kind::Sequence | Kind::Newtype => all(1),
            Kind::Map => all(2),
            Kind::Tuple(length) => all(*length),
            Kind::Fields(fields) => fields.is_known() && all(fields.read),
            Kind::Enum(variants) => variants.groups.as_ref().is_some_and(|groups| all(groups.len())),
        }
    }

    /// What to leave out of a struct, now that its fields have been seen: `Some(None)` is nothing.
    fn next_probe(&self, node: NodeId) -> Option<Option<usize>> {
        let Node { kind: Kind::Fields(fields), children, .. } = &self.nodes[node] else { return None };
        let seen = fields.complete && children.len() >= fields.read;
        if !seen || fields.is_known() || !children[..fields.read].iter().all(|child| self.done(*child)) {
            return None;
        }
        Some(if fields.is_grouped() { Some(fields.optional.len()) } else { None })
    }

    /// The variant to go on with.
    ///
    /// Closing, it is the first that is known to come to an end. Until one is, it is one that the run is not
    /// inside of, or least often: so the one that ends the recursion is found.
    ///
    /// Otherwise it is one that is not done yet, and of these the one that was tried least: one may have to
    /// wait for another that ends the recursion.
    fn choose(&self, node: NodeId, variants: &Variants, closing: bool) -> usize {
        let known = variants.groups.as_ref().map_or(0, Vec::len);
        let is_done =
            |variant: usize| self.nodes[node].children.get(variant).is_some_and(|child| self.done(*child));
        let least = |count: &dyn Fn(usize) -> usize, all: bool| {
            (0..known).filter(|variant| all || !is_done(*variant)).min_by_key(|variant| count(*variant))
        };
        let inside = |variant: usize| self.open.iter().filter(|open| **open == (node, variant)).count();
        let unseen = if closing {
            None
        } else {
            least(&|variant| variants.tried.get(variant).copied().unwrap_or(0), false)
        };
        unseen.or(variants.ends).or_else(|| least(&inside, true)).unwrap_or(0)
    }

    /// The schema of a node; `outer` are the nodes around it, each with the level of its schema.
    fn schema(&self, node: NodeId, level: usize, outer: &mut Vec<(NodeId, usize)>) -> Schema {
        outer.push((node, level));
        let children = &self.nodes[node].children;
        let mut child = |slot: usize| self.schema(children[slot], level + 1, outer);
        let schema = match &self.nodes[node].kind {
            Kind::Leaf { schema, .. } => schema.clone(),
            Kind::Option => Schema::Option(Box::new(child(0))),
            Kind::Sequence => Schema::Sequence(Box::new(child(0))),
            Kind::Map => Schema::Map(Box::new(child(0)), Box::new(child(1))),
            Kind::Tuple(length) => Schema::Tuple((0..*length).map(child).collect()),
            Kind::Fields(fields) => Schema::Struct(self.fields(fields, &mut child)),
            Kind::Enum(variants) => Schema::Enum(self.variants(variants, &mut child)),
            Kind::Newtype => self.schema(children[0], level, outer),
            Kind::Again(around) => {
                let place = outer.iter().find(|(node, _)| node == around);
                let up = place.map_or(0, |(_, of)| level.saturating_sub(of + 1));
                Schema::Recursive { up: up as u32 }
            }
            // Is not asked for until the node is done.
            Kind::Unseen => Schema::Opaque { version: 0 },
        };
        outer.pop();
        schema
    }

    fn fields(&self, fields: &Fields, child: &mut dyn FnMut(usize) -> Schema) -> Vec<SchemaField> {
        let groups = fields.groups().into_iter().enumerate();
        groups
            .map(|(slot, (name, aliases))| SchemaField {
                name: name.to_owned(),
                schema: child(slot),
                aliases,
                optional: fields.optional.get(slot).copied().unwrap_or(false),
            })
            .collect()
    }

    fn variants(&self, variants: &Variants, child: &mut dyn FnMut(usize) -> Schema) -> Vec<SchemaVariant> {
        let groups = variants.groups.iter().flatten().enumerate();
        groups
            .map(|(slot, names)| SchemaVariant {
                name: variants.names[names.start].to_owned(),
                schema: child(slot),
                aliases: variants.names[names.start + 1..names.end].to_vec(),
            })
            .collect()
    }
}
