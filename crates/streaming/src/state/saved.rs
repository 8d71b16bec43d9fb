//! Changes of state as bytes and back. The bytes are laid out in docs/format.md, "State rows".

use waterclock_base::{Key, Record, Result, decode, encode, key_hash};

use super::{Change, Delta, Entry, View};
use crate::checkpoint::{Fault, RowsHead, planted};

/// Bytes after which rows go into another piece.
const PIECE: usize = 4 << 20;

/// Writes a delta down.
pub(crate) fn write<K: Key, S: Record>(delta: &Delta<K, S>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode(&RowsHead { from_scratch: delta.from_scratch, expired: delta.expired }, &mut bytes)?;
    for (_, (key, changed)) in delta.rows.iter() {
        match &changed.change {
            Change::Set(entry) => row(key, Some(entry), &mut bytes)?,
            Change::Removed => row::<K, S>(key, None, &mut bytes)?,
            Change::Same => {}
        }
    }
    Ok(bytes)
}

/// A number for what a delta changes, whatever the order of its rows.
pub(crate) fn hash<K: Key, S: Record>(delta: &Delta<K, S>) -> u64 {
    let rows = delta.rows.iter().map(|(_, (key, changed))| match &changed.change {
        Change::Set(entry) => key_hash(&(key, entry.touched, &entry.state)),
        Change::Removed => key_hash(&(key, "removed")),
        Change::Same => 0,
    });
    rows.fold(key_hash(&(delta.from_scratch, delta.expired)), u64::wrapping_add)
}

fn row<K: Key, S: Record>(key: &K, entry: Option<&Entry<S>>, bytes: &mut Vec<u8>) -> Result<()> {
    encode(key, bytes)?;
    encode(&entry.map(|entry| (entry.touched, &entry.state)), bytes)
}

/// Writes all keys of a version of a partition down, in pieces.
pub(crate) fn write_view<K: Key, S: Record>(
    view: &View<'_, K, S>,
    mut piece: impl FnMut(Vec<u8>) -> Result<()>,
) -> Result<()> {
    let head = |bytes: &mut Vec<u8>| encode(&RowsHead { from_scratch: false, expired: None }, bytes);
    let mut bytes = Vec::new();
    head(&mut bytes)?;
    let mut outcome = Ok(());
    let mut lost = None;
    let walked = view.for_each(|_, key, entry| {
        if planted(Fault::LostKeyGroup) && *lost.get_or_insert(key_hash(key)) == key_hash(key) {
            return Ok(());
        }
        outcome = row(key, Some(entry), &mut bytes).and_then(|()| match bytes.len() >= PIECE {
            true => piece(std::mem::take(&mut bytes)).and_then(|()| head(&mut bytes)),
            false => Ok(()),
        });
        outcome.clone().map_err(Into::into)
    });
    match walked {
        Ok(()) => piece(bytes),
        Err(_) => outcome,
    }
}

/// Reads what rows begin with.
pub(crate) fn read_head(bytes: &mut &[u8]) -> Result<RowsHead> {
    decode(bytes)
}

/// Reads a row, its key and its state by the functions given.
pub(crate) fn read_row<K, S>(
    bytes: &mut &[u8],
    key: impl FnOnce(&mut &[u8]) -> Result<K>,
    state: impl FnOnce(&mut &[u8]) -> Result<S>,
) -> Result<(K, Change<S>)> {
    let key = key(bytes)?;
    let change = match decode::<bool>(bytes)? {
        false => Change::Removed,
        true => {
            let touched = decode(bytes)?;
            Change::Set(Entry { state: state(bytes)?, touched })
        }
    };
    Ok((key, change))
}
