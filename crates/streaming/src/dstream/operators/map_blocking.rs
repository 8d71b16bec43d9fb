//! `map_blocking`: a closure that waits for something outside, called for several records at once.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use waterclock_base::world::{lock, spawn};
use waterclock_base::{BatchTime, BoxError, Data, Error, RddId, Result};
use waterclock_engine::{CHUNK, Compute, Rdd, Sink, Step, TaskCx, TaskHelper, Updates};

use crate::dstream::DStream;
use crate::graph::{BatchCx, StreamCompute, StreamNode};

impl<T: Data> DStream<T> {
    /// Applies `f`, which may wait for a service, a disk or a database, to each record: for up to `concurrency`
    /// records of a task at once. The results are in the order of the records.
    ///
    /// The calls are made by threads of the stream's own, so that while they wait other streams and batches wait no
    /// more than one task does. Every task that runs at the same time may have `concurrency` calls open: set it to
    /// what the service bears, divided by the threads of the context. An error fails the batch and names the
    /// record's place, as with [`try_map`](DStream::try_map); of several errors it is the first record's. Give calls
    /// a time limit: a batch waits as long as its slowest call.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// fn ask_the_service(city: &str) -> std::io::Result<usize> { Ok(city.len()) }
    /// check_stream(
    ///     vec![vec!["Oslo", "Rome", "Lagos"]],
    ///     |cities| cities.map_blocking(16, |city| Ok(ask_the_service(city)?)),
    ///     vec![vec![4, 4, 5]],
    /// );
    /// ```
    ///
    /// # Errors
    /// A `concurrency` of 0 is refused.
    ///
    /// # Recovery
    /// `f` is called again for every record where a task fails, is run twice, or its batch is run again after a crash,
    /// and also for records behind one that fails. What it does outside must bear that; where its answers change, so
    /// may a result that is computed again.
    ///
    /// # Cost
    /// Two messages between threads a record, some microseconds: for closures that wait. Threads are started when
    /// they are needed first and kept; up to 1,024 results wait in memory for one that is late.
    #[track_caller]
    pub fn map_blocking<U: Data>(
        &self,
        concurrency: usize,
        f: impl Fn(T) -> Result<U, BoxError> + Send + Sync + 'static,
    ) -> DStream<U> {
        let (operator, site) = ("map_blocking", Location::caller());
        let possible = match concurrency {
            0 => Err("with a concurrency of 0 no call could be made; ask for at least one".to_owned()),
            _ => Ok(()),
        };
        let crews = Arc::new(Crews { operator, concurrency, f: Arc::new(f), idle: Mutex::default() });
        let body = BlockingStream { parent: self.node.clone(), site, crews };
        self.define_if(self.derived(operator, site), possible, body)
    }
}

struct BlockingStream<T: Data, U, F> {
    parent: Arc<StreamNode<T>>,
    site: &'static Location<'static>,
    crews: Arc<Crews<T, U, F>>,
}

impl<T, U, F> StreamCompute<U> for BlockingStream<T, U, F>
where
    T: Data,
    U: Data,
    F: Fn(T) -> Result<U, BoxError> + Send + Sync + 'static,
{
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<U>>> {
        let Some(parent) = self.parent.rdd_at(t, cx)? else { return Ok(None) };
        let (define, id) = (parent.derive(self.crews.operator).at(self.site), cx.engine.next_rdd_id());
        let body = CallEach { parent, time: t, id, crews: self.crews.clone() };
        Ok(Some(define.build_with(cx.engine, id, body)))
    }
}

/// The threads of a stream: each running task has a crew of them, and leaves it to the next one.
struct Crews<T, U, F> {
    operator: &'static str,
    concurrency: usize,
    f: Arc<F>,
    idle: Mutex<Vec<Crew<T, U>>>,
}

/// Threads that take calls from one queue. They end when it is dropped.
struct Crew<T, U> {
    threads: usize,
    calls: Sender<Call<T>>,
    waiting: Arc<Mutex<Receiver<Call<T>>>>,
    done: Sender<Done<U>>,
    results: Receiver<Done<U>>,
}

struct Call<T> {
    position: u64,
    record: T,
    task: TaskHelper,
}

struct Done<U> {
    position: u64,
    /// What the closure returned, or its panic.
    outcome: Result<Result<U, BoxError>>,
    updates: Updates,
}

impl<T: Data, U: Data> Crew<T, U> {
    fn new() -> Self {
        let ((calls, waiting), (done, results)) = (channel(), channel());
        Crew { threads: 0, calls, waiting: Arc::new(Mutex::new(waiting)), done, results }
    }

    fn add_thread<F>(&mut self, f: &Arc<F>)
    where
        F: Fn(T) -> Result<U, BoxError> + Send + Sync + 'static,
    {
        let (f, waiting, done) = (f.clone(), self.waiting.clone(), self.done.clone());
        self.threads += 1;
        spawn("blocking", move || {
            // The lock is held by the one thread that waits for the next call, and by none that is at one.
            let next = || lock(&waiting).recv();
            while let Ok(Call { position, record, task }) = next() {
                let (outcome, updates) = task.call(|| f(record));
                if done.send(Done { position, outcome, updates }).is_err() {
                    return;
                }
            }
        });
    }
}

struct CallEach<T: Data, U, F> {
    parent: Rdd<T>,
    time: BatchTime,
    id: RddId,
    crews: Arc<Crews<T, U, F>>,
}

impl<T, U, F> Compute<U> for CallEach<T, U, F>
where
    T: Data,
    U: Data,
    F: Fn(T) -> Result<U, BoxError> + Send + Sync + 'static,
{
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<U>) -> Step {
        let crew = lock(&self.crews.idle).pop().unwrap_or_else(Crew::new);
        let mut calling = Calling {
            rule: self,
            cx,
            partition,
            crew: Some(crew),
            sent: 0,
            open: 0,
            taken: 0,
            early: BTreeMap::new(),
            made: Vec::new(),
            out,
        };
        self.parent.compute(partition, cx, &mut calling)?;
        calling.finish()
    }
}

/// The calls of one task.
struct Calling<'a, T: Data, U: Data, F> {
    rule: &'a CallEach<T, U, F>,
    cx: &'a TaskCx,
    partition: usize,
    /// There until the end.
    crew: Option<Crew<T, U>>,
    /// Calls that were begun.
    sent: u64,
    /// Of these, calls that have not come back.
    open: usize,
    /// Results that were taken, in the order of their records.
    taken: u64,
    /// Results that came back before an earlier record's.
    early: BTreeMap<u64, Done<U>>,
    made: Vec<U>,
    out: &'a mut dyn Sink<U>,
}

impl<T, U, F> Calling<'_, T, U, F>
where
    T: Data,
    U: Data,
    F: Fn(T) -> Result<U, BoxError> + Send + Sync + 'static,
{
    fn crew(&mut self) -> &mut Crew<T, U> {
        self.crew.as_mut().expect("the crew is given back at the end")
    }

    fn send(&mut self, record: T) {
        if self.crew().threads == self.open {
            let f = &self.rule.crews.f;
            self.crew().add_thread(f);
        }
        let call = Call { position: self.sent, record, task: self.cx.helper() };
        self.crew().calls.send(call).expect("the crew has both ends of its queues");
        self.sent += 1;
        self.open += 1;
    }

    /// Waits for a call to come back, and takes what is next in order.
    fn wait(&mut self) -> Step {
        let done = self.crew().results.recv().expect("the crew has both ends of its queues");
        self.open -= 1;
        self.early.insert(done.position, done);
        while let Some(next) = self.early.remove(&self.taken) {
            self.cx.add_updates(next.updates);
            match next.outcome? {
                Ok(made) => self.made.push(made),
                Err(source) => return Err(self.failed(source).into()),
            }
            self.taken += 1;
        }
        Ok(())
    }

    fn failed(&self, source: BoxError) -> Error {
        let place = format!(
            "{}, for record {} of partition {},",
            self.rule.crews.operator, self.taken, self.partition
        );
        Error::user(place, Some(self.rule.time), source)
    }

    fn hand_on(&mut self) -> Step {
        if self.made.is_empty() { Ok(()) } else { self.out.push(&mut self.made) }
    }

    fn finish(mut self) -> Step {
        let before = self.cx.enter(self.rule.id);
        while self.open > 0 {
            self.wait()?;
        }
        self.cx.leave(before);
        self.hand_on()
    }
}

impl<T, U, F> Sink<T> for Calling<'_, T, U, F>
where
    T: Data,
    U: Data,
    F: Fn(T) -> Result<U, BoxError> + Send + Sync + 'static,
{
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        let before = self.cx.enter(self.rule.id);
        for record in chunk.drain(..) {
            self.cx.check()?;
            while self.open == self.rule.crews.concurrency || self.sent - self.taken >= CHUNK as u64 {
                self.wait()?;
            }
            self.send(record);
        }
        self.cx.leave(before);
        self.hand_on()
    }
}

impl<T: Data, U: Data, F> Drop for Calling<'_, T, U, F> {
    /// No call outlives its task, so that one that is tried again doesn't meet its own earlier calls.
    fn drop(&mut self) {
        let Some(crew) = self.crew.take() else { return };
        while self.open > 0 && crew.results.recv().is_ok() {
            self.open -= 1;
        }
        lock(&self.rule.crews.idle).push(crew);
    }
}
