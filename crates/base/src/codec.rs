//! Records to bytes and back: postcard, whose wire format is published and fixed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::data::Record;
use crate::error::{Error, Result};

/// Appends the bytes of `value` to `out`.
///
/// # Errors
/// [`Error::Encoding`] when the type's own `Serialize` fails.
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<()> {
    let taken = std::mem::take(out);
    *out = postcard::to_extend(value, taken).map_err(|error| Error::Encoding {
        what: format!("can't write a {}", std::any::type_name::<T>()),
        why: error.to_string(),
    })?;
    Ok(())
}

/// Reads one value from the front of `bytes` and moves `bytes` past it.
///
/// # Errors
/// [`Error::Encoding`] when the bytes are not such a value.
///
/// ```
/// let mut bytes = Vec::new();
/// waterclock_base::encode(&("a", 7u64), &mut bytes)?;
/// let mut rest = &bytes[..];
/// let (key, value): (String, u64) = waterclock_base::decode(&mut rest)?;
/// assert_eq!((key.as_str(), value, rest.len()), ("a", 7, 0));
/// # Ok::<(), waterclock_base::Error>(())
/// ```
pub fn decode<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, rest)) => {
            *bytes = rest;
            Ok(value)
        }
        Err(error) => Err(Error::Encoding {
            what: format!("can't read a {}", std::any::type_name::<T>()),
            why: error.to_string(),
        }),
    }
}

/// CRC-32C (Castagnoli) of some bytes, as iSCSI, ext4 and Kafka use it: the checksum of everything that
/// Waterclock writes.
///
/// ```
/// assert_eq!(waterclock_base::checksum([b"1234", &b"56789"[..]]), 0xE306_9283);
/// ```
pub fn checksum<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> u32 {
    parts.into_iter().fold(0, checksum_on)
}

/// [`checksum`] carried on over more bytes.
///
/// ```
/// use waterclock_base::{checksum, checksum_on};
/// assert_eq!(checksum_on(checksum([&b"12"[..]]), b"34"), checksum([&b"1234"[..]]));
/// ```
pub fn checksum_on(before: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(before, bytes)
}

/// Bytes that are written as one run, not as a sequence of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Run;
        impl serde::de::Visitor<'_> for Run {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a run of bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Run)
    }
}

/// How records of `T` become bytes: captured where `T` is known to be a [`Record`], used where it is
/// only known to be data.
pub struct Codec<T> {
    /// Appends the records, one after the other.
    pub encode: fn(&[T], &mut Vec<u8>) -> Result<()>,
    /// Reads this many records.
    pub decode: fn(&mut &[u8], usize) -> Result<Vec<T>>,
}

impl<T> Clone for Codec<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Codec<T> {}

impl<T: Record> Codec<T> {
    /// The codec of a record type.
    pub fn of() -> Self {
        Codec {
            encode: |records, out| records.iter().try_for_each(|record| encode(record, out)),
            // The count is not trusted with memory: it may come from a damaged file.
            decode: |bytes, count| {
                let mut records = Vec::with_capacity(count.min(bytes.len()));
                for _ in 0..count {
                    records.push(decode(bytes)?);
                }
                Ok(records)
            },
        }
    }
}
