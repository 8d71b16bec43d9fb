//! [`Text`]: the string type of the records of text streams, 16 bytes each.

mod find;
mod lines;
#[cfg(test)]
mod tests;
mod traits;
mod words;

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::num::NonZeroU64;
use std::ops::Deref;
use std::ptr;
use std::str::Utf8Error;

pub use lines::{LinesOfBytes, for_each_line, lines_of_bytes};
pub use words::{Words, for_each_word, for_each_word_text};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a text keeps a pointer and a length in 16 bytes, which is laid out for 64-bit machines only");

/// An immutable piece of UTF-8 in 16 bytes: up to 15 bytes of it are stored in place, longer ones on the
/// heap, in an allocation of exactly their size.
///
/// It dereferences to `str`, never points into a block of input, and is serialised as a plain string, so
/// it can take the place of a `String` in every record. Making, comparing and hashing one of at most 15
/// bytes needs no memory beyond its own 16 bytes, and that is most words of most languages.
///
/// It is ordered like a `str`, but its `Hash` is its own: a text in place is hashed as one 128-bit number.
/// Therefore it does not implement `Borrow<str>`, and a map with `Text` keys can't be asked for a `str`;
/// ask it for a [`Lent`], which costs no allocation.
///
/// ```
/// use std::collections::HashMap;
/// use waterclock_base::{Lent, Text};
///
/// let word = Text::from("clepsydra");
/// assert_eq!(word, "clepsydra");
/// assert_eq!(word.to_uppercase(), "CLEPSYDRA");
/// assert_eq!(size_of::<Text>(), 16);
///
/// let counts = HashMap::from([(word, 1u64)]);
/// let asked: &str = "clepsydra";
/// assert_eq!(counts.get(&*Lent::new(asked)), Some(&1));
/// ```
///
/// A map of texts can't be asked for a `str`, since the two are hashed differently:
///
/// ```compile_fail
/// # use std::collections::HashMap;
/// # use waterclock_base::Text;
/// let counts: HashMap<Text, u64> = HashMap::new();
/// counts.get("clepsydra");
/// ```
// Both words are kept so that byte i of the text is byte i of the struct when it is stored in place:
//
//   in place: 15 bytes of text, zero padded | 0x40 + length
//   on heap:  pointer (8 bytes)             | length (7 bytes, little endian) | 0x80
//
// The form is canonical: up to 15 bytes are always in place. So two texts in place are equal exactly if
// their words are, and one in place never equals one on the heap. The mark 0x40 makes `rest` non-zero, so
// that `Option<Text>` is 16 bytes too. The fields are a pointer and a number, not a union, so that a text
// is passed in two registers.
#[repr(C)]
pub struct Text {
    /// The pointer of a text on the heap, or else the first eight bytes as an address.
    first: *mut u8,
    /// The remaining bytes or the length, and the mark, as little-endian bytes.
    rest: NonZeroU64,
}

const _: () = assert!(size_of::<Text>() == 16 && size_of::<Option<Text>>() == 16 && align_of::<Text>() == 8);

/// How many bytes fit in place.
const IN_PLACE: usize = 15;

/// The mark of a text in place, as `rest` holds it.
const MARK_IN_PLACE: NonZeroU64 = NonZeroU64::new((0x40_u64 << 56).to_le()).expect("it has a bit");
/// The mark of a text on the heap, as `rest` holds it.
const MARK_ON_HEAP: NonZeroU64 = NonZeroU64::new((0x80_u64 << 56).to_le()).expect("it has a bit");

impl Text {
    /// The empty text.
    ///
    /// ```
    /// assert_eq!(waterclock_base::Text::EMPTY, "");
    /// ```
    pub const EMPTY: Text = Text { first: ptr::null_mut(), rest: MARK_IN_PLACE };

    /// Reads bytes as UTF-8.
    ///
    /// # Errors
    /// When they are not UTF-8, as [`str::from_utf8`].
    ///
    /// ```
    /// use waterclock_base::Text;
    /// assert_eq!(Text::from_utf8(b"drop")?, "drop");
    /// assert!(Text::from_utf8(b"dr\xffp").is_err());
    /// # Ok::<(), std::str::Utf8Error>(())
    /// ```
    pub fn from_utf8(bytes: &[u8]) -> Result<Text, Utf8Error> {
        std::str::from_utf8(bytes).map(Text::from)
    }

    /// The text as a `str`.
    ///
    /// ```
    /// assert_eq!(waterclock_base::Text::from("drop").as_str(), "drop");
    /// ```
    #[inline]
    pub fn as_str(&self) -> &str {
        let (start, length) = if self.is_inline() {
            (ptr::from_ref(self).cast::<u8>(), (self.rest() >> 56 & 0xf) as usize)
        } else {
            (self.first.cast_const(), self.length_on_heap())
        };
        #[expect(
            unsafe_code,
            reason = "the bytes were taken from a str; the view of 16 bytes as one needs it"
        )]
        // SAFETY: in place, the first `length <= 15` bytes of `self` are the bytes of a `str`; on the heap,
        // `first` points to the `length` bytes of a `str` that this text owns, or that is lent to it for at
        // least as long as it can be seen (`Lent`). Neither changes while `self` is borrowed.
        unsafe {
            std::str::from_utf8_unchecked(std::slice::from_raw_parts(start, length))
        }
    }

    /// Whether it is stored in place, that is, has at most 15 bytes.
    ///
    /// ```
    /// use waterclock_base::Text;
    /// assert!(Text::from("fifteen letters").is_inline());
    /// assert!(!Text::from("sixteen letters!").is_inline());
    /// ```
    #[inline]
    pub fn is_inline(&self) -> bool {
        self.rest() >> 63 == 0
    }

    /// How many bytes it holds on the heap: its length if that is over 15, else none.
    ///
    /// ```
    /// use waterclock_base::Text;
    /// assert_eq!(Text::from("short").heap_bytes(), 0);
    /// assert_eq!(Text::from("a text of 25 bytes or so.").heap_bytes(), 25);
    /// ```
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        if self.is_inline() { 0 } else { self.length_on_heap() }
    }

    /// Its words, exactly as [`str::split_whitespace`] gives them, but faster.
    ///
    /// ```
    /// let line = waterclock_base::Text::from("  to be\tor not\u{3000}to be ");
    /// assert_eq!(line.words().collect::<Vec<_>>(), ["to", "be", "or", "not", "to", "be"]);
    /// ```
    #[inline]
    pub fn words(&self) -> Words<'_> {
        Words::new(self.as_str())
    }

    /// A text in place from its bytes as two little-endian numbers, which are zero beyond `length <= 15`.
    /// The caller sees to it that they are UTF-8.
    #[inline(always)]
    fn in_place(first: u64, second: u64, length: usize) -> Text {
        debug_assert!(length <= IN_PLACE && second >> 56 == 0);
        let rest = second | (length as u64) << 56;
        Text {
            first: ptr::without_provenance_mut(first.to_le() as usize),
            rest: MARK_IN_PLACE | rest.to_le(),
        }
    }

    /// A text that refers to bytes elsewhere.
    #[inline(always)]
    fn pointing_to(start: *mut u8, length: usize) -> Text {
        Text { first: start, rest: MARK_ON_HEAP | (length as u64).to_le() }
    }

    /// A text of at most 15 bytes.
    #[inline(always)]
    fn short(s: &str) -> Text {
        let bytes = s.as_bytes();
        let second = match bytes.last_chunk::<8>() {
            // The last eight bytes without those that are in the first eight already.
            Some(last) if bytes.len() > 8 => u64::from_le_bytes(*last) >> (8 * (16 - bytes.len())),
            _ => 0,
        };
        Text::in_place(load_up_to_8(bytes), second, bytes.len())
    }

    /// A text of more than 15 bytes.
    #[cold]
    fn long(s: Box<str>) -> Text {
        let length = s.len();
        Text::pointing_to(Box::into_raw(s).cast::<u8>(), length)
    }

    /// The allocation of an owned text on the heap.
    fn into_box(self) -> Box<str> {
        ManuallyDrop::new(self).take_box()
    }

    /// Takes the allocation back out of an owned text on the heap, which must not be used any more.
    fn take_box(&mut self) -> Box<str> {
        let bytes = ptr::slice_from_raw_parts_mut(self.first, self.length_on_heap());
        #[expect(unsafe_code, reason = "an allocation behind a raw pointer can only be taken back so")]
        // SAFETY: `first` and the length are those of the `Box<str>` that `long` took apart. Only owners
        // come here, each once: a lent text is never dropped nor handed out by value.
        unsafe {
            Box::from_raw(bytes as *mut str)
        }
    }

    /// The length of a text that is known to be on the heap.
    #[inline(always)]
    fn length_on_heap(&self) -> usize {
        (self.rest() & (u64::MAX >> 1)) as usize
    }

    /// The second word as a number, the mark in its highest byte.
    #[inline(always)]
    fn rest(&self) -> u64 {
        u64::from_le(self.rest.get())
    }

    /// Both words as one number: equal for two texts in place exactly if the texts are equal.
    #[inline(always)]
    fn bits(&self) -> u128 {
        u128::from(u64::from_le(self.first.addr() as u64)) | u128::from(self.rest()) << 64
    }
}

#[expect(unsafe_code, reason = "the pointer to the allocation hides that a text is plain owned data")]
// SAFETY: a text owns its bytes as a `Box<str>` does (a lent one borrows them as a `&str` does), and nothing
// changes them: it may go to other threads and be read by several.
unsafe impl Send for Text {}
#[expect(unsafe_code, reason = "as for Send")]
// SAFETY: as for `Send`.
unsafe impl Sync for Text {}

impl Clone for Text {
    #[inline]
    fn clone(&self) -> Self {
        if self.is_inline() {
            Text { first: self.first, rest: self.rest }
        } else {
            Text::long(Box::from(self.as_str()))
        }
    }
}

impl Drop for Text {
    #[inline]
    fn drop(&mut self) {
        #[cold]
        fn free(text: &mut Text) {
            drop(text.take_box());
        }
        if !self.is_inline() {
            free(self);
        }
    }
}

/// A piece of a block of input, seen as a [`Text`] without being copied.
///
/// The engine lends the lines of a block to closures that take `&Text`. Whoever wants to keep one clones
/// the text it dereferences to, which copies the bytes; so no record ever keeps a block alive. It is also
/// the cheapest way to look a `str` up among texts.
///
/// ```
/// use waterclock_base::{Lent, Text};
/// let block = String::from("the first line\nthe second one, which is longer\n");
/// let lines: Vec<Lent> = block.lines().map(Lent::new).collect();
/// let long: Vec<Text> = lines.iter().filter(|line| line.len() > 20).map(|line| Text::clone(line)).collect();
/// drop(lines);
/// drop(block);
/// assert_eq!(long, ["the second one, which is longer"]);
/// ```
///
/// A borrowed text can't outlive its block:
///
/// ```compile_fail
/// # use waterclock_base::Lent;
/// let lent = { let block = String::from("gone"); Lent::new(&block) };
/// assert_eq!(lent.len(), 4);
/// ```
// Only a shared reference to the inner text is ever given out, so it is neither dropped nor moved from.
#[repr(transparent)]
pub struct Lent<'a>(ManuallyDrop<Text>, PhantomData<&'a str>);

impl<'a> Lent<'a> {
    /// Lends `piece`: up to 15 bytes are copied into the 16 of the text, more are pointed to.
    ///
    /// ```
    /// use waterclock_base::{Lent, Text};
    /// assert_eq!(*Lent::new("drop"), Text::from("drop"));
    /// ```
    #[inline]
    pub fn new(piece: &'a str) -> Self {
        let text = if piece.len() <= IN_PLACE {
            Text::short(piece)
        } else {
            // Never written to, never freed.
            Text::pointing_to(piece.as_ptr().cast_mut(), piece.len())
        };
        Lent(ManuallyDrop::new(text), PhantomData)
    }
}

impl Deref for Lent<'_> {
    type Target = Text;
    #[inline]
    fn deref(&self) -> &Text {
        &self.0
    }
}

/// The first eight bytes, or all if they are fewer, as a little-endian number with zeros above.
#[inline(always)]
pub(crate) fn load_up_to_8(bytes: &[u8]) -> u64 {
    if let Some(first) = bytes.first_chunk::<8>() {
        return u64::from_le_bytes(*first);
    }
    // Two reads that may overlap: the bytes they share are the same in both.
    let count = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << (8 * (count - 4));
    }
    match bytes {
        [] => 0,
        [first, .., last] => {
            let middle = u64::from(bytes[count / 2]) << (8 * (count / 2));
            u64::from(*first) | middle | u64::from(*last) << (8 * (count - 1))
        }
        [only] => u64::from(*only),
    }
}
