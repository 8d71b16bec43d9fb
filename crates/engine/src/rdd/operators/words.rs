//! `words`: the words of text, read where they lie in their block.

use std::panic::Location;

use waterclock_base::{Data, Text, for_each_word_text};

use crate::chunk::{CHUNK, Sink, Step};
use crate::rdd::{Compute, Rdd};
use crate::task::TaskCx;

impl Rdd<Text> {
    /// The words of each text, one after the other: exactly those of [`str::split_whitespace`].
    ///
    /// The fast form of a `flat_map` that splits lines: a block of text from a socket or a file is looked at
    /// as a whole, 64 bytes at a time, and no line is made of it.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// use waterclock_base::Text;
    /// let lines = Engine::local(2).parallelize(vec![Text::from("to be or "), Text::from("not\tto be")], 2);
    /// assert_eq!(lines.words().collect()?, ["to", "be", "or", "not", "to", "be"]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn words(&self) -> Rdd<Text> {
        self.words_at("words", Location::caller())
    }

    /// [`words`](Rdd::words) under another name and place, for operations made of it.
    pub fn words_at(&self, operator: &'static str, site: &'static Location<'static>) -> Rdd<Text> {
        self.derive(operator).at(site).build(self.engine(), Words { parent: self.clone() })
    }
}

struct Words {
    parent: Rdd<Text>,
}

impl Compute<Text> for Words {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<Text>) -> Step {
        let mut splitter = Splitter { words: Vec::new(), out };
        self.parent.compute(partition, cx, &mut splitter)?;
        splitter.flush()
    }
}

struct Splitter<'a> {
    words: Vec<Text>,
    out: &'a mut dyn Sink<Text>,
}

impl Splitter<'_> {
    fn flush(&mut self) -> Step {
        if self.words.is_empty() { Ok(()) } else { self.out.push(&mut self.words) }
    }

    /// Splits one text or a block of lines.
    fn split(&mut self, text: &str) -> Step {
        let Splitter { words, out } = self;
        let mut step = Ok(());
        for_each_word_text(text, |word| {
            if words.len() == words.capacity() {
                make_room(words, &mut **out, &mut step);
            }
            words.push(word);
        });
        step
    }
}

/// Hands on a full chunk, and sees to it that there is space for the next. After the end words are thrown
/// away.
#[cold]
fn make_room<T: Data>(chunk: &mut Vec<T>, out: &mut dyn Sink<T>, step: &mut Step) {
    if !chunk.is_empty() {
        if step.is_ok() {
            *step = out.push(chunk);
        }
        chunk.clear();
    }
    // Whoever took the allocation may have left one of another size.
    if !(CHUNK..=4 * CHUNK).contains(&chunk.capacity()) {
        *chunk = Vec::with_capacity(CHUNK);
    }
}

impl Sink<Text> for Splitter<'_> {
    fn push(&mut self, chunk: &mut Vec<Text>) -> Step {
        let step = chunk.iter().try_for_each(|text| self.split(text));
        chunk.clear();
        step
    }

    fn lend(&mut self, records: &[&Text]) -> Step {
        records.iter().try_for_each(|text| self.split(text))
    }

    fn wants_blocks(&self) -> bool {
        true
    }

    fn block(&mut self, lines: &str) -> Step {
        self.split(lines)
    }
}
