//! Bytes to values that know their names, by the schema they were written under.
//!
//! Nothing in the bytes is trusted: neither that they are whole, nor the numbers of elements, nor how deep they
//! are nested.

use serde::Deserialize;

use super::Schema;
use crate::error::{Error, Result};

/// How deep values may be nested. Deserialising them takes the stack, as reading them does.
const MAX_DEPTH: usize = 256;
/// How many elements without bytes of their own a sequence may have.
const MAX_EMPTY: u64 = 65_536;

/// A value with the names that its bytes don't have.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Unit,
    Bool(bool),
    /// The number, and how many bits its type has.
    Unsigned(u128, u8),
    Signed(i128, u8),
    F32(f32),
    F64(f64),
    Char(char),
    String(&'a str),
    Bytes(&'a [u8]),
    None,
    Some(Box<Value<'a>>),
    Sequence(Vec<Value<'a>>),
    Map(Vec<(Value<'a>, Value<'a>)>),
    Tuple(Vec<Value<'a>>),
    Struct(Vec<(&'a str, Value<'a>)>),
    Variant(&'a str, Box<Value<'a>>),
}

impl<'a> Value<'a> {
    /// Reads one value from the front of `bytes` and moves `bytes` past it; an error says what is wrong.
    pub(super) fn take(schema: &'a Schema, bytes: &mut &'a [u8]) -> Result<Value<'a>, String> {
        let mut reader = Reader { bytes, outer: Vec::new(), depth: 0 };
        let value = reader.value(schema)?;
        *bytes = reader.bytes;
        Ok(value)
    }
}

impl Schema {
    /// Moves `bytes` past one value that was written under this schema.
    ///
    /// # Errors
    /// [`Error::Encoding`] when the bytes are not such a value, or the schema is one of a type that can't be traced;
    /// `bytes` is not moved then.
    ///
    /// ```
    /// use waterclock_base::{Schema, encode};
    /// let mut bytes = Vec::new();
    /// encode(&("key", 300u32), &mut bytes)?;
    /// encode(&7u8, &mut bytes)?;
    /// let mut rest = &bytes[..];
    /// Schema::of::<(String, u32)>().skip(&mut rest)?;
    /// assert_eq!(rest, [7]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    pub fn skip(&self, bytes: &mut &[u8]) -> Result<()> {
        let mut rest = *bytes;
        let failed = |why| Error::Encoding { what: format!("can't skip what was written as {self}"), why };
        Value::take(self, &mut rest).map_err(failed)?;
        *bytes = &bytes[bytes.len() - rest.len()..];
        Ok(())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// The schemas around the one that is read, outermost first.
    outer: Vec<&'a Schema>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, schema: &'a Schema) -> Result<Value<'a>, String> {
        if self.depth == MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
        }
        self.depth += 1;
        let value = if let Schema::Recursive { up } = schema {
            let place = self.outer.len().checked_sub(*up as usize + 1);
            let place = place.ok_or("its schema refers to nothing")?;
            let inner = self.outer.split_off(place);
            let value = self.value(inner[0])?;
            self.outer.extend(inner);
            value
        } else {
            self.outer.push(schema);
            let value = self.parts(schema)?;
            self.outer.pop();
            value
        };
        self.depth -= 1;
        Ok(value)
    }

    fn parts(&mut self, schema: &'a Schema) -> Result<Value<'a>, String> {
        Ok(match schema {
            Schema::Unit => Value::Unit,
            Schema::Bool => Value::Bool(self.plain()?),
            Schema::Integer { signed, bits } => self.integer(*signed, *bits)?,
            Schema::Float { bits: 32 } => Value::F32(self.plain()?),
            Schema::Float { bits: 64 } => Value::F64(self.plain()?),
            Schema::Char => Value::Char(self.plain()?),
            Schema::String => Value::String(self.plain()?),
            Schema::Bytes => Value::Bytes(self.plain()?),
            Schema::Option(content) => match self.plain::<u8>()? {
                0 => Value::None,
                1 => Value::Some(Box::new(self.value(content)?)),
                other => return Err(format!("an option begins with {other}")),
            },
            Schema::Sequence(element) => {
                let length = self.length(takes_bytes(element))?;
                let elements = (0..length).map(|_| self.value(element));
                Value::Sequence(elements.collect::<Result<_, _>>()?)
            }
            Schema::Map(key, value) => {
                let length = self.length(takes_bytes(key) || takes_bytes(value))?;
                let entries = (0..length).map(|_| Ok((self.value(key)?, self.value(value)?)));
                Value::Map(entries.collect::<Result<_, String>>()?)
            }
            Schema::Tuple(elements) => {
                let elements = elements.iter().map(|element| self.value(element));
                Value::Tuple(elements.collect::<Result<_, _>>()?)
            }
            Schema::Struct(fields) => {
                let fields = fields.iter().map(|field| Ok((field.name.as_str(), self.value(&field.schema)?)));
                Value::Struct(fields.collect::<Result<_, String>>()?)
            }
            Schema::Enum(variants) => {
                let index: u32 = self.plain()?;
                let variant = variants.get(index as usize);
                let variant = variant.ok_or_else(|| format!("there is no variant {index} of {schema}"))?;
                Value::Variant(&variant.name, Box::new(self.value(&variant.schema)?))
            }
            Schema::Float { .. } | Schema::Recursive { .. } | Schema::Opaque { .. } => {
                return Err(format!("a {schema} inside can't be read"));
            }
        })
    }

    fn integer(&mut self, signed: bool, bits: u8) -> Result<Value<'a>, String> {
        let unsigned = |value: u128| Value::Unsigned(value, bits);
        let with_sign = |value: i128| Value::Signed(value, bits);
        Ok(match (signed, bits) {
            (false, 8) => unsigned(self.plain::<u8>()?.into()),
            (false, 16) => unsigned(self.plain::<u16>()?.into()),
            (false, 32) => unsigned(self.plain::<u32>()?.into()),
            (false, 64) => unsigned(self.plain::<u64>()?.into()),
            (false, 128) => unsigned(self.plain()?),
            (true, 8) => with_sign(self.plain::<i8>()?.into()),
            (true, 16) => with_sign(self.plain::<i16>()?.into()),
            (true, 32) => with_sign(self.plain::<i32>()?.into()),
            (true, 64) => with_sign(self.plain::<i64>()?.into()),
            (true, 128) => with_sign(self.plain()?),
            _ => return Err(format!("there are no integers of {bits} bits")),
        })
    }

    /// A value without parts, as postcard reads it.
    fn plain<T: Deserialize<'a>>(&mut self) -> Result<T, String> {
        let (value, rest) = postcard::take_from_bytes(self.bytes).map_err(|error| error.to_string())?;
        self.bytes = rest;
        Ok(value)
    }

    /// How many elements follow. Each takes a byte at least, or else there must not be too many.
    fn length(&mut self, takes_bytes: bool) -> Result<u64, String> {
        let length = self.plain()?;
        let most = if takes_bytes { self.bytes.len() as u64 } else { MAX_EMPTY };
        if length > most {
            return Err(format!("{length} elements are said to follow in {} bytes", self.bytes.len()));
        }
        Ok(length)
    }
}

/// Whether every value takes a byte at least.
fn takes_bytes(schema: &Schema) -> bool {
    match schema {
        Schema::Unit => false,
        Schema::Tuple(elements) => elements.iter().any(takes_bytes),
        Schema::Struct(fields) => fields.iter().any(|field| takes_bytes(&field.schema)),
        _ => true,
    }
}
