//! What has been seen of a type.

use std::mem::discriminant;
use std::ops::Range;

use super::Schema;

/// A place in the type.
pub(super) type NodeId = usize;

/// The type itself.
pub(super) const ROOT: NodeId = 0;

type Names = &'static [&'static str];

/// One place in the type.
pub(super) struct Node {
    pub(super) parent: Option<NodeId>,
    pub(super) key: Option<Key>,
    pub(super) kind: Kind,
    /// What is inside, by position.
    pub(super) children: Vec<NodeId>,
}

impl Node {
    pub(super) fn new(parent: Option<NodeId>) -> Self {
        Node { parent, key: None, kind: Kind::Unseen, children: Vec::new() }
    }
}

/// Which type is at a place. It only serves to notice that a type contains itself, and never leaves the
/// process: the names of types are not the same in every build.
#[derive(PartialEq)]
pub(super) struct Key {
    /// The visitor, of which each type has its own.
    pub(super) visitor: &'static str,
    pub(super) name: &'static str,
    pub(super) names: Names,
}

/// What a place asked for.
pub(super) enum Kind {
    /// Nothing yet.
    Unseen,
    /// A value without parts.
    Leaf {
        schema: Schema,
        /// How many invented values there are for it.
        values: usize,
        /// Which of them is given.
        tried: usize,
        accepted: bool,
    },
    Option,
    Sequence,
    Map,
    Newtype,
    Tuple(usize),
    Fields(Fields),
    Enum(Variants),
    /// What a place around it asked for: the type contains itself.
    Again(NodeId),
}

impl Kind {
    /// Whether it is what was asked for here before.
    pub(super) fn is_like(&self, other: &Kind) -> bool {
        match (self, other) {
            (Kind::Leaf { schema: a, .. }, Kind::Leaf { schema: b, .. }) => a == b,
            (Kind::Tuple(a), Kind::Tuple(b)) => a == b,
            (Kind::Fields(a), Kind::Fields(b)) => a.names == b.names,
            (Kind::Enum(a), Kind::Enum(b)) => a.names == b.names,
            _ => discriminant(self) == discriminant(other),
        }
    }
}

/// The fields of a struct.
///
/// Serde tells the names, but a field with aliases is told by all of its names, side by side: `names` can be
/// more than the fields that are read.
pub(super) struct Fields {
    pub(super) names: Names,
    /// How many fields are read.
    pub(super) read: usize,
    /// That all of them were read once.
    pub(super) complete: bool,
    /// Which names belong to the same field as the name before.
    pub(super) joined: Vec<bool>,
    /// The main names of fields with several, each with the place of the first of them.
    pub(super) main: Vec<(usize, &'static str)>,
    /// Of the first fields, whether the struct can do without them.
    pub(super) optional: Vec<bool>,
}

impl Fields {
    pub(super) fn new(names: Names) -> Self {
        let joined = vec![false; names.len()];
        Fields { names, read: 0, complete: false, joined, main: Vec::new(), optional: Vec::new() }
    }

    /// Whether it is known which names belong to which field.
    pub(super) fn is_grouped(&self) -> bool {
        self.joined.iter().filter(|joined| !**joined).count() == self.read
    }

    /// Whether all is known but what is in the fields.
    pub(super) fn is_known(&self) -> bool {
        self.complete && self.is_grouped() && self.optional.len() == self.read
    }

    /// The field that a name belongs to.
    pub(super) fn field_of(&self, name: usize) -> usize {
        self.joined[..=name].iter().filter(|joined| !**joined).count() - 1
    }

    /// `name` turned out to be another name of the field before, which is mainly called `main`.
    pub(super) fn join(&mut self, name: usize, main: &'static str) {
        self.joined[name] = true;
        let field = self.field_of(name);
        let first = (0..name).find(|name| self.field_of(*name) == field).unwrap_or(name);
        self.main.push((first, main));
    }

    /// The main name of each field, and its others.
    pub(super) fn groups(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        let mut groups: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
        for (place, name) in self.names.iter().enumerate() {
            match groups.last_mut() {
                Some((main, others)) if self.joined[place] => {
                    others.push(name);
                    others.retain(|other| other != main);
                }
                _ => {
                    let main = self.main.iter().find(|(first, _)| *first == place);
                    match main {
                        Some((_, main)) if main != name => groups.push((main, vec![name])),
                        _ => groups.push((name, Vec::new())),
                    }
                }
            }
        }
        groups
    }
}

/// The variants of an enum, which may have several names as fields have.
pub(super) struct Variants {
    pub(super) names: Names,
    /// What the type makes of each name and of each number, in turns: it is refused, or an identifier, of
    /// which only the hash is seen.
    pub(super) identified: Vec<Option<u64>>,
    /// The names of each variant, once known.
    pub(super) groups: Option<Vec<Range<usize>>>,
    /// How often each was tried.
    pub(super) tried: Vec<usize>,
    /// The first that came to an end.
    pub(super) ends: Option<usize>,
}

impl Variants {
    pub(super) fn new(names: Names) -> Self {
        let tried = vec![0; names.len()];
        Variants { names, identified: Vec::new(), groups: None, tried, ends: None }
    }

    /// Finds out which names belong to which variant, when the type has been asked for all of them.
    ///
    /// Returns false if names and numbers don't go together.
    pub(super) fn group(&mut self) -> bool {
        let (by_name, by_number): (Vec<_>, Vec<_>) =
            self.identified.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
        let is_plain = |(name, number): (&Option<u64>, &Option<u64>)| {
            number.is_some() && (name.is_none() || name == number)
        };
        let mut groups: Vec<Range<usize>> = Vec::new();
        if by_name.iter().zip(&by_number).all(is_plain) {
            groups.extend((0..by_name.len()).map(|place| place..place + 1));
        } else if by_name.contains(&None) {
            return false;
        } else {
            for (place, name) in by_name.iter().enumerate() {
                match groups.last_mut() {
                    Some(names) if by_name[names.start] == *name => names.end = place + 1,
                    _ => groups.push(place..place + 1),
                }
            }
        }
        let agree = groups.iter().zip(&by_number).all(|(names, number)| {
            let name = by_name[names.start];
            number.is_some() && (name.is_none() || name == *number)
        });
        self.groups = Some(groups);
        agree
    }
}
