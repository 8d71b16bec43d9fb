//! What a [`Text`] has in common with other strings: comparing, hashing, conversion, printing, serde.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::FromStr;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{IN_PLACE, Text};

impl Deref for Text {
    type Target = str;
    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    #[inline]
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        // Texts in place are equal only if their bits are; long ones with equal bits are the same bytes.
        self.bits() == other.bits() || (!self.is_inline() && self.as_str() == other.as_str())
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As `str`: byte by byte.
impl Ord for Text {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_inline() && other.is_inline() {
            // The first byte counts most; where a text is the other and some zeros, the length decides.
            self.bits().swap_bytes().cmp(&other.bits().swap_bytes())
        } else {
            self.as_str().cmp(other.as_str())
        }
    }
}

/// Not as `str`: a text in place is hashed as one number of 128 bits.
impl Hash for Text {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.is_inline() { state.write_u128(self.bits()) } else { self.as_str().hash(state) }
    }
}

/// Equality with another string type, both ways round.
macro_rules! equal_to {
    ($($other:ty),*) => {$(
        impl PartialEq<$other> for Text {
            #[inline]
            fn eq(&self, other: &$other) -> bool {
                self.as_str() == AsRef::<str>::as_ref(other)
            }
        }
        impl PartialEq<Text> for $other {
            #[inline]
            fn eq(&self, other: &Text) -> bool {
                AsRef::<str>::as_ref(self) == other.as_str()
            }
        }
    )*};
}
equal_to!(str, &str, String);

impl From<&str> for Text {
    #[inline]
    fn from(s: &str) -> Self {
        if s.len() <= IN_PLACE { Text::short(s) } else { Text::long(Box::from(s)) }
    }
}

impl From<&String> for Text {
    #[inline]
    fn from(s: &String) -> Self {
        Text::from(s.as_str())
    }
}

impl From<&Text> for Text {
    #[inline]
    fn from(text: &Text) -> Self {
        text.clone()
    }
}

impl From<String> for Text {
    #[inline]
    fn from(s: String) -> Self {
        if s.len() <= IN_PLACE { Text::short(&s) } else { Text::long(s.into_boxed_str()) }
    }
}

impl From<Box<str>> for Text {
    #[inline]
    fn from(s: Box<str>) -> Self {
        if s.len() <= IN_PLACE { Text::short(&s) } else { Text::long(s) }
    }
}

impl From<Cow<'_, str>> for Text {
    #[inline]
    fn from(s: Cow<'_, str>) -> Self {
        match s {
            Cow::Borrowed(s) => Text::from(s),
            Cow::Owned(s) => Text::from(s),
        }
    }
}

impl From<char> for Text {
    #[inline]
    fn from(c: char) -> Self {
        Text::short(c.encode_utf8(&mut [0; 4]))
    }
}

impl From<Text> for String {
    /// A long text gives its memory to the string.
    #[inline]
    fn from(text: Text) -> Self {
        if text.is_inline() { text.as_str().to_owned() } else { text.into_box().into() }
    }
}

impl FromStr for Text {
    type Err = Infallible;
    #[inline]
    fn from_str(s: &str) -> Result<Self, Infallible> {
        Ok(Text::from(s))
    }
}

impl FromIterator<char> for Text {
    fn from_iter<I: IntoIterator<Item = char>>(chars: I) -> Self {
        Text::from(String::from_iter(chars))
    }
}

impl Default for Text {
    #[inline]
    fn default() -> Self {
        Text::EMPTY
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Text {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not `deserialize_string`: nothing is gained by a buffer of our own.
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    #[inline]
    fn visit_str<E: serde::de::Error>(self, s: &str) -> Result<Text, E> {
        Ok(Text::from(s))
    }

    fn visit_string<E: serde::de::Error>(self, s: String) -> Result<Text, E> {
        Ok(Text::from(s))
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Text, E> {
        Text::from_utf8(bytes).map_err(|_| E::invalid_value(Unexpected::Bytes(bytes), &self))
    }
}
