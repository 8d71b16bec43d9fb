//! Which partitions there are, and how far they reach.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::{Offset, TopicPartitionList};
use regex_lite::Regex;

use crate::client::{Cluster, EVENTS, Reading};
use crate::error::KafkaError;

/// A partition of a topic.
pub(crate) type Partition = (String, i32);

/// Which partitions a source reads.
#[derive(Clone)]
pub(crate) enum Topics {
    Named(BTreeSet<String>),
    Like(String),
    Assigned(BTreeSet<Partition>),
}

/// A way to ask the brokers, which fetches no records.
pub(crate) struct Overview {
    cluster: Cluster,
    topics: Topics,
    pattern: Option<Regex>,
    consumer: Reading,
}

impl Overview {
    /// # Errors
    /// When a setting can't be used.
    pub(crate) fn new(cluster: Cluster, topics: Topics) -> Result<Self, KafkaError> {
        let pattern = match &topics {
            Topics::Like(pattern) => Some(Regex::new(pattern).map_err(|error| KafkaError::Setting {
                name: "topic_pattern".to_owned(),
                why: format!("`{pattern}`: {error}"),
            })?),
            Topics::Named(_) | Topics::Assigned(_) => None,
        };
        let fixed = [("enable.auto.commit", "false"), ("enable.auto.offset.store", "false")];
        let usual = [("group.id", "waterclock"), ("isolation.level", "read_committed")];
        let config = cluster.config(&usual, &fixed)?;
        let consumer = cluster.connect(&config)?;
        Ok(Overview { cluster, topics, pattern, consumer })
    }

    /// Whether a partition is one of the source's, as far as names tell.
    pub(crate) fn covers(&self, (topic, partition): &Partition) -> bool {
        match &self.topics {
            Topics::Named(names) => names.contains(topic),
            Topics::Like(_) => self.matches(topic),
            Topics::Assigned(partitions) => partitions.contains(&(topic.clone(), *partition)),
        }
    }

    /// Topics with two underscores in front are the brokers' own.
    fn matches(&self, topic: &str) -> bool {
        !topic.starts_with("__") && self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(topic))
    }

    /// The partitions that are there now.
    ///
    /// # Errors
    /// When the brokers don't answer. What is missing is no error here.
    pub(crate) fn partitions(&self) -> Result<BTreeSet<Partition>, KafkaError> {
        // Serves what the client has to say, which would gather otherwise.
        let _ = self.consumer.poll(Duration::ZERO);
        let mut found = BTreeSet::new();
        match &self.topics {
            Topics::Named(names) => names.iter().try_for_each(|name| self.ask(Some(name), &mut found))?,
            Topics::Like(_) => self.ask(None, &mut found)?,
            Topics::Assigned(wanted) => {
                let names: BTreeSet<_> = wanted.iter().map(|(topic, _)| topic).collect();
                names.into_iter().try_for_each(|name| self.ask(Some(name), &mut found))?;
                found.retain(|partition| wanted.contains(partition));
            }
        }
        Ok(found)
    }

    fn ask(&self, topic: Option<&str>, found: &mut BTreeSet<Partition>) -> Result<(), KafkaError> {
        let metadata = self.consumer.fetch_metadata(topic, self.cluster.time_out);
        let metadata = metadata.map_err(|cause| {
            // What it has to say beside comes when it is asked for events.
            (0..EVENTS).for_each(|_| drop(self.consumer.poll(Duration::ZERO)));
            self.cluster.failed("asking for topics", cause)
        })?;
        for known in metadata.topics().iter().filter(|known| topic.is_some() || self.matches(known.name())) {
            found
                .extend(known.partitions().iter().map(|partition| (known.name().to_owned(), partition.id())));
        }
        Ok(())
    }

    /// What has to be there and is not.
    pub(crate) fn missing(&self, found: &BTreeSet<Partition>) -> Option<KafkaError> {
        let (topic, partition) = match &self.topics {
            Topics::Named(names) => {
                let gone = |name: &&String| !found.iter().any(|(topic, _)| topic == *name);
                (names.iter().find(gone)?.clone(), None)
            }
            Topics::Like(_) => return None,
            Topics::Assigned(wanted) => {
                let (topic, partition) = wanted.iter().find(|partition| !found.contains(*partition))?;
                (topic.clone(), Some(*partition))
            }
        };
        Some(KafkaError::Missing { topic, partition })
    }

    /// The first offset that each partition still has.
    pub(crate) fn begins<'a>(
        &self,
        of: impl Iterator<Item = &'a Partition>,
    ) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        self.offsets(of.map(|partition| (partition, Offset::Beginning)))
    }

    /// The offset after the last that each partition has for readers of committed records.
    pub(crate) fn ends<'a>(
        &self,
        of: impl Iterator<Item = &'a Partition>,
    ) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        self.offsets(of.map(|partition| (partition, Offset::End)))
    }

    /// The offset of the first record of each partition that is not older; the end where there is none.
    pub(crate) fn since<'a>(
        &self,
        of: impl Iterator<Item = &'a Partition> + Clone,
        millis: i64,
    ) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        let mut found =
            self.offsets(of.clone().map(|partition| (partition, Offset::Offset(millis.max(0)))))?;
        found.extend(self.ends(of.filter(|partition| !found.contains_key(*partition)))?);
        Ok(found)
    }

    /// One question to each broker: the brokers take the two ends for times too.
    fn offsets<'a>(
        &self,
        of: impl Iterator<Item = (&'a Partition, Offset)>,
    ) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        let doing = "asking for offsets";
        let failed = |cause| self.cluster.failed(doing, cause);
        let mut asked = TopicPartitionList::new();
        for ((topic, partition), offset) in of {
            asked.add_partition_offset(topic, *partition, offset).map_err(failed)?;
        }
        if asked.count() == 0 {
            return Ok(BTreeMap::new());
        }
        let answer = self.consumer.offsets_for_times(asked, self.cluster.time_out).map_err(failed)?;
        let mut found = BTreeMap::new();
        for element in answer.elements() {
            element.error().map_err(failed)?;
            if let Offset::Offset(offset) = element.offset() {
                found.insert((element.topic().to_owned(), element.partition()), offset);
            }
        }
        Ok(found)
    }

    /// Where a group is, as far as it has been anywhere.
    pub(crate) fn committed<'a>(
        &self,
        of: impl Iterator<Item = &'a Partition>,
        group: &str,
    ) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        let failed = |cause| self.cluster.failed(format!("asking for the offsets of group {group}"), cause);
        let mut cluster = self.cluster.clone();
        cluster.settings.retain(|(name, _)| name != "group.id");
        let config = cluster.config(&[], &[("group.id", group), ("enable.auto.commit", "false")])?;
        let member: Reading = cluster.connect(&config)?;
        let mut asked = TopicPartitionList::new();
        of.for_each(|(topic, partition)| {
            asked.add_partition(topic, *partition);
        });
        let answer = member.committed_offsets(asked, self.cluster.time_out).map_err(failed)?;
        let place =
            |element: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
                Offset::Offset(offset) => Some(((element.topic().to_owned(), element.partition()), offset)),
                _ => None,
            };
        Ok(answer.elements().into_iter().filter_map(place).collect())
    }
}
