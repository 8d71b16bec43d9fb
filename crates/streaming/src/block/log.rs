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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, mpsc};
    use std::time::Duration;

    use waterclock_base::world::{ManualClock, World, lock};
    use waterclock_base::{BatchTime, BoxError};

    use crate::context::{Builder, Stop, StreamingContext};
    use crate::testing::{Failure, SimDisk};

    const SECOND: Duration = Duration::from_secs(1);

    /// Numbers that are stored at once, and the batches that they come in.
    fn program(
        builder: Builder,
        (clock, disk): (&Arc<ManualClock>, &Arc<SimDisk>),
        stored: Vec<u32>,
        seen: &Arc<Mutex<Vec<u32>>>,
    ) -> Result<(StreamingContext, mpsc::Receiver<()>), BoxError> {
        let world = World { clock: clock.clone(), disk: disk.clone(), ..World::real() };
        let ssc = builder.world(world).batch_interval(SECOND).build()?;
        let (tell, is_stored) = mpsc::channel();
        let tell = Mutex::new(tell);
        let numbers = ssc.receiver_stream(move |out| {
            out.store_many(stored.clone())?;
            let _ = lock(&tell).send(());
            out.until_stopped();
            Ok(())
        });
        let seen = seen.clone();
        numbers.named("numbers").foreach_rdd(move |rdd, _| {
            lock(&seen).extend(rdd.collect()?);
            Ok(())
        });
        ssc.start()?;
        is_stored.recv()?;
        Ok((ssc, is_stored))
    }

    /// T-198.
    #[test]
    fn without_a_checkpoint_there_is_no_log() {
        let (clock, seen) = (ManualClock::at(BatchTime::ZERO), Arc::default());
        let disk = SimDisk::new(clock.clone(), 1);
        let builder = StreamingContext::builder("no log");
        let (ssc, _) = program(builder, (&clock, &disk), vec![1, 2], &seen).unwrap();
        clock.advance(SECOND);
        ssc.inner.waiters.wait_for_batch(BatchTime::from_millis(1000));
        ssc.stop(Stop::Now).unwrap();
        assert_eq!(*lock(&seen), [1, 2]);
        assert_eq!(disk.trace(), [""; 0]);
    }

    /// T-174, T-196, in our form: where the log can't be written, no batch takes the blocks and the context stops;
    /// the batch that the next start makes for that time takes them.
    #[test]
    fn blocks_wait_when_their_batch_can_not_be_written_down() {
        let (clock, seen) = (ManualClock::at(BatchTime::ZERO), Arc::default());
        let disk = SimDisk::new(clock.clone(), 1);
        let start = |disk: &Arc<SimDisk>, stored| {
            let mut started = None;
            StreamingContext::get_or_create("/checkpoint", |builder| {
                let (ssc, _) = program(builder, (&clock, disk), stored, &seen)?;
                started = Some(ssc.clone());
                Ok(ssc)
            })
            .unwrap();
            started.unwrap()
        };
        let ssc = start(&disk, vec![1, 2]);
        disk.fail_at(1, Failure::FullDisk);
        clock.advance(SECOND);
        assert!(ssc.await_termination().is_err());
        assert_eq!(*lock(&seen), [0; 0]);
        let disk = disk.restart();
        let ssc = start(&disk, vec![3]);
        clock.advance(SECOND);
        ssc.inner.waiters.wait_for_batch(BatchTime::from_millis(2000));
        ssc.stop(Stop::Now).unwrap();
        assert_eq!(*lock(&seen), [1, 2, 3]);
    }
}
