//! Streams from what can be read again: a log, a table, a queue with offsets.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use waterclock_base::world::lock;
use waterclock_base::{
    BatchInfo, BatchInterval, BatchTime, BoxError, Data, Error, Event, InputInfo, Result, StreamId, decode,
    encode,
};
use waterclock_engine::{CHUNK, Compute, Define, Halt, Rdd, Sink, Step, TaskCx, panic_message};

use super::Input;
use crate::context::StreamingContext;
use crate::dstream::DStream;
use crate::graph::{BatchCx, Cut, SavedBatch, SavedInput, Source, Waiting};
use crate::listen::Bus;
use crate::receiver::SpeedLimit;

/// An outside source of which any part can be read again for as long as it is kept there: what a batch reads
/// is a *range*, which is fixed and written down before the batch runs.
///
/// # Contract
/// 1. `next` is called once a batch, in order of time, on the thread that forms batches; it should be quick.
///    It gives what comes after `before`, the range of the last batch that had one.
/// 2. `read` gives the same records in the same order whenever it is called with the same range and
///    partition; by several threads at once, and after a restart. In a [replay](StreamingContext::replay) it is called
///    without a `start` before it.
/// 3. `acknowledge` is called with ranges that no process will read again: when the log of a checkpoint says so for
///    good, or, where there is none, when the batch is over. It is not called for all of them.
pub trait RangeSource<T: Data>: Send + Sync + 'static {
    /// Which part of the source a batch reads, such as an offset from and to for each partition.
    type Range: Data + Serialize + DeserializeOwned;

    /// The context starts: connect, check settings. `last` is the range of the newest batch of the process
    /// before, if it goes on from a checkpoint.
    ///
    /// # Errors
    /// Whatever makes reading impossible; the context then does not start.
    fn start(&self, _last: Option<&Self::Range>) -> Result<(), BoxError> {
        Ok(())
    }

    /// What the next batch reads.
    ///
    /// # Errors
    /// When the source can't be asked now: the batch then reads nothing, listeners see a warning, and the next
    /// one begins where this one should have.
    fn next(&self, before: Option<&Self::Range>, interval: BatchInterval) -> Result<Self::Range, BoxError>;

    /// The same with at most so many records, as far as the source can tell: those that wait longest, or a share of
    /// each partition, so that none stands still for ever. It is called in place of `next` where back-pressure or a
    /// latency target asks for that; what it leaves out is for the next call. A source that does not have this method
    /// gives what there is.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    fn next_at_most(
        &self,
        before: Option<&Self::Range>,
        interval: BatchInterval,
        _records: u64,
    ) -> Result<Self::Range, BoxError> {
        self.next(before, interval)
    }

    /// How many partitions of the dataset the range makes.
    fn partitions(&self, range: &Self::Range) -> usize;

    /// How many records it has, as far as that is known.
    fn records(&self, range: &Self::Range) -> u64;

    /// The range for people.
    fn describe(&self, range: &Self::Range) -> String;

    /// Hands out the records of one partition, one after the other. An error of `out` is to be returned.
    ///
    /// # Errors
    /// When they can't be read, or are gone.
    fn read(
        &self,
        range: &Self::Range,
        partition: usize,
        out: &mut dyn FnMut(T) -> Result<(), BoxError>,
    ) -> Result<(), BoxError>;

    /// No process will read the range again.
    fn acknowledge(&self, _range: &Self::Range) {}

    /// The context stops.
    fn stop(&self) {}
}

/// The ranges that batches read; see [`StreamingContext::range_stream`].
pub struct Ranges<R> {
    by_batch: Arc<Mutex<BTreeMap<BatchTime, R>>>,
}

impl<R: Clone> Ranges<R> {
    /// What the batch of `time` reads: from when it is formed until it is no longer needed. None where the
    /// source could not be asked.
    pub fn at(&self, time: BatchTime) -> Option<R> {
        lock(&self.by_batch).get(&time).cloned()
    }
}

/// # Sources: ranges of what can be read again
impl StreamingContext {
    /// A stream of what `source` holds, cut into ranges, and the ranges as the batches read them.
    ///
    /// This is what connectors are made of. A program names the stream, as any source.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_base::{BatchInterval, BatchTime, BoxError};
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// use waterclock_streaming::RangeSource;
    ///
    /// /// Counts, three numbers a batch.
    /// struct Counting;
    /// impl RangeSource<u64> for Counting {
    ///     type Range = (u64, u64);
    ///     fn next(&self, before: Option<&(u64, u64)>, _: BatchInterval) -> Result<(u64, u64), BoxError> {
    ///         let begin = before.map_or(0, |before| before.1);
    ///         Ok((begin, begin + 3))
    ///     }
    ///     fn partitions(&self, _: &(u64, u64)) -> usize { 1 }
    ///     fn records(&self, range: &(u64, u64)) -> u64 { range.1 - range.0 }
    ///     fn describe(&self, range: &(u64, u64)) -> String { format!("{} to {}", range.0, range.1) }
    ///     fn read(
    ///         &self,
    ///         range: &(u64, u64),
    ///         _partition: usize,
    ///         out: &mut dyn FnMut(u64) -> Result<(), BoxError>,
    ///     ) -> Result<(), BoxError> {
    ///         (range.0..range.1).try_for_each(out)
    ///     }
    /// }
    /// let (ssc, clock) = manual_context("ranges", Duration::from_secs(1))?;
    /// let (numbers, ranges) = ssc.range_stream("counting", Counting);
    /// let seen = numbers.collect_batches();
    /// ssc.start()?;
    /// clock.advance_batches(2);
    /// assert_eq!(ranges.at(BatchTime::from_millis(2000)), Some((3, 6)));
    /// assert_eq!(seen.sorted_at(2), [3, 4, 5]);
    /// ssc.stop(Stop::Now)?;
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// # Recovery
    /// Exactly once, as far as the source keeps what batches are still to read.
    #[track_caller]
    pub fn range_stream<T: Data, S: RangeSource<T>>(
        &self,
        operator: &'static str,
        source: S,
    ) -> (DStream<T>, Ranges<S::Range>) {
        let site = Location::caller();
        let by_batch = Arc::<Mutex<BTreeMap<BatchTime, S::Range>>>::default();
        let ranges = Ranges { by_batch: by_batch.clone() };
        let (bus, source) = (self.inner.graph.bus.clone(), Arc::new(source));
        let settings = self.settings().clone();
        let stream = self.input(operator, site, move |stream| {
            let (last, acknowledged) = (Mutex::default(), Mutex::default());
            let label = OnceLock::new();
            let speed = settings.backpressure.then(|| SpeedLimit::of(&settings)).transpose()?.map(Mutex::new);
            Ok(RangeInput { stream, operator, site, label, source, bus, by_batch, last, acknowledged, speed })
        });
        (stream, ranges)
    }

    /// The dataset of one range of `source`, without a stream: for jobs over what is there already.
    ///
    /// Connectors are made of this too. The source is neither started nor asked for ranges; it must be able to read
    /// without that.
    ///
    /// ```
    /// # use waterclock_base::{BatchInterval, BoxError};
    /// use waterclock_streaming::{RangeSource, StreamingContext};
    ///
    /// /// Numbers.
    /// struct Counting;
    /// impl RangeSource<u64> for Counting {
    ///     type Range = (u64, u64);
    /// #   fn next(&self, _: Option<&(u64, u64)>, _: BatchInterval) -> Result<(u64, u64), BoxError> {
    /// #       Err("it is no stream".into())
    /// #   }
    ///     fn partitions(&self, _: &(u64, u64)) -> usize { 2 }
    ///     fn read(
    ///         &self,
    ///         range: &(u64, u64),
    ///         partition: usize,
    ///         out: &mut dyn FnMut(u64) -> Result<(), BoxError>,
    ///     ) -> Result<(), BoxError> {
    ///         (range.0..range.1).filter(|n| n % 2 == partition as u64).try_for_each(out)
    ///     }
    ///     // and so on
    /// #   fn records(&self, range: &(u64, u64)) -> u64 { range.1 - range.0 }
    /// #   fn describe(&self, _: &(u64, u64)) -> String { String::new() }
    /// }
    /// let ssc = StreamingContext::builder("numbers").build()?;
    /// assert_eq!(ssc.range_rdd("counting", Counting, (3, 8)).collect()?, [4, 6, 3, 5, 7]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn range_rdd<T: Data, S: RangeSource<T>>(
        &self,
        operator: &'static str,
        source: S,
        range: S::Range,
    ) -> Rdd<T> {
        let define = Define::new(operator, source.partitions(&range));
        let body = RangeOfBatch { operator, source: Arc::new(source), range: Some(range) };
        define.build(self.engine(), body)
    }
}

struct RangeInput<T: Data, S: RangeSource<T>> {
    stream: StreamId,
    operator: &'static str,
    site: &'static Location<'static>,
    label: OnceLock<String>,
    source: Arc<S>,
    bus: Bus,
    by_batch: Arc<Mutex<BTreeMap<BatchTime, S::Range>>>,
    last: Mutex<Option<S::Range>>,
    /// Ranges that nobody was told yet that they are not needed any more.
    acknowledged: Mutex<BTreeMap<BatchTime, S::Range>>,
    /// With back-pressure.
    speed: Option<Mutex<SpeedLimit>>,
}

impl<T: Data, S: RangeSource<T>> RangeInput<T, S> {
    fn label(&self) -> &str {
        self.label.get_or_init(|| format!("{} at {}", self.operator, self.site))
    }

    /// Calls into the connector on a thread that must not end with it.
    fn guarded<R>(&self, call: impl FnOnce() -> Result<R, BoxError>) -> Result<R, BoxError> {
        let panicked = |panic| Err(BoxError::from(format!("it panicked: {}", panic_message(panic))));
        catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(panicked)
    }
}

impl<T: Data, S: RangeSource<T>> Source for RangeInput<T, S> {
    fn stream(&self) -> StreamId {
        self.stream
    }

    fn start(&self, _zero: BatchTime) -> Result<()> {
        let last = lock(&self.last).clone();
        self.guarded(|| self.source.start(last.as_ref()))
            .map_err(|error| Error::user(self.label(), None, error))
    }

    fn ask_to_stop(&self, _graceful: bool) {
        // What it says on its way out changes nothing.
        let _ = self.guarded(|| {
            self.source.stop();
            Ok(())
        });
    }

    fn waiting(&self) -> Waiting {
        Waiting::Unknown
    }

    fn batch_completed(&self, batch: &BatchInfo) {
        if let Some(speed) = &self.speed
            && let Some(rate) = lock(speed).after_batch(self.stream, batch)
        {
            tracing::debug!(stream = self.stream.0, rate, "new rate");
        }
    }

    fn cut(&self, interval: BatchInterval, most: Option<u64>) -> Cut {
        let bearable = self.speed.as_ref().and_then(|speed| lock(speed).records_in(interval));
        let most = most.into_iter().chain(bearable).min();
        let mut last = lock(&self.last);
        let (mut info, mut bytes) =
            (InputInfo { stream: self.stream, records: 0, description: String::new() }, Vec::new());
        let next = self.guarded(|| {
            let range = match most {
                Some(most) => self.source.next_at_most(last.as_ref(), interval, most)?,
                None => self.source.next(last.as_ref(), interval)?,
            };
            encode(&range, &mut bytes)?;
            Ok((self.source.records(&range), self.source.describe(&range), range))
        });
        match next {
            Ok((records, description, range)) => {
                (info.records, info.description) = (records, description);
                lock(&self.by_batch).insert(interval.to, range.clone());
                lock(&self.acknowledged).insert(interval.to, range.clone());
                *last = Some(range);
            }
            Err(error) => {
                bytes.clear();
                let text = format!("{}: batch {} reads nothing: {error}", self.label(), interval.to);
                self.bus.post(Event::Warning { text });
            }
        }
        Cut { info, range: bytes }
    }

    fn position(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A range that could be written when it was cut can be written again.
        let written = encode(&*lock(&self.last), &mut bytes);
        if written.is_err() { Vec::new() } else { bytes }
    }

    fn resume(&self, saved: &SavedInput<'_>) -> Result<()> {
        let mut last = lock(&self.last);
        if let Some(mut position) = saved.position {
            *last = decode(&mut position)?;
        }
        for SavedBatch { time, range, .. } in &saved.batches {
            let mut range = *range;
            if !range.is_empty() {
                let range: S::Range = decode(&mut range)?;
                lock(&self.by_batch).insert(*time, range.clone());
                *last = Some(range);
            }
        }
        Ok(())
    }

    fn acknowledge(&self, batch: BatchTime) {
        let newest = {
            let mut waiting = lock(&self.acknowledged);
            let kept = waiting.split_off(&BatchTime::from_millis(batch.as_millis() + 1));
            std::mem::replace(&mut *waiting, kept).into_values().next_back()
        };
        if let Some(range) = newest {
            let _ = self.guarded(|| {
                self.source.acknowledge(&range);
                Ok(())
            });
        }
    }

    fn forget(&self, upto: BatchTime) {
        let mut by_batch = lock(&self.by_batch);
        *by_batch = by_batch.split_off(&BatchTime::from_millis(upto.as_millis() + 1));
    }
}

impl<T: Data, S: RangeSource<T>> Input<T> for RangeInput<T, S> {
    /// A batch that reads nothing has a dataset without partitions.
    fn rdd(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        let range = lock(&self.by_batch).get(&t).cloned();
        if range.is_none() && cx.is_paced() {
            return Ok(None);
        }
        let partitions = range.as_ref().map_or(0, |range| self.source.partitions(range));
        let define = Define::new(self.operator, partitions).at(self.site);
        let body = RangeOfBatch { operator: self.operator, source: self.source.clone(), range };
        Ok(Some(define.build(cx.engine, body)))
    }
}

/// The dataset of a range, which a batch has or the program gave.
struct RangeOfBatch<R, S> {
    operator: &'static str,
    source: Arc<S>,
    range: Option<R>,
}

impl<T: Data, S: RangeSource<T>> Compute<T> for RangeOfBatch<S::Range, S> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        let Some(range) = &self.range else { return Ok(()) };
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut halted: Option<Halt> = None;
        let read = self.source.read(range, partition, &mut |record| {
            chunk.push(record);
            if chunk.len() < CHUNK {
                return Ok(());
            }
            let step = cx.check().and_then(|()| out.push(&mut chunk));
            step.map_err(|halt| {
                halted = Some(halt);
                BoxError::from("what reads the records has stopped")
            })
        });
        match (halted, read) {
            (Some(halt), _) => Err(halt),
            (None, Err(error)) => Err(Error::user(self.operator, None, error).into()),
            (None, Ok(())) if chunk.is_empty() => Ok(()),
            (None, Ok(())) => out.push(&mut chunk),
        }
    }
}
