//! What a batch reads.

use serde::{Deserialize, Serialize};

/// A part of a partition of a topic: the offsets from `from` up to and without `to`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OffsetRange {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub from: i64,
    /// The offset after the last. Below `from` only where the topic became shorter than what was read of it.
    pub to: i64,
}

impl OffsetRange {
    /// How many offsets that are. Transactions, compaction and aborted records leave offsets without a record.
    ///
    /// ```
    /// let range = waterclock_kafka::OffsetRange { topic: "events".into(), partition: 0, from: 3, to: 10 };
    /// assert_eq!(range.count(), 7);
    /// ```
    pub fn count(&self) -> u64 {
        u64::try_from(self.to - self.from).unwrap_or(0)
    }
}

/// What a batch reads: one range for each partition of its topics, in the order of topic and partition, also where
/// it has nothing new. The dataset of the batch has one partition for each of them, in the same order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetRanges {
    /// The ranges.
    pub ranges: Vec<OffsetRange>,
}

impl OffsetRanges {
    /// The range of a partition.
    pub fn of(&self, topic: &str, partition: i32) -> Option<&OffsetRange> {
        let wanted = (topic, partition);
        let found = self.ranges.binary_search_by(|range| (&*range.topic, range.partition).cmp(&wanted));
        found.ok().map(|at| &self.ranges[at])
    }

    /// How many offsets they have together.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(OffsetRange::count).sum()
    }

    /// For people: the ranges that have something, the largest first.
    ///
    /// ```
    /// use waterclock_kafka::{OffsetRange, OffsetRanges};
    /// let range = |partition, to| OffsetRange { topic: "events".into(), partition, from: 0, to };
    /// let ranges = OffsetRanges { ranges: vec![range(0, 3), range(1, 0), range(2, 8)] };
    /// assert_eq!(ranges.describe(), "events-2: 0 to 8 (8), events-0: 0 to 3 (3)");
    /// ```
    pub fn describe(&self) -> String {
        let mut shown: Vec<_> = self.ranges.iter().filter(|range| range.to != range.from).collect();
        shown.sort_by_key(|range| std::cmp::Reverse(range.count()));
        let line = |range: &&OffsetRange| {
            format!("{}-{}: {} to {} ({})", range.topic, range.partition, range.from, range.to, range.count())
        };
        shown.iter().map(line).collect::<Vec<_>>().join(", ")
    }
}
