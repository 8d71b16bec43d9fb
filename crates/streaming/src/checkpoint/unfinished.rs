//! What a source took in and no batch has finished.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use waterclock_base::decode;

use super::facts::Facts;
use super::record::Block;

/// The value that these bytes are, all of them, if they are one.
pub(super) fn exactly<T: DeserializeOwned>(mut bytes: &[u8]) -> Option<T> {
    let value = decode(&mut bytes).ok()?;
    bytes.is_empty().then_some(value)
}

/// The blocks that the position of a receiver has: those that wait, and those of batches.
pub(super) fn blocks_of(position: &[u8]) -> (Vec<Block>, Vec<Block>) {
    exactly(position).unwrap_or_default()
}

/// Whether a range has nothing in it.
pub(super) fn is_empty(range: &[u8]) -> bool {
    matches!(range, [] | [0])
}

impl Facts {
    /// The names of the sources that are known.
    pub(crate) fn sources(&self) -> BTreeSet<&String> {
        let batches = self.batches.values().flat_map(|(cut, _)| cut.inputs.iter().map(|input| &input.source));
        let saved = self.snapshot.sources.iter().map(|(name, _)| name);
        saved.chain(batches).chain(self.blocks.iter().map(|block| &block.source)).collect()
    }

    /// What would be lost with a source, for people; none if there is nothing.
    pub(crate) fn unfinished(&self, source: &str) -> Option<String> {
        let position = self.snapshot.sources.iter().find(|(name, _)| name == source);
        let (waiting, _) = position.map(|(_, position)| blocks_of(position)).unwrap_or_default();
        let stored = self.blocks.iter().filter(|block| block.source == source);
        let mut blocks: BTreeSet<u64> = waiting.iter().chain(stored).map(|block| block.number).collect();
        let mut pending = 0;
        for (cut, ending) in self.batches.values() {
            let inputs =
                cut.inputs.iter().filter(|input| input.source == source && !is_empty(&input.range.0));
            for input in inputs {
                pending += u64::from(ending.is_none());
                let taken: Vec<(u64, u32)> = exactly(&input.range.0).unwrap_or_default();
                blocks.retain(|number| !taken.iter().any(|(of_batch, _)| of_batch == number));
            }
        }
        let batches = match pending {
            0 => None,
            1 => Some("the input of 1 batch that is still to be run".to_owned()),
            n => Some(format!("the input of {n} batches that are still to be run")),
        };
        let blocks = match blocks.len() {
            0 => None,
            1 => Some("1 block that no batch has read".to_owned()),
            n => Some(format!("{n} blocks that no batch has read")),
        };
        let all: Vec<String> = batches.into_iter().chain(blocks).collect();
        (!all.is_empty()).then(|| all.join(" and "))
    }
}
