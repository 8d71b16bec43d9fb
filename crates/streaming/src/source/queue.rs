//! A source of datasets that the program hands over, one for each batch.

use std::collections::{BTreeMap, VecDeque};
use std::panic::Location;
use std::sync::{Arc, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{BatchInterval, BatchTime, Data, InputInfo, Result, StreamId, decode, encode};
use waterclock_engine::{Engine, Rdd};

use super::Input;
use crate::context::StreamingContext;
use crate::dstream::DStream;
use crate::graph::{BatchCx, Cut, SavedBatch, SavedInput, Source};

/// A queue of datasets, shared by the program, which fills it, and a stream, which empties it.
///
/// ```
/// # use std::time::Duration;
/// # use waterclock_streaming::testing::manual_context;
/// use waterclock_streaming::{QueueOptions, RddQueue, Stop};
/// let (ssc, clock) = manual_context("queue", Duration::from_secs(1))?;
/// let queue = RddQueue::new();
/// let seen = ssc.queue_stream_with(&queue, QueueOptions::new()).collect_batches();
/// ssc.start()?;
/// queue.push(ssc.engine().parallelize(vec![1, 2], 2));
/// clock.advance_batches(1);
/// assert_eq!(seen.sorted_at(1), [1, 2]);
/// ssc.stop(Stop::Now)?;
/// # Ok::<(), waterclock_base::Error>(())
/// ```
pub struct RddQueue<T: Data>(Arc<Mutex<VecDeque<Queued<T>>>>);

/// A dataset, and how many records it has where that is known.
struct Queued<T: Data> {
    rdd: Rdd<T>,
    records: u64,
}

impl<T: Data> Clone for RddQueue<T> {
    fn clone(&self) -> Self {
        RddQueue(self.0.clone())
    }
}

impl<T: Data> Default for RddQueue<T> {
    fn default() -> Self {
        RddQueue(Arc::default())
    }
}

impl<T: Data> RddQueue<T> {
    /// An empty queue.
    pub fn new() -> Self {
        RddQueue::default()
    }

    /// Adds a dataset at the end.
    pub fn push(&self, rdd: Rdd<T>) {
        lock(&self.0).push_back(Queued { rdd, records: 0 });
    }

    /// How many datasets wait.
    pub fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a queue becomes batches: by default one dataset a batch, and an empty one-partition dataset when
/// none waits.
#[non_exhaustive]
pub struct QueueOptions<T: Data> {
    one_at_a_time: bool,
    default: Option<Rdd<T>>,
}

impl<T: Data> Default for QueueOptions<T> {
    fn default() -> Self {
        QueueOptions { one_at_a_time: true, default: None }
    }
}

impl<T: Data> QueueOptions<T> {
    /// The defaults.
    pub fn new() -> Self {
        QueueOptions::default()
    }

    /// Whether a batch takes one dataset, or all that wait, united.
    pub fn one_at_a_time(mut self, yes: bool) -> Self {
        self.one_at_a_time = yes;
        self
    }

    /// What a batch gets when none waits.
    pub fn default_rdd(mut self, rdd: Rdd<T>) -> Self {
        self.default = Some(rdd);
        self
    }
}

/// # Sources: datasets of the program's own
impl StreamingContext {
    /// A stream of given batches: the first batch gets the first collection, spread over
    /// `default_parallelism` partitions, and so on; then empty batches. For tests and trials; see
    /// [`queue_stream_with`](Self::queue_stream_with) on restarts.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// let (ssc, clock) = manual_context("queue", Duration::from_secs(1))?;
    /// let seen = ssc.queue_stream(vec![vec![1], vec![2, 3]]).collect_batches();
    /// ssc.start()?;
    /// clock.advance_batches(3);
    /// assert_eq!((seen.sorted_at(2), seen.sorted_at(3)), (vec![2, 3], vec![]));
    /// ssc.stop(Stop::Now)?;
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn queue_stream<T: Data>(&self, batches: impl IntoIterator<Item = Vec<T>>) -> DStream<T> {
        let queue = RddQueue::new();
        let partitions = self.settings().default_parallelism;
        for batch in batches {
            let records = batch.len() as u64;
            let rdd = self.engine().parallelize(batch, partitions);
            lock(&queue.0).push_back(Queued { rdd, records });
        }
        self.queue_stream_with(&queue, QueueOptions::new())
    }

    /// A stream of the datasets in `queue`, which the program may go on filling.
    ///
    /// # Recovery
    /// The checkpoint says how many datasets were taken, not what was in them: a program that goes on from it
    /// must fill the queue as it did the first time.
    #[track_caller]
    pub fn queue_stream_with<T: Data>(&self, queue: &RddQueue<T>, options: QueueOptions<T>) -> DStream<T> {
        let (queue, engine) = (queue.clone(), self.engine().clone());
        self.input("queue_stream", Location::caller(), move |id| {
            Ok(QueueSource { id, queue, options, engine, taken: Mutex::default() })
        })
    }
}

struct QueueSource<T: Data> {
    id: StreamId,
    queue: RddQueue<T>,
    options: QueueOptions<T>,
    engine: Engine,
    taken: Mutex<Taken<T>>,
}

/// What was taken out of the queue.
struct Taken<T: Data> {
    /// How many datasets, ever.
    count: u64,
    /// By batch, those that may be asked for again.
    batches: BTreeMap<BatchTime, Rdd<T>>,
}

impl<T: Data> Default for Taken<T> {
    fn default() -> Self {
        Taken { count: 0, batches: BTreeMap::new() }
    }
}

impl<T: Data> QueueSource<T> {
    /// Takes up to so many datasets out of the queue; and how many records they have, as far as that is known.
    fn take(&self, most: usize) -> (Vec<Rdd<T>>, u64) {
        let mut queue = lock(&self.queue.0);
        let count = most.min(queue.len());
        let taken: Vec<Queued<T>> = queue.drain(..count).collect();
        let records = taken.iter().map(|queued| queued.records).sum();
        (taken.into_iter().map(|queued| queued.rdd).collect(), records)
    }

    fn united(&self, taken: &[Rdd<T>]) -> Rdd<T> {
        match taken {
            [] => {
                let empty = || self.engine.from_partitions(vec![Vec::new()]);
                self.options.default.clone().unwrap_or_else(empty)
            }
            [one] => one.clone(),
            all => self.engine.union(all),
        }
    }
}

impl<T: Data> Source for QueueSource<T> {
    fn stream(&self) -> StreamId {
        self.id
    }

    fn start(&self, _zero: BatchTime) -> Result<()> {
        Ok(())
    }

    /// The range is how many had been taken before, and how many the batch takes.
    fn cut(&self, interval: BatchInterval, _most: Option<u64>) -> Cut {
        let (rdds, records) = self.take(if self.options.one_at_a_time { 1 } else { usize::MAX });
        let mut taken = lock(&self.taken);
        let mut range = Vec::new();
        // Numbers can always be written.
        let _ = encode(&(taken.count, rdds.len() as u64), &mut range);
        taken.count += rdds.len() as u64;
        taken.batches.insert(interval.to, self.united(&rdds));
        Cut { info: InputInfo { stream: self.id, records, description: String::new() }, range }
    }

    fn position(&self) -> Vec<u8> {
        let mut position = Vec::new();
        let _ = encode(&lock(&self.taken).count, &mut position);
        position
    }

    fn resume(&self, saved: &SavedInput<'_>) -> Result<()> {
        let mut taken = lock(&self.taken);
        let mut at = 0;
        for SavedBatch { time, range, .. } in &saved.batches {
            let mut range = *range;
            let (begin, count): (u64, u64) = decode(&mut range)?;
            self.take(usize::try_from(begin.saturating_sub(at)).unwrap_or(usize::MAX));
            let (rdds, _) = self.take(usize::try_from(count).unwrap_or(usize::MAX));
            at = begin + count;
            let before = taken.batches.remove(time);
            let all: Vec<Rdd<T>> = before.into_iter().chain(rdds).collect();
            taken.batches.insert(*time, self.united(&all));
        }
        let count = saved.position.map_or(Ok(0), |mut position| decode(&mut position))?;
        taken.count = at.max(count);
        self.take(usize::try_from(taken.count - at).unwrap_or(usize::MAX));
        Ok(())
    }

    fn forget(&self, upto: BatchTime) {
        let forgotten = {
            let mut taken = lock(&self.taken);
            let kept = taken.batches.split_off(&BatchTime::from_millis(upto.as_millis() + 1));
            std::mem::replace(&mut taken.batches, kept)
        };
        drop(forgotten);
    }
}

impl<T: Data> Input<T> for QueueSource<T> {
    fn rdd(&self, t: BatchTime, _cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        Ok(lock(&self.taken).batches.get(&t).cloned())
    }
}
