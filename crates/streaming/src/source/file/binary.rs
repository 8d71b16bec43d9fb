//! Reads records of a fixed length.

use std::io::{ErrorKind, Read, SeekFrom};

use waterclock_base::{Error, StreamId};
use waterclock_engine::{CHUNK, Sink, Step, TaskCx};

use super::pieces::Piece;
use super::{Format, cannot_read, shrunk};

/// About so much is read at once.
const READ_BYTES: usize = 256 << 10;

/// Files of records, each of `length` bytes.
pub(super) struct FixedRecords {
    pub(super) length: usize,
}

impl Format<Vec<u8>> for FixedRecords {
    fn grain(&self) -> Option<u64> {
        Some(self.length as u64)
    }

    fn read(&self, piece: &Piece, _: StreamId, cx: &TaskCx, out: &mut dyn Sink<Vec<u8>>) -> Step {
        let (path, len) = (&piece.file.path, piece.file.len);
        if len % self.length as u64 != 0 {
            let what = format!("can't read records of {} bytes from {}", self.length, path.display());
            let why = format!("its length of {len} bytes is not a multiple of that");
            return Err(Error::Encoding { what, why }.into());
        }
        let mut file = cx.engine().world().disk.open(path).map_err(|error| cannot_read(path, error))?;
        file.seek(SeekFrom::Start(piece.range.start)).map_err(|error| cannot_read(path, error))?;
        let at_once = (READ_BYTES / self.length).clamp(1, CHUNK);
        let mut bytes = vec![0; self.length * at_once];
        let mut chunk = Vec::new();
        let mut at = piece.range.start;
        while at < piece.range.end {
            cx.check()?;
            let left = usize::try_from(piece.range.end - at).unwrap_or(usize::MAX);
            let most = left.min(bytes.len());
            let space = bytes.get_mut(..most).unwrap_or_default();
            file.read_exact(space).map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => shrunk(piece, at),
                _ => cannot_read(path, error),
            })?;
            at += most as u64;
            chunk.extend(space.chunks(self.length).map(<[u8]>::to_vec));
            out.push(&mut chunk)?;
        }
        Ok(())
    }
}
