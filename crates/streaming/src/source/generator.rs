//! A stream of records made at a rate: for trials, load tests and demonstrations.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::Location;
use std::sync::{Arc, Mutex, OnceLock};

use waterclock_base::world::lock;
use waterclock_base::{
    BatchInterval, BatchTime, Data, Error, InputInfo, RddId, Result, StreamId, decode, encode,
};
use waterclock_engine::{CHUNK, Compute, Define, Rdd, Sink, Step, TaskCx};

use super::Input;
use crate::context::StreamingContext;
use crate::dstream::DStream;
use crate::graph::{BatchCx, Cut, SavedBatch, SavedInput, Source};

/// # Sources: records made at a rate
impl StreamingContext {
    /// A stream of `rate` records a second: `f(0)`, `f(1)`, `f(2)` and so on.
    ///
    /// Record n is due (n+1)/`rate` seconds after the context started (its
    /// [`zero_time`](StreamingContext::zero_time)), and a batch has exactly the records that became due in
    /// it. So its content depends on its time alone, also under virtual time, and however late it runs. The
    /// records are made when the batch is computed, in at most `default_parallelism` partitions, each time
    /// anew: `f` must give the same for the same number.
    ///
    /// # Errors
    /// [`Error::Definition`] for a rate of zero; [`Error::Lifecycle`] after `start`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// let (ssc, clock) = manual_context("generator", Duration::from_millis(500))?;
    /// let seen = ssc.generator_stream(5, |n| n * n)?.collect_batches();
    /// ssc.start()?;
    /// clock.advance_batches(2);
    /// assert_eq!((seen.sorted_at(1), seen.sorted_at(2)), (vec![0, 1], vec![4, 9, 16]));
    /// ssc.stop(Stop::Now)?;
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// # Recovery
    /// It can repeat itself: nothing of it is ever lost.
    #[track_caller]
    pub fn generator_stream<T: Data>(
        &self,
        rate: u64,
        f: impl Fn(u64) -> T + Send + Sync + 'static,
    ) -> Result<DStream<T>> {
        let (operator, site) = ("generator_stream", Location::caller());
        if rate == 0 {
            let why = "a rate of 0 records a second was given; it must be at least 1".into();
            return Err(Error::Definition { call: operator, site, why });
        }
        let due = Due { rate, zero: OnceLock::new() };
        let make =
            |stream| Ok(Generated { stream, operator, site, due, f: Arc::new(f), cut: Mutex::default() });
        self.input(operator, site, make).checked()
    }
}

/// Which records are due when: pure.
struct Due {
    rate: u64,
    zero: OnceLock<BatchTime>,
}

impl Due {
    /// How many records are due up to and with `t`.
    fn upto(&self, t: BatchTime) -> u64 {
        let zero = self.zero.get().copied().unwrap_or(t);
        let due = t.since(zero).as_millis() * u128::from(self.rate) / 1000;
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    fn within(&self, interval: BatchInterval) -> Range<u64> {
        self.upto(interval.from)..self.upto(interval.to)
    }
}

struct Generated<F> {
    stream: StreamId,
    operator: &'static str,
    site: &'static Location<'static>,
    due: Due,
    f: Arc<F>,
    cut: Mutex<BTreeMap<BatchTime, Range<u64>>>,
}

impl<F: Send + Sync + 'static> Source for Generated<F> {
    fn stream(&self) -> StreamId {
        self.stream
    }

    fn start(&self, zero: BatchTime) -> Result<()> {
        self.due.zero.get_or_init(|| zero);
        Ok(())
    }

    fn cut(&self, interval: BatchInterval, _most: Option<u64>) -> Cut {
        let numbers = self.due.within(interval);
        let mut range = Vec::new();
        // Numbers can always be written.
        let _ = encode(&numbers, &mut range);
        let description = format!("records {} to {}", numbers.start, numbers.end);
        lock(&self.cut).insert(interval.to, numbers.clone());
        let records = numbers.end - numbers.start;
        Cut { info: InputInfo { stream: self.stream, records, description }, range }
    }

    /// What is due follows from the time alone.
    fn resume(&self, saved: &SavedInput<'_>) -> Result<()> {
        let mut cut = lock(&self.cut);
        for SavedBatch { time, range, .. } in &saved.batches {
            let mut range = *range;
            let numbers: Range<u64> = decode(&mut range)?;
            let all = cut.entry(*time).or_insert(numbers.clone());
            *all = all.start.min(numbers.start)..all.end.max(numbers.end);
        }
        Ok(())
    }

    fn forget(&self, upto: BatchTime) {
        let mut cut = lock(&self.cut);
        *cut = cut.split_off(&BatchTime::from_millis(upto.as_millis().saturating_add(1)));
    }
}

impl<T: Data, F: Fn(u64) -> T + Send + Sync + 'static> Input<T> for Generated<F> {
    /// A time without a batch has a dataset without partitions.
    fn rdd(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        let numbers = lock(&self.cut).get(&t).cloned();
        if numbers.is_none() && cx.is_paced() {
            return Ok(None);
        }
        let numbers = numbers.unwrap_or_default();
        let count = numbers.end - numbers.start;
        let partitions = usize::try_from(count).unwrap_or(usize::MAX).min(cx.settings.default_parallelism);
        let bytes = count.saturating_mul(size_of::<T>() as u64);
        let id = cx.engine.next_rdd_id();
        let body = Numbers { id, numbers, partitions: partitions as u64, f: self.f.clone() };
        let define = Define::new(self.operator, partitions).at(self.site).bytes(bytes);
        Ok(Some(define.build_with(cx.engine, id, body)))
    }
}

/// The dataset of a batch.
struct Numbers<F> {
    id: RddId,
    numbers: Range<u64>,
    partitions: u64,
    f: Arc<F>,
}

impl<F> Numbers<F> {
    /// The numbers of a partition.
    fn of(&self, partition: u64) -> Range<u64> {
        let count = u128::from(self.numbers.end - self.numbers.start);
        let cut = |p: u64| u128::from(p) * count / u128::from(self.partitions.max(1));
        // No more than the count, which is a u64.
        let cut = |p| self.numbers.start + u64::try_from(cut(p)).unwrap_or(u64::MAX);
        cut(partition)..cut(partition + 1)
    }
}

impl<T: Data, F: Fn(u64) -> T + Send + Sync + 'static> Compute<T> for Numbers<F> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        let mut numbers = self.of(partition as u64);
        let mut chunk = Vec::new();
        while !numbers.is_empty() {
            cx.check()?;
            let before = cx.enter(self.id);
            chunk.extend(numbers.by_ref().take(CHUNK).map(&*self.f));
            cx.leave(before);
            out.push(&mut chunk)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_due_once_whatever_the_batches() {
        let at = BatchTime::from_millis;
        let due = Due { rate: 7, zero: OnceLock::from(at(1000)) };
        let mut seen = Vec::new();
        let mut from = at(1000);
        for to in [1001, 1142, 1143, 1500, 1500, 2000, 3000] {
            seen.extend(due.within(BatchInterval { from, to: at(to) }));
            from = at(to);
        }
        assert_eq!(seen, (0..14).collect::<Vec<_>>());
        assert_eq!(due.upto(at(1142)), 0);
        assert_eq!(due.upto(at(1143)), 1);
        assert_eq!(due.upto(at(0)), 0);
    }

    #[test]
    fn partitions_share_the_numbers() {
        let numbers = Numbers { id: RddId(0), numbers: 10..17, partitions: 3, f: Arc::new(()) };
        let parts: Vec<_> = (0..3).map(|p| numbers.of(p)).collect();
        assert_eq!(parts, [10..12, 12..14, 14..17]);
        let many = Numbers { id: RddId(0), numbers: 0..u64::MAX, partitions: 2, f: Arc::new(()) };
        assert_eq!(many.of(1).end, u64::MAX);
    }
}
