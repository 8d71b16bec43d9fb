//! The input: files of words that are moved in, several a second.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::random::Random;

/// Different words, about.
const WORDS: u64 = 300;

/// Files on their way into the watched directory.
pub(super) struct Input {
    waiting: PathBuf,
    watched: PathBuf,
    random: Random,
    moved: u64,
    next: Duration,
}

impl Input {
    pub(super) fn new(place: &Path, seed: u64) -> Self {
        let (waiting, watched) = (place.join("new"), place.join("in"));
        Input { waiting, watched, random: Random::new(seed), moved: 0, next: Duration::ZERO }
    }

    /// Time passes: what is due is moved in.
    pub(super) fn pass(&mut self, time: Duration) -> Result<(), String> {
        self.next = self.next.saturating_sub(time);
        if self.next.is_zero() {
            self.next = Duration::from_millis(20 + self.random.below(160));
            self.move_one_in()?;
        }
        Ok(())
    }

    /// Writes a file elsewhere and moves it in.
    pub(super) fn move_one_in(&mut self) -> Result<(), String> {
        let mut text = String::new();
        for _ in 0..1 + self.random.below(60) {
            // Few words are frequent, many are rare.
            let limit = 1 + self.random.below(WORDS);
            let word = self.random.below(limit);
            let space = ["\n", " ", "\t", "  ", "\r\n"][self.random.below(5) as usize];
            let form = ["word", "größe", "a-rather-long-word-of-many-letters-"][(word % 3) as usize];
            text.push_str(&format!("{form}{word}{space}"));
        }
        let name = format!("{:06}.txt", self.moved);
        self.moved += 1;
        let moved = fs::write(self.waiting.join(&name), text)
            .and_then(|()| fs::rename(self.waiting.join(&name), self.watched.join(&name)));
        moved.map_err(|e| format!("{name}: {e}"))
    }
}
