//! Telling a consumer group how far the batches are.

use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{Cluster, Reading};
use crate::error::KafkaError;
use crate::offsets::OffsetRanges;

/// A client that writes as a group without being a member of it.
pub(crate) struct Group {
    name: String,
    consumer: Reading,
    stopping: AtomicBool,
}

impl Group {
    /// # Errors
    /// When a setting can't be used.
    pub(crate) fn new(cluster: &Cluster, name: &str) -> Result<Self, KafkaError> {
        let mut cluster = cluster.clone();
        cluster.settings.retain(|(setting, _)| setting != "group.id");
        let fixed =
            [("group.id", name), ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false")];
        let config = cluster.config(&[], &fixed)?;
        let consumer = cluster.connect(&config)?;
        Ok(Group { name: name.to_owned(), consumer, stopping: AtomicBool::new(false) })
    }

    /// Writes down that everything in front of the ends of these ranges is done. What fails is told and not tried
    /// again: the next batch says more.
    pub(crate) fn commit(&self, done: &OffsetRanges) {
        // What the client has to say about earlier ones would gather otherwise.
        let _ = self.consumer.poll(std::time::Duration::ZERO);
        let mut offsets = TopicPartitionList::new();
        for range in &done.ranges {
            let added = offsets.add_partition_offset(&range.topic, range.partition, Offset::Offset(range.to));
            if let Err(error) = added {
                return self.warn(&error);
            }
        }
        // Nothing comes after the last one that would carry its request out.
        let mode = if self.stopping.load(Ordering::Relaxed) { CommitMode::Sync } else { CommitMode::Async };
        if offsets.count() > 0
            && let Err(error) = self.consumer.commit(&offsets, mode)
        {
            self.warn(&error);
        }
    }

    fn warn(&self, error: &rdkafka::error::KafkaError) {
        tracing::warn!("the offsets of a batch were not committed to the group {}: {error}", self.name);
    }

    /// From here on each commit is waited for.
    pub(crate) fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}
