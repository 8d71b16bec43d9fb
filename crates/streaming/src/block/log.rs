//! Blocks that outlive the process: written down when they are stored, found again by the next start.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use waterclock_base::{Bytes, Codec, Record, Result, checksum, decode, encode, for_each_line};

use super::{ReceivedBlock, Records};
use crate::checkpoint::{Block, Checkpoint, Content, Ticket};

/// Where a source's blocks are written down.
#[derive(Clone)]
pub(crate) struct BlockLog {
    checkpoint: Arc<Checkpoint>,
    source: String,
}

impl BlockLog {
    pub(crate) fn new(checkpoint: Arc<Checkpoint>, source: String) -> Self {
        BlockLog { checkpoint, source }
    }

    /// Writes a block down, which notes how it is named; it is durable when the ticket is.
    pub(crate) fn append<T: Record>(&self, block: &mut ReceivedBlock<T>) -> Result<Ticket> {
        let saved = saved(&self.source, block)?;
        block.set_logged(BlockRef::of(&saved));
        self.checkpoint.block(saved)
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Waits until the block is durable.
    pub(crate) fn wait(&self, ticket: Ticket) -> Result<()> {
        self.checkpoint.wait(ticket)
    }
}

/// A block as it is written down.
pub(crate) fn saved<T: Record>(source: &str, block: &ReceivedBlock<T>) -> Result<Block> {
    let content = match &*block.records()? {
        Records::Lines(lines) => Content::Lines(lines.count(), Bytes(lines.text().as_bytes().to_vec())),
        Records::Owned(records) => {
            let mut bytes = Vec::new();
            (Codec::of().encode)(records, &mut bytes)?;
            Content::Records(records.len() as u64, Bytes(bytes))
        }
    };
    let note = block.metadata().map(str::to_owned);
    Ok(Block { source: source.to_owned(), number: block.id().number, note, content })
}

/// The records of a block that was written down.
///
/// # Errors
/// When they are of another type.
pub(crate) fn records<T: Record>(content: &Content) -> Result<Vec<T>> {
    match content {
        Content::Records(count, bytes) => {
            (Codec::of().decode)(&mut &bytes.0[..], usize::try_from(*count).unwrap_or(usize::MAX))
        }
        Content::Lines(_, bytes) => {
            let text = String::from_utf8_lossy(&bytes.0);
            let (mut records, mut outcome) = (Vec::new(), Ok(()));
            for_each_line(&text, |line| {
                // Lines are what only a stream of text stores, whose records are written as strings are.
                let mut bytes = Vec::new();
                let record = encode(line, &mut bytes).and_then(|()| decode(&mut &bytes[..]));
                match record {
                    Ok(record) => records.push(record),
                    Err(error) => outcome = Err(error),
                }
            });
            outcome.map(|()| records)
        }
    }
}

/// How a batch's descriptor names a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockRef {
    pub(crate) number: u64,
    pub(crate) checksum: u32,
}

impl BlockRef {
    /// The reference to a block as it is written down.
    pub(crate) fn of(block: &Block) -> Self {
        let (Content::Records(_, bytes) | Content::Lines(_, bytes)) = &block.content;
        BlockRef { number: block.number, checksum: checksum([&bytes.0[..]]) }
    }
}
