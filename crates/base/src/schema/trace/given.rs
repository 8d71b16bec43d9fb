//! The parts of what is given: elements, entries, fields by name, variants.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::mem::discriminant;

use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::Schema;
use super::asked::Tracer;
use super::stop::Stop;

/// Elements of a sequence, which are all alike, or of a tuple or struct.
pub(super) struct Elements<'t, 'a> {
    pub(super) tracer: &'a mut Tracer<'t>,
    pub(super) given: &'a mut usize,
    pub(super) length: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, '_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        if *self.given == self.length {
            return Ok(None);
        }
        let slot = *self.given;
        *self.given += 1;
        seed.deserialize(self.tracer.child(slot)?).map(Some)
    }
}

/// Entries of a map.
pub(super) struct Entries<'t, 'a> {
    pub(super) tracer: &'a mut Tracer<'t>,
    pub(super) left: usize,
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.tracer.child(0)?).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        seed.deserialize(self.tracer.child(1)?)
    }
}

/// The fields of a struct by name, all or all but one.
pub(super) struct Named<'t, 'a> {
    pub(super) tracer: &'a mut Tracer<'t>,
    pub(super) names: &'static [&'static str],
    pub(super) without: Option<usize>,
    /// The name given last.
    pub(super) given: &'a mut Option<usize>,
}

impl Named<'_, '_> {
    fn field_of(&mut self, name: usize) -> Option<usize> {
        self.tracer.seen_fields().filter(|fields| !fields.joined[name]).map(|fields| fields.field_of(name))
    }
}

impl<'de> MapAccess<'de> for Named<'_, '_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        let first = self.given.map_or(0, |given| given + 1);
        for name in first..self.names.len() {
            match self.field_of(name) {
                Some(field) if Some(field) != self.without => {
                    *self.given = Some(name);
                    return seed.deserialize(StrDeserializer::new(self.names[name])).map(Some);
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        let field = self.given.and_then(|name| self.field_of(name)).ok_or(Stop::Again)?;
        seed.deserialize(self.tracer.child(field)?)
    }
}

/// A variant.
pub(super) struct Choice<'t, 'a> {
    pub(super) tracer: &'a mut Tracer<'t>,
    pub(super) variant: usize,
}

impl<'de> EnumAccess<'de> for Choice<'_, '_> {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Stop> {
        let number = U32Deserializer::<Stop>::new(self.variant as u32);
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_, '_> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        self.tracer.child(self.variant)?.leaf(Schema::Unit, 1, |_| Ok(()))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Stop> {
        seed.deserialize(self.tracer.child(self.variant)?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Stop> {
        self.tracer.child(self.variant)?.tuple(length, None, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.tracer.child(self.variant)?.fields("", names, visitor)
    }
}

/// A name or number of a variant, to see what the type makes of it.
pub(super) struct Show<'a> {
    pub(super) name: &'static str,
    pub(super) number: Option<u32>,
    pub(super) hash: &'a mut Option<u64>,
}

impl<'de> EnumAccess<'de> for Show<'_> {
    type Error = Stop;
    // There never is one: nothing is read.
    type Variant = Choice<'static, 'static>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), Stop> {
        let made = match self.number {
            Some(number) => seed.deserialize(U32Deserializer::<Stop>::new(number)),
            None => seed.deserialize(StrDeserializer::new(self.name)),
        };
        let mut hasher = DefaultHasher::new();
        discriminant(&made?).hash(&mut hasher);
        *self.hash = Some(hasher.finish());
        Err(Stop::Again)
    }
}
