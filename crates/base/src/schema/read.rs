//! A value of today's type from the values of the old one: fields and variants by name, numbers widened.

use std::fmt;

use serde::Deserializer;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::Schema;
use super::change::holds;
use super::value::Value;
use crate::codec::decode;
use crate::error::{Error, Result};

/// Reads one value, which was written when its type had the schema `old`, from the front of `bytes` and moves
/// `bytes` past it.
///
/// What is read how is said at [`Schema::change_to`], which tells for all values what this finds out for one.
/// Bytes under an [`Opaque`](Schema::Opaque) schema are read as they are. The bytes are not trusted: they may
/// be damaged, but must not be nested deeper than 256 levels.
///
/// # Errors
/// [`Error::Encoding`] when the bytes are not a value of the old schema or it does not make a `T`; `bytes` is
/// not moved then.
///
/// ```
/// use waterclock_base::{Schema, encode, read_as};
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Old { count: u32, name: String }
/// #[derive(serde::Deserialize)]
/// struct New { name: String, #[serde(default)] last: u8, count: u64 }
///
/// let mut bytes = Vec::new();
/// encode(&Old { count: 7, name: "tap".into() }, &mut bytes)?;
/// let mut rest = &bytes[..];
/// let new: New = read_as(&Schema::of::<Old>(), &mut rest)?;
/// assert_eq!((new.name.as_str(), new.last, new.count, rest.len()), ("tap", 0, 7, 0));
/// # Ok::<(), waterclock_base::Error>(())
/// ```
pub fn read_as<T: DeserializeOwned>(old: &Schema, bytes: &mut &[u8]) -> Result<T> {
    if let Schema::Opaque { .. } = old {
        return decode(bytes);
    }
    let failed = |why: String| Error::Encoding {
        what: format!("can't read what was written as {old} as a {}", std::any::type_name::<T>()),
        why,
    };
    let mut rest = *bytes;
    let value = Value::take(old, &mut rest).map_err(failed)?;
    let left = rest.len();
    let value = T::deserialize(value).map_err(|error| failed(error.to_string()))?;
    *bytes = &bytes[bytes.len() - left..];
    Ok(value)
}

/// What does not fit, and where.
#[derive(Debug)]
pub(super) struct Misfit {
    /// Field inside field.
    path: String,
    what: String,
}

impl Misfit {
    fn inside(mut self, name: &str) -> Self {
        self.path = if self.path.is_empty() { name.to_owned() } else { format!("{name}.{}", self.path) };
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path)?;
        }
        f.write_str(&self.what)
    }
}
impl std::error::Error for Misfit {}
impl de::Error for Misfit {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Misfit { path: String::new(), what: what.to_string() }
    }
}

impl Value<'_> {
    fn name(&self) -> String {
        match self {
            Value::Unsigned(_, bits) => format!("u{bits}"),
            Value::Signed(_, bits) => format!("i{bits}"),
            Value::Variant(name, _) => format!("variant `{name}`"),
            Value::Unit => "()".into(),
            Value::Bool(_) => "bool".into(),
            Value::F32(_) => "f32".into(),
            Value::F64(_) => "f64".into(),
            Value::Char(_) => "char".into(),
            Value::String(_) => "string".into(),
            Value::Bytes(_) => "bytes".into(),
            Value::None | Value::Some(_) => "option".into(),
            Value::Sequence(_) => "sequence".into(),
            Value::Map(_) => "map".into(),
            Value::Tuple(elements) => format!("tuple of {}", elements.len()),
            Value::Struct(_) => "struct".into(),
        }
    }

    fn is_not(&self, wanted: impl fmt::Display) -> Misfit {
        Misfit { path: String::new(), what: format!("{} was written, {wanted} is to be read", self.name()) }
    }
}

macro_rules! integers {
    ($($method:ident => $signed:literal, $bits:literal, $type:ident, $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            let wanted = ($signed, $bits);
            match self {
                Value::Unsigned(value, bits) if holds((false, bits), wanted) => visitor.$visit(value as $type),
                Value::Signed(value, bits) if holds((true, bits), wanted) => visitor.$visit(value as $type),
                other => Err(other.is_not(stringify!($type))),
            }
        }
    )*};
}
/// Values that are given as they are.
macro_rules! plain {
    ($($method:ident($visitor:ident) => $wanted:literal, $($pattern:pat => $visit:expr),*;)*) => {$(
        fn $method<V: Visitor<'de>>(self, $visitor: V) -> Result<V::Value, Misfit> {
            match self {
                $($pattern => $visit,)*
                other => Err(other.is_not($wanted)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Misfit;

    fn is_human_readable(&self) -> bool {
        false
    }

    integers! {
        deserialize_u8 => false, 8, u8, visit_u8;
        deserialize_u16 => false, 16, u16, visit_u16;
        deserialize_u32 => false, 32, u32, visit_u32;
        deserialize_u64 => false, 64, u64, visit_u64;
        deserialize_u128 => false, 128, u128, visit_u128;
        deserialize_i8 => true, 8, i8, visit_i8;
        deserialize_i16 => true, 16, i16, visit_i16;
        deserialize_i32 => true, 32, i32, visit_i32;
        deserialize_i64 => true, 64, i64, visit_i64;
        deserialize_i128 => true, 128, i128, visit_i128;
    }
    plain! {
        deserialize_bool(visitor) => "bool", Value::Bool(value) => visitor.visit_bool(value);
        deserialize_f32(visitor) => "f32", Value::F32(value) => visitor.visit_f32(value);
        deserialize_f64(visitor) => "f64",
            Value::F64(value) => visitor.visit_f64(value),
            Value::F32(value) => visitor.visit_f64(value.into());
        deserialize_char(visitor) => "char", Value::Char(value) => visitor.visit_char(value);
        deserialize_str(visitor) => "string", Value::String(value) => visitor.visit_borrowed_str(value);
        deserialize_string(visitor) => "string", Value::String(value) => visitor.visit_borrowed_str(value);
        deserialize_bytes(visitor) => "bytes", Value::Bytes(value) => visitor.visit_borrowed_bytes(value);
        deserialize_byte_buf(visitor) => "bytes", Value::Bytes(value) => visitor.visit_borrowed_bytes(value);
        deserialize_unit(visitor) => "()", Value::Unit => visitor.visit_unit();
        deserialize_seq(visitor) => "sequence",
            Value::Sequence(elements) => visitor.visit_seq(Elements(elements.into_iter()));
        deserialize_map(visitor) => "map",
            Value::Map(entries) => visitor.visit_map(Entries { rest: entries.into_iter(), value: None });
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self {
            Value::None => visitor.visit_none(),
            Value::Some(value) => visitor.visit_some(*value),
            value => visitor.visit_some(value),
        }
    }

    // As with postcard, a type can't ask what comes next.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Misfit> {
        Err(self.is_not("a type that asks what was written"))
    }
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_any(visitor)
    }
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Misfit> {
        match self {
            Value::Tuple(elements) if elements.len() == length => {
                visitor.visit_seq(Elements(elements.into_iter()))
            }
            other => Err(other.is_not(format_args!("tuple of {length}"))),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let Value::Struct(mut fields) = self else { return Err(self.is_not("struct")) };
        // As postcard gives it, where nothing has changed: not every type made by hand knows its names.
        if fields.iter().map(|(name, _)| name).eq(names) {
            return visitor.visit_seq(Named { rest: fields.into_iter(), value: None });
        }
        // Removed fields are dropped, also where the type would refuse them.
        fields.retain(|(name, _)| names.contains(name));
        visitor.visit_map(Named { rest: fields.into_iter(), value: None })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let Value::Variant(name, content) = self else { return Err(self.is_not("enum")) };
        visitor.visit_enum(Choice(name, *content)).map_err(|misfit| misfit.inside(name))
    }
}

struct Elements<'de>(std::vec::IntoIter<Value<'de>>);

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Misfit;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Misfit> {
        self.0.next().map(|value| seed.deserialize(value)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Entries<'de> {
    rest: std::vec::IntoIter<(Value<'de>, Value<'de>)>,
    value: Option<Value<'de>>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Misfit;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Misfit> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Misfit> {
        seed.deserialize(self.value.take().unwrap_or(Value::Unit))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The fields of a struct, by name or in order.
struct Named<'de> {
    rest: std::vec::IntoIter<(&'de str, Value<'de>)>,
    value: Option<(&'de str, Value<'de>)>,
}

impl<'de> MapAccess<'de> for Named<'de> {
    type Error = Misfit;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Misfit> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some((name, value));
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Misfit> {
        let (name, value) = self.value.take().unwrap_or(("", Value::Unit));
        seed.deserialize(value).map_err(|misfit| misfit.inside(name))
    }
}

impl<'de> SeqAccess<'de> for Named<'de> {
    type Error = Misfit;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Misfit> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        seed.deserialize(value).map(Some).map_err(|misfit| misfit.inside(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Choice<'de>(&'de str, Value<'de>);

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Misfit;
    type Variant = Value<'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Value<'de>), Misfit> {
        Ok((seed.deserialize(BorrowedStrDeserializer::new(self.0))?, self.1))
    }
}

impl<'de> VariantAccess<'de> for Value<'de> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        match self {
            Value::Unit => Ok(()),
            other => Err(other.is_not("no content")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Misfit> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_struct("", names, visitor)
    }
}
