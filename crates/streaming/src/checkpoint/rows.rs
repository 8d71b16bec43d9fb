//! The rows of a change without the types of keys and values: how many keys there are, and how large they are.

use std::collections::HashMap;

use waterclock_base::{BatchTime, Result, Schema, decode};

use super::record::{Change, StateSchema};

/// What rows begin with.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct RowsHead {
    /// Everything that was there before is gone.
    pub(crate) from_scratch: bool,
    /// Every key that was last touched before this was removed.
    pub(crate) expired: Option<BatchTime>,
}

/// Applies changes, oldest first, to find out what is left.
#[derive(Default)]
pub(super) struct Weigh {
    /// The bytes of each key that there is, with how many bytes its value takes.
    keys: HashMap<Vec<u8>, usize>,
    /// The version that began from scratch last: in all partitions or in none, and once only.
    cleared: Option<BatchTime>,
}

impl Weigh {
    /// # Errors
    /// Where the bytes are not what the schema says, or it does not say anything.
    pub(super) fn apply(&mut self, schema: &StateSchema, change: &Change) -> Result<()> {
        let mut bytes = &change.rows.0[..];
        let head: RowsHead = decode(&mut bytes)?;
        if head.from_scratch && self.cleared.replace(change.version) != Some(change.version) {
            self.keys.clear();
        }
        while !bytes.is_empty() {
            let key = taken(&schema.key, &mut bytes)?;
            if decode::<bool>(&mut bytes)? {
                let _touched: BatchTime = decode(&mut bytes)?;
                let value = taken(&schema.value, &mut bytes)?.len();
                self.keys.insert(key.to_vec(), value);
            } else {
                self.keys.remove(key);
            }
        }
        Ok(())
    }

    pub(super) fn keys(&self) -> u64 {
        self.keys.len() as u64
    }

    /// The bytes of keys and values.
    pub(super) fn bytes(&self) -> u64 {
        self.keys.iter().map(|(key, value)| (key.len() + value) as u64).sum()
    }
}

/// The bytes of one value.
fn taken<'b>(schema: &Schema, bytes: &mut &'b [u8]) -> Result<&'b [u8]> {
    let before = *bytes;
    schema.skip(bytes)?;
    Ok(&before[..before.len() - bytes.len()])
}
