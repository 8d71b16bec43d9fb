//! The lines of a block of text, and of bytes that may not be text.

use std::iter::FusedIterator;

use super::find::find;

/// Shows each line of a block to `f`.
///
/// A line ends with `\n`, or with `\r\n`; neither is part of it. What follows the last line end is a line
/// of its own unless it is empty. An empty line is a line. These are the lines of [`str::lines`].
///
/// ```
/// let mut lines = Vec::new();
/// waterclock_base::for_each_line("one\r\n\nthree", |line| lines.push(line.to_owned()));
/// assert_eq!(lines, ["one", "", "three"]);
/// ```
#[inline]
pub fn for_each_line<'a>(block: &'a str, mut f: impl FnMut(&'a str)) {
    let mut start = 0;
    for end in LineEnds::new(block.as_bytes()) {
        f(without_return(&block[start..end]));
        start = end + 1;
    }
    if start < block.len() {
        f(&block[start..]);
    }
}

/// Where the line ends of some bytes are.
#[derive(Clone, Debug)]
struct LineEnds<'a> {
    bytes: &'a [u8],
    /// Where the next piece begins.
    next: usize,
    /// The line ends of the piece before it that are still to be given: bit i for its byte i.
    ends: u64,
}

impl<'a> LineEnds<'a> {
    #[inline(always)]
    fn new(bytes: &'a [u8]) -> Self {
        LineEnds { bytes, next: 0, ends: 0 }
    }
}

impl Iterator for LineEnds<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        while self.ends == 0 {
            if self.next >= self.bytes.len() {
                return None;
            }
            (self.ends, _) = find(self.bytes, self.next, b'\n', b'\n'..=b'\n');
            self.next += 64;
        }
        let end = self.next - 64 + self.ends.trailing_zeros() as usize;
        self.ends &= self.ends - 1;
        Some(end)
    }
}

fn without_return(line: &str) -> &str {
    line.strip_suffix('\r').unwrap_or(line)
}

/// The lines of raw bytes, as a file or socket gives them: `Ok` with the line, or `Err` with the bytes of
/// a line that is not UTF-8, to be counted and dropped.
///
/// The whole is checked at once, which costs next to nothing; only if that fails it is done line by line.
/// Lines end as in [`for_each_line`].
///
/// ```
/// use waterclock_base::lines_of_bytes;
/// let lines: Vec<_> = lines_of_bytes(b"good\nb\xffd\r\ngood again").collect();
/// assert_eq!(lines, [Ok("good"), Err(&b"b\xffd"[..]), Ok("good again")]);
/// ```
pub fn lines_of_bytes(bytes: &[u8]) -> LinesOfBytes<'_> {
    LinesOfBytes { bytes, checked: std::str::from_utf8(bytes).ok(), start: 0, ends: LineEnds::new(bytes) }
}

/// The iterator that [`lines_of_bytes`] gives.
///
/// If all bytes are UTF-8, [`as_block`](LinesOfBytes::as_block) has them as one piece.
#[derive(Clone, Debug)]
pub struct LinesOfBytes<'a> {
    bytes: &'a [u8],
    /// The same as text, if all of it is.
    checked: Option<&'a str>,
    /// Where the next line begins.
    start: usize,
    ends: LineEnds<'a>,
}

impl<'a> LinesOfBytes<'a> {
    /// What is left of the block as text, if all of it is UTF-8: the way to [`for_each_line`] and
    /// [`for_each_word`](crate::for_each_word).
    ///
    /// ```
    /// use waterclock_base::lines_of_bytes;
    /// assert_eq!(lines_of_bytes(b"all\ngood\n").as_block(), Some("all\ngood\n"));
    /// assert_eq!(lines_of_bytes(b"not \xff").as_block(), None);
    /// ```
    pub fn as_block(&self) -> Option<&'a str> {
        self.checked.map(|block| &block[self.start..])
    }

    #[inline(always)]
    fn piece(&self, start: usize, end: usize) -> Result<&'a str, &'a [u8]> {
        match self.checked {
            Some(block) => Ok(&block[start..end]),
            None => std::str::from_utf8(&self.bytes[start..end]).map_err(|_| &self.bytes[start..end]),
        }
    }
}

impl<'a> Iterator for LinesOfBytes<'a> {
    type Item = Result<&'a str, &'a [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let start = self.start;
        let end = match self.ends.next() {
            Some(end) => {
                self.start = end + 1;
                end
            }
            None if start < self.bytes.len() => {
                self.start = self.bytes.len();
                // The end of a line without `\n`: it may end with `\r`.
                return Some(self.piece(start, self.start));
            }
            None => return None,
        };
        let before = if self.bytes[start..end].ends_with(b"\r") { end - 1 } else { end };
        Some(self.piece(start, before))
    }
}

impl FusedIterator for LinesOfBytes<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(block: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for_each_line(block, |line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn ends_of_lines() {
        assert!(lines("").is_empty());
        assert_eq!(lines("\n"), [""]);
        assert_eq!(lines("a\n\nb"), ["a", "", "b"]);
        assert_eq!(lines("a\r\nb\r\r\nc\rd\n"), ["a", "b\r", "c\rd"]);
        assert_eq!(lines("not ended\r"), ["not ended\r"]);
    }

    #[test]
    fn a_character_cut_by_a_line_end_spoils_both_lines() {
        let got: Vec<_> = lines_of_bytes(b"a\n\xe3\x80\n\x80b\nc\n").collect();
        assert_eq!(got, [Ok("a"), Err(&b"\xe3\x80"[..]), Err(&b"\x80b"[..]), Ok("c")]);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_str(block in "[a\r\n\u{e9}\u{3000}]{0,200}") {
            let expected: Vec<_> = block.lines().collect();
            prop_assert_eq!(lines(&block), &expected[..]);
            let checked: Vec<_> = lines_of_bytes(block.as_bytes()).map(Result::unwrap).collect();
            prop_assert_eq!(checked, expected);
        }

        #[test]
        fn a_bad_line_hides_no_other(good in prop::collection::vec("[a\u{e9}]{0,40}", 0..9), at in 0..9_usize) {
            let mut expected: Vec<Result<&str, &[u8]>> = good.iter().map(|line| Ok(line.as_str())).collect();
            expected.insert(at.min(good.len()), Err(b"a\xff"));
            let bytes = |line: &Result<&str, &[u8]>| line.map_or_else(<[u8]>::to_vec, |line| line.into());
            let block = expected.iter().map(bytes).collect::<Vec<_>>().join(&b"\r\n"[..]);
            let mut got: Vec<_> = lines_of_bytes(&block).collect();
            if expected.len() > got.len() {
                got.push(Ok("")); // without a line end there is no empty last line
            }
            prop_assert_eq!(got, expected);
        }
    }
}
