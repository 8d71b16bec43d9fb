//! Which batches a topic has: kept by the brokers as the offset of a consumer group, in the transaction of the batch.
//!
//! The group is named after application and output, the partition is the first of the sink's topic, the offset is
//! the time of the newest batch and the text beside it has the newest batches, as `2:` and, with commas between, of
//! each its distance from that time in milliseconds, `=` and the hash of its content in hexadecimal digits (`1:` had
//! no hashes). So a batch that is published late, as with several jobs at once, is not taken for one that
//! is there.

use std::collections::BTreeMap;

/// How many batches are told from each other; what is older than all of them counts as there.
const KEPT: usize = 64;

/// The newest batches that are there: by time the hash of their content, where it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    batches: BTreeMap<i64, Option<u64>>,
}

impl Marks {
    /// What the brokers keep; of a text that we did not write only the offset counts.
    pub(crate) fn read(offset: i64, text: &str) -> Self {
        let text = text.strip_prefix("2:").or_else(|| text.strip_prefix("1:")).unwrap_or_default();
        let mut marks = Marks { batches: BTreeMap::from([(offset, None)]) };
        marks.batches.extend(text.split(',').filter_map(|batch| {
            let (distance, hash) = batch.split_once('=').unwrap_or((batch, ""));
            Some((offset.checked_sub(distance.parse().ok()?)?, u64::from_str_radix(hash, 16).ok()))
        }));
        marks
    }

    /// What the brokers are to keep; none before the first batch.
    pub(crate) fn written(&self) -> Option<(i64, String)> {
        let (newest, _) = self.batches.last_key_value()?;
        let batch = |(time, hash): (&i64, &Option<u64>)| match hash {
            Some(hash) => format!("{}={hash:x}", newest - time),
            None => (newest - time).to_string(),
        };
        let batches: Vec<_> = self.batches.iter().map(batch).collect();
        Some((*newest, format!("2:{}", batches.join(","))))
    }

    /// Whether nothing is known to be there.
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether the batch of this time is there.
    pub(crate) fn has(&self, time: i64) -> bool {
        let too_old = |(oldest, _): (&i64, _)| self.batches.len() >= KEPT && time < *oldest;
        self.batches.contains_key(&time) || self.batches.first_key_value().is_some_and(too_old)
    }

    /// The hash of the content of the batch of this time, where it is known.
    pub(crate) fn content(&self, time: i64) -> Option<u64> {
        self.batches.get(&time).copied().flatten()
    }

    /// The same with one more.
    pub(crate) fn with(&self, time: i64, content: u64) -> Self {
        let mut batches = self.batches.clone();
        batches.insert(time, Some(content));
        while batches.len() > KEPT {
            batches.pop_first();
        }
        Marks { batches }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let marks = Marks::default().with(5000, 0xa).with(3000, u64::MAX).with(9000, 0);
        let (offset, text) = marks.written().unwrap();
        assert_eq!((offset, &*text), (9000, "2:6000=ffffffffffffffff,4000=a,0=0"));
        assert_eq!(Marks::read(offset, &text), marks);
        assert_eq!(
            (marks.content(5000), marks.content(9000), marks.content(7000)),
            (Some(0xa), Some(0), None)
        );
        assert_eq!(Marks::default().written(), None);
    }

    #[test]
    fn marks_without_hashes_are_read() {
        let marks = Marks::read(9000, "1:6000,4000,0");
        assert!(marks.has(3000) && marks.has(5000) && marks.has(9000) && !marks.has(4000));
        assert_eq!(marks.content(9000), None);
        assert_eq!(marks.with(10_000, 1).written().unwrap().1, "2:7000,5000,1000,0=1");
    }

    #[test]
    fn a_batch_between_two_others_is_not_there() {
        let marks = Marks::default().with(5000, 1).with(7000, 1);
        assert!(marks.has(5000) && marks.has(7000));
        assert!(!marks.has(6000) && !marks.has(4000) && !marks.has(8000));
    }

    #[test]
    fn what_is_older_than_all_is_there() {
        let marks = (1..=200).fold(Marks::default(), |marks, n| marks.with(n * 1000, u64::MAX));
        assert!(marks.has(1000) && marks.has(100_500) && marks.has(200_000));
        assert!(!marks.has(199_500) && !marks.has(201_000));
        // Brokers take 4,096 bytes, unless they are told otherwise.
        assert!(marks.written().unwrap().1.len() < 2000);
    }

    #[test]
    fn a_strange_text_leaves_the_offset() {
        assert_eq!(Marks::read(7000, "what is this"), Marks::read(7000, ""));
        assert_eq!(Marks::read(7000, "1:-9223372036854775808,x"), Marks::read(7000, ""));
        assert!(Marks::read(7000, "").has(7000));
    }
}
