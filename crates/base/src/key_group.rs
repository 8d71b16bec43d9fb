//! Which share of the keys a key belongs to: the same on every machine and in every release.
//!
//! The hash is taken of what serde tells about the key, without bytes in between. `docs/format.md`, "Key
//! groups", lays it down exactly; state on disk is divided by it, so it can only be replaced by a new
//! version beside it.

use std::fmt;

use serde::{Serialize, Serializer, ser};

use crate::text::load_up_to_8;

/// The version of [`key_hash`], which state on disk carries.
pub const KEY_HASH_VERSION: u8 = 1;

/// The hash of a key's serialised form, all 64 bits of which are well mixed.
///
/// `Text`, `String` and `&str` with the same content have the same hash, as have equal integers of any
/// type, `0.0` and `-0.0`, and all NaN. A newtype counts as what it wraps. Names of types, fields and
/// variants don't count, but the order of fields and variants does.
///
/// It has no secret: who chooses the keys can choose them all in one group. That makes work uneven but
/// nothing wrong.
///
/// A key whose own `Serialize` reports an error has a hash too, the same one for all such keys.
///
/// ```
/// use waterclock_base::{Text, key_hash};
/// assert_eq!(key_hash("water"), 0xd2f9_a475_0f8b_fc43);
/// assert_eq!(key_hash(&Text::from("water")), key_hash("water"));
/// assert_eq!(key_hash(&7u8), key_hash(&7i64));
/// assert_ne!(key_hash(&("ab", "c")), key_hash(&("a", "bc")));
/// ```
#[inline]
pub fn key_hash<K: Serialize + ?Sized>(key: &K) -> u64 {
    let mut hasher = KeyHasher { state: START };
    if key.serialize(&mut hasher).is_err() {
        hasher.state = START;
        hasher.step(tag::FAILED, 0);
    }
    multiply(hasher.state ^ LAST, LAST_FACTOR)
}

/// The group, of `groups`, that a key belongs to.
///
/// ```
/// use waterclock_base::{group_of_hash, key_group, key_hash};
/// assert!(key_group("water", 1024) < 1024);
/// assert_eq!(key_group("water", 1024), group_of_hash(key_hash("water"), 1024));
/// ```
#[inline]
pub fn key_group<K: Serialize + ?Sized>(key: &K, groups: u32) -> u32 {
    group_of_hash(key_hash(key), groups)
}

/// The group that the keys with this [`key_hash`] belong to: the hashes are divided evenly, in order.
///
/// Of no groups, it is group 0.
///
/// ```
/// use waterclock_base::group_of_hash;
/// assert_eq!((group_of_hash(0, 1024), group_of_hash(u64::MAX, 1024)), (0, 1023));
/// ```
#[inline]
pub fn group_of_hash(hash: u64, groups: u32) -> u32 {
    ((u128::from(hash) * u128::from(groups)) >> 64) as u32
}

/// The partition that owns a group: partition `p` of `n` owns the groups from `p * groups / n` up to, but
/// not including, `(p + 1) * groups / n`, both rounded down.
///
/// So each partition owns neighbouring groups, and the numbers differ by one at most. A group that does
/// not exist counts to the last partition. Of no groups or no partitions, it is partition 0.
///
/// ```
/// use waterclock_base::partition_of_group;
/// let owners: Vec<usize> = (0..8).map(|group| partition_of_group(group, 8, 3)).collect();
/// assert_eq!(owners, [0, 0, 1, 1, 1, 2, 2, 2]);
/// ```
#[inline]
pub fn partition_of_group(group: u32, groups: u32, partitions: usize) -> usize {
    if groups == 0 || partitions == 0 {
        return 0;
    }
    let group = group.min(groups - 1);
    // The last p with p * groups / n <= group, that is, with p * groups < (group + 1) * n. It is below n.
    let next = u64::from(group) + 1;
    match next.checked_mul(partitions as u64) {
        Some(bound) => ((bound - 1) / u64::from(groups)) as usize,
        None => ((u128::from(next) * partitions as u128 - 1) / u128::from(groups)) as usize,
    }
}

// Digits of pi, so that they are known to hide nothing.
const START: u64 = 0x243f_6a88_85a3_08d3;
const SECOND: u64 = 0x4528_21e6_38d0_1377;
const LAST: u64 = 0xbe54_66cf_34e9_0c6c;
const LAST_FACTOR: u64 = 0xc0ac_29b7_c97c_50dd;

/// What a value begins with, so that different kinds of values with the same content differ.
mod tag {
    pub(super) const INTEGER: u64 = 1;
    pub(super) const NEGATIVE: u64 = 2;
    pub(super) const WIDE: u64 = 3;
    pub(super) const WIDE_NEGATIVE: u64 = 4;
    pub(super) const BOOL: u64 = 5;
    pub(super) const CHAR: u64 = 6;
    pub(super) const FLOAT: u64 = 7;
    pub(super) const STRING: u64 = 8;
    pub(super) const BYTES: u64 = 9;
    pub(super) const NONE: u64 = 10;
    pub(super) const SOME: u64 = 11;
    pub(super) const UNIT: u64 = 12;
    pub(super) const TUPLE: u64 = 13;
    pub(super) const VARIANT: u64 = 14;
    pub(super) const SEQUENCE: u64 = 15;
    pub(super) const MAP: u64 = 16;
    pub(super) const END: u64 = 17;
    pub(super) const FAILED: u64 = 18;
}

/// Both halves of the 128-bit product, one over the other.
#[inline(always)]
fn multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// Takes in a key as a serializer. Every value is one step or more, each of two numbers.
struct KeyHasher {
    state: u64,
}

impl KeyHasher {
    #[inline(always)]
    fn step(&mut self, a: u64, b: u64) {
        self.state = multiply(self.state ^ a, SECOND ^ b);
    }

    /// A step that does not fail, as the methods of a serializer want it.
    #[inline(always)]
    fn value(&mut self, a: u64, b: u64) -> Result<(), Failed> {
        self.step(a, b);
        Ok(())
    }

    /// The tag and the length share a number with each other, the first eight bytes a step with them: so a
    /// short string is one multiplication.
    #[inline(always)]
    fn bytes(&mut self, tag: u64, bytes: &[u8]) -> Result<(), Failed> {
        self.step(tag | (bytes.len() as u64) << 8, load_up_to_8(bytes));
        if let Some(rest) = bytes.get(8..) {
            for pair in rest.chunks(16) {
                self.step(load_up_to_8(pair), load_up_to_8(pair.get(8..).unwrap_or_default()));
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn integer(&mut self, v: i64) -> Result<(), Failed> {
        self.value(if v < 0 { tag::NEGATIVE } else { tag::INTEGER }, v.cast_unsigned())
    }

    #[inline]
    fn wide(&mut self, tag: u64, v: u128) -> Result<(), Failed> {
        self.step(tag, v as u64);
        self.value(tag, (v >> 64) as u64)
    }
}

/// That the key's own `Serialize` reported an error. What it said is lost: the hash needs no reason.
#[derive(Debug)]
struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key can't be serialised")
    }
}
impl std::error::Error for Failed {}
impl ser::Error for Failed {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Failed
    }
}

/// Methods that take one number in.
macro_rules! numbers {
    ($($method:ident($type:ty) => $hasher:ident.$take:ident($($number:expr),*) of $v:ident;)*) => {$(
        #[inline]
        fn $method(self, $v: $type) -> Result<(), Failed> {
            let $hasher = self;
            $hasher.$take($($number),*)
        }
    )*};
}

impl<'a> Serializer for &'a mut KeyHasher {
    type Ok = ();
    type Error = Failed;
    type SerializeSeq = Elements<'a>;
    type SerializeMap = Elements<'a>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    // As in our other bytes: addresses and times are not printed.
    fn is_human_readable(&self) -> bool {
        false
    }

    numbers! {
        serialize_bool(bool) => hasher.value(tag::BOOL, u64::from(v)) of v;
        serialize_char(char) => hasher.value(tag::CHAR, u64::from(v)) of v;
        serialize_i8(i8) => hasher.integer(i64::from(v)) of v;
        serialize_i16(i16) => hasher.integer(i64::from(v)) of v;
        serialize_i32(i32) => hasher.integer(i64::from(v)) of v;
        serialize_i64(i64) => hasher.integer(v) of v;
        serialize_u8(u8) => hasher.value(tag::INTEGER, u64::from(v)) of v;
        serialize_u16(u16) => hasher.value(tag::INTEGER, u64::from(v)) of v;
        serialize_u32(u32) => hasher.value(tag::INTEGER, u64::from(v)) of v;
        serialize_u64(u64) => hasher.value(tag::INTEGER, v) of v;
        serialize_f32(f32) => hasher.serialize_f64(f64::from(v)) of v;
    }

    fn serialize_i128(self, v: i128) -> Result<(), Failed> {
        match (i64::try_from(v), u128::try_from(v)) {
            (Ok(v), _) => self.integer(v),
            (_, Ok(v)) => self.serialize_u128(v),
            _ => self.wide(tag::WIDE_NEGATIVE, v.cast_unsigned()),
        }
    }
    fn serialize_u128(self, v: u128) -> Result<(), Failed> {
        match u64::try_from(v) {
            Ok(v) => self.serialize_u64(v),
            Err(_) => self.wide(tag::WIDE, v),
        }
    }
    #[inline]
    fn serialize_f64(self, v: f64) -> Result<(), Failed> {
        let bits = if v == 0.0 {
            0
        } else if v.is_nan() {
            0x7ff8_0000_0000_0000
        } else {
            v.to_bits()
        };
        self.value(tag::FLOAT, bits)
    }
    #[inline]
    fn serialize_str(self, v: &str) -> Result<(), Failed> {
        self.bytes(tag::STRING, v.as_bytes())
    }
    #[inline]
    fn serialize_bytes(self, v: &[u8]) -> Result<(), Failed> {
        self.bytes(tag::BYTES, v)
    }
    #[inline]
    fn serialize_none(self) -> Result<(), Failed> {
        self.value(tag::NONE, 0)
    }
    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Result<(), Failed> {
        self.step(tag::SOME, 0);
        v.serialize(self)
    }
    #[inline]
    fn serialize_unit(self) -> Result<(), Failed> {
        self.value(tag::UNIT, 0)
    }
    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Failed> {
        self.serialize_unit()
    }
    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, v: &T) -> Result<(), Failed> {
        v.serialize(self)
    }
    #[inline]
    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<(), Failed> {
        self.value(tag::VARIANT, u64::from(index))
    }
    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        v: &T,
    ) -> Result<(), Failed> {
        v.serialize(self.serialize_tuple_variant(name, index, variant, 1)?)
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'a>, Failed> {
        // Known or not, the length comes last: the same elements are the same key.
        self.step(tag::SEQUENCE, 0);
        Ok(Elements { hasher: self, count: 0 })
    }
    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Elements<'a>, Failed> {
        self.step(tag::MAP, 0);
        Ok(Elements { hasher: self, count: 0 })
    }
    #[inline]
    fn serialize_tuple(self, length: usize) -> Result<Self, Failed> {
        self.step(tag::TUPLE, length as u64);
        Ok(self)
    }
    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Self, Failed> {
        self.serialize_tuple(length)
    }
    #[inline]
    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Self, Failed> {
        self.serialize_tuple(length)
    }
    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        length: usize,
    ) -> Result<Self, Failed> {
        self.step(tag::VARIANT | (length as u64) << 8, u64::from(index));
        Ok(self)
    }
    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self, Failed> {
        self.serialize_tuple_variant(name, index, variant, length)
    }
}

/// The elements of a sequence or the entries of a map, which are counted.
struct Elements<'a> {
    hasher: &'a mut KeyHasher,
    count: u64,
}

impl ser::SerializeSeq for Elements<'_> {
    type Ok = ();
    type Error = Failed;
    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Failed> {
        self.count += 1;
        v.serialize(&mut *self.hasher)
    }
    #[inline]
    fn end(self) -> Result<(), Failed> {
        self.hasher.value(tag::END, self.count)
    }
}

impl ser::SerializeMap for Elements<'_> {
    type Ok = ();
    type Error = Failed;
    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Failed> {
        self.count += 1;
        v.serialize(&mut *self.hasher)
    }
    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Failed> {
        v.serialize(&mut *self.hasher)
    }
    #[inline]
    fn end(self) -> Result<(), Failed> {
        self.hasher.value(tag::END, self.count)
    }
}

/// The compounds whose length is known beforehand: their parts follow one another, without an end.
macro_rules! parts {
    ($($compound:ident::$method:ident($($name:ty)?)),*) => {$(
        impl ser::$compound for &mut KeyHasher {
            type Ok = ();
            type Error = Failed;
            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? v: &T) -> Result<(), Failed> {
                v.serialize(&mut **self)
            }
            #[inline]
            fn end(self) -> Result<(), Failed> {
                Ok(())
            }
        }
    )*};
}
parts!(SerializeTuple::serialize_element(), SerializeTupleStruct::serialize_field());
parts!(SerializeTupleVariant::serialize_field(), SerializeStruct::serialize_field(&'static str));
parts!(SerializeStructVariant::serialize_field(&'static str));

#[cfg(test)]
mod tests;
