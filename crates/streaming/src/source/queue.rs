//! A source of datasets that the program hands over, one for each batch.

use std::collections::{BTreeMap, VecDeque};
use std::panic::Location;
use std::sync::{Arc, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{BatchInterval, BatchTime, Data, InputInfo, Result, StreamId};
use waterclock_engine::{Engine, Rdd};

use super::Input;
use crate::context::StreamingContext;
use crate::dstream::DStream;
use crate::graph::{BatchCx, Source};

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
pub struct RddQueue<T: Data>(Arc<Mutex<VecDeque<Rdd<T>>>>);

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
        lock(&self.0).push_back(rdd);
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
    /// `default_parallelism` partitions, and so on; then empty batches. For tests and trials: nothing of it
    /// survives a restart.
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
            queue.push(self.engine().parallelize(batch, partitions));
        }
        self.queue_stream_with(&queue, QueueOptions::new())
    }

    /// A stream of the datasets in `queue`, which the program may go on filling.
    #[track_caller]
    pub fn queue_stream_with<T: Data>(&self, queue: &RddQueue<T>, options: QueueOptions<T>) -> DStream<T> {
        let (queue, engine) = (queue.clone(), self.engine().clone());
        let next = move |_| Some(take(&queue, &options, &engine));
        self.function_stream("queue_stream", Location::caller(), next)
    }

    /// A stream of whatever `next` gives when a batch is cut; none means no dataset.
    pub(crate) fn function_stream<T: Data>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        next: impl Fn(BatchTime) -> Option<Rdd<T>> + Send + Sync + 'static,
    ) -> DStream<T> {
        let next = Box::new(next);
        self.input(operator, site, move |id| Ok(FunctionSource { id, next, cut: Mutex::default() }))
    }
}

fn take<T: Data>(queue: &RddQueue<T>, options: &QueueOptions<T>, engine: &Engine) -> Rdd<T> {
    let waiting: Vec<Rdd<T>> = {
        let mut queue = lock(&queue.0);
        let most = if options.one_at_a_time { 1 } else { queue.len() };
        let count = most.min(queue.len());
        queue.drain(..count).collect()
    };
    match &waiting[..] {
        [] => options.default.clone().unwrap_or_else(|| engine.from_partitions(vec![Vec::new()])),
        [one] => one.clone(),
        all => engine.union(all),
    }
}

type Next<T> = dyn Fn(BatchTime) -> Option<Rdd<T>> + Send + Sync;

/// A source that asks a function for each batch's dataset.
struct FunctionSource<T: Data> {
    id: StreamId,
    next: Box<Next<T>>,
    cut: Mutex<BTreeMap<BatchTime, Option<Rdd<T>>>>,
}

impl<T: Data> Source for FunctionSource<T> {
    fn stream(&self) -> StreamId {
        self.id
    }

    fn start(&self, _zero: BatchTime) -> Result<()> {
        Ok(())
    }

    fn cut(&self, interval: BatchInterval) -> InputInfo {
        let rdd = (self.next)(interval.to);
        lock(&self.cut).insert(interval.to, rdd);
        InputInfo { stream: self.id, records: 0, description: String::new() }
    }

    fn forget(&self, upto: BatchTime) {
        let forgotten = {
            let mut cut = lock(&self.cut);
            let kept = cut.split_off(&BatchTime::from_millis(upto.as_millis() + 1));
            std::mem::replace(&mut *cut, kept)
        };
        drop(forgotten);
    }
}

impl<T: Data> Input<T> for FunctionSource<T> {
    fn rdd(&self, t: BatchTime, _cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        Ok(lock(&self.cut).get(&t).cloned().flatten())
    }
}
