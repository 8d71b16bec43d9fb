//! Receivers that connect to a socket: lines of text, records of the program's own, encoded records.
//!
//! All of them connect, read until they are told to stop, and treat a refused connection, the end of the
//! stream and a broken connection alike: the run fails, and the supervisor connects again after a pause. A
//! peer that is silent is waited for. Bad input is dropped and counted; it never ends the receiver.

use std::io::{self, BufReader, ErrorKind, Read};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use waterclock_base::world::{Connection, Net};
use waterclock_base::{BoxError, Error, Record, Text};

use super::handle::decode_all;
use super::line_buffer::LineBuffer;
use super::{Receiver, ReceiverHandle};

/// How long to try to connect, in turn: short at first, so that a stop need not wait for a peer that does not
/// answer at all, then long enough for one that is far away.
const CONNECT_TRIES_MS: [u64; 5] = [250, 250, 500, 1000, 2000];

/// A frame of a raw socket may be this long.
const MAX_FRAME_BYTES: u32 = 64 << 20;

/// A typed socket whose converter fails this often in a row without reading on is given up.
const MAX_FAILURES: u32 = 1000;

/// A peer to connect to.
#[derive(Clone)]
struct Peer {
    net: Arc<dyn Net>,
    address: String,
}

impl Peer {
    fn connect(&self, stopped: impl Fn() -> bool) -> Result<Box<dyn Connection>, Error> {
        let mut last = io::Error::from(ErrorKind::TimedOut);
        for wait in CONNECT_TRIES_MS {
            if stopped() {
                break;
            }
            match self.net.connect(&self.address, Duration::from_millis(wait)) {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
            if !matches!(last.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) {
                break;
            }
        }
        Err(Error::outside("can't connect to", &self.address, last))
    }

    fn broken(&self, error: io::Error) -> BoxError {
        Error::outside("lost the connection to", &self.address, error).into()
    }

    fn ended(&self) -> BoxError {
        format!("{} has no more data: it closed the connection", self.address).into()
    }
}

/// A read came back without data: the peer is silent, or the call was interrupted.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Receives lines of text from a socket; each is a record.
///
/// A line ends in `\n` or `\r\n` and is UTF-8. One that is not, and one that is longer than the limit, is
/// dropped and counted. Lines are stored a buffer at a time, without being taken apart.
///
/// ```
/// use std::sync::Arc;
/// use waterclock_base::world::RealNet;
/// use waterclock_streaming::{Receiver, TextSocket};
/// let receiver = TextSocket::new(Arc::new(RealNet), "127.0.0.1:9999", 1 << 20);
/// assert_eq!(receiver.name(), "TextSocket");
/// ```
///
/// # Recovery
/// A socket can't repeat itself: what was received and not processed when the process dies is lost.
pub struct TextSocket {
    peer: Peer,
    max_line_bytes: usize,
}

impl TextSocket {
    /// A receiver from `host:port`, for lines of at most `max_line_bytes`.
    pub fn new(net: Arc<dyn Net>, address: impl Into<String>, max_line_bytes: usize) -> Self {
        TextSocket { peer: Peer { net, address: address.into() }, max_line_bytes }
    }
}

impl Receiver<Text> for TextSocket {
    fn run(&self, out: ReceiverHandle<Text>) -> Result<(), BoxError> {
        let mut connection = self.peer.connect(|| out.is_stopped())?;
        let mut buffer = LineBuffer::new(self.max_line_bytes);
        let store = |lines: &str| out.store_lines(lines);
        let ended = loop {
            if out.is_stopped() {
                buffer.end(false, store)?;
                break Ok(());
            }
            match connection.read(buffer.space()) {
                Ok(0) => {
                    buffer.end(true, store)?;
                    break Err(self.peer.ended());
                }
                Ok(count) => buffer.received(count, store)?,
                Err(error) if is_pause(&error) => {}
                Err(error) => {
                    buffer.end(false, store)?;
                    break Err(self.peer.broken(error));
                }
            }
            count_bad_lines(&mut buffer, &out);
        };
        count_bad_lines(&mut buffer, &out);
        ended
    }
}

/// Counts the lines that were left out, and tells listeners.
pub(crate) fn count_bad_lines(buffer: &mut LineBuffer, out: &ReceiverHandle<Text>) {
    let bad = buffer.take_bad();
    out.count_dropped("line not UTF-8", bad.not_utf8);
    out.count_dropped("line too long", bad.too_long);
    out.count_dropped("line incomplete", bad.incomplete);
}

/// The bytes of a connection, for a converter that reads them as it likes.
///
/// A read waits for data. When the receiver is to stop it fails, so that nothing half read is taken for
/// whole.
pub struct SocketReader {
    connection: Box<dyn Connection>,
    stopped: Box<dyn Fn() -> bool + Send>,
    progress: Arc<Progress>,
}

/// What a reader's owner can see of it.
#[derive(Default)]
struct Progress {
    reads: AtomicU64,
    broken: AtomicBool,
}

impl SocketReader {
    fn new<T: Record>(connection: Box<dyn Connection>, out: &ReceiverHandle<T>) -> (Self, Arc<Progress>) {
        let (out, progress) = (out.clone(), Arc::new(Progress::default()));
        let stopped = Box::new(move || out.is_stopped());
        (SocketReader { connection, stopped, progress: progress.clone() }, progress)
    }
}

impl Read for SocketReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while !(self.stopped)() {
            match self.connection.read(bytes) {
                Err(error) if is_pause(&error) => {}
                read => {
                    self.progress.reads.fetch_add(1, Ordering::Relaxed);
                    self.progress.broken.fetch_or(read.is_err(), Ordering::Relaxed);
                    return read;
                }
            }
        }
        self.progress.broken.store(true, Ordering::Relaxed);
        Err(io::Error::new(ErrorKind::ConnectionAborted, "the receiver is stopping"))
    }
}

/// Receives records that the program makes of a socket's bytes.
///
/// The converter gets the bytes of one connection and gives the records, one by one. An error among them is a
/// record that could not be made: it is dropped and counted. When the records are at their end, or the
/// connection is broken, it is made anew and the converter called again.
///
/// ```
/// use std::io::{BufRead, BufReader};
/// use std::sync::Arc;
/// use waterclock_base::world::RealNet;
/// use waterclock_streaming::{SocketReader, TypedSocket};
/// let numbers = TypedSocket::<i64, _>::new(Arc::new(RealNet), "127.0.0.1:9999", |bytes: SocketReader| {
///     Ok(BufReader::new(bytes).lines().map(|line| Ok(line?.parse()?)))
/// });
/// ```
///
/// # Recovery
/// As [`TextSocket`].
pub struct TypedSocket<T, F> {
    peer: Peer,
    convert: F,
    record: PhantomData<fn() -> T>,
}

impl<T, F, I> TypedSocket<T, F>
where
    F: Fn(SocketReader) -> Result<I, BoxError>,
    I: IntoIterator<Item = Result<T, BoxError>>,
{
    /// A receiver from `host:port`.
    pub fn new(net: Arc<dyn Net>, address: impl Into<String>, convert: F) -> Self {
        TypedSocket { peer: Peer { net, address: address.into() }, convert, record: PhantomData }
    }
}

impl<T, F, I> Receiver<T> for TypedSocket<T, F>
where
    T: Record,
    F: Fn(SocketReader) -> Result<I, BoxError> + Send + Sync + 'static,
    I: IntoIterator<Item = Result<T, BoxError>>,
{
    fn run(&self, out: ReceiverHandle<T>) -> Result<(), BoxError> {
        let (reader, progress) = SocketReader::new(self.peer.connect(|| out.is_stopped())?, &out);
        let mut failures = (0, 0);
        for record in (self.convert)(reader)? {
            match record {
                Ok(record) => {
                    failures.0 = 0;
                    out.store(record)?;
                }
                Err(error) if progress.broken.load(Ordering::Relaxed) => return Err(error),
                Err(error) => {
                    let reads = progress.reads.load(Ordering::Relaxed);
                    failures = if failures.1 == reads { (failures.0 + 1, reads) } else { (1, reads) };
                    if failures.0 >= MAX_FAILURES {
                        return Err(error);
                    }
                    out.count_dropped("not convertible", 1);
                }
            }
        }
        Err(self.peer.ended())
    }
}

/// Receives records that are encoded already, in frames: four bytes of length, most significant first, and
/// that many bytes of records, each by [`encode`](waterclock_base::encode).
///
/// A frame that can't be decoded is dropped as a whole and counted as one record. A frame of more than 64 MiB
/// is taken for a peer that does not speak the format, and the connection is made anew.
///
/// # Recovery
/// As [`TextSocket`].
pub struct RawSocket<T> {
    peer: Peer,
    record: PhantomData<fn() -> T>,
}

impl<T: Record> RawSocket<T> {
    /// A receiver from `host:port`.
    pub fn new(net: Arc<dyn Net>, address: impl Into<String>) -> Self {
        RawSocket { peer: Peer { net, address: address.into() }, record: PhantomData }
    }

    /// Counts what was lost of a frame.
    fn end_of(&self, broken: BrokenFrame, out: &ReceiverHandle<T>) -> BoxError {
        if broken.began {
            out.count_dropped("frame incomplete", 1);
        }
        self.peer.broken(broken.error)
    }
}

impl<T: Record> Receiver<T> for RawSocket<T> {
    fn run(&self, out: ReceiverHandle<T>) -> Result<(), BoxError> {
        let (reader, _) = SocketReader::new(self.peer.connect(|| out.is_stopped())?, &out);
        let mut reader = BufReader::with_capacity(64 * 1024, reader);
        let mut frame = Vec::new();
        while read_frame(&mut reader, &mut frame).map_err(|broken| self.end_of(broken, &out))? {
            match decode_all(&frame) {
                Ok(records) => out.store_all(records)?,
                Err(_) => out.count_dropped("frame not decodable", 1),
            }
        }
        Err(self.peer.ended())
    }
}

/// A stream that ended within a frame.
struct BrokenFrame {
    /// Whether anything of the frame had come.
    began: bool,
    error: io::Error,
}

/// Reads one frame; false at the end of the stream. The length is not trusted with memory: space grows with
/// what really comes.
fn read_frame(reader: &mut impl Read, frame: &mut Vec<u8>) -> Result<bool, BrokenFrame> {
    frame.clear();
    let read = reader.by_ref().take(4).read_to_end(frame);
    let began = !frame.is_empty();
    let broken = |error| BrokenFrame { began, error };
    read.map_err(broken)?;
    if !began {
        return Ok(false);
    }
    let cut = || broken(ErrorKind::UnexpectedEof.into());
    let length = u32::from_be_bytes(frame.as_slice().try_into().map_err(|_| cut())?);
    if length > MAX_FRAME_BYTES {
        let why = format!("it announces a frame of {length} bytes, more than {MAX_FRAME_BYTES}");
        return Err(broken(io::Error::new(ErrorKind::InvalidData, why)));
    }
    frame.clear();
    let read = reader.by_ref().take(u64::from(length)).read_to_end(frame).map_err(broken)?;
    if read as u64 == u64::from(length) { Ok(true) } else { Err(cut()) }
}
