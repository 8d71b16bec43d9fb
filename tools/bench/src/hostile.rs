//! Text that is meant to be slow, and what its bytes cost against those of ordinary text.

use std::path::Path;

use serde_json::{Value, json};
use waterclock::BoxError;
use waterclock::world::Rng;

use crate::input::Input;
use crate::measure::Report;
use crate::{Options, jobs};

const FILES: u64 = 4;
const FILE_BYTES: usize = 50_000_000;
const LINE_BYTES: f64 = 4000.0;
const ROUNDS: usize = 3;

/// Half of the words are of ASCII; the others' bytes are often those that a space of Unicode begins with.
const LETTERS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "abcdefghijklmnopqrstuvwxyz0123456789-_.,:;",
    "ETAOINSHRDLU",
    "eariotnslcudpmhgbfywkvxzjq",
    "äöüßéèñçøåþ°±²³µ¶",
    "абвгдежзийклмнопрст",
    "’–—…†‡•‰′″‹›€™",
    "ひらがなカタカナ、。〆漢字仮名",
];

/// Eight of ten spaces are plain; these are the others.
const SPACES: &[&str] = &[
    "  ", "\t", " \t  ", "\u{b}", "\u{c}", "\u{85}", "\u{a0}", "\u{1680}", "\u{2003}", "\u{2028}", "\u{3000}",
];

/// Counts the words of both texts in turn and tells the time that a byte takes: the best of the rounds.
pub(crate) fn run(options: &Options) -> Result<Value, BoxError> {
    if options.hostile.is_empty() {
        return Err("--hostile DIR is needed".into());
    }
    let folder = Path::new(&options.hostile);
    if !folder.is_dir() {
        write(folder)?;
    }
    let plain = Input::text(&options.input)?;
    let hostile = Input::text(&options.hostile)?;
    let mut best = [Cost::MAX; 2];
    for _ in 0..ROUNDS {
        for (best, text) in best.iter_mut().zip([&plain, &hostile]) {
            *best = best.least(Cost::of(&jobs::word_count(text, options)?));
        }
    }
    let [plain, hostile] = best;
    Ok(json!({
        "system": "waterclock",
        "job": "hostile",
        "plain_ns_per_byte": plain.seconds * 1e9,
        "hostile_ns_per_byte": hostile.seconds * 1e9,
        "ratio": hostile.seconds / plain.seconds,
        "cpu_ratio": hostile.cpu_seconds / plain.cpu_seconds,
    }))
}

/// Seconds a byte.
#[derive(Clone, Copy)]
struct Cost {
    seconds: f64,
    cpu_seconds: f64,
}

impl Cost {
    const MAX: Cost = Cost { seconds: f64::MAX, cpu_seconds: f64::MAX };

    fn of(report: &Report) -> Self {
        let bytes = report.bytes as f64;
        Cost { seconds: report.seconds / bytes, cpu_seconds: report.cpu_seconds / bytes }
    }

    fn least(self, other: Cost) -> Cost {
        Cost {
            seconds: self.seconds.min(other.seconds),
            cpu_seconds: self.cpu_seconds.min(other.cpu_seconds),
        }
    }
}

/// Writes the hostile text, always the same.
fn write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let words = Words::new();
    for file in 0..FILES {
        std::fs::write(folder.join(format!("part-{file:05}.txt")), text(&words, file, FILE_BYTES))?;
    }
    Ok(())
}

/// The words that the text is made of, as many as in the plain one.
struct Words {
    short: Vec<String>,
    /// Longer than what a `Text` holds without the heap.
    long: Vec<String>,
}

impl Words {
    fn new() -> Self {
        let mut rng = Rng::new(0);
        Words {
            // A letter is of three bytes at most. The mean is that of the plain text's words.
            short: (0..90_000).map(|_| word(1, 9, &mut rng)).collect(),
            long: (0..10_000).map(|_| word(16, 28, &mut rng)).collect(),
        }
    }

    /// One word of ten is long; in both kinds few are frequent and many are rare.
    fn draw(&self, rng: &mut Rng) -> &str {
        let words = if rng.below(10) == 0 { &self.long } else { &self.short };
        &words[by_powers(words.len() as f64, rng) - 1]
    }
}

/// A word of at least so many bytes, drawn from `least` to `most`.
fn word(least: u64, most: u64, rng: &mut Rng) -> String {
    let letters: Vec<char> = LETTERS[rng.below(LETTERS.len() as u64) as usize].chars().collect();
    let bytes = least + rng.below(most - least + 1);
    let mut word = String::new();
    while (word.len() as u64) < bytes {
        word.push(letters[rng.below(letters.len() as u64) as usize]);
    }
    word
}

/// A number from 1 to `most`, any power of ten as likely as the next: Zipf's law.
fn by_powers(most: f64, rng: &mut Rng) -> usize {
    most.powf(rng.fraction()) as usize
}

/// Lines of up to 4,000 bytes.
fn text(words: &Words, seed: u64, bytes: usize) -> String {
    let mut rng = Rng::new(seed + 1);
    let mut text = String::with_capacity(bytes + LINE_BYTES as usize);
    while text.len() < bytes {
        let end = text.len() + by_powers(LINE_BYTES, &mut rng);
        while text.len() < end {
            text.push_str(words.draw(&mut rng));
            let odd = rng.below(10) >= 8;
            text.push_str(if odd { SPACES[rng.below(SPACES.len() as u64) as usize] } else { " " });
        }
        while text.len() > end {
            text.pop();
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_hostile_in_every_way_that_it_claims() {
        let text = text(&Words::new(), 0, 1_000_000);
        assert!(text.lines().all(|line| line.len() <= 4000));
        assert!(text.lines().any(|line| line.len() < 4) && text.lines().any(|line| line.len() > 3900));
        let words: Vec<&str> = text.split_whitespace().collect();
        let long = words.iter().filter(|word| word.len() > 15).count() as f64 / words.len() as f64;
        assert!((0.09..0.11).contains(&long), "{long}");
        assert!(words.iter().filter(|word| !word.is_ascii()).count() * 3 > words.len());
        assert!(SPACES.iter().all(|space| text.contains(space) && space.trim().is_empty()));
    }
}
