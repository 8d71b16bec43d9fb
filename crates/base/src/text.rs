//! Placeholder that the text module replaces.
use serde::{Deserialize, Serialize};
/// Text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Text(String);
impl From<&str> for Text {
    fn from(s: &str) -> Self {
        Text(s.to_owned())
    }
}
impl From<String> for Text {
    fn from(s: String) -> Self {
        Text(s)
    }
}
impl std::ops::Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}
impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl Text {
    /// Shows a piece of a block as a text for the time of a call, without copying it.
    pub fn lend<R>(piece: &str, show: impl FnOnce(&Text) -> R) -> R {
        show(&Text::from(piece))
    }
}
/// Lines.
pub fn for_each_line(block: &str, mut f: impl FnMut(&str)) {
    for l in block.lines() {
        f(l)
    }
}
/// Words.
pub fn for_each_word(text: &str, mut f: impl FnMut(&str)) {
    for w in text.split_whitespace() {
        f(w)
    }
}
