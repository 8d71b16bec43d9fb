//! What became of a type: whether bytes of the old one still make a value of the new one.

use super::{Schema, SchemaField, SchemaVariant};

/// How bytes that were written under one schema are read under another.
///
/// ```
/// use waterclock_base::{Schema, SchemaChange};
/// let (old, new) = (Schema::of::<u32>(), Schema::of::<u64>());
/// assert_eq!(old.change_to(&old), Ok(SchemaChange::Same));
/// assert_eq!(old.change_to(&new), Ok(SchemaChange::Converts));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaChange {
    /// The schemas are equal: with [`decode`](crate::decode).
    Same,
    /// Every old value makes a new one: with [`read_as`](crate::read_as).
    Converts,
}

/// Why bytes that were written under one schema can't be read under another: where, what, and what to do.
///
/// The path leads from the value that is read to the place: `value.address.zip` is a field,
/// `value.visits[]` an element of a sequence, `value[key]` and `value[value]` the keys and values of a map,
/// `value.0` a place of a tuple, `value::Wait` a variant.
///
/// ```
/// use waterclock_base::{Schema, SchemaMismatch};
/// let mismatch = Schema::of::<u64>().change_to(&Schema::of::<u32>()).unwrap_err();
/// assert!(matches!(mismatch, SchemaMismatch::Type { .. }));
/// assert!(mismatch.to_string().starts_with("`value` was written as u64 and is u32 now"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaMismatch {
    /// Another type, which can't hold every value of the old one.
    #[error(
        "`{path}` was written as {old} and is {new} now, which does not hold all of its values; use {old} or a \
         wider type, or a field with another name and a default"
    )]
    Type {
        /// The place.
        path: String,
        /// What was written.
        old: Schema,
        /// What is to be read.
        new: Schema,
    },
    /// A field that the old type did not have and the new one can't do without.
    #[error(
        "`{path}`, a {new}, was not written and has no default; add `#[serde(default)]`, or \
         `#[serde(alias = \"..\")]` with its old name if it was renamed (the old fields are: {old})"
    )]
    Added {
        /// The field.
        path: String,
        /// The names of the fields that were written.
        old: String,
        /// What is to be read.
        new: Schema,
    },
    /// A field that was written under two of the names that it has now.
    #[error(
        "`{path}` is what was written as {old}, two fields; take away an alias, so that it is one of them"
    )]
    Twice {
        /// The field.
        path: String,
        /// The names of the fields that were written.
        old: String,
    },
    /// A variant that the new type does not have.
    #[error(
        "`{path}`, written as a variant {old}, does not exist now (the variants are: {new}); keep it, or add \
         `#[serde(alias = \"..\")]` with its old name if it was renamed"
    )]
    Removed {
        /// The variant.
        path: String,
        /// What was written.
        old: Schema,
        /// The names of the variants that there are.
        new: String,
    },
    /// A tuple of another length.
    #[error(
        "`{path}` was written as the {old_length} values {old} and is the {new_length} values {new} now; keep \
         the length, or use a struct, whose fields have names"
    )]
    Length {
        /// The tuple.
        path: String,
        /// How many values were written.
        old_length: usize,
        /// How many are to be read.
        new_length: usize,
        /// What was written.
        old: Schema,
        /// What is to be read.
        new: Schema,
    },
    /// A type that can't be traced, or another version of it.
    #[error(
        "`{path}` was written as {old} and is {new} now, and what can't be traced is only read where the \
         version is the same; set the state version that it was written with, or begin with new state"
    )]
    Version {
        /// The place.
        path: String,
        /// What was written.
        old: Schema,
        /// What is to be read.
        new: Schema,
    },
}

impl SchemaMismatch {
    /// The place that does not fit.
    ///
    /// ```
    /// use waterclock_base::Schema;
    /// let mismatch = Schema::of::<Vec<u64>>().change_to(&Schema::of::<Vec<u32>>()).unwrap_err();
    /// assert_eq!(mismatch.path(), "value[]");
    /// ```
    pub fn path(&self) -> &str {
        match self {
            SchemaMismatch::Type { path, .. }
            | SchemaMismatch::Added { path, .. }
            | SchemaMismatch::Twice { path, .. }
            | SchemaMismatch::Removed { path, .. }
            | SchemaMismatch::Length { path, .. }
            | SchemaMismatch::Version { path, .. } => path,
        }
    }
}

impl Schema {
    /// How bytes that were written under this schema are read as `new`, which is today's: that of
    /// [`Schema::of`].
    ///
    /// * Fields and variants are found by their names, aliases of the new type included; their order may
    ///   change.
    /// * Removed fields are dropped. An added field needs a default, which `Option` has of itself.
    /// * Variants may be added, not removed.
    /// * Integers may get wider (`u8` to `u64`, `u32` to `i64`), `f32` becomes `f64`, `T` becomes `Option<T>`.
    /// * All else must be as it was.
    ///
    /// # Errors
    /// The first place that does not fit.
    ///
    /// ```
    /// use waterclock_base::{Schema, SchemaChange};
    /// #[derive(serde::Deserialize)]
    /// struct Old { count: u32 }
    /// #[derive(serde::Deserialize)]
    /// struct New { name: Option<String>, count: u64 }
    ///
    /// let (old, new) = (Schema::of::<Old>(), Schema::of::<New>());
    /// assert_eq!(old.change_to(&new), Ok(SchemaChange::Converts));
    /// assert_eq!(new.change_to(&new), Ok(SchemaChange::Same));
    /// assert_eq!(new.change_to(&old).unwrap_err().path(), "value.count");
    /// ```
    pub fn change_to(&self, new: &Schema) -> Result<SchemaChange, SchemaMismatch> {
        if self == new {
            return Ok(SchemaChange::Same);
        }
        let mut comparison = Comparison::default();
        comparison.compare(self, new, "value".to_owned())?;
        Ok(SchemaChange::Converts)
    }
}

/// Whether integers of the second kind, signed and of so many bits, hold all of the first.
pub(super) fn holds((old_signed, old_bits): (bool, u8), (signed, bits): (bool, u8)) -> bool {
    match (old_signed, signed) {
        (false, true) => bits > old_bits,
        (true, false) => false,
        _ => bits >= old_bits,
    }
}

/// The schemas around the two that are compared, outermost first.
#[derive(Default)]
struct Comparison<'s> {
    old: Vec<&'s Schema>,
    new: Vec<&'s Schema>,
    /// The pairs that are being compared: where one comes up again inside itself, there is nothing new to see.
    open: Vec<(&'s Schema, &'s Schema)>,
}

impl<'s> Comparison<'s> {
    fn compare(&mut self, old: &'s Schema, new: &'s Schema, path: String) -> Result<(), SchemaMismatch> {
        let around = |outer: &[&'s Schema], schema: &Schema| match schema {
            Schema::Recursive { up } => outer.len().checked_sub(*up as usize + 1),
            _ => None,
        };
        if let Some(place) = around(&self.old, old) {
            let inner = self.old.split_off(place);
            let result = self.compare(inner[0], new, path);
            self.old.extend(inner);
            return result;
        }
        if let Some(place) = around(&self.new, new) {
            let inner = self.new.split_off(place);
            let result = self.compare(old, inner[0], path);
            self.new.extend(inner);
            return result;
        }
        if self.open.iter().any(|open| std::ptr::eq(open.0, old) && std::ptr::eq(open.1, new)) {
            return Ok(());
        }
        self.open.push((old, new));
        self.new.push(new);
        let result = match (old, new) {
            (Schema::Option(_), Schema::Option(_)) => self.compare_inside(old, new, path),
            // Some of it. The old schema is not entered yet.
            (_, Schema::Option(content)) => self.compare(old, content, path),
            _ => self.compare_inside(old, new, path),
        };
        self.new.pop();
        self.open.pop();
        result
    }

    fn compare_inside(
        &mut self,
        old: &'s Schema,
        new: &'s Schema,
        path: String,
    ) -> Result<(), SchemaMismatch> {
        self.old.push(old);
        let result = self.compare_parts(old, new, path);
        self.old.pop();
        result
    }

    fn compare_parts(
        &mut self,
        old: &'s Schema,
        new: &'s Schema,
        path: String,
    ) -> Result<(), SchemaMismatch> {
        match (old, new) {
            (Schema::Opaque { version: a }, Schema::Opaque { version: b }) if a == b => Ok(()),
            (Schema::Opaque { .. }, _) | (_, Schema::Opaque { .. }) => {
                Err(SchemaMismatch::Version { path, old: old.clone(), new: new.clone() })
            }
            (Schema::Unit, Schema::Unit)
            | (Schema::Bool, Schema::Bool)
            | (Schema::Char, Schema::Char)
            | (Schema::String, Schema::String)
            | (Schema::Bytes, Schema::Bytes) => Ok(()),
            (Schema::Integer { signed, bits }, Schema::Integer { signed: new_signed, bits: new_bits })
                if holds((*signed, *bits), (*new_signed, *new_bits)) =>
            {
                Ok(())
            }
            (Schema::Float { bits }, Schema::Float { bits: new_bits }) if new_bits >= bits => Ok(()),
            (Schema::Option(old), Schema::Option(new)) => self.compare(old, new, path),
            (Schema::Sequence(old), Schema::Sequence(new)) => self.compare(old, new, path + "[]"),
            (Schema::Map(old_key, old_value), Schema::Map(new_key, new_value)) => {
                self.compare(old_key, new_key, format!("{path}[key]"))?;
                self.compare(old_value, new_value, path + "[value]")
            }
            (Schema::Tuple(a), Schema::Tuple(b)) if a.len() == b.len() => {
                let mut pairs = a.iter().zip(b).enumerate();
                pairs.try_for_each(|(place, (a, b))| self.compare(a, b, format!("{path}.{place}")))
            }
            (Schema::Tuple(a), Schema::Tuple(b)) => Err(SchemaMismatch::Length {
                path,
                old_length: a.len(),
                new_length: b.len(),
                old: old.clone(),
                new: new.clone(),
            }),
            (Schema::Struct(old), Schema::Struct(new)) => self.compare_fields(old, new, &path),
            (Schema::Enum(old), Schema::Enum(new)) => self.compare_variants(old, new, &path),
            _ => Err(SchemaMismatch::Type { path, old: old.clone(), new: new.clone() }),
        }
    }

    fn compare_fields(
        &mut self,
        old: &'s [SchemaField],
        new: &'s [SchemaField],
        path: &str,
    ) -> Result<(), SchemaMismatch> {
        for field in new {
            let path = format!("{path}.{}", field.name);
            let is_it =
                |old: &&SchemaField| old.name == field.name || field.aliases.contains(&old.name.as_str());
            let written: Vec<_> = old.iter().filter(is_it).collect();
            match written[..] {
                [written] => self.compare(&written.schema, &field.schema, path)?,
                [] if field.optional => {}
                [] => return Err(SchemaMismatch::Added { path, old: names(old), new: field.schema.clone() }),
                _ => return Err(SchemaMismatch::Twice { path, old: names(written) }),
            }
        }
        Ok(())
    }

    fn compare_variants(
        &mut self,
        old: &'s [SchemaVariant],
        new: &'s [SchemaVariant],
        path: &str,
    ) -> Result<(), SchemaMismatch> {
        for written in old {
            let path = format!("{path}::{}", written.name);
            let is_it = |variant: &&SchemaVariant| {
                variant.name == written.name || variant.aliases.contains(&written.name.as_str())
            };
            match new.iter().find(is_it) {
                Some(variant) => self.compare(&written.schema, &variant.schema, path)?,
                None => {
                    let new = new.iter().map(|variant| variant.name.as_str()).collect::<Vec<_>>().join(", ");
                    return Err(SchemaMismatch::Removed { path, old: written.schema.clone(), new });
                }
            }
        }
        Ok(())
    }
}

fn names<'a>(fields: impl IntoIterator<Item = &'a SchemaField>) -> String {
    fields.into_iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
}
