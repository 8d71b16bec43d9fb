//! A source that can read its records again until they were acknowledged, as a broker's.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use waterclock_base::world::{Clock, lock};
use waterclock_base::{BatchInterval, BatchTime, Data, Error, InputInfo, Result, StreamId, decode, encode};
use waterclock_engine::Rdd;

use super::super::SimDisk;
use super::job::Outside;
use crate::graph::{BatchCx, Cut, SavedBatch, SavedInput, Source};
use crate::source::Input;

/// A record, and when it is there.
pub(super) type Arrival<T> = (BatchTime, T);

/// A batch gets everything that is there when it is cut: cut later, it gets more.
pub(super) struct SimSource<T> {
    pub(super) stream: StreamId,
    pub(super) name: String,
    pub(super) arrivals: Arc<[Arrival<T>]>,
    pub(super) outside: Arc<Outside>,
    pub(super) disk: Arc<SimDisk>,
    pub(super) cut: Mutex<Ranges>,
}

/// What batches read.
#[derive(Default)]
pub(super) struct Ranges {
    next: usize,
    by_batch: BTreeMap<BatchTime, Range<usize>>,
}

impl<T: Data> Source for SimSource<T> {
    fn stream(&self) -> StreamId {
        self.stream
    }

    fn start(&self, _zero: BatchTime) -> Result<()> {
        Ok(())
    }

    fn cut(&self, interval: BatchInterval, _most: Option<u64>) -> Cut {
        let now = self.outside.clock.now();
        let there = self.arrivals.partition_point(|(at, _)| *at <= now);
        let mut cut = lock(&self.cut);
        let numbers = cut.next..there.max(cut.next);
        cut.next = numbers.end;
        cut.by_batch.insert(interval.to, numbers.clone());
        let mut range = Vec::new();
        // Numbers can always be written.
        let _ = encode(&numbers, &mut range);
        let description = format!("records {numbers:?}");
        Cut { info: InputInfo { stream: self.stream, records: numbers.len() as u64, description }, range }
    }

    fn position(&self) -> Vec<u8> {
        let mut position = Vec::new();
        let _ = encode(&lock(&self.cut).next, &mut position);
        position
    }

    fn resume(&self, saved: &SavedInput<'_>) -> Result<()> {
        let mut cut = lock(&self.cut);
        cut.next = saved.position.map_or(Ok(0), |mut position| decode(&mut position))?;
        for SavedBatch { time, range, .. } in &saved.batches {
            let mut range = *range;
            let numbers: Range<usize> = decode(&mut range)?;
            cut.next = cut.next.max(numbers.end);
            let all = cut.by_batch.entry(*time).or_insert(numbers.clone());
            *all = all.start.min(numbers.start)..all.end.max(numbers.end);
        }
        Ok(())
    }

    fn acknowledge(&self, batch: BatchTime) {
        let upto = lock(&self.cut).by_batch.range(..=batch).map(|(_, numbers)| numbers.end).max();
        let Some(upto) = upto else { return };
        let what = || format!("{}: batches up to {batch} are acknowledged, records ..{upto}", self.name);
        // What a dead process says is not heard.
        let _ = self.disk.outside(what, || self.outside.acknowledge(&self.name, upto));
    }

    fn forget(&self, upto: BatchTime) {
        let mut cut = lock(&self.cut);
        // What may still be acknowledged is kept a little longer than what is read.
        cut.by_batch = cut.by_batch.split_off(&(upto - self.outside.interval * 100));
    }
}

impl<T: Data> Input<T> for SimSource<T> {
    fn rdd(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        let numbers = lock(&self.cut).by_batch.get(&t).cloned().unwrap_or_default();
        let gone = self.outside.acknowledged(&self.name);
        if numbers.start < gone && !numbers.is_empty() {
            let why = format!("{}: {numbers:?} were acknowledged, up to {gone}, and are gone", self.name);
            return Err(Error::user("records", Some(t), why.into()));
        }
        let records = self.arrivals[numbers].iter().map(|(_, record)| record.clone()).collect();
        Ok(Some(cx.engine.parallelize(records, cx.settings.default_parallelism)))
    }
}
