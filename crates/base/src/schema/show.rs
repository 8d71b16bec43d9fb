//! Schemas for people, in the words of Rust.

use std::fmt;

use super::{Schema, SchemaField, SchemaVariant};

/// For people: `{ count: u64, name: string }`; `itself` where a type contains itself.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schema::Unit => f.write_str("()"),
            Schema::Bool => f.write_str("bool"),
            Schema::Integer { signed, bits } => write!(f, "{}{bits}", if *signed { 'i' } else { 'u' }),
            Schema::Float { bits } => write!(f, "f{bits}"),
            Schema::Char => f.write_str("char"),
            Schema::String => f.write_str("string"),
            Schema::Bytes => f.write_str("bytes"),
            Schema::Option(content) => write!(f, "option<{content}>"),
            Schema::Sequence(element) => write!(f, "[{element}]"),
            Schema::Map(key, value) => write!(f, "map<{key}, {value}>"),
            Schema::Tuple(elements) => listed(f, "(", elements, ")"),
            Schema::Struct(fields) if fields.is_empty() => f.write_str("{}"),
            Schema::Struct(fields) => listed(f, "{ ", fields, " }"),
            Schema::Enum(variants) => listed(f, "enum { ", variants, " }"),
            Schema::Recursive { .. } => f.write_str("itself"),
            Schema::Opaque { version } => write!(f, "untraced (version {version})"),
        }
    }
}

impl fmt::Display for SchemaField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.schema)
    }
}

impl fmt::Display for SchemaVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Schema::Unit => f.write_str(&self.name),
            content @ Schema::Tuple(_) => write!(f, "{}{content}", self.name),
            content @ Schema::Struct(_) => write!(f, "{} {content}", self.name),
            content => write!(f, "{}({content})", self.name),
        }
    }
}

fn listed<T: fmt::Display>(f: &mut fmt::Formatter<'_>, open: &str, items: &[T], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (index, item) in items.iter().enumerate() {
        let between = if index == 0 { "" } else { ", " };
        write!(f, "{between}{item}")?;
    }
    f.write_str(close)
}
