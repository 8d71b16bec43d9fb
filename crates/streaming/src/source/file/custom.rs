//! Reads a format of the program's own.

use std::cell::Cell;
use std::io::{self, Read, Take};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use waterclock_base::world::DiskFile;
use waterclock_base::{BatchTime, BoxError, Data, Error, StreamId};
use waterclock_engine::{CHUNK, Halt, Sink, Step, TaskCx};

use super::pieces::Piece;
use super::{Format, cannot_read};

/// A file of a stream, open to be read: as long as it was when it was found.
///
/// See [`file_stream`](crate::StreamingContext::file_stream).
pub struct FileReader {
    path: PathBuf,
    modified: BatchTime,
    len: u64,
    file: Take<Box<dyn DiskFile>>,
    called_off: Rc<Cell<bool>>,
}

impl FileReader {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it is empty, which no file of a stream is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// When it was last changed.
    pub fn modified(&self) -> BatchTime {
        self.modified
    }
}

impl Read for FileReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.called_off.get() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "nobody wants the rest"));
        }
        let left = self.file.limit();
        let count = self.file.read(bytes)?;
        if count == 0 && left > 0 && !bytes.is_empty() {
            let why = format!("it had {} bytes when it was found, {left} of which are gone", self.len);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        Ok(count)
    }
}

/// Files that a closure of the program reads.
pub(super) struct Custom<F> {
    pub(super) read: F,
}

impl<T, F> Format<T> for Custom<F>
where
    T: Data,
    F: Fn(&mut FileReader, &mut dyn FnMut(T)) -> Result<(), BoxError> + Send + Sync + 'static,
{
    fn grain(&self) -> Option<u64> {
        None
    }

    fn read(&self, piece: &Piece, _: StreamId, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        cx.check()?;
        let (path, len) = (&piece.file.path, piece.file.len);
        let file = cx.engine().world().disk.open(path).map_err(|error| cannot_read(path, error))?;
        let called_off = Rc::new(Cell::new(false));
        let mut reader = FileReader {
            path: path.clone(),
            modified: piece.file.modified,
            len,
            file: file.take(len),
            called_off: called_off.clone(),
        };
        let mut chunk: Vec<T> = Vec::new();
        let mut step: Step = Ok(());
        let mut emit = |record| {
            if step.is_ok() {
                chunk.push(record);
                if chunk.len() >= CHUNK {
                    step = cx.check().and_then(|()| out.push(&mut chunk));
                    called_off.set(step.is_err());
                }
            }
        };
        let read = (self.read)(&mut reader, &mut emit);
        step?;
        read.map_err(|error| refused(path, error))?;
        if chunk.is_empty() { Ok(()) } else { out.push(&mut chunk) }
    }
}

/// The closure's error, with the file.
fn refused(path: &Path, error: BoxError) -> Halt {
    let operator = format!("file_stream, reading {}", path.display());
    Error::user(operator, None, error).into()
}
