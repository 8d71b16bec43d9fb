//! What a type looks like in bytes, so that bytes can still be read when the type has changed.
//!
//! postcard writes no names and no kinds: a struct that got another field in between is read as wrong
//! numbers, without an error. So what is kept for long carries the schema of its type, and is compared with
//! the program's when it is read.
//!
//! ```text
//! the program's type ── trace ──► Schema ──┐
//!                                          ├─ change ──► the same | converts | what does not fit, and where
//! the bytes' own ──── read back ► Schema ──┘                            │
//!                                   bytes ── value ──► values with names ── read ──► the program's type
//! ```
//!
//! The crate `serde-reflection` traces types, too, but knows them by the name that serde tells: it takes two
//! types with one name, such as `Pair<u32>` and `Pair<String>`, for the same. Neither does it tell which
//! fields have a default, nor which go by several names, by which a change is judged.

mod change; // what became of a type
mod read; // a value of today's type from the values of the old one
mod show; // schemas for people
mod trace; // the schema of a type, learnt from its `Deserialize`
mod value; // bytes to values with names, by the schema they were written under

#[cfg(test)]
mod tests;

pub use change::{SchemaChange, SchemaMismatch};
pub use read::read_as;

use std::cell::Cell;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

/// How the values of a type are laid out in bytes: the kinds of what is in them, in order, and the names.
///
/// A newtype is what it wraps, `Box<T>` is `T`, and `Text` and `String` are both strings: what makes no
/// difference in the bytes makes none here. Names of types don't count, those of fields and variants do.
///
/// The bytes of a schema itself are laid down in docs/format.md, "Schemas"; a kind can only be added behind the
/// last.
///
/// ```
/// use waterclock_base::Schema;
/// #[derive(serde::Deserialize)]
/// struct Visits { count: u64, name: String, last: Option<u32> }
/// assert_eq!(Schema::of::<Visits>().to_string(), "{ count: u64, name: string, last: option<u32> }");
/// assert_ne!(Schema::of::<u32>(), Schema::of::<u64>());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schema {
    /// No content and no bytes.
    Unit,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// Whether it can be negative.
        signed: bool,
        /// 8, 16, 32, 64 or 128.
        bits: u8,
    },
    /// A number with a fraction.
    Float {
        /// 32 or 64.
        bits: u8,
    },
    /// One character.
    Char,
    /// Text.
    String,
    /// Bytes that serde was told to be bytes; a `Vec<u8>` is a sequence.
    Bytes,
    /// Nothing or a value.
    Option(#[serde(deserialize_with = "deeper")] Box<Schema>),
    /// Any number of values of one type.
    Sequence(#[serde(deserialize_with = "deeper")] Box<Schema>),
    /// Any number of keys, each with a value.
    Map(
        /// The keys.
        #[serde(deserialize_with = "deeper")]
        Box<Schema>,
        /// The values.
        #[serde(deserialize_with = "deeper")]
        Box<Schema>,
    ),
    /// A fixed number of values without names; arrays, too.
    Tuple(#[serde(deserialize_with = "deeper")] Vec<Schema>),
    /// Values with names.
    Struct(Vec<SchemaField>),
    /// One of several variants.
    Enum(Vec<SchemaVariant>),
    /// A type that contains itself: the schema around this one, with `up` others in between.
    Recursive {
        /// How many options, sequences, maps, tuples, structs and enums lie between.
        up: u32,
    },
    /// A type that can't be traced: only its version, which the program sets, tells whether it is the same.
    Opaque {
        /// 0 if the program has set none.
        version: u32,
    },
}

impl Schema {
    /// The schema of a type, learnt from its `Deserialize`.
    ///
    /// The type is deserialised from invented values until every field and every variant has been seen: 0
    /// or 1 for numbers, no text or a short one, a date, an address. A type can't be traced, and is
    /// [`Opaque`](Schema::Opaque) with version 0 as a whole, if
    ///
    /// * a type in it accepts none of these values,
    /// * it asks what comes next, which postcard can't tell either: `#[serde(flatten)]`, `#[serde(untagged)]`
    ///   and `#[serde(tag = "..")]`,
    /// * what comes next depends on a value, or
    /// * it is nested deeper than 128 levels, or has more than 10,000 parts.
    ///
    /// A `Deserialize` of the program that panics counts as one that does not accept. It should not do more
    /// than to deserialise: it is called often.
    ///
    /// ```
    /// use waterclock_base::{Schema, Text};
    /// assert_eq!(Schema::of::<Vec<Text>>(), Schema::of::<Vec<String>>());
    ///
    /// #[derive(serde::Deserialize)]
    /// #[serde(untagged)]
    /// enum Loose { Number(u32), Name(String) }
    /// assert_eq!(Schema::of::<Loose>(), Schema::Opaque { version: 0 });
    /// ```
    pub fn of<T: DeserializeOwned>() -> Schema {
        trace::trace::<T>().unwrap_or(Schema::Opaque { version: 0 })
    }
}

/// A field of a struct, or of a variant with names.
///
/// Equal fields have the same name and schema. What a field of today's type accepts besides is not part of
/// the bytes: it is neither compared nor written.
///
/// ```
/// use waterclock_base::{SchemaField, Schema};
/// #[derive(serde::Deserialize)]
/// struct Visits { #[serde(default)] count: u64 }
/// let Schema::Struct(fields) = Schema::of::<Visits>() else { unreachable!() };
/// assert_eq!(fields, [SchemaField::new("count", Schema::of::<u64>())]);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SchemaField {
    /// Its name.
    pub name: String,
    /// What it holds.
    #[serde(deserialize_with = "deeper")]
    pub schema: Schema,
    /// Other names that today's type knows it by.
    #[serde(skip)]
    aliases: Vec<&'static str>,
    /// Whether today's type can do without it.
    #[serde(skip)]
    optional: bool,
}

impl SchemaField {
    /// A field that must be there and has one name.
    ///
    /// ```
    /// use waterclock_base::{SchemaField, Schema};
    /// assert_eq!(SchemaField::new("on", Schema::Bool).name, "on");
    /// ```
    pub fn new(name: impl Into<String>, schema: Schema) -> Self {
        SchemaField { name: name.into(), schema, aliases: Vec::new(), optional: false }
    }
}

impl PartialEq for SchemaField {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.schema == other.schema
    }
}
impl Eq for SchemaField {}

/// A variant of an enum.
///
/// What it holds is a schema as any other: [`Unit`](Schema::Unit) for `Stop`, the content itself for
/// `Wait(u64)`, a tuple for `Move(i32, i32)`, a struct for `Say { times: u8 }`.
///
/// ```
/// use waterclock_base::{Schema, SchemaVariant};
/// #[derive(serde::Deserialize)]
/// enum Step { Stop, Wait(u64) }
/// let Schema::Enum(variants) = Schema::of::<Step>() else { unreachable!() };
/// assert_eq!(variants, [SchemaVariant::new("Stop", Schema::Unit), SchemaVariant::new("Wait", Schema::of::<u64>())]);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SchemaVariant {
    /// Its name.
    pub name: String,
    /// What it holds.
    #[serde(deserialize_with = "deeper")]
    pub schema: Schema,
    /// Other names that today's type knows it by.
    #[serde(skip)]
    aliases: Vec<&'static str>,
}

impl SchemaVariant {
    /// A variant that has one name.
    ///
    /// ```
    /// use waterclock_base::{Schema, SchemaVariant};
    /// assert_eq!(SchemaVariant::new("Stop", Schema::Unit).name, "Stop");
    /// ```
    pub fn new(name: impl Into<String>, schema: Schema) -> Self {
        SchemaVariant { name: name.into(), schema, aliases: Vec::new() }
    }
}

impl PartialEq for SchemaVariant {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.schema == other.schema
    }
}
impl Eq for SchemaVariant {}

/// How deep schemas may be nested.
const MAX_DEPTH: usize = 128;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Reads a schema inside another. Damaged bytes could nest them as deep as the file is long, and no stack is
/// so deep.
fn deeper<'de, D: Deserializer<'de>, T: Deserialize<'de>>(bytes: D) -> Result<T, D::Error> {
    let depth = DEPTH.get();
    if depth == MAX_DEPTH {
        return Err(D::Error::custom("a schema is nested too deep"));
    }
    DEPTH.set(depth + 1);
    let schema = T::deserialize(bytes);
    DEPTH.set(depth);
    schema
}
