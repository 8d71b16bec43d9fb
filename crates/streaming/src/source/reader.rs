//! Lines of standard input, or of anything else that can be read.

use std::io::{self, ErrorKind, Read};
use std::panic::Location;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver as Pipe, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use waterclock_base::world::{lock, spawn};
use waterclock_base::{BoxError, Error, Text};

use crate::context::StreamingContext;
use crate::dstream::DStream;
use crate::receiver::{LineBuffer, Receiver, ReceiverHandle, count_bad_lines};

/// Reads that may be ahead of the receiver.
const AHEAD: usize = 4;

/// Bytes of one read.
const READ_BYTES: usize = 64 << 10;

/// How often a receiver whose input is silent looks at whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// # Sources: standard input
impl StreamingContext {
    /// A stream of the lines of standard input.
    ///
    /// At the end of the input the receiver ends quietly (listeners see
    /// [`Event::ReceiverStopped`](waterclock_base::Event)); batches go on, empty. A last line without an end
    /// is a line. Lines that are not UTF-8 and lines of more than `max_line_bytes` are dropped and counted,
    /// as [`socket_text_stream`](StreamingContext::socket_text_stream) does.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::testing::manual_context;
    /// let (ssc, _clock) = manual_context("stdin", Duration::from_secs(1))?;
    /// ssc.stdin_stream().words().count_by_value().print();
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// # Recovery
    /// What was read and not processed when the process dies is lost.
    #[track_caller]
    pub fn stdin_stream(&self) -> DStream<Text> {
        let reader = TextReader::new(io::stdin(), self.settings().max_line_bytes);
        self.receive("stdin_stream", Location::caller(), reader)
    }
}

/// Receives the lines of anything that can be read, up to its end; then it ends for good.
///
/// The reading is done on a thread of its own, a few buffers ahead, so that a stop need not wait for a read
/// that blocks. An error while reading is reported, and taken for the end.
///
/// ```
/// # use std::time::Duration;
/// # use waterclock_streaming::testing::manual_context;
/// use waterclock_streaming::TextReader;
/// let (ssc, clock) = manual_context("lines", Duration::from_secs(1))?;
/// let seen = ssc.receiver(TextReader::new("to be\nor not".as_bytes(), 1 << 20)).collect_batches();
/// ssc.start()?;
/// while seen.all().iter().all(|(_, lines)| lines.is_empty()) {
///     clock.advance_batches(1);
/// }
/// # ssc.stop(waterclock_streaming::Stop::Now)?;
/// # Ok::<(), waterclock_base::Error>(())
/// ```
///
/// # Recovery
/// As [`stdin_stream`](StreamingContext::stdin_stream).
pub struct TextReader {
    source: Mutex<Source>,
    max_line_bytes: usize,
}

/// Where the bytes come from.
enum Source {
    /// Nothing was read yet.
    Fresh(Box<dyn Read + Send>),
    /// A thread reads.
    Reading(Pipe<io::Result<Vec<u8>>>),
    /// Somebody took it.
    Taken,
}

impl TextReader {
    /// A receiver of the lines of `reader`, of at most `max_line_bytes` each.
    pub fn new(reader: impl Read + Send + 'static, max_line_bytes: usize) -> Self {
        TextReader { source: Mutex::new(Source::Fresh(Box::new(reader))), max_line_bytes }
    }

    /// The bytes, read by a thread that is started at the first call.
    fn pipe(&self, out: &ReceiverHandle<Text>) -> Option<Pipe<io::Result<Vec<u8>>>> {
        match std::mem::replace(&mut *lock(&self.source), Source::Taken) {
            Source::Fresh(reader) => {
                let (sender, pipe) = sync_channel(AHEAD);
                // Nobody waits for this thread: it may be in a read that never returns.
                drop(spawn(&format!("read-{}", out.stream_id().0), move || pump(reader, &sender)));
                Some(pipe)
            }
            Source::Reading(pipe) => Some(pipe),
            Source::Taken => None,
        }
    }
}

/// Reads until the end, or until nobody wants it any more.
fn pump(mut reader: Box<dyn Read + Send>, out: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut bytes = vec![0; READ_BYTES];
        let read = match reader.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => {
                bytes.truncate(count);
                Ok(bytes)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let last = read.is_err();
        if out.send(read).is_err() || last {
            return;
        }
    }
}

impl Receiver<Text> for TextReader {
    fn run(&self, out: ReceiverHandle<Text>) -> Result<(), BoxError> {
        // Taken: an earlier run panicked in the midst of it, and the bytes that it held are lost.
        let pipe = self.pipe(&out).ok_or("an earlier run lost its input")?;
        let mut lines = LineBuffer::new(self.max_line_bytes);
        let ended = receive(&pipe, &mut lines, &out);
        count_bad_lines(&mut lines, &out);
        *lock(&self.source) = Source::Reading(pipe);
        ended
    }
}

/// Stores lines until the end, or until it is told to stop and what was read is stored.
fn receive(
    pipe: &Pipe<io::Result<Vec<u8>>>,
    lines: &mut LineBuffer,
    out: &ReceiverHandle<Text>,
) -> Result<(), BoxError> {
    let store = |lines: &str| out.store_lines(lines);
    let mut left = AHEAD;
    loop {
        let stopped = out.is_stopped();
        // Told to stop, it still stores what is here already, and no more than that.
        left -= usize::from(stopped && left > 0);
        let wait = if stopped { Duration::ZERO } else { LOOK };
        match pipe.recv_timeout(wait) {
            Ok(Ok(bytes)) if left > 0 => {
                lines.take_in(&bytes, store)?;
                count_bad_lines(lines, out);
            }
            Ok(Ok(_)) => {
                lines.end(false, store)?;
                return Ok(());
            }
            Ok(Err(error)) => {
                lines.end(false, store)?;
                let error = Error::outside("can't read", "the input", error);
                out.report_error("it takes that for the end of its input", error);
                return Ok(());
            }
            Err(RecvTimeoutError::Disconnected) => {
                lines.end(true, store)?;
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout) if stopped => {
                lines.end(false, store)?;
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
