//! What is written to a topic.

use serde::Serialize;

/// A record on its way into a topic.
///
/// ```
/// use waterclock_kafka::NewRecord;
/// let record = NewRecord::value("17").key("water").header("unit", "litre").timestamp(1_700_000_000_000);
/// assert_eq!(record, NewRecord::value("17").key("water").header("unit", "litre").timestamp(1_700_000_000_000));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct NewRecord {
    pub(crate) topic: Option<String>,
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) timestamp: Option<i64>,
}

impl NewRecord {
    /// A record with this value.
    pub fn value(value: impl Into<Vec<u8>>) -> Self {
        NewRecord { value: Some(value.into()), ..NewRecord::default() }
    }

    /// A record that deletes its key from a compacted topic.
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Self {
        NewRecord { key: Some(key.into()), ..NewRecord::default() }
    }

    /// Its key. Records of a key go to one partition, the same one that Java's client chooses.
    #[must_use]
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// When it was made, in milliseconds since the epoch; without it, when it is written.
    #[must_use]
    pub fn timestamp(mut self, millis: i64) -> Self {
        self.timestamp = Some(millis);
        self
    }

    /// Another topic than the sink's.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// The partition, instead of the one of its key.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }
}
