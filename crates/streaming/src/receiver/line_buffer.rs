//! Bytes as they come in, cut into whole lines: pure.

use waterclock_base::Error;

/// Space for one read.
const READ_BYTES: usize = 64 * 1024;

/// Lines that can't be records, since they were last asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BadLines {
    /// Not valid UTF-8.
    pub(crate) not_utf8: u64,
    /// Longer than the limit.
    pub(crate) too_long: u64,
    /// Without an end, when no more will come.
    pub(crate) incomplete: u64,
}

/// Gathers bytes and gives away the whole lines among them, many at a time and in one piece.
///
/// A line ends in `\n` or `\r\n`. Lines that are not UTF-8 and lines of more than `max` bytes (their end not
/// counted) are left out and counted; the lines around them come through. Memory is bounded by twice `max`
/// and a read's space.
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    filled: usize,
    max: usize,
    /// The rest of a line that is too long is being skipped.
    skipping: bool,
    bad: BadLines,
}

impl LineBuffer {
    /// Nothing came in yet.
    pub(crate) fn new(max: usize) -> Self {
        LineBuffer { bytes: vec![0; READ_BYTES], filled: 0, max, skipping: false, bad: BadLines::default() }
    }

    /// Where the next bytes belong.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.bytes.len() - self.filled < READ_BYTES / 2 {
            // What is there is the beginning of one line of at most `max`: this is bounded.
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// `count` bytes were put into the space. Gives the whole lines to `out`.
    pub(crate) fn received<E: From<Error>>(
        &mut self,
        count: usize,
        out: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.filled;
        self.filled = (before + count).min(self.bytes.len());
        let fresh = self.bytes.get(before..self.filled).unwrap_or_default();
        let Some(end) = memchr::memrchr(b'\n', fresh).map(|end| before + end + 1) else {
            self.drop_long_beginning();
            return Ok(());
        };
        let given = self.give(end, out);
        self.bytes.copy_within(end..self.filled, 0);
        self.filled -= end;
        self.drop_long_beginning();
        given
    }

    /// Takes bytes that are elsewhere already. Gives the whole lines to `out`.
    pub(crate) fn take_in<E: From<Error>>(
        &mut self,
        bytes: &[u8],
        mut out: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = self.space();
            let count = space.len().min(rest.len());
            let (now, later) = rest.split_at(count);
            space.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            self.received(count, &mut out)?;
            rest = later;
        }
        Ok(())
    }

    /// No more bytes will come. A last line without an end is a line if the sender `finished`; otherwise more
    /// of it may have been on its way, and it is left out and counted.
    pub(crate) fn end<E: From<Error>>(
        &mut self,
        finished: bool,
        out: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let left = std::mem::take(&mut self.filled);
        let skipped = std::mem::take(&mut self.skipping);
        if left == 0 || skipped {
            return Ok(());
        }
        if finished {
            return self.give(left, out);
        }
        self.bad.incomplete += 1;
        Ok(())
    }

    /// What was left out since the last call.
    pub(crate) fn take_bad(&mut self) -> BadLines {
        std::mem::take(&mut self.bad)
    }

    /// A line that is too long already is not kept until its end.
    fn drop_long_beginning(&mut self) {
        // The last byte may be the `\r` of its end.
        if self.skipping {
            self.filled = 0;
        } else if self.filled > self.max.saturating_add(1) {
            self.bad.too_long += 1;
            self.skipping = true;
            self.filled = 0;
        }
    }

    /// Gives the lines of the first `end` bytes.
    fn give<E: From<Error>>(
        &mut self,
        end: usize,
        mut out: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut lines = self.bytes.get(..end).unwrap_or_default();
        if std::mem::take(&mut self.skipping) {
            let after = memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1);
            lines = lines.get(after..).unwrap_or_default();
        }
        if lines.is_empty() {
            return Ok(());
        }
        if lines.len() <= self.max
            && let Ok(text) = std::str::from_utf8(lines)
        {
            return out(text);
        }
        // Some line may be bad: look at each, and give those between bad ones in one piece.
        let mut good = 0..0;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let next = good.end + line.len();
            let body = line.strip_suffix(b"\n").unwrap_or(line);
            let too_long = body.strip_suffix(b"\r").unwrap_or(body).len() > self.max;
            if too_long || std::str::from_utf8(line).is_err() {
                if too_long {
                    self.bad.too_long += 1;
                } else {
                    self.bad.not_utf8 += 1;
                }
                give_valid(lines.get(good).unwrap_or_default(), &mut out)?;
                good = next..next;
            } else {
                good.end = next;
            }
        }
        give_valid(lines.get(good).unwrap_or_default(), &mut out)
    }
}

fn give_valid<E: From<Error>>(lines: &[u8], out: &mut impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
    if lines.is_empty() {
        return Ok(());
    }
    match std::str::from_utf8(lines) {
        Ok(text) => out(text),
        Err(_) => Err(Error::Internal { what: "lines were checked to be UTF-8 but are not".into() }.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The records that come out of these pieces, and what was left out.
    fn lines(max: usize, pieces: &[&[u8]], finished: bool) -> (Vec<String>, BadLines) {
        let mut buffer = LineBuffer::new(max);
        let mut found = Vec::new();
        let mut out = |text: &str| {
            found.extend(text.lines().map(str::to_owned));
            Ok::<(), Error>(())
        };
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() {
                let space = buffer.space();
                let count = space.len().min(piece.len());
                space[..count].copy_from_slice(&piece[..count]);
                piece = &piece[count..];
                buffer.received(count, &mut out).unwrap();
            }
        }
        buffer.end(finished, &mut out).unwrap();
        (found, buffer.take_bad())
    }

    #[test]
    fn lines_may_come_in_any_pieces() {
        let none = BadLines::default();
        assert_eq!(lines(100, &[b"a\nb\r\n", b"\nc"], true), (vec!["a", "b", "", "c"].map_into(), none));
        assert_eq!(lines(100, &["\u{e4}".as_bytes(), b"\r", b"\n"], true), (vec!["\u{e4}"].map_into(), none));
        let cut = lines(100, &[b"a\nb"], false);
        assert_eq!(cut, (vec!["a"].map_into(), BadLines { incomplete: 1, ..none }));
    }

    #[test]
    fn bad_lines_are_left_out_and_counted() {
        let (found, bad) = lines(5, &[b"12345\n123456\r\n12345\r\n\xff\xfe\nok\n"], true);
        assert_eq!(found, ["12345", "12345", "ok"]);
        assert_eq!(bad, BadLines { not_utf8: 1, too_long: 1, incomplete: 0 });
    }

    #[test]
    fn a_line_that_never_ends_takes_no_memory() {
        let long = vec![b'x'; 1 << 20];
        let mut buffer = LineBuffer::new(1000);
        let mut found = String::new();
        let mut out = |text: &str| {
            found.push_str(text);
            Ok::<(), Error>(())
        };
        for _ in 0..4 {
            for piece in long.chunks(10_000) {
                buffer.space()[..piece.len()].copy_from_slice(piece);
                buffer.received(piece.len(), &mut out).unwrap();
            }
        }
        assert!(buffer.bytes.len() <= 2 * READ_BYTES);
        buffer.space()[..4].copy_from_slice(b"x\na\n");
        buffer.received(4, &mut out).unwrap();
        assert_eq!(found, "a\n");
        assert_eq!(buffer.take_bad(), BadLines { too_long: 1, ..BadLines::default() });
    }

    trait MapInto {
        fn map_into(self) -> Vec<String>;
    }
    impl MapInto for Vec<&str> {
        fn map_into(self) -> Vec<String> {
            self.into_iter().map(str::to_owned).collect()
        }
    }

    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()]
    }

    proptest! {
        /// Every line is given or counted, whatever the bytes and however they are cut.
        #[test]
        fn no_line_is_lost_in_silence(
            bytes in prop::collection::vec(byte(), 0..300),
            cut in 1usize..40,
            max in 1usize..20,
        ) {
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            let (found, bad) = lines(max, &pieces, true);
            let mut expected = Vec::new();
            let mut left_out = BadLines::default();
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let body = line.strip_suffix(b"\n").unwrap_or(line);
                // As `str::lines` has it, a `\r` belongs to the end only before a `\n`.
                let short = body.strip_suffix(b"\r").unwrap_or(body);
                let record = if line.ends_with(b"\n") { short } else { body };
                if short.len() > max {
                    left_out.too_long += 1;
                } else if let Ok(text) = std::str::from_utf8(record) {
                    expected.push(text.to_owned());
                } else {
                    left_out.not_utf8 += 1;
                }
            }
            prop_assert_eq!(found, expected);
            prop_assert_eq!(bad, left_out);
        }
    }
}
