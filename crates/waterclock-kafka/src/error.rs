//! What can go wrong with Kafka.

use rdkafka::error::KafkaError as ClientError;
use waterclock_base::BatchTime;

/// An error of a source or a sink. No text holds a setting's value, since that may be a password.
///
/// It reaches the program as the cause of a [`waterclock_base::Error`] that names the stream and the batch.
///
/// ```
/// use waterclock_kafka::{KafkaError, KafkaSource};
/// # use std::time::Duration;
/// # let (ssc, _) = waterclock_streaming::testing::manual_context("errors", Duration::from_secs(1))?;
/// let (events, _) = KafkaSource::new("localhost:9092").setting("enable.auto.commit", "true").stream(&ssc);
/// events.print();
/// // Settings are looked at before anything is connected to.
/// let error = ssc.start().unwrap_err();
/// assert!(error.full_text().contains("enable.auto.commit"));
/// # Ok::<(), waterclock_base::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// A setting can't be used.
    #[error("the setting `{name}`: {why}")]
    Setting {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },

    /// The brokers could not be asked.
    #[error("Kafka at {brokers}: {doing}: {cause}{}", also(.heard))]
    Client {
        /// The bootstrap servers.
        brokers: String,
        /// What was tried.
        doing: String,
        /// What the client said.
        cause: Box<ClientError>,
        /// What else it has said: most often why no broker can be reached.
        heard: Vec<String>,
    },

    /// A topic that is read, or a partition of it, is not there.
    #[error("topic {topic}{}: it is not there", in_partition(*.partition))]
    Missing {
        /// The topic.
        topic: String,
        /// The partition, where the topic is there.
        partition: Option<i32>,
    },

    /// Records of a batch are gone, or the topic is not the one that they were in.
    #[error(
        "offsets {from} to {to} of {topic}-{partition} can't be read from {at} on: {why}; \
         `on_lost(OnLost::SkipAndCount)` goes on without them"
    )]
    Lost {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The first offset of the batch.
        from: i64,
        /// The end of the batch.
        to: i64,
        /// The first offset that is gone.
        at: i64,
        /// What became of them.
        why: &'static str,
    },

    /// Nothing came for too long.
    #[error("{topic}-{partition}: nothing came from offset {at} on for {seconds} s{}", last_said(.last))]
    Stalled {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset that was waited for.
        at: i64,
        /// How long.
        seconds: u64,
        /// What the client said last.
        last: Option<Box<ClientError>>,
    },

    /// A batch that an earlier process had begun may be in the topic, and the brokers have forgotten which batches are.
    #[error(
        "batch {batch} was begun before the restart and may be in {topic}, where batches up to {earlier} at least were \
         written: the brokers have forgotten it with the offsets of the group {group} (`offsets.retention.minutes`, or \
         somebody deleted them). Look into the topic; then start once with `on_lost_mark(OnLostMark::Skip)` if the \
         batch is there, or with `on_lost_mark(OnLostMark::Write)` if it is not"
    )]
    MarkLost {
        /// The topic.
        topic: String,
        /// The group with whose offsets batches are marked.
        group: String,
        /// The batch.
        batch: BatchTime,
        /// The newest batch before it that was written.
        earlier: BatchTime,
    },

    /// Another process writes as the same output of the same application.
    #[error("another process has taken over the transactions of `{id}`; this one may not write any more")]
    TakenOver {
        /// The transactional id.
        id: String,
    },
}

fn in_partition(partition: Option<i32>) -> String {
    partition.map(|partition| format!(", partition {partition}")).unwrap_or_default()
}

fn also(heard: &[String]) -> String {
    heard.iter().map(|reason| format!("; {reason}")).collect()
}

fn last_said(last: &Option<Box<ClientError>>) -> String {
    last.as_ref().map(|error| format!("; the client said last: {error}")).unwrap_or_default()
}
