//! What the output says, against the input: words are counted by the tool itself.

use std::collections::BTreeMap;

/// How often each word is there.
pub(super) type Counts = BTreeMap<String, u64>;

/// Counts the words of a text.
pub(super) fn count(text: &str, counts: &mut Counts) {
    text.split_whitespace().for_each(|word| *counts.entry(word.to_owned()).or_default() += 1);
}

/// How many differences an error shows.
const SHOWN: usize = 20;

/// What a comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Words of the input.
    pub(super) words: u64,
    /// Words that were not counted, and that were counted more than once.
    pub(super) lost: u64,
    pub(super) doubled: u64,
    /// The first differences.
    shown: Vec<String>,
}

impl Found {
    /// Compares what was counted with what is there.
    pub(super) fn compare(place: &str, expected: &Counts, counted: &Counts) -> Self {
        let mut found = Found { words: expected.values().sum(), ..Found::default() };
        for word in expected.keys().chain(counted.keys().filter(|word| !expected.contains_key(*word))) {
            let [expected, counted] =
                [expected, counted].map(|counts| counts.get(word).copied().unwrap_or(0));
            found.lost += expected.saturating_sub(counted);
            found.doubled += counted.saturating_sub(expected);
            if expected != counted {
                found.strange(format!(
                    "{place}: `{word}` was counted {counted} times and is there {expected} times"
                ));
            }
        }
        found
    }

    /// The same input, with another output of it.
    pub(super) fn and(mut self, other: Found) -> Self {
        self.lost += other.lost;
        self.doubled += other.doubled;
        other.shown.into_iter().for_each(|what| self.strange(what));
        self
    }

    /// Something is not as it should be.
    pub(super) fn strange(&mut self, what: String) {
        if self.shown.len() < SHOWN {
            self.shown.push(what);
        }
    }

    /// # Errors
    /// Says what differs.
    pub(super) fn verdict(self) -> Result<(), String> {
        if self.shown.is_empty() {
            return Ok(());
        }
        let Found { lost, doubled, shown, .. } = self;
        Err(format!("{lost} words lost, {doubled} doubled:\n{}", shown.join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_doubled_words_are_counted_apart() {
        let mut expected = Counts::new();
        count("a a\tb\na", &mut expected);
        let counts =
            |counts: &[(&str, u64)]| counts.iter().map(|(word, n)| ((*word).to_owned(), *n)).collect();
        assert_eq!(Found::compare("t", &expected, &expected).verdict(), Ok(()));
        let one = Found::compare("t", &expected, &counts(&[("a", 5), ("c", 1)]));
        assert_eq!((one.words, one.lost, one.doubled), (4, 1, 3));
        let both = one.and(Found::compare("u", &expected, &counts(&[("a", 3)])));
        assert_eq!((both.words, both.lost, both.doubled), (4, 2, 3));
        assert!(both.verdict().unwrap_err().contains("u: `b` was counted 0 times and is there 1 times"));
    }
}
