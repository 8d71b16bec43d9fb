//! A feed of short messages over TCP: what a stream program would read from the outside.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use waterclock::world::spawn;

const TAGS: &[&str] = &[
    "#rust",
    "#streams",
    "#coffee",
    "#music",
    "#news",
    "#football",
    "#weather",
    "#food",
    "#travel",
    "#books",
    "#photo",
    "#science",
    "#garden",
    "#movies",
    "#history",
    "#running",
    "#space",
    "#art",
    "#chess",
    "#cats",
    "#dogs",
    "#maths",
    "#cycling",
    "#jazz",
    "#mountains",
    "#sea",
    "#tea",
    "#trains",
    "#maps",
    "#radio",
];

const WORDS: &[&str] = &[
    "today", "never", "saw", "such", "a", "good", "morning", "with", "everyone", "at", "the", "old",
    "harbour", "and", "then", "we", "talked", "about", "it", "all", "day", "long", "who", "would", "have",
    "thought",
];

/// Messages made up from a seed: some words, one to three hashtags. A few tags are in most messages; which
/// ones changes slowly.
pub struct Messages {
    state: u64,
    ranking: Vec<&'static str>,
}

impl Messages {
    /// The messages of a seed are always the same.
    pub fn new(seed: u64) -> Self {
        Self { state: seed, ranking: TAGS.to_vec() }
    }

    /// A number below `limit` (SplitMix64).
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }

    /// A tag; the one of rank r is about r times rarer than the first (Zipf).
    fn tag(&mut self) -> &'static str {
        let total: usize = (1..=TAGS.len()).map(|rank| 10_000 / rank).sum();
        let mut left = self.below(total);
        for (rank, tag) in (1..).zip(&self.ranking) {
            let share = 10_000 / rank;
            if left < share {
                return tag;
            }
            left -= share;
        }
        TAGS[0]
    }

    /// Puts the next message at the end of `line`.
    pub fn write(&mut self, line: &mut String) {
        if self.below(2_000) == 0 {
            let rank = self.below(TAGS.len() - 1);
            self.ranking.swap(rank, rank + 1);
        }
        for _ in 0..3 + self.below(8) {
            line.push_str(WORDS[self.below(WORDS.len())]);
            line.push(' ');
        }
        for _ in 0..self.below(3) {
            line.push_str(self.tag());
            line.push(' ');
        }
        line.push_str(self.tag());
        line.push('\n');
    }
}

/// A server on a free port of this machine that writes messages to whoever connects.
pub struct Feed {
    address: SocketAddr,
}

impl Feed {
    /// Starts the server: `rate` lines a second for each connection.
    ///
    /// # Errors
    /// When no port can be opened.
    #[expect(clippy::disallowed_methods, reason = "the feed plays the outside world")]
    pub fn start(rate: u64) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        spawn("feed", move || {
            for (seed, stream) in (1..).zip(listener.incoming()) {
                let Ok(stream) = stream else { continue };
                // A connection ends when the other side closes it.
                spawn("feed-lines", move || serve(stream, Messages::new(seed), rate));
            }
        });
        Ok(Self { address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Writes a hundred times a second what is due by then.
#[expect(clippy::disallowed_methods, reason = "the feed plays the outside world, which has its own time")]
fn serve(mut stream: TcpStream, mut messages: Messages, rate: u64) -> io::Result<()> {
    let (began, mut sent, mut lines) = (Instant::now(), 0u64, String::new());
    loop {
        let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
        // A reader that was slow is not flooded with more than a second's worth.
        sent = sent.max(due.saturating_sub(rate));
        lines.clear();
        while sent < due {
            messages.write(&mut lines);
            sent += 1;
        }
        stream.write_all(lines.as_bytes())?;
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn messages_have_tags_of_unequal_frequency_and_repeat_by_seed() {
        let lines = |seed| {
            let (mut messages, mut lines) = (Messages::new(seed), String::new());
            (0..1_000).for_each(|_| messages.write(&mut lines));
            lines
        };
        assert_eq!(lines(7), lines(7));
        assert_ne!(lines(7), lines(8));
        let mut counts: HashMap<String, u64> = HashMap::new();
        for tag in lines(7).split_whitespace().filter(|word| word.starts_with('#')) {
            *counts.entry(tag.to_owned()).or_default() += 1;
        }
        assert!(lines(7).lines().all(|line| line.contains('#')));
        assert!(counts.values().max() > counts.values().min().map(|least| least * 5).as_ref());
    }
}
