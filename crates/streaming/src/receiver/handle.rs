//! What a receiver holds: the way to store records and to talk to its supervisor.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, BoxError, Error, Record, Result, StreamId, Text, decode};

use super::lifecycle::Request;
use super::supervisor::Shared;

/// A run that was told to end may still store what it holds in its hands: this many calls.
const LAST_CALLS: i64 = 64;

/// Lines that are stored at once where the rate is not limited are at most about this long together.
const PIECE_BYTES: usize = 1 << 20;

/// A receiver's side of its stream: stores records, reports errors, asks for a restart.
///
/// Cheap to clone; clones may be used from any number of threads at the same time. It belongs to one run of
/// the receiver: after a restart, older handles are stopped and refuse to store.
///
/// Every `store` waits while the rate limit or the memory budget says so, and ends the wait when the
/// receiver is told to stop. From then on a few more calls (64) are let through at once, so that a run can
/// put down what it holds; after them, and after `run` returned, `store` fails.
pub struct ReceiverHandle<T> {
    shared: Arc<Shared<T>>,
    run: Arc<Run>,
}

impl<T> Clone for ReceiverHandle<T> {
    fn clone(&self) -> Self {
        ReceiverHandle { shared: self.shared.clone(), run: self.run.clone() }
    }
}

/// One run of a receiver.
pub(crate) struct Run {
    number: u32,
    thread: ThreadId,
    stopped: AtomicBool,
    /// How many more calls may store, once it is stopped.
    last_calls: AtomicI64,
    request: Mutex<Option<Request>>,
    on_stop: AtomicU8,
}

/// How far the one call of `on_stop` is.
const NOT_CALLED: u8 = 0;
const CALLING: u8 = 1;
const CALLED: u8 = 2;

impl Run {
    /// The run of this number on the current thread.
    pub(crate) fn here(number: u32) -> Arc<Self> {
        Arc::new(Run {
            number,
            thread: thread::current().id(),
            stopped: AtomicBool::new(false),
            last_calls: AtomicI64::new(LAST_CALLS),
            request: Mutex::new(None),
            on_stop: AtomicU8::new(NOT_CALLED),
        })
    }

    /// It was told to end, or has ended.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Tells it to end; without `last_calls` it must not store any more.
    pub(crate) fn stop(&self, last_calls: bool) {
        self.stopped.store(true, Ordering::SeqCst);
        if !last_calls {
            self.last_calls.store(0, Ordering::SeqCst);
        }
    }

    /// Whether the current thread is the one that it runs on.
    pub(crate) fn is_here(&self) -> bool {
        self.thread == thread::current().id()
    }

    /// True for the first who wants to call `on_stop`, who must do it.
    pub(crate) fn may_call_on_stop(&self) -> bool {
        self.on_stop.compare_exchange(NOT_CALLED, CALLING, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// `on_stop` returned.
    pub(crate) fn on_stop_returned(&self) {
        self.on_stop.store(CALLED, Ordering::SeqCst);
    }

    /// Whether `on_stop` returned.
    pub(crate) fn has_on_stop_returned(&self) -> bool {
        self.on_stop.load(Ordering::SeqCst) == CALLED
    }

    /// What was asked for first.
    pub(crate) fn take_request(&self) -> Option<Request> {
        lock(&self.request).take()
    }
}

impl<T: Record> ReceiverHandle<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>, run: Arc<Run>) -> Self {
        ReceiverHandle { shared, run }
    }

    /// Stores one record. It is in the next batch; should the process die before its block is cut, it is lost.
    ///
    /// # Errors
    /// [`Error::Receiver`] when the receiver is stopped: return from `run`.
    pub fn store(&self, record: T) -> Result<()> {
        self.admit()?;
        self.shared.intake.add(record, || self.run.is_stopped())
    }

    /// Stores a buffer of records as one block and returns when it is registered, and with a checkpoint durable:
    /// the place to acknowledge a source that can repeat itself. All records are in the same batch.
    ///
    /// # Errors
    /// As [`store`](Self::store); then none of the records is stored.
    pub fn store_many(&self, records: Vec<T>) -> Result<()> {
        self.admit()?;
        self.shared.intake.add_block(records, None, || self.run.is_stopped())
    }

    /// As [`store_many`](Self::store_many), with a note on what the records are, as the offsets that they
    /// have in their queue. It is shown with the batch.
    ///
    /// # Errors
    /// As [`store_many`](Self::store_many).
    pub fn store_many_noted(&self, records: Vec<T>, note: impl Into<String>) -> Result<()> {
        self.admit()?;
        let note = Some(note.into().into_boxed_str());
        self.shared.intake.add_block(records, note, || self.run.is_stopped())
    }

    /// Stores all records of an iterator as one block, as [`store_many`](Self::store_many) does.
    ///
    /// # Errors
    /// As [`store_many`](Self::store_many).
    pub fn store_iter(&self, records: impl IntoIterator<Item = T>) -> Result<()> {
        self.store_many(records.into_iter().collect())
    }

    /// Stores records one after the other, but together: as cheap as can be, as unreliable as
    /// [`store`](Self::store).
    ///
    /// # Errors
    /// As [`store`](Self::store); then none of the records is stored.
    pub fn store_all(&self, records: Vec<T>) -> Result<()> {
        self.admit()?;
        self.shared.intake.add_all(records, || self.run.is_stopped())
    }

    /// Stores records that are encoded one after the other by [`encode`](waterclock_base::encode), as one
    /// block, as [`store_many`](Self::store_many) does.
    ///
    /// # Errors
    /// [`Error::Encoding`] when the bytes are not such records, otherwise as
    /// [`store_many`](Self::store_many). Either way none is stored.
    pub fn store_encoded(&self, bytes: &[u8]) -> Result<()> {
        self.store_many(decode_all(bytes)?)
    }

    /// As [`store_encoded`](Self::store_encoded), with a note on what the records are, which is shown with
    /// the batch.
    ///
    /// # Errors
    /// As [`store_encoded`](Self::store_encoded).
    pub fn store_encoded_noted(&self, bytes: &[u8], note: impl Into<String>) -> Result<()> {
        self.store_many_noted(decode_all(bytes)?, note)
    }

    /// Counts records that the receiver dropped, and tells listeners why: nothing is lost in silence.
    pub fn count_dropped(&self, why: &'static str, records: u64) {
        if records > 0 {
            self.shared.dropped(why, records);
        }
    }

    /// Shows an error to listeners and goes on.
    pub fn report_error(&self, message: impl Into<String>, error: impl Into<BoxError>) {
        self.shared.report(message.into(), Some(error.into().into()));
    }

    /// Ends this run and starts another after the usual pause. Returns at once: `run` sees
    /// [`is_stopped`](Self::is_stopped) and has to return.
    pub fn restart(&self, message: impl Into<String>) {
        self.ask(Request::Restart { message: message.into(), error: None, pause: None });
    }

    /// As [`restart`](Self::restart), with an error to show.
    pub fn restart_with(&self, message: impl Into<String>, error: impl Into<BoxError>) {
        let error = Some(error.into().into());
        self.ask(Request::Restart { message: message.into(), error, pause: None });
    }

    /// As [`restart_with`](Self::restart_with), after a pause of the caller's choice.
    pub fn restart_after(&self, pause: Duration, message: impl Into<String>, error: impl Into<BoxError>) {
        let error = Some(error.into().into());
        self.ask(Request::Restart { message: message.into(), error, pause: Some(pause) });
    }

    /// Ends this run, which listeners see as a stop. Like Spark's, the receiver is started again after the
    /// usual pause while the context runs; to end for good return `Ok(())` from `run`.
    pub fn stop(&self, message: impl Into<String>) {
        self.ask(Request::Stop { message: message.into(), error: None });
    }

    /// As [`stop`](Self::stop), with an error to show.
    pub fn stop_with(&self, message: impl Into<String>, error: impl Into<BoxError>) {
        self.ask(Request::Stop { message: message.into(), error: Some(error.into().into()) });
    }

    /// Whether this run goes on.
    pub fn is_started(&self) -> bool {
        !self.is_stopped()
    }

    /// Whether this run is to end: look at it at least a few times a second.
    pub fn is_stopped(&self) -> bool {
        self.run.is_stopped()
    }

    /// Waits, on the context's clock. False as soon as the run is to end.
    pub fn pause(&self, time: Duration) -> bool {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let until = self.shared.clock.now_micros().saturating_add(micros);
        !self.shared.waiters.wait(Some(until), || self.is_stopped())
    }

    /// Waits until the run is to end, for a `run` whose work is done by threads of its own.
    pub fn until_stopped(&self) {
        self.shared.waiters.wait(None, || self.is_stopped());
    }

    /// The time, on the context's clock.
    pub fn now(&self) -> BatchTime {
        self.shared.clock.now()
    }

    /// The stream that the records go to.
    pub fn stream_id(&self) -> StreamId {
        self.shared.stream
    }

    /// Which run this is, from 1: how often the receiver was started.
    pub fn attempt(&self) -> u32 {
        self.run.number
    }

    fn ask(&self, request: Request) {
        if !self.is_stopped() {
            lock(&self.run.request).get_or_insert(request);
            self.shared.end_run(&self.run, true);
        }
    }

    /// Refuses a store by a run that has ended.
    fn admit(&self) -> Result<()> {
        if self.run.is_stopped() && self.run.last_calls.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(Error::Receiver {
                name: self.shared.name.clone(),
                message: "it is stopped and stores nothing more; return from `run`".into(),
                source: None,
            });
        }
        Ok(())
    }
}

impl ReceiverHandle<Text> {
    /// Stores a buffer of whole lines, each a record, without taking it apart. Lines end in `\n` or `\r\n`; a
    /// last one without an end is a line, too. As unreliable as [`store`](Self::store).
    ///
    /// # Errors
    /// As [`store`](Self::store). A long buffer is stored in pieces, the first of which may then be stored.
    pub fn store_lines(&self, lines: &str) -> Result<()> {
        let mut rest = lines;
        while !rest.is_empty() {
            // A limited stream gets a tenth of a second's worth at a time, so that it flows evenly.
            let limit = self.shared.intake.limiter().rate().filter(|_| !self.is_stopped());
            let most = limit.map_or(usize::MAX, |rate| (rate / 10.0).max(1.0) as usize);
            let (count, bytes) = piece(rest, most);
            let (now, later) = rest.split_at(bytes);
            self.admit()?;
            self.shared.intake.add_lines(now, count as u64, || self.run.is_stopped())?;
            rest = later;
        }
        Ok(())
    }
}

/// How many lines, and bytes, of the text are stored at once: at most `lines`, and no more after
/// [`PIECE_BYTES`].
fn piece(text: &str, lines: usize) -> (usize, usize) {
    if lines == usize::MAX && text.len() <= PIECE_BYTES {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).count();
        return (ends + usize::from(!text.ends_with('\n')), text.len());
    }
    let mut count = 0;
    for end in memchr::memchr_iter(b'\n', text.as_bytes()) {
        count += 1;
        if count >= lines || end + 1 >= PIECE_BYTES {
            return (count, end + 1);
        }
    }
    (count + usize::from(!text.ends_with('\n')), text.len())
}

/// All records that the bytes hold.
pub(crate) fn decode_all<T: Record>(mut bytes: &[u8]) -> Result<Vec<T>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let before = bytes.len();
        records.push(decode(&mut bytes)?);
        if bytes.len() == before {
            let what = format!("can't read records of {}", std::any::type_name::<T>());
            return Err(Error::Encoding { what, why: format!("{before} bytes are left over") });
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_buffers_are_stored_in_pieces_of_whole_lines() {
        assert_eq!(piece("a\nb\nc", usize::MAX), (3, 5));
        assert_eq!(piece("a\nb\nc", 2), (2, 4));
        assert_eq!(piece("c", 2), (1, 1));
        let long = format!("{}\nb\n", "x".repeat(PIECE_BYTES));
        assert_eq!(piece(&long, usize::MAX), (1, PIECE_BYTES + 1));
    }

    #[test]
    fn encoded_records_are_read_to_the_end() {
        let mut bytes = Vec::new();
        waterclock_base::encode(&7u64, &mut bytes).unwrap();
        waterclock_base::encode(&300u64, &mut bytes).unwrap();
        assert_eq!(decode_all::<u64>(&bytes).unwrap(), [7, 300]);
        assert!(decode_all::<u64>(&[0xff]).is_err());
        assert!(decode_all::<()>(&[1]).is_err());
    }
}
