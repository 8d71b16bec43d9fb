//! Runs one receiver: its thread, its restarts, its events, its end.
//!
//! The end, in order:
//!
//! 1. the run is told: [`is_stopped`](super::ReceiverHandle::is_stopped) holds, every wait in a `store` ends;
//! 2. `on_stop` is called, so that a blocked `run` returns;
//! 3. `run` returns; handles of the run store nothing more;
//! 4. the last block is cut: the next tick takes it;
//! 5. the thread ends and listeners are told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::world::{Clock, JoinHandle, SystemClock, lock, spawn};
use waterclock_base::{
    BatchTime, Error, Event, InputInfo, ReceiverInfo, Record, Result, Settings, SharedError, StreamId,
    full_text,
};
use waterclock_engine::panic_message;

use super::handle::{ReceiverHandle, Run};
use super::intake::{Intake, ReceiverCounts};
use super::lifecycle::{Failure, Lifecycle, RunEnd, State};
use super::{EventSink, Receiver};
use crate::block::{ReceivedBlock, ReceivedBytes, Waiters};

/// A stop that is not graceful waits no longer than this for a receiver.
const HASTY_STOP: Duration = Duration::from_secs(2);

/// What all receivers of a context share.
#[derive(Clone)]
pub struct ReceiverSetup {
    /// The context's settings.
    pub settings: Settings,
    /// The context's clock.
    pub clock: Arc<dyn Clock>,
    /// The budget of received bytes.
    pub bytes: Arc<ReceivedBytes>,
    /// Where events go.
    pub events: EventSink,
}

/// What a context does with a receiver, whatever its record type.
///
/// # Contract
/// 1. Times given to `seal_and_allocate` grow; one that does not changes nothing (checked).
/// 2. `forget` is only told times whose batches nobody will ask for again (unchecked).
pub trait ReceiverControl: Send + Sync {
    /// The stream that it feeds.
    fn stream(&self) -> StreamId;

    /// Starts its thread.
    ///
    /// # Errors
    /// [`Error::Receiver`] when it was started or stopped before.
    fn start(&self) -> Result<()>;

    /// Tells it to stop and returns at once, so that several can stop at the same time. Gracefully, it may
    /// still store what it holds; otherwise its next `store` fails.
    fn ask_to_stop(&self, graceful: bool);

    /// Waits for its thread to end. What it stored is in the next batch. False when it did not end in time
    /// (of real time; gracefully the settings' bound, otherwise two seconds): then it is left behind,
    /// and stores nothing more.
    fn await_stopped(&self, graceful: bool) -> bool;

    /// Both: tells it to stop and waits.
    fn stop(&self, graceful: bool) -> bool {
        self.ask_to_stop(graceful);
        self.await_stopped(graceful)
    }

    /// Gives everything that was stored to the batch of `time` and says what that was.
    fn seal_and_allocate(&self, time: BatchTime) -> InputInfo;

    /// Drops the blocks of the batches before `before`, which makes room in the budget.
    fn forget(&self, before: BatchTime);

    /// Sets its rate in records a second, at most the maximum of the settings; ignored if not positive.
    fn set_rate(&self, rate: f64);

    /// How it is doing, as events show it.
    fn info(&self) -> ReceiverInfo;

    /// What it counted.
    fn counts(&self) -> ReceiverCounts;
}

/// Runs a receiver and holds what it received.
///
/// ```
/// use std::sync::Arc;
/// use waterclock_base::world::SystemClock;
/// use waterclock_base::{BatchTime, Settings, StreamId};
/// use waterclock_streaming::*;
///
/// let clock = Arc::new(SystemClock::new());
/// let setup = ReceiverSetup {
///     settings: Settings::default(),
///     bytes: ReceivedBytes::new(1 << 20, clock.clone()),
///     clock,
///     events: Arc::new(|_event| {}),
/// };
/// let receiver = |out: ReceiverHandle<u64>| -> Result<(), waterclock_base::BoxError> {
///     Ok(out.store_many(vec![1, 2, 3])?)
/// };
/// let input = ReceiverSupervisor::new(StreamId(0), receiver, &setup)?;
/// input.start()?;
/// while input.counts().records < 3 {
///     std::thread::yield_now();
/// }
/// input.stop(true);
/// let time = BatchTime::from_millis(1000);
/// assert_eq!(input.seal_and_allocate(time).records, 3);
/// assert_eq!(input.blocks_at(time).unwrap()[0].records()?.to_vec(), [1, 2, 3]);
/// # Ok::<(), waterclock_base::Error>(())
/// ```
pub struct ReceiverSupervisor<T> {
    shared: Arc<Shared<T>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    patience: Duration,
}

/// What the supervisor, its thread and the receiver's handles share.
pub(crate) struct Shared<T> {
    pub(crate) stream: StreamId,
    pub(crate) name: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) intake: Intake<T>,
    /// Those who wait for a run or a pause to end.
    pub(crate) waiters: Waiters,
    /// Those who wait for the thread to end: a caller's patience is real time, whatever the clock shows.
    ended: Waiters,
    receiver: Box<dyn Receiver<T>>,
    events: EventSink,
    dropped: AtomicU64,
    life: Mutex<Lifecycle>,
    run: Mutex<Option<Arc<Run>>>,
    last_error: Mutex<(String, i64)>,
}

impl<T: Record> ReceiverSupervisor<T> {
    /// A supervisor of `receiver` for the stream. It does nothing until it is started.
    ///
    /// # Errors
    /// [`Error::Setting`] for a block interval that can't be.
    pub fn new(stream: StreamId, receiver: impl Receiver<T>, setup: &ReceiverSetup) -> Result<Arc<Self>> {
        let settings = &setup.settings;
        let least = (settings.batch_interval * 10).max(Duration::from_secs(10));
        Ok(Arc::new(ReceiverSupervisor {
            shared: Arc::new(Shared {
                stream,
                name: format!("{}-{}", receiver.name(), stream.0),
                clock: setup.clock.clone(),
                intake: Intake::new(stream, settings, setup.clock.clone(), setup.bytes.clone())?,
                waiters: Waiters::new(setup.clock.clone()),
                ended: Waiters::new(Arc::new(SystemClock::new())),
                receiver: Box::new(receiver),
                events: setup.events.clone(),
                dropped: AtomicU64::new(0),
                life: Mutex::new(Lifecycle::new(settings)),
                run: Mutex::new(None),
                last_error: Mutex::new((String::new(), -1)),
            }),
            thread: Mutex::new(None),
            patience: settings.graceful_stop_timeout.unwrap_or(least),
        }))
    }

    /// The blocks of a batch, in the order in which they were stored; none for a batch that was never
    /// formed, as one before the start, or that is forgotten.
    pub fn blocks_at(&self, time: BatchTime) -> Option<Vec<Arc<ReceivedBlock<T>>>> {
        self.shared.intake.blocks_at(time)
    }

    /// The open block and the queue.
    pub(crate) fn intake(&self) -> &Intake<T> {
        &self.shared.intake
    }
}

impl<T: Record> ReceiverControl for ReceiverSupervisor<T> {
    fn stream(&self) -> StreamId {
        self.shared.stream
    }

    fn start(&self) -> Result<()> {
        let mut thread = lock(&self.thread);
        self.shared.intake.open()?;
        let shared = self.shared.clone();
        *thread = Some(spawn(&format!("recv-{}", self.shared.stream.0), move || shared.live()));
        Ok(())
    }

    fn ask_to_stop(&self, graceful: bool) {
        if !lock(&self.shared.life).stop() || !graceful {
            self.shared.intake.close();
        }
        let run = lock(&self.shared.run).clone();
        if let Some(run) = run {
            self.shared.end_run(&run, graceful);
        }
        self.shared.wake();
    }

    fn await_stopped(&self, graceful: bool) -> bool {
        let patience = if graceful { self.patience } else { HASTY_STOP };
        if !self.shared.ended.wait_for(patience, || self.shared.state() == State::Stopped) {
            self.shared.intake.close();
            let text = format!("receiver {} did not stop within {patience:?}", self.shared.name);
            (self.shared.events)(Event::Warning { text });
            return false;
        }
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // Its last deed was to say that it is stopped.
            let _ = thread.join();
        }
        true
    }

    fn seal_and_allocate(&self, time: BatchTime) -> InputInfo {
        self.intake().seal_and_allocate(time, None).0
    }

    fn forget(&self, before: BatchTime) {
        self.shared.intake.forget(before);
    }

    fn set_rate(&self, rate: f64) {
        self.shared.intake.limiter().update(rate);
    }

    fn info(&self) -> ReceiverInfo {
        self.shared.info()
    }

    fn counts(&self) -> ReceiverCounts {
        ReceiverCounts {
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            runs: lock(&self.shared.life).runs(),
            ..self.shared.intake.counts()
        }
    }
}

impl<T: Record> Shared<T> {
    /// The life of the receiver, on its thread.
    fn live(self: Arc<Self>) {
        // Whether listeners know already that it stopped.
        let mut told = false;
        while let Some(run) = self.begin_run() {
            told = false;
            (self.events)(Event::ReceiverStarted(self.info()));
            let end = self.run_once(&run);
            let verdict = lock(&self.life).ended(end, self.clock.now_micros());
            lock(&self.run).take();
            if let Some(failure) = verdict.failure {
                self.note(failure.message, failure.error);
            }
            let Some(again) = verdict.again else { break };
            told = verdict.stopped;
            let event = if told { Event::ReceiverStopped } else { Event::ReceiverError };
            (self.events)(event(self.info()));
            self.waiters.wait(Some(again), || self.state() == State::Stopping);
        }
        self.intake.close();
        lock(&self.life).gone();
        if !told {
            (self.events)(Event::ReceiverStopped(self.info()));
        }
        self.ended.wake();
    }

    /// Begins a run, unless it is to stop. Whoever stops it afterwards finds the run.
    fn begin_run(&self) -> Option<Arc<Run>> {
        let mut current = lock(&self.run);
        let run = Run::here(lock(&self.life).begin()?);
        *current = Some(run.clone());
        Some(run)
    }

    /// One run, up to the return of both `run` and `on_stop`.
    fn run_once(self: &Arc<Self>, run: &Arc<Run>) -> RunEnd {
        let (began, stored) = (self.clock.now_micros(), self.intake.counts().records);
        let out = ReceiverHandle::new(self.clone(), run.clone());
        let result = catch_unwind(AssertUnwindSafe(|| self.receiver.run(out)));
        run.stop(false);
        self.wake();
        self.call_on_stop(run);
        // Another thread may be in `on_stop` still, which must not meet the next run.
        self.waiters.wait(None, || run.has_on_stop_returned());
        let lasted = self.clock.now_micros() - began;
        RunEnd {
            request: run.take_request(),
            result: match result {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(Failure { message: full_text(&*error), error: None }),
                Err(panic) => Err(Failure { message: panic_text(panic), error: None }),
            },
            stored: self.intake.counts().records > stored,
            lasted: Duration::from_micros(u64::try_from(lasted).unwrap_or(0)),
        }
    }

    /// Tells a run to end.
    pub(crate) fn end_run(&self, run: &Run, last_calls: bool) {
        run.stop(last_calls);
        self.wake();
        // On its own thread it is not blocked, and `on_stop` would surprise it in the middle of its work.
        if !run.is_here() {
            self.call_on_stop(run);
        }
    }

    fn call_on_stop(&self, run: &Run) {
        if run.may_call_on_stop() {
            let result = catch_unwind(AssertUnwindSafe(|| self.receiver.on_stop()));
            run.on_stop_returned();
            self.waiters.wake();
            if let Err(panic) = result {
                self.report(panic_text(panic), None);
            }
        }
    }

    /// Wakes whoever waits in this receiver.
    fn wake(&self) {
        self.intake.wake();
        self.waiters.wake();
    }

    fn state(&self) -> State {
        lock(&self.life).state()
    }

    /// Shows an error to listeners.
    pub(crate) fn report(&self, message: String, error: Option<SharedError>) {
        self.note(message, error);
        (self.events)(Event::ReceiverError(self.info()));
    }

    /// Counts dropped records and tells listeners.
    pub(crate) fn dropped(&self, why: &'static str, records: u64) {
        self.dropped.fetch_add(records, Ordering::Relaxed);
        (self.events)(Event::RecordsDropped { stream: self.stream, why, records });
    }

    fn note(&self, message: String, source: Option<SharedError>) {
        let text = Error::Receiver { name: self.name.clone(), message, source }.full_text();
        tracing::warn!(stream = self.stream.0, "{text}");
        *lock(&self.last_error) = (text, self.clock.now_micros());
    }

    fn info(&self) -> ReceiverInfo {
        let active = self.state() == State::Running;
        let (last_error, last_error_micros) = lock(&self.last_error).clone();
        ReceiverInfo { stream: self.stream, name: self.name.clone(), active, last_error, last_error_micros }
    }
}

/// What is told of a panic.
fn panic_text(panic: Box<dyn std::any::Any + Send>) -> String {
    format!("it panicked: {}", panic_message(panic))
}
