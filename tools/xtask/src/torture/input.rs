//! The input: files of words that are moved in, several a second.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Numbers from a seed (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

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
        Input { waiting, watched, random: Random(seed), moved: 0, next: Duration::ZERO }
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
