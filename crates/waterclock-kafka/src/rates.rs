//! How much of what is there a batch reads.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::offsets::OffsetRange;

/// Limits in records a second, over the interval of a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    /// Of all partitions together, shared by what they have waiting.
    pub(crate) together: Option<u64>,
    /// Of each partition for which there is none of its own.
    pub(crate) per_partition: Option<u64>,
    /// Of single partitions.
    pub(crate) of: BTreeMap<(String, i32), u64>,
    /// What a partition may read in a batch whatever the limits say, so that none stands still.
    pub(crate) least: u64,
}

/// What a partition has that no batch has read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    records: u64,
    /// Its own limit in records a second.
    rate: Option<u64>,
}

impl Rates {
    /// What waits in a range, and how much of it a second may read.
    pub(crate) fn waiting(&self, range: &OffsetRange) -> Waiting {
        let own = self.of.get(&(range.topic.clone(), range.partition)).copied();
        Waiting { records: range.count(), rate: own.or(self.per_partition) }
    }

    /// How many offsets a batch over `interval` reads of partitions with so much waiting, at `most` all together where
    /// that is given.
    pub(crate) fn limit(&self, waiting: &[Waiting], interval: Duration, most: Option<u64>) -> Vec<u64> {
        let together: u64 = waiting.iter().map(|waiting| waiting.records).sum();
        let limit = |&Waiting { records: waiting, rate }: &Waiting| {
            let share = self.together.map(|rate| u128::from(rate) * u128::from(waiting));
            let share = share.map(|share| (share * interval.as_millis(), 1000 * u128::from(together.max(1))));
            let own = rate.map(|rate| (u128::from(rate) * interval.as_millis(), 1000));
            let asked =
                most.map(|most| (u128::from(most) * u128::from(waiting), u128::from(together.max(1))));
            let allowed = [share, own, asked].into_iter().flatten().map(|(much, by)| much / by).min();
            let allowed = allowed.map(|allowed| u64::try_from(allowed).unwrap_or(u64::MAX).max(self.least));
            waiting.min(allowed.unwrap_or(u64::MAX))
        };
        waiting.iter().map(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(together: u64, per_partition: u64, least: u64) -> Rates {
        let some = |rate| Some(rate).filter(|rate| *rate > 0);
        Rates { together: some(together), per_partition: some(per_partition), least, of: BTreeMap::new() }
    }

    /// What a batch reads of partitions with so much waiting.
    fn limits(rates: &Rates, waiting: &[u64], interval: Duration, most: Option<u64>) -> Vec<u64> {
        let range = |(partition, &records): (usize, &u64)| {
            let partition = i32::try_from(partition).unwrap();
            let range = OffsetRange {
                topic: "t".to_owned(),
                partition,
                from: 0,
                to: i64::try_from(records).unwrap(),
            };
            rates.waiting(&range)
        };
        let waiting: Vec<_> = waiting.iter().enumerate().map(range).collect();
        rates.limit(&waiting, interval, most)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// T-390: at most rate × interval. T-391: nothing waits, nothing is read; without limits all of it.
    #[test]
    fn a_rate_times_the_interval() {
        assert_eq!(limits(&rates(0, 100, 1), &[50, 50], ms(100), None), [10, 10]);
        assert_eq!(limits(&rates(0, 0, 1), &[0, 70], ms(100), None), [0, 70]);
        assert_eq!(limits(&rates(1000, 0, 1), &[0, 0], ms(100), None), [0, 0]);
    }

    /// T-392: each partition has its own limit, or that of all partitions.
    #[test]
    fn partitions_have_limits_of_their_own() {
        let mut rates = rates(1000, 50, 1);
        rates.of.insert(("t".to_owned(), 1), 100);
        assert_eq!(limits(&rates, &[1000, 1000, 1000], ms(100), None), [5, 10, 5]);
        rates.of.insert(("t".to_owned(), 0), 0);
        assert_eq!(limits(&rates, &[1000, 1000], ms(100), None), [1, 10]);
    }

    /// A limit of each partition and one of all together, the lower one counts.
    #[test]
    fn both_limits_count() {
        assert_eq!(limits(&rates(1000, 50, 1), &[1000, 1000], ms(100), None), [5, 5]);
        assert_eq!(limits(&rates(1000, 100, 1), &[1000, 1000], ms(100), None), [10, 10]);
        assert_eq!(limits(&rates(300, 0, 1), &[1000, 2000], ms(1000), None), [100, 200]);
    }

    /// T-393 (what the controller's rate makes of a batch): it is shared by what waits, below the limits of partitions.
    #[test]
    fn the_rate_of_the_controller_is_shared_by_what_waits() {
        let none = rates(0, 0, 1);
        assert_eq!(limits(&none, &[1000, 1000], ms(100), Some(100)), [50, 50]);
        assert_eq!(limits(&none, &[1000, 3000, 0], ms(100), Some(100)), [25, 75, 0]);
        assert_eq!(limits(&none, &[10, 20], ms(100), Some(100)), [10, 20]);
        assert_eq!(limits(&rates(0, 50, 1), &[1000, 1000], ms(100), Some(100)), [5, 5]);
        assert_eq!(limits(&rates(0, 100, 1), &[1000, 1000], ms(100), Some(100)), [10, 10]);
        // No partition stands still, however little there is to share.
        assert_eq!(limits(&none, &[1000, 1], ms(100), Some(0)), [1, 1]);
    }

    /// T-394, T-395: the rate of the stream below and above that of a partition.
    #[test]
    fn the_lower_one_counts_both_ways() {
        assert_eq!(limits(&rates(500, 1000, 1), &[10_000], ms(500), None), [250]);
        assert_eq!(limits(&rates(1000, 300, 1), &[10_000], ms(500), None), [150]);
    }

    /// T-396: what waits nowhere is not read, and the floor counts for a batch, whatever its interval.
    #[test]
    fn a_partition_may_always_read_a_little() {
        assert_eq!(limits(&rates(1, 0, 5), &[0, 100, 200, 300], ms(60_000), None), [0, 10, 20, 30]);
        assert_eq!(limits(&rates(1, 0, 5), &[0, 3, 200, 300], ms(1000), None), [0, 3, 5, 5]);
    }
}
