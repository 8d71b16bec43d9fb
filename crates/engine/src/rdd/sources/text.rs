//! `text`: the lines of a text in memory.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::Text;

use crate::chunk::{Sink, Step};
use crate::context::Engine;
use crate::lines::hand_lines;
use crate::rdd::{Compute, Define, Rdd};
use crate::task::TaskCx;

impl Engine {
    /// The lines of a text in so many partitions of about the same size, cut at line ends; no partition is
    /// empty unless the text is. Lines stay where they are until an operation needs them as records.
    ///
    /// Lines end with a line feed, or a carriage return and a line feed, which are not part of them.
    ///
    /// ```
    /// let lines = waterclock_engine::Engine::local(2).text("to be\nor not\nto be\n", 2);
    /// assert_eq!(lines.collect()?, ["to be", "or not", "to be"]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn text(&self, text: impl Into<Arc<str>>, partitions: usize) -> Rdd<Text> {
        let text = text.into();
        let ends = cuts(&text, partitions.max(1));
        let define = Define::new("text", ends.len()).at(Location::caller()).bytes(text.len() as u64);
        define.build(self, InMemory { text, ends })
    }
}

/// Where to cut a text so that about equal parts of whole lines arise: the ends of the parts.
fn cuts(text: &str, parts: usize) -> Vec<usize> {
    let mut ends: Vec<usize> = Vec::with_capacity(parts);
    for part in 1..=parts {
        let from = (text.len() * part / parts).max(ends.last().copied().unwrap_or(0));
        let end = text.as_bytes()[from..].iter().position(|byte| *byte == b'\n');
        ends.push(if part == parts { text.len() } else { end.map_or(text.len(), |line| from + line + 1) });
    }
    ends.dedup();
    ends
}

struct InMemory {
    text: Arc<str>,
    ends: Vec<usize>,
}

impl Compute<Text> for InMemory {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<Text>) -> Step {
        let begin = partition.checked_sub(1).map_or(0, |before| self.ends[before]);
        hand_lines(&self.text[begin..self.ends[partition]], cx, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_line_ends() {
        assert_eq!(cuts("a\nbb\nccc\n", 3), [5, 9]);
        assert_eq!(cuts("", 3), [0]);
        assert_eq!(cuts("no end of line", 2), [14]);
    }
}
