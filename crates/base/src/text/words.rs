//! The words of a text, found 64 bytes at a time.
//!
//! A piece of 64 bytes becomes a number whose bits say which bytes are white space; where words start and
//! end is then a matter of a few operations on such numbers. This is eight times as fast as looking at one
//! character after the other.

use std::iter::FusedIterator;

use super::find::find;
use super::{IN_PLACE, Text};

/// Shows each word of a line or a whole block to `f`: exactly the words of [`str::split_whitespace`].
///
/// ```
/// let mut words = Vec::new();
/// waterclock_base::for_each_word("to be,\u{a0}or\r\nnot\tto be", |word| words.push(word.to_owned()));
/// assert_eq!(words, ["to", "be,", "or", "not", "to", "be"]);
/// ```
#[inline]
pub fn for_each_word(text: &str, f: impl FnMut(&str)) {
    Words::new(text).for_each(f);
}

/// Hands each word of a line or a whole block to `f` as a text of its own: what `words()` of a stream does.
///
/// Give it whole blocks rather than lines: a word that is followed by enough bytes of the block is taken by
/// one read of 16 bytes.
///
/// ```
/// use waterclock_base::{Text, for_each_word_text};
/// let mut words: Vec<Text> = Vec::new();
/// for_each_word_text("to be\nor not to be", |word| words.push(word));
/// assert_eq!(words, ["to", "be", "or", "not", "to", "be"]);
/// ```
#[inline]
pub fn for_each_word_text(block: &str, mut f: impl FnMut(Text)) {
    Walk::new(block.as_bytes()).for_each(|start, end| f(text_of(block, start, end)));
}

/// `text[start..end]`, where both are ends of white space or of the text.
#[inline(always)]
fn piece(text: &str, start: usize, end: usize) -> &str {
    debug_assert!(text.get(start..end).is_some());
    #[expect(unsafe_code, reason = "the checks of both ends cost 1.1 of 3.1 ns a word")]
    // SAFETY: `Walk` gives only places within the text, the start not after the end, and cuts only where
    // white space, of which it marks all bytes, meets something else. So no character is cut.
    unsafe {
        text.get_unchecked(start..end)
    }
}

/// The text of `block[start..end]`, where both are ends of white space or of the block.
#[inline(always)]
fn text_of(block: &str, start: usize, end: usize) -> Text {
    let length = end - start;
    match block.as_bytes().get(start..).and_then(<[u8]>::first_chunk::<16>) {
        Some(bytes) if length <= IN_PLACE => {
            debug_assert!(block.get(start..end).is_some());
            let (first, second) = KEEP[length];
            let bytes = u128::from_le_bytes(*bytes);
            Text::in_place(bytes as u64 & first, (bytes >> 64) as u64 & second, length)
        }
        _ => Text::from(piece(block, start, end)),
    }
}

/// Masks that keep the first so many of 16 bytes.
const KEEP: [(u64, u64); 16] = {
    let mut masks = [(0, 0); 16];
    let mut count = 0;
    while count < 16 {
        let mask = (1_u128 << (8 * count)) - 1;
        masks[count] = (mask as u64, (mask >> 64) as u64);
        count += 1;
    }
    masks
};

/// The words of a text, as [`Text::words`] gives them.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    text: &'a str,
    walk: Walk<'a>,
}

impl<'a> Words<'a> {
    #[inline]
    pub(super) fn new(text: &'a str) -> Self {
        Words { text, walk: Walk::new(text.as_bytes()) }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        self.walk.next().map(|(start, end)| piece(self.text, start, end))
    }

    #[inline]
    fn fold<B, F: FnMut(B, &'a str) -> B>(self, init: B, mut f: F) -> B {
        let (text, mut walk, mut folded) = (self.text, self.walk, init);
        loop {
            let Walk { at, mut starts, mut ends, mut start, .. } = walk;
            while ends != 0 {
                let end = at + ends.trailing_zeros() as usize;
                folded = f(folded, piece(text, start, end));
                ends &= ends - 1;
                start = at + (starts | 1 << 63).trailing_zeros() as usize;
                starts &= starts.wrapping_sub(1);
            }
            walk.start = start;
            if !walk.advance() {
                return folded;
            }
        }
    }
}

impl FusedIterator for Words<'_> {}

/// Where the words of some bytes start and end.
#[derive(Clone, Debug)]
struct Walk<'a> {
    bytes: &'a [u8],
    /// Where the piece begins whose words are being given.
    at: usize,
    /// Where the next piece begins. Beyond the bytes when there is none.
    next: usize,
    /// The bytes of the piece with which words start, except for the one that started last.
    starts: u64,
    /// The white space of the piece that directly follows a word.
    ends: u64,
    /// Where the word started that ends next.
    start: usize,
    /// 1 if the byte before the next piece belongs to a word, else 0.
    open: u64,
}

impl<'a> Walk<'a> {
    #[inline]
    fn new(bytes: &'a [u8]) -> Self {
        Walk { bytes, at: 0, next: 0, starts: 0, ends: 0, start: 0, open: 0 }
    }

    /// Takes up the next piece, if there is one.
    #[inline(always)]
    fn advance(&mut self) -> bool {
        if self.next > self.bytes.len() {
            return false;
        }
        let spaces = spaces(self.bytes, self.next);
        let after_word = !spaces << 1 | self.open;
        self.at = self.next;
        self.next += 64;
        self.starts = !(spaces | after_word);
        self.ends = spaces & after_word;
        if self.open == 0 {
            self.take_start();
        }
        self.open = !spaces >> 63;
        true
    }

    /// Moves on to the next word. If none starts in this piece, then none ends in it either.
    #[inline(always)]
    fn take_start(&mut self) {
        // The bit that is put in spares a check for zero, which has no use here.
        self.start = self.at + (self.starts | 1 << 63).trailing_zeros() as usize;
        self.starts &= self.starts.wrapping_sub(1);
    }

    /// The next word of this piece.
    #[inline(always)]
    fn next_in_piece(&mut self) -> Option<(usize, usize)> {
        if self.ends == 0 {
            return None;
        }
        let word = (self.start, self.at + self.ends.trailing_zeros() as usize);
        self.ends &= self.ends - 1;
        self.take_start();
        Some(word)
    }

    #[inline]
    fn next(&mut self) -> Option<(usize, usize)> {
        loop {
            if let Some(word) = self.next_in_piece() {
                return Some(word);
            }
            if !self.advance() {
                return None;
            }
        }
    }

    /// Gives all words that are left. The piece at hand is kept in variables of the loop, which leaves more
    /// registers to `f`.
    #[inline(always)]
    fn for_each(mut self, mut f: impl FnMut(usize, usize)) {
        loop {
            let Walk { at, mut starts, mut ends, mut start, .. } = self;
            while ends != 0 {
                f(start, at + ends.trailing_zeros() as usize);
                ends &= ends - 1;
                start = at + (starts | 1 << 63).trailing_zeros() as usize;
                starts &= starts.wrapping_sub(1);
            }
            self.start = start;
            if !self.advance() {
                return;
            }
        }
    }
}

/// The white space among the 64 bytes from `at` on: bit i for byte `at + i`.
///
/// What is missing at the end counts as white space, so that it ends a word. A piece without any bytes does
/// so for a word that reaches to the end.
#[inline(always)]
fn spaces(bytes: &[u8], at: usize) -> u64 {
    let (mut spaces, ascii) = find(bytes, at, b' ', b'\t'..=b'\r');
    if !ascii {
        spaces |= wide_spaces(bytes, at);
    }
    if bytes.len() - at >= 64 { spaces } else { spaces | u64::MAX << (bytes.len() - at) }
}

/// The white space beyond ASCII in a piece: a bit for each of its bytes.
#[cold]
fn wide_spaces(bytes: &[u8], at: usize) -> u64 {
    let mut spaces = 0;
    // It may have begun in the piece before.
    for before in 1..=2.min(at) {
        spaces |= wide_space(&bytes[at - before..]) >> before;
    }
    // The first bytes of U+0085 and U+00A0, and of U+1680 to U+3000. Few other characters begin with them.
    let (mut firsts, _) = find(bytes, at, 0xc2, 0xe1..=0xe3);
    while firsts != 0 {
        let first = firsts.trailing_zeros();
        spaces |= wide_space(&bytes[at + first as usize..]) << first;
        firsts &= firsts - 1;
    }
    spaces
}

/// A bit for each byte of the white space beyond ASCII with which the bytes begin, if they do.
#[inline(always)]
fn wide_space(bytes: &[u8]) -> u64 {
    match bytes {
        // U+0085, U+00A0
        [0xc2, 0x85 | 0xa0, ..] => 0b11,
        // U+1680; U+2000 to U+200A, U+2028, U+2029, U+202F; U+205F; U+3000
        [0xe1, 0x9a, 0x80, ..]
        | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..]
        | [0xe2, 0x81, 0x9f, ..]
        | [0xe3, 0x80, 0x80, ..] => 0b111,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All four ways to the words of a text.
    fn check(text: &str) {
        let expected: Vec<&str> = text.split_whitespace().collect();
        let mut shown = Vec::new();
        for_each_word(text, |word| shown.push(word.to_owned()));
        assert_eq!(shown, expected, "for_each_word of {text:?}");
        let mut made = Vec::new();
        for_each_word_text(text, |word| made.push(word));
        assert_eq!(made, expected, "for_each_word_text of {text:?}");
        let copied: Vec<Text> = expected.iter().copied().map(Text::from).collect();
        assert_eq!(made, copied, "the same bits");
        let text = Text::from(text);
        let mut words = text.words();
        assert_eq!(words.by_ref().collect::<Vec<_>>(), expected, "next");
        assert_eq!((words.next(), words.next()), (None, None), "it stays at its end");
        assert_eq!(text.words().fold(0, |count, _| count + 1), expected.len(), "fold");
        let mut half = text.words();
        assert_eq!(half.next(), expected.first().copied());
        assert_eq!(half.fold(0, |count, _| count + 1), expected.len().saturating_sub(1), "fold after next");
    }

    #[test]
    fn every_character_separates_or_not_as_in_std() {
        for c in '\0'..=char::MAX {
            // At the end of a piece, so that it lies in two if it has several bytes; and at the end.
            if c.is_whitespace() || c < '\u{3100}' || u32::from(c) % 977 == 0 {
                check(&format!("{}{c}b{c}", "a".repeat(63)));
                check(&format!("{}{c}b", "a".repeat(62)));
                check(&format!("a{c}b"));
            }
        }
    }

    #[test]
    fn words_of_every_length_at_every_distance_from_the_end() {
        for length in 0..150 {
            for after in 0..20 {
                check(&format!("{}{}", "w".repeat(length), " ".repeat(after)));
                check(&format!(" {} {}", "w".repeat(length), "x".repeat(after)));
            }
        }
    }

    /// Texts of characters that are or resemble white space, words short and long.
    fn nasty() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => "[a-z]{1,7}",
            1 => "[a-z\u{e9}\u{3042}]{10,80}",
            4 => Just(" ".to_owned()),
            2 => "[ \t\n\r\u{b}\u{c}]{1,70}",
            1 => "[\u{1c}-\u{1f}\0\u{7f}\u{8}\u{e}\u{200b}\u{180e}\u{feff}]",
            2 => "[\u{85}\u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}]{1,30}",
            1 => "[\u{84}\u{86}\u{9f}\u{a1}\u{1681}\u{167f}\u{200b}\u{202e}\u{2060}\u{3001}\u{2fff}]",
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn words_are_those_of_split_whitespace(text in nasty()) {
            check(&text);
        }

        #[test]
        fn of_any_text(text in any::<String>()) {
            check(&text);
        }
    }
}
