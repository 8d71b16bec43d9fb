//! Which batches a topic has: kept by the brokers as the offset of a consumer group, in the transaction of the batch.
//!
//! The group is named after application and output, the partition is the first of the sink's topic, the offset is
//! the time of the newest batch and the text beside it has the newest batches, as `1:` and their distances from that
//! time in milliseconds. So a batch that is published late, as with several jobs at once, is not taken for one that
//! is there.

use std::collections::BTreeSet;

/// How many batches are told from each other; what is older than all of them counts as there.
const KEPT: usize = 64;

/// The newest batches that are there, by time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    times: BTreeSet<i64>,
}

impl Marks {
    /// What the brokers keep; of a text that we did not write only the offset counts.
    pub(crate) fn read(offset: i64, text: &str) -> Self {
        let distances = text.strip_prefix("1:").unwrap_or_default().split(',');
        let times = distances.filter_map(|distance| offset.checked_sub(distance.parse().ok()?));
        Marks { times: times.chain([offset]).collect() }
    }

    /// What the brokers are to keep; none before the first batch.
    pub(crate) fn written(&self) -> Option<(i64, String)> {
        let newest = *self.times.last()?;
        let distances: Vec<_> = self.times.iter().map(|time| (newest - time).to_string()).collect();
        Some((newest, format!("1:{}", distances.join(","))))
    }

    /// Whether the batch of this time is there.
    pub(crate) fn has(&self, time: i64) -> bool {
        let too_old = |oldest: &i64| self.times.len() >= KEPT && time < *oldest;
        self.times.contains(&time) || self.times.first().is_some_and(too_old)
    }

    /// The same with one more.
    pub(crate) fn with(&self, time: i64) -> Self {
        let mut times = self.times.clone();
        times.insert(time);
        while times.len() > KEPT {
            times.pop_first();
        }
        Marks { times }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let marks = Marks::default().with(5000).with(3000).with(9000);
        let (offset, text) = marks.written().unwrap();
        assert_eq!((offset, &*text), (9000, "1:6000,4000,0"));
        assert_eq!(Marks::read(offset, &text), marks);
        assert_eq!(Marks::default().written(), None);
    }

    #[test]
    fn a_batch_between_two_others_is_not_there() {
        let marks = Marks::default().with(5000).with(7000);
        assert!(marks.has(5000) && marks.has(7000));
        assert!(!marks.has(6000) && !marks.has(4000) && !marks.has(8000));
    }

    #[test]
    fn what_is_older_than_all_is_there() {
        let marks = (1..=200).fold(Marks::default(), |marks, n| marks.with(n * 1000));
        assert!(marks.has(1000) && marks.has(100_500) && marks.has(200_000));
        assert!(!marks.has(199_500) && !marks.has(201_000));
        assert!(marks.written().unwrap().1.len() < 1000);
    }

    #[test]
    fn a_strange_text_leaves_the_offset() {
        assert_eq!(Marks::read(7000, "what is this"), Marks::default().with(7000));
        assert_eq!(Marks::read(7000, "1:-9223372036854775808,x"), Marks::default().with(7000));
    }
}
