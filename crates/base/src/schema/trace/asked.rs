//! What the type asks for, and the invented values.

use std::any::type_name;

use serde::Deserializer;
use serde::de::Visitor;

use super::given::{Choice, Elements, Entries, Named, Show};
use super::node::{Fields, Key, Kind, Node, NodeId, Variants};
use super::stop::Stop;
use super::{MAX_DEPTH, MAX_NODES, MAX_STEPS, Schema, Trace};

/// Texts that one or another type accepts: any, any but an empty one, a number, a date, a time, an address.
const TEXTS: &[&str] = &[
    "",
    "a",
    "1",
    "1970-01-01",
    "1970-01-01T00:00:00",
    "1970-01-01T00:00:00Z",
    "00:00:00",
    "http://a",
    "127.0.0.1",
];
/// Any bytes, and as many as an identifier has.
const BYTES: &[&[u8]] = &[&[], &[0; 16]];

/// Answers what one place of the type asks for.
pub(super) struct Tracer<'t> {
    pub(super) trace: &'t mut Trace,
    pub(super) node: NodeId,
    /// That only what can't be done without is given.
    pub(super) closing: bool,
    pub(super) depth: usize,
}

impl Tracer<'_> {
    /// Notes what is asked for here. Where it is the type of a place around it, goes on there.
    fn enter(&mut self, kind: Kind, key: Option<Key>) -> Result<(), Stop> {
        let trace = &mut *self.trace;
        trace.steps += 1;
        if trace.steps > MAX_STEPS {
            return Err(trace.give_up());
        }
        if trace.untraceable || self.depth > MAX_DEPTH {
            return Err(Stop::Again);
        }
        if let Kind::Unseen = trace.nodes[self.node].kind {
            let around = key.as_ref().and_then(|key| trace.around(self.node, key));
            let node = &mut trace.nodes[self.node];
            match around {
                Some(around) => node.kind = Kind::Again(around),
                None => (node.kind, node.key) = (kind, key),
            }
        } else if !self.place().is_like(&kind) {
            // What comes here depends on a value.
            return Err(self.trace.give_up());
        }
        if let Kind::Again(around) = self.trace.nodes[self.node].kind {
            (self.node, self.closing) = (around, true);
        }
        Ok(())
    }

    /// What was asked for here before.
    fn place(&self) -> &Kind {
        match &self.trace.nodes[self.node].kind {
            Kind::Again(around) => &self.trace.nodes[*around].kind,
            kind => kind,
        }
    }

    pub(super) fn child(&mut self, slot: usize) -> Result<Tracer<'_>, Stop> {
        let trace = &mut *self.trace;
        while trace.nodes[self.node].children.len() <= slot {
            if trace.nodes.len() == MAX_NODES {
                return Err(trace.give_up());
            }
            let id = trace.nodes.len();
            trace.nodes.push(Node::new(Some(self.node)));
            trace.nodes[self.node].children.push(id);
        }
        let node = trace.nodes[self.node].children[slot];
        Ok(Tracer { trace, node, closing: self.closing, depth: self.depth + 1 })
    }

    /// A value without parts: `visit` gives the invented value of that number.
    pub(super) fn leaf<T>(
        mut self,
        schema: Schema,
        values: usize,
        visit: impl FnOnce(usize) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        self.enter(Kind::Leaf { schema, values, tried: 0, accepted: false }, None)?;
        self.trace.leaves.push(self.node);
        let tried = if let Kind::Leaf { tried, .. } = self.place() { *tried } else { 0 };
        let result = visit(tried);
        if let Kind::Leaf { tried, accepted, .. } = &mut self.trace.nodes[self.node].kind {
            if result.is_ok() {
                *accepted = true;
                return result;
            }
            *tried += 1;
            if *tried < values {
                return Err(Stop::Again);
            }
        }
        Err(self.trace.give_up())
    }

    fn integer<T>(
        self,
        signed: bool,
        bits: u8,
        visit: impl FnOnce(bool) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        self.leaf(Schema::Integer { signed, bits }, 2, |tried| visit(tried > 0))
    }

    pub(super) fn tuple<'de, V: Visitor<'de>>(
        mut self,
        length: usize,
        key: Option<Key>,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.enter(Kind::Tuple(length), key)?;
        visitor.visit_seq(Elements { tracer: &mut self, given: &mut 0, length })
    }

    /// A struct. It is read in order, as postcard does; then once without each field.
    pub(super) fn fields<'de, V: Visitor<'de>>(
        mut self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.enter(Kind::Fields(Fields::new(names)), Some(key::<V>(name, names)))?;
        let probe = if self.closing { None } else { self.trace.next_probe(self.node) };
        let Some(without) = probe else {
            let mut given = 0;
            let result =
                visitor.visit_seq(Elements { tracer: &mut self, given: &mut given, length: names.len() });
            if let (Ok(_), Some(fields)) = (&result, self.seen_fields()) {
                (fields.read, fields.complete) = (given, true);
            }
            return result;
        };
        self.trace.probed = true;
        let mut given = None;
        let result = visitor.visit_map(Named { tracer: &mut self, names, without, given: &mut given });
        let Some(fields) = self.seen_fields() else { return result };
        match (without, given, &result) {
            (Some(_), _, _) => fields.optional.push(result.is_ok()),
            (None, Some(name), Err(Stop::Duplicate(main))) if name > 0 => fields.join(name, main),
            // Some names don't belong to any field that is read.
            _ => return Err(self.trace.give_up()),
        }
        result
    }

    pub(super) fn seen_fields(&mut self) -> Option<&mut Fields> {
        match &mut self.trace.nodes[self.node].kind {
            Kind::Fields(fields) => Some(fields),
            _ => None,
        }
    }

    fn seen_variants(&mut self) -> Option<&mut Variants> {
        match &mut self.trace.nodes[self.node].kind {
            Kind::Enum(variants) => Some(variants),
            _ => None,
        }
    }
}

fn key<V>(name: &'static str, names: &'static [&'static str]) -> Key {
    Key { visitor: type_name::<V>(), name, names }
}

/// Values without parts: what serde asks, its schema, and the answer.
macro_rules! leaves {
    ($($method:ident => $schema:expr, $values:expr, |$tried:ident, $visitor:ident| $visit:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, $visitor: V) -> Result<V::Value, Stop> {
            self.leaf($schema, $values, |$tried| $visit)
        }
    )*};
}
macro_rules! integers {
    ($($method:ident => $signed:literal, $bits:literal, $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.integer($signed, $bits, |one| visitor.$visit(one.into()))
        }
    )*};
}
/// What postcard can't answer either.
macro_rules! untraceable {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
            Err(self.trace.give_up())
        }
    )*};
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Stop;

    fn is_human_readable(&self) -> bool {
        false
    }

    untraceable! { deserialize_any deserialize_identifier deserialize_ignored_any }
    integers! {
        deserialize_u8 => false, 8, visit_u8;
        deserialize_u16 => false, 16, visit_u16;
        deserialize_u32 => false, 32, visit_u32;
        deserialize_u64 => false, 64, visit_u64;
        deserialize_u128 => false, 128, visit_u128;
        deserialize_i8 => true, 8, visit_i8;
        deserialize_i16 => true, 16, visit_i16;
        deserialize_i32 => true, 32, visit_i32;
        deserialize_i64 => true, 64, visit_i64;
        deserialize_i128 => true, 128, visit_i128;
    }
    leaves! {
        deserialize_bool => Schema::Bool, 2, |tried, visitor| visitor.visit_bool(tried > 0);
        deserialize_f32 => Schema::Float { bits: 32 }, 2, |tried, visitor| visitor.visit_f32(tried as f32);
        deserialize_f64 => Schema::Float { bits: 64 }, 2, |tried, visitor| visitor.visit_f64(tried as f64);
        deserialize_char => Schema::Char, 1, |_tried, visitor| visitor.visit_char('a');
        deserialize_str => Schema::String, TEXTS.len(), |tried, visitor| visitor.visit_str(TEXTS[tried]);
        deserialize_string => Schema::String, TEXTS.len(), |tried, visitor| visitor.visit_str(TEXTS[tried]);
        deserialize_bytes => Schema::Bytes, BYTES.len(), |tried, visitor| visitor.visit_bytes(BYTES[tried]);
        deserialize_byte_buf => Schema::Bytes, BYTES.len(), |tried, visitor| visitor.visit_bytes(BYTES[tried]);
        deserialize_unit => Schema::Unit, 1, |_tried, visitor| visitor.visit_unit();
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.enter(Kind::Newtype, Some(key::<V>(name, &[])))?;
        visitor.visit_newtype_struct(self.child(0)?)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        self.enter(Kind::Option, None)?;
        if self.closing { visitor.visit_none() } else { visitor.visit_some(self.child(0)?) }
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        self.enter(Kind::Sequence, None)?;
        let length = usize::from(!self.closing);
        visitor.visit_seq(Elements { tracer: &mut self, given: &mut 0, length })
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        self.enter(Kind::Map, None)?;
        let left = usize::from(!self.closing);
        visitor.visit_map(Entries { tracer: &mut self, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Stop> {
        self.tuple(length, None, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.tuple(length, Some(key::<V>(name, &[])), visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.fields(name, names, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.enter(Kind::Enum(Variants::new(names)), Some(key::<V>(name, names)))?;
        let Some(variants) = self.seen_variants().filter(|variants| !variants.names.is_empty()) else {
            return Err(self.trace.give_up());
        };
        if variants.identified.len() < 2 * names.len() {
            return self.identify(names, visitor);
        }
        if variants.groups.is_none() && !variants.group() {
            return Err(self.trace.give_up());
        }
        let Kind::Enum(variants) = &self.trace.nodes[self.node].kind else { return Err(Stop::Again) };
        let (node, variant) = (self.node, self.trace.choose(self.node, variants, self.closing));
        self.trace.open.push((node, variant));
        let result = visitor.visit_enum(Choice { tracer: &mut self, variant });
        self.trace.open.pop();
        let (closing, is_ok) = (self.closing, result.is_ok());
        if let Some(variants) = self.seen_variants() {
            variants.tried[variant] += usize::from(!closing);
            if is_ok {
                variants.ends.get_or_insert(variant);
            }
        }
        result
    }
}

impl Tracer<'_> {
    /// Shows the type the next name or number of a variant.
    fn identify<'de, V: Visitor<'de>>(
        mut self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.trace.probed = true;
        let next = self.seen_variants().map_or(0, |variants| variants.identified.len());
        let mut hash = None;
        let (name, is_number) = (names[next / 2], next % 2 == 1);
        let show = Show { name, number: is_number.then_some(next as u32 / 2), hash: &mut hash };
        let result = visitor.visit_enum(show);
        if let Some(variants) = self.seen_variants() {
            variants.identified.push(hash);
        }
        result.and(Err(Stop::Again))
    }
}
