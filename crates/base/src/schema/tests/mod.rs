//! Tests of schemas.

mod bytes; // the documented bytes, and damaged ones
mod changes; // old values in new types
mod tracing; // what a type's schema is

use super::*;
use crate::codec::{decode, encode};
use crate::error::Result;

fn bytes_of<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes).unwrap();
    bytes
}

fn change<Old: DeserializeOwned, New: DeserializeOwned>() -> Result<SchemaChange, SchemaMismatch> {
    Schema::of::<Old>().change_to(&Schema::of::<New>())
}

/// Writes a value as its own type and reads it as another.
fn reread<Old: Serialize + DeserializeOwned, New: DeserializeOwned>(old: &Old) -> Result<New> {
    let mut bytes = bytes_of(old);
    bytes.extend([7, 7]);
    let mut rest = &bytes[..];
    let new = read_as(&Schema::of::<Old>(), &mut rest)?;
    assert_eq!(rest, [7, 7], "exactly the value is read");
    Ok(new)
}
