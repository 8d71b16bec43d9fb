//! With a latency target: when a batch is cut, and how much of what waits it takes. Pure.
//!
//! What a record waits for is the cut, then its batch. While batches are over in time, one is cut as seldom as the
//! target allows: what it spans and what batches take make four fifths of the target, and it never spans more than
//! half of it. When a batch takes longer, the next one is cut as soon as it is over, and is larger by itself: this is
//! how load is followed without any rule that could swing. And no batch takes more records than can be processed in
//! a third of the target; receivers are held back where more than that waits, and what waits all the same, as the
//! input of batches that were missed, is taken in parts.
//!
//! How long so many records take is learned from batches: a straight line of a cost for each batch and one for each
//! record. Where the cost of a batch is so high that little room is left for records, batches become larger than the
//! target allows: then it can't be met, and what counts is that all is processed.

use std::time::Duration;

use waterclock_base::{BatchTime, PaceInfo};

/// Records that may be taken before any were seen, and twice of what was seen after: a wrong guess is then found out
/// while it is cheap.
const FIRST: u64 = 100;
/// Batches in a row that took as much as they may, after which there is too much.
const BEHIND: u32 = 8;
/// What a batch counts in the line compared with the one after it.
const FORGET: f64 = 0.9;
/// Microseconds of a record, before any were seen.
const GUESS: f64 = 10.0;

/// What is decided from, and what was decided.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Microseconds.
    target: f64,
    /// Microseconds of a step of the grid.
    step: f64,
    /// Microseconds that batches take: the longest of late, sinking slowly.
    busy: f64,
    /// Microseconds that the last one took.
    took: f64,
    line: Line,
    /// Records of the largest batch of late, sinking slowly.
    largest: f64,
    /// What the last cut left.
    left: u64,
    /// Batches in a row that took as much as they may.
    behind: u32,
    last: BatchTime,
}

/// What batches took, by their records: a weighted straight line through them.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    weight: f64,
    records: f64,
    micros: f64,
    squares: f64,
    products: f64,
}

impl Line {
    fn add(&mut self, records: u64, micros: f64) {
        let n = records as f64;
        for (sum, new) in [
            (&mut self.weight, 1.0),
            (&mut self.records, n),
            (&mut self.micros, micros),
            (&mut self.squares, n * n),
            (&mut self.products, n * micros),
        ] {
            *sum = *sum * FORGET + new;
        }
    }

    /// Microseconds of a batch, and of each record.
    fn costs(&self) -> (f64, f64) {
        if self.weight == 0.0 || self.records < f64::MIN_POSITIVE {
            return (self.micros / self.weight.max(1.0), GUESS);
        }
        let (mean, took) = (self.records / self.weight, self.micros / self.weight);
        let spread = self.squares / self.weight - mean * mean;
        let together = self.products / self.weight - mean * took;
        // Batches of about the same size tell nothing of the cost of a batch.
        let steep = if spread > mean * mean / 10.0 { together / spread } else { took / mean };
        let record = steep.clamp(0.001, (took / mean).max(0.001));
        ((took - record * mean).max(0.0), record)
    }
}

impl Pace {
    /// Nothing was seen yet.
    pub(crate) fn new(target: Duration, step: Duration) -> Self {
        let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
        Pace {
            target: micros(target),
            step: micros(step),
            busy: 0.0,
            took: 0.0,
            line: Line::default(),
            largest: 0.0,
            left: 0,
            behind: 0,
            last: BatchTime::ZERO,
        }
    }

    /// Whether a batch is to be cut, so many steps after the last one, with so many batches unfinished and so many
    /// records waiting. It is when a batch is nearly full: sources are not held back while nothing is at work.
    pub(crate) fn is_due(&self, steps: u64, unfinished: usize, waiting: u64) -> bool {
        let is_nearly_full = waiting.saturating_add(waiting / 8) >= self.most();
        unfinished == 0 && (self.left > 0 || steps >= self.span() || is_nearly_full)
    }

    /// Steps of a batch that nothing hurries or delays.
    pub(crate) fn span(&self) -> u64 {
        let room = (self.target * 0.8 - self.busy).min(self.target * 0.5);
        (room / self.step).max(1.0) as u64
    }

    /// Records that the next batch takes at most.
    pub(crate) fn most(&self) -> u64 {
        self.bearable().min(self.tried()).max(1.0) as u64
    }

    /// Records that take a third of the target; or, where that is more, so many that their work is worth the cost
    /// of a batch.
    fn bearable(&self) -> f64 {
        let (batch, record) = self.line.costs();
        let worth = if self.is_overloaded() { 4.0 } else { 1.0 };
        (self.target / 3.0 - batch).max(batch * worth) / record
    }

    /// Records that are few enough after what was seen.
    fn tried(&self) -> f64 {
        (self.largest * 2.0).max(FIRST as f64)
    }

    /// Whether more comes in than can be processed.
    pub(crate) fn is_overloaded(&self) -> bool {
        self.behind >= BEHIND
    }

    /// A batch was cut, so many steps after the last one: so many records waited, and so many are left to later ones.
    pub(crate) fn cut(&mut self, time: BatchTime, steps: u64, waited: u64, left: u64) {
        self.last = time;
        self.left = left;
        let rested = self.took < (steps.saturating_sub(2)) as f64 * self.step;
        if rested || waited < self.most() {
            self.behind = 0;
        } else if self.bearable() < self.tried() {
            self.behind = self.behind.saturating_add(1);
        }
    }

    /// A batch is over, whose records took so many microseconds.
    pub(crate) fn ended(&mut self, records: u64, micros: i64) {
        let micros = micros.max(0) as f64;
        self.took = micros;
        self.line.add(records, micros);
        let sunk = |high: f64, new: f64| if new >= high { new } else { high - (high - new) / 8.0 };
        self.busy = sunk(self.busy, micros.min(self.target));
        self.largest = sunk(self.largest, records as f64);
    }

    /// For people.
    pub(crate) fn info(&self) -> PaceInfo {
        let millis = |micros: f64| (micros / 1000.0) as u64;
        PaceInfo {
            time: self.last,
            target_ms: millis(self.target),
            span_ms: millis(self.span() as f64 * self.step),
            most_records: self.most(),
            left_records: self.left,
            overloaded: self.is_overloaded(),
        }
    }
}

/// Shares a number of records out among sources by what they have waiting; one of which that is not known gets as
/// much as if all had the same. Each gets at least one.
pub(crate) fn share(most: u64, waiting: &[Option<u64>]) -> Vec<u64> {
    let equal = most / (waiting.len() as u64).max(1);
    let unknown = waiting.iter().filter(|waiting| waiting.is_none()).count() as u64;
    let (rest, total) = (most - equal * unknown, waiting.iter().flatten().sum::<u64>());
    let part = |waiting: &Option<u64>| match waiting {
        None => equal,
        Some(_) if total <= rest => rest,
        Some(waiting) => (u128::from(rest) * u128::from(*waiting) / u128::from(total)) as u64,
    };
    waiting.iter().map(|waiting| part(waiting).max(1)).collect()
}

#[cfg(test)]
mod tests;
