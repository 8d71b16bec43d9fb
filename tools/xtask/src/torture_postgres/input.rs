//! Files that are moved into the program's input, and an own count of what is in them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::random::Random;

use super::Counts;

/// Words that a careless way into a database would change.
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

/// The program's input.
pub(super) struct Input {
    scratch: PathBuf,
    random: Random,
    pub(super) files: u64,
    /// How often each word is in the files.
    pub(super) counts: Counts,
}

impl Input {
    /// New directories, without files.
    pub(super) fn new(scratch: &Path, seed: u64) -> Result<Self, String> {
        for name in ["waiting", "in"] {
            fs::create_dir_all(scratch.join(name)).map_err(|e| format!("{}: {e}", scratch.display()))?;
        }
        // Other numbers than those that decide when to kill.
        let random = Random::new(!seed);
        Ok(Input { scratch: scratch.to_path_buf(), random, files: 0, counts: Counts::new() })
    }

    /// Writes a file of words and moves it in.
    pub(super) fn add_file(&mut self) -> Result<(), String> {
        let mut text = String::new();
        for _ in 0..1 + self.random.below(400) {
            let word = match self.random.below(10) {
                0 => ODD[self.random.below(ODD.len() as u64) as usize].to_owned(),
                // Some words are much more frequent than others.
                _ => format!("w{}", self.random.below(2_000).min(self.random.below(2_000))),
            };
            let end = if self.random.below(8) == 0 { '\n' } else { ' ' };
            write!(text, "{word}{end}").map_err(|e| e.to_string())?;
            *self.counts.entry(word).or_default() += 1;
        }
        let name = format!("{:06}.txt", self.files);
        let (waiting, there) =
            (self.scratch.join("waiting").join(&name), self.scratch.join("in").join(&name));
        fs::write(&waiting, text)
            .and_then(|()| fs::rename(&waiting, &there))
            .map_err(|e| format!("{}: {e}", there.display()))?;
        self.files += 1;
        Ok(())
    }

    /// How many words there are.
    pub(super) fn words(&self) -> u64 {
        self.counts.values().sum()
    }
}
