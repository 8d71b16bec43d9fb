//! What the next batch reads: a decision from what the batch before read and what the brokers have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use waterclock_base::world::lock;
use waterclock_base::{BatchInterval, BatchTime};
use waterclock_streaming::OnLost;

use crate::error::KafkaError;
use crate::offsets::{OffsetRange, OffsetRanges};
use crate::rates::Rates;
use crate::topics::{Overview, Partition};

/// Where a source without a past begins in a partition.
///
/// Partitions that appear later, or were not yet read when a checkpoint was written, begin at their first record.
///
/// ```
/// use waterclock_kafka::Start;
/// let at = Start::Offsets([(("events".to_owned(), 0), 17)].into());
/// assert_ne!(at, Start::Earliest);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// At the first record that is still there.
    Earliest,
    /// At what comes after the start of the context.
    Latest,
    /// At the first record that is not older than this, in milliseconds since the epoch.
    Timestamp(i64),
    /// At these offsets by topic and partition; elsewhere at the first record.
    Offsets(BTreeMap<(String, i32), i64>),
    /// Where the group of [`commit_to_group`](crate::KafkaSource::commit_to_group) is; where it has not been, at the
    /// first record. Brokers forget a group for which no program has run for `offsets.retention.minutes`, a week if
    /// they are not told otherwise.
    Group,
}

/// The part of a source that forms batches.
pub(crate) struct Cutter {
    pub(crate) wishes: Wishes,
    known: Mutex<Known>,
}

/// What the program wants of it.
#[derive(Clone)]
pub(crate) struct Wishes {
    pub(crate) start: Start,
    pub(crate) group: Option<String>,
    pub(crate) rates: Rates,
    pub(crate) on_lost: OnLost,
    pub(crate) look_every: Duration,
}

#[derive(Default)]
struct Known {
    partitions: BTreeSet<Partition>,
    /// Of which batch the partitions are.
    looked: Option<BatchTime>,
    /// Where a source without a past begins.
    begins: BTreeMap<Partition, i64>,
}

impl Default for Wishes {
    fn default() -> Self {
        Wishes {
            start: Start::Earliest,
            group: None,
            rates: Rates { least: 1, ..Rates::default() },
            on_lost: OnLost::Fail,
            look_every: Duration::from_secs(5),
        }
    }
}

impl Cutter {
    pub(crate) fn new(wishes: Wishes) -> Self {
        Cutter { wishes, known: Mutex::default() }
    }

    fn skips(&self) -> bool {
        self.wishes.on_lost == OnLost::SkipAndCount
    }

    /// Finds the partitions and, where there is no past, the first offsets.
    ///
    /// # Errors
    /// When the brokers don't answer, or have not what is to be read.
    pub(crate) fn begin(&self, brokers: &Overview, has_past: bool) -> Result<(), KafkaError> {
        if self.wishes.start == Start::Group && self.wishes.group.is_none() {
            let why = "`Start::Group` needs `commit_to_group`".to_owned();
            return Err(KafkaError::Setting { name: "start".to_owned(), why });
        }
        let partitions = brokers.partitions()?;
        if let Some(missing) = brokers.missing(&partitions)
            && !(has_past && self.skips())
        {
            return Err(missing);
        }
        let begins = if has_past { BTreeMap::new() } else { self.first(brokers, &partitions)? };
        *lock(&self.known) = Known { partitions, looked: None, begins };
        Ok(())
    }

    fn first(
        &self,
        brokers: &Overview,
        of: &BTreeSet<Partition>,
    ) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        match &self.wishes.start {
            Start::Earliest => brokers.begins(of.iter()),
            Start::Latest => brokers.ends(of.iter()),
            Start::Timestamp(millis) => brokers.since(of.iter(), *millis),
            Start::Offsets(given) => {
                let mut begins = brokers.begins(of.iter())?;
                let wanted = given.iter().filter(|(partition, _)| of.contains(*partition));
                begins.extend(wanted.map(|(partition, offset)| (partition.clone(), *offset)));
                Ok(begins)
            }
            Start::Group => {
                let mut begins = brokers.begins(of.iter())?;
                if let Some(group) = &self.wishes.group {
                    begins.extend(brokers.committed(of.iter(), group)?);
                }
                Ok(begins)
            }
        }
    }

    /// What comes after `before`, about `most` records where that is given.
    ///
    /// # Errors
    /// When the brokers don't answer, or a partition is not there that was; then nothing has changed.
    pub(crate) fn next(
        &self,
        brokers: &Overview,
        before: Option<&OffsetRanges>,
        interval: BatchInterval,
        most: Option<u64>,
    ) -> Result<OffsetRanges, KafkaError> {
        let mut known = lock(&self.known);
        let is_due = |looked: BatchTime| interval.to.since(looked) >= self.wishes.look_every;
        if known.looked.is_none_or(is_due) {
            // A failure makes the next batch look again.
            known.looked = None;
            known.partitions = brokers.partitions()?;
        }
        let asked = self.ask(brokers, &known, before);
        known.looked = if asked.is_err() { None } else { known.looked.or(Some(interval.to)) };
        let waiting = asked?;
        let counts: Vec<_> = waiting.iter().map(|range| self.wishes.rates.waiting(range)).collect();
        let limits = self.wishes.rates.limit(&counts, interval.to.since(interval.from), most);
        let limited = waiting.into_iter().zip(limits).map(|(range, limit)| match range.to < range.from {
            // A loss, which is for the batch to tell.
            true => range,
            false => OffsetRange { to: range.from + i64::try_from(limit).unwrap_or(i64::MAX), ..range },
        });
        Ok(OffsetRanges { ranges: limited.collect() })
    }

    /// Everything that waits.
    fn ask(
        &self,
        brokers: &Overview,
        known: &Known,
        before: Option<&OffsetRanges>,
    ) -> Result<Vec<OffsetRange>, KafkaError> {
        let mut places = match before {
            Some(before) => {
                let place = |range: &OffsetRange| ((range.topic.clone(), range.partition), range.to);
                before.ranges.iter().map(place).filter(|(partition, _)| brokers.covers(partition)).collect()
            }
            None => known.begins.clone(),
        };
        if !self.skips()
            && let Some((topic, partition)) = places.keys().find(|place| !known.partitions.contains(*place))
        {
            return Err(KafkaError::Missing { topic: topic.clone(), partition: Some(*partition) });
        }
        places.extend(brokers.begins(known.partitions.iter().filter(|place| !places.contains_key(*place)))?);
        let ends = brokers.ends(known.partitions.iter())?;
        let shorter = |(place, from): &(&Partition, &i64)| ends.get(*place).is_some_and(|end| end < *from);
        if self.skips() {
            // The topic was made anew: it is read as a new one.
            let anew = brokers.begins(places.iter().filter(shorter).map(|(place, _)| place))?;
            for ((topic, partition), begin) in &anew {
                tracing::warn!("{topic}-{partition} became shorter than what was read; going on at {begin}");
            }
            places.extend(anew);
        }
        let range = |((topic, partition), from): (Partition, i64)| {
            // What is not there now may only be hidden: its place is kept.
            let to = ends.get(&(topic.clone(), partition)).copied().unwrap_or(from);
            OffsetRange { topic, partition, from, to }
        };
        Ok(places.into_iter().map(range).collect())
    }
}
