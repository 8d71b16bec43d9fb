//! Reads lines.

use std::io::SeekFrom;
use std::sync::atomic::Ordering;

use waterclock_base::world::DiskFile;
use waterclock_base::{Event, StreamId, Text};
use waterclock_engine::{Sink, Step, TaskCx, hand_lines};

use super::pieces::Piece;
use super::{Format, cannot_read, shrunk};
use crate::receiver::{BadLines, LineBuffer};

/// Files of lines. A line belongs to the piece in which it begins.
pub(super) struct Lines {
    max_line_bytes: usize,
}

impl Lines {
    pub(super) fn new(max_line_bytes: usize) -> Self {
        Lines { max_line_bytes }
    }
}

impl Format<Text> for Lines {
    fn grain(&self) -> Option<u64> {
        Some(1)
    }

    fn read(&self, piece: &Piece, stream: StreamId, cx: &TaskCx, out: &mut dyn Sink<Text>) -> Step {
        let mut lines = LineBuffer::new(self.max_line_bytes);
        let step = self.read_lines(piece, &mut lines, cx, out);
        tell(lines.take_bad(), piece, stream, cx);
        step
    }
}

impl Lines {
    fn read_lines(
        &self,
        piece: &Piece,
        lines: &mut LineBuffer,
        cx: &TaskCx,
        out: &mut dyn Sink<Text>,
    ) -> Step {
        let path = &piece.file.path;
        let mut file = cx.engine().world().disk.open(path).map_err(|error| cannot_read(path, error))?;
        let mut reading = Reading { piece, cx, file: &mut *file, at: piece.range.start, ends_line: true };
        let mut hand = |text: &str| hand_lines(text, cx, out);
        if piece.range.start > 0 {
            reading.skip_line_from_before(lines)?;
        }
        while reading.at < piece.range.end {
            let count = reading.fill(lines, piece.range.end)?;
            lines.received(count, &mut hand)?;
        }
        // The last line goes on into the next piece. If it is too long there is no need to read all of it.
        let enough = piece.range.end.saturating_add(self.max_line_bytes as u64 + 2);
        while !reading.ends_line && reading.at < piece.file.len.min(enough) {
            let count = reading.fill(lines, piece.file.len)?;
            let line = lines.space().get(..count).and_then(|fresh| memchr::memchr(b'\n', fresh));
            lines.received(line.map_or(count, |end| end + 1), &mut hand)?;
            reading.ends_line = line.is_some();
        }
        lines.end(true, &mut hand)
    }
}

/// A piece that is being read.
struct Reading<'a> {
    piece: &'a Piece,
    cx: &'a TaskCx,
    file: &'a mut dyn DiskFile,
    /// Where the file is read next.
    at: u64,
    /// Whether a line ends just before that.
    ends_line: bool,
}

impl Reading<'_> {
    /// Reads some bytes into the space of `lines`, not beyond `end`.
    fn fill(&mut self, lines: &mut LineBuffer, end: u64) -> Step<usize> {
        self.cx.check()?;
        let space = lines.space();
        let most = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(space.len());
        let space = space.get_mut(..most).unwrap_or_default();
        let count = self.file.read(space).map_err(|error| cannot_read(&self.piece.file.path, error))?;
        let Some(last) = count.checked_sub(1).and_then(|last| space.get(last)) else {
            return Err(shrunk(self.piece, self.at).into());
        };
        self.ends_line = *last == b'\n';
        self.at += count as u64;
        Ok(count)
    }

    fn seek(&mut self, to: u64) -> Step {
        self.file.seek(SeekFrom::Start(to)).map_err(|error| cannot_read(&self.piece.file.path, error))?;
        self.at = to;
        Ok(())
    }

    /// Goes to where the first line begins that begins in the piece, or to its end.
    fn skip_line_from_before(&mut self, space: &mut LineBuffer) -> Step {
        let end = self.piece.range.end;
        // The byte before may be the end of a line.
        self.seek(self.piece.range.start - 1)?;
        while self.at < end {
            let from = self.at;
            let count = self.fill(space, end)?;
            let found = space.space().get(..count).and_then(|fresh| memchr::memchr(b'\n', fresh));
            if let Some(line) = found {
                self.ends_line = true;
                return self.seek(from + line as u64 + 1);
            }
        }
        // No line begins here: there is nothing to go on with.
        self.ends_line = true;
        Ok(())
    }
}

/// Tells listeners what was dropped, as far as that was not told before.
fn tell(bad: BadLines, piece: &Piece, stream: StreamId, cx: &TaskCx) {
    let dropped = [("line not UTF-8", bad.not_utf8), ("line too long", bad.too_long)];
    for ((why, count), counted) in dropped.into_iter().zip(&piece.counted) {
        let records = count.saturating_sub(counted.fetch_max(count, Ordering::Relaxed));
        if records > 0 {
            cx.engine().tell(Event::RecordsDropped { stream, why, records });
        }
    }
}
