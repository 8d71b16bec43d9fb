//! The blocks of one stream: those that wait for a tick, and those of each batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use waterclock_base::BatchTime;

use super::ReceivedBlock;

/// The blocks of one stream, waiting or given to a batch. Pure: it neither waits nor calls anybody.
///
/// Every block is in exactly one place: waiting, in one batch, or forgotten.
pub(crate) struct BlockQueue<T> {
    waiting: Vec<Arc<ReceivedBlock<T>>>,
    batches: BTreeMap<BatchTime, Vec<Arc<ReceivedBlock<T>>>>,
    last: Option<BatchTime>,
}

impl<T> Default for BlockQueue<T> {
    fn default() -> Self {
        BlockQueue { waiting: Vec::new(), batches: BTreeMap::new(), last: None }
    }
}

impl<T> BlockQueue<T> {
    /// Adds a block to those that wait.
    pub(crate) fn add(&mut self, block: ReceivedBlock<T>) {
        self.waiting.push(Arc::new(block));
    }

    /// Takes over a batch of another process. Blocks of the same time are put behind one another.
    pub(crate) fn resume(&mut self, time: BatchTime, blocks: Vec<ReceivedBlock<T>>) {
        self.last = self.last.max(Some(time));
        self.batches.entry(time).or_default().extend(blocks.into_iter().map(Arc::new));
    }

    /// The batches that are not forgotten.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Arc<ReceivedBlock<T>>> {
        self.batches.values().flatten()
    }

    /// Gives the waiting blocks to the batch of `time`: all of them, or the oldest that have about `most` records
    /// together, and at least one. A time at or before the last one changes nothing: a batch that was formed once
    /// keeps its blocks.
    pub(crate) fn allocate(&mut self, time: BatchTime, most: Option<u64>) {
        if self.last.is_some_and(|last| time <= last) {
            return;
        }
        self.last = Some(time);
        let mut taken = 0;
        let fits = |block: &&Arc<ReceivedBlock<T>>| {
            let fits = most.is_none_or(|most| taken == 0 || taken + block.len() <= most);
            taken += block.len();
            fits
        };
        let count = self.waiting.iter().take_while(fits).count();
        self.batches.insert(time, self.waiting.drain(..count).collect());
    }

    /// The blocks of a batch in the order of storing; none if it was never formed or is forgotten.
    pub(crate) fn batch(&self, time: BatchTime) -> Option<&[Arc<ReceivedBlock<T>>]> {
        self.batches.get(&time).map(Vec::as_slice)
    }

    /// Forgets the batches before `before`, which itself is kept, and returns their blocks: dropping them
    /// runs code of the record type, which must not happen under the caller's lock.
    #[must_use = "the blocks are to be dropped outside of the lock"]
    pub(crate) fn forget(&mut self, before: BatchTime) -> Vec<Arc<ReceivedBlock<T>>> {
        let kept = self.batches.split_off(&before);
        let forgotten = std::mem::replace(&mut self.batches, kept);
        forgotten.into_values().flatten().collect()
    }

    /// Blocks that wait for a tick.
    pub(crate) fn waiting(&self) -> &[Arc<ReceivedBlock<T>>] {
        &self.waiting
    }
}

#[cfg(test)]
mod tests {
    use waterclock_base::world::ManualClock;
    use waterclock_base::{BlockId, StreamId};

    use super::super::{Charge, ReceivedBytes, Records};
    use super::*;

    fn block(number: u64) -> ReceivedBlock<u64> {
        let mut charge = Charge::none(&ReceivedBytes::new(1 << 20, ManualClock::new()));
        charge.grow(8);
        ReceivedBlock::new(
            BlockId { stream: StreamId(0), number },
            Records::Owned(vec![number]),
            None,
            charge,
        )
    }

    fn at(ms: i64) -> BatchTime {
        BatchTime::from_millis(ms)
    }

    fn numbers(queue: &BlockQueue<u64>, time: i64) -> Option<Vec<u64>> {
        queue.batch(at(time)).map(|blocks| blocks.iter().map(|block| block.id().number).collect())
    }

    /// T-193: a batch takes what waits; the next is empty; an older or equal one changes nothing.
    #[test]
    fn a_batch_takes_what_waits_once() {
        let mut queue = BlockQueue::default();
        (0..3).for_each(|number| queue.add(block(number)));
        queue.allocate(at(2000), None);
        assert_eq!(numbers(&queue, 2000), Some(vec![0, 1, 2]));
        assert!(queue.waiting().is_empty());

        queue.add(block(3));
        queue.allocate(at(2000), None);
        queue.allocate(at(1000), None);
        assert_eq!(numbers(&queue, 2000), Some(vec![0, 1, 2]));
        assert_eq!(numbers(&queue, 1000), None);
        assert_eq!(queue.waiting().len(), 1);

        queue.allocate(at(3000), None);
        queue.allocate(at(4000), None);
        assert_eq!(numbers(&queue, 3000), Some(vec![3]));
        assert_eq!(numbers(&queue, 4000), Some(vec![]));
    }

    /// T-194 (without a log): 100,000 blocks in one batch.
    #[test]
    fn a_batch_may_have_very_many_blocks() {
        let mut queue = BlockQueue::default();
        (0..100_000).for_each(|number| queue.add(block(number)));
        queue.allocate(at(1), None);
        assert_eq!(numbers(&queue, 1), Some((0..100_000).collect()));
    }

    #[test]
    fn what_waits_is_taken_in_parts() {
        let mut queue = BlockQueue::default();
        (0..5).for_each(|number| queue.add(block(number)));
        queue.allocate(at(1), Some(0));
        queue.allocate(at(2), Some(2));
        queue.allocate(at(3), None);
        assert_eq!([1, 2, 3].map(|time| numbers(&queue, time).unwrap()), [vec![0], vec![1, 2], vec![3, 4]]);
    }

    #[test]
    fn batches_before_a_time_are_forgotten_and_their_bytes_released() {
        let budget = ReceivedBytes::new(100, ManualClock::new());
        let mut queue = BlockQueue::default();
        for time in [1000, 2000, 3000] {
            let mut charge = Charge::none(&budget);
            charge.grow(10);
            let id = BlockId { stream: StreamId(0), number: time as u64 };
            queue.add(ReceivedBlock::new(id, Records::Owned(vec![0u64]), None, charge));
            queue.allocate(at(time), None);
        }
        let read_by_a_task = queue.batch(at(1000)).unwrap()[0].clone();
        assert_eq!(queue.forget(at(2000)).len(), 1);
        assert_eq!((numbers(&queue, 1000), numbers(&queue, 2000)), (None, Some(vec![2000])));
        assert_eq!(budget.used(), 30);
        drop(read_by_a_task);
        assert_eq!(budget.used(), 20);
        drop(queue.forget(at(9000)));
        assert_eq!(budget.used(), 0);
        queue.allocate(at(500), None);
        assert_eq!(numbers(&queue, 500), None);
    }
}
