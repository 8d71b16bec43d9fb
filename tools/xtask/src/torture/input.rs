//! The input: words, as lines or in files that are moved in several times a second.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::found::{Counts, count};
use crate::random::Random;

/// Different words of each form, about.
const WORDS: u64 = 300;

/// Words that a careless way out would change.
const ODD: &[&str] = &[
    "\\N",
    "\\.",
    "NULL",
    "it's",
    "\"quoted\"",
    "a\\tb",
    "back\\slash",
    "naïve",
    "水時計",
    "🕰",
    "x,y;--",
    "$1",
];

/// A word; few are frequent, many are rare.
pub(super) fn word(random: &mut Random) -> String {
    let limit = 1 + random.below(WORDS);
    let number = random.below(limit);
    match random.below(10) {
        0 => ODD[random.below(ODD.len() as u64) as usize].to_owned(),
        _ => format!(
            "{}{number}",
            ["word", "größe", "a-rather-long-word-of-many-letters-"][(number % 3) as usize]
        ),
    }
}

/// Files on their way into the watched directory.
pub(super) struct Files {
    waiting: PathBuf,
    pub(super) watched: PathBuf,
    random: Random,
    moved: u64,
    next: Duration,
}

impl Files {
    /// In an empty directory. Some are there before anybody looks.
    pub(super) fn begin(place: &Path, seed: u64) -> Result<Self, String> {
        let (waiting, watched) = (place.join("new"), place.join("in"));
        for directory in [&waiting, &watched] {
            fs::create_dir_all(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        }
        let mut files = Files { waiting, watched, random: Random::new(seed), moved: 0, next: Duration::ZERO };
        (0..5).try_for_each(|_| files.move_one_in())?;
        Ok(files)
    }

    /// Time passes: what is due is moved in.
    pub(super) fn pass(&mut self, time: Duration) -> Result<(), String> {
        self.next = self.next.saturating_sub(time);
        if self.next.is_zero() {
            self.next = self.random.millis(20, 180);
            self.move_one_in()?;
        }
        Ok(())
    }

    /// Writes a file elsewhere and moves it in.
    fn move_one_in(&mut self) -> Result<(), String> {
        let mut text = String::new();
        for _ in 0..1 + self.random.below(60) {
            text.push_str(&word(&mut self.random));
            text.push_str(["\n", " ", "\t", "  ", "\r\n"][self.random.below(5) as usize]);
        }
        let name = format!("{:06}.txt", self.moved);
        self.moved += 1;
        let moved = fs::write(self.waiting.join(&name), text)
            .and_then(|()| fs::rename(self.waiting.join(&name), self.watched.join(&name)));
        moved.map_err(|e| format!("{name}: {e}"))
    }

    /// What is in all files.
    pub(super) fn counts(&self) -> Result<Counts, String> {
        counts(&self.watched)
    }
}

/// What is in the files of a directory.
pub(super) fn counts(directory: &Path) -> Result<Counts, String> {
    let mut counts = Counts::new();
    for entry in fs::read_dir(directory).map_err(|e| format!("{}: {e}", directory.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        count(&fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?, &mut counts);
    }
    Ok(counts)
}
