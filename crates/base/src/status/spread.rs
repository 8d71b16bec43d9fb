//! How times are spread: counts between fixed bounds.

use serde::{Deserialize, Serialize};

/// Microseconds, each about three times the one before: from a tenth of a millisecond to a hundred seconds.
const BOUNDS: [u64; 13] = [
    100,
    300,
    1_000,
    3_000,
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
];

/// Counts of times between bounds.
///
/// ```
/// let mut spread = waterclock_base::Spread::default();
/// spread.add(250);
/// spread.add(2_000);
/// assert_eq!((spread.sum_micros, spread.buckets().nth(1)), (2_250, Some((300, 1))));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// All times together, in microseconds.
    pub sum_micros: u64,
    /// How many are at most the first bound, above it and at most the second, and so on; at last those above all.
    counts: [u64; BOUNDS.len() + 1],
}

impl Spread {
    /// Counts a time.
    pub fn add(&mut self, micros: u64) {
        self.sum_micros = self.sum_micros.saturating_add(micros);
        self.counts[BOUNDS.partition_point(|bound| *bound < micros)] += 1;
    }

    /// Each bound in microseconds with the number of times above the bound before it; at last `u64::MAX`.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        BOUNDS.into_iter().chain([u64::MAX]).zip(self.counts)
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}
