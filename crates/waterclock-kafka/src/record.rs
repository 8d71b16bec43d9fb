//! What is read from a topic.

use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Headers as _, OwnedMessage};
use serde::{Deserialize, Serialize};

/// A record of a topic.
///
/// ```
/// use waterclock_kafka::KafkaRecord;
/// let record = KafkaRecord { value: Some(b"hello".to_vec()), ..KafkaRecord::default() };
/// assert_eq!(record.value_text(), "hello");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KafkaRecord {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// Milliseconds since the epoch: when it was made or stored, as the topic is set to.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; none is what deletes a key in a compacted topic.
    pub value: Option<Vec<u8>>,
    /// Names and values that travel with it.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl KafkaRecord {
    /// The value as text, with a mark in place of what is not UTF-8; empty where there is none.
    pub fn value_text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }
}

/// A record where it lies in the client's memory, for as long as
/// [`stream_with`](crate::KafkaSource::stream_with) makes something of it.
///
/// ```
/// use waterclock_kafka::KafkaMessage;
/// /// The length of keys and values, without copying them.
/// fn bytes(message: &KafkaMessage<'_>) -> usize {
///     message.key().map_or(0, <[u8]>::len) + message.value().map_or(0, <[u8]>::len)
/// }
/// # let _ = bytes;
/// ```
pub struct KafkaMessage<'a> {
    topic: &'a str,
    partition: i32,
    inner: Inner<'a>,
}

#[derive(Clone, Copy)]
enum Inner<'a> {
    Lent(&'a BorrowedMessage<'a>),
    Kept(&'a OwnedMessage),
}

/// Calls a method of the client's `Message` on either form.
macro_rules! of {
    ($self:ident, $message:ident => $value:expr) => {
        match $self.inner {
            Inner::Lent($message) => $value,
            Inner::Kept($message) => $value,
        }
    };
}

impl<'a> KafkaMessage<'a> {
    pub(crate) fn lent(topic: &'a str, partition: i32, message: &'a BorrowedMessage<'a>) -> Self {
        KafkaMessage { topic, partition, inner: Inner::Lent(message) }
    }

    pub(crate) fn kept(topic: &'a str, partition: i32, message: &'a OwnedMessage) -> Self {
        KafkaMessage { topic, partition, inner: Inner::Kept(message) }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        self.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Its place in the partition.
    pub fn offset(&self) -> i64 {
        of!(self, message => message.offset())
    }

    /// Milliseconds since the epoch: when it was made or stored, as the topic is set to.
    pub fn timestamp(&self) -> Option<i64> {
        of!(self, message => message.timestamp().to_millis())
    }

    /// The key.
    pub fn key(&self) -> Option<&[u8]> {
        of!(self, message => message.key())
    }

    /// The value; none is what deletes a key in a compacted topic.
    pub fn value(&self) -> Option<&[u8]> {
        of!(self, message => message.payload())
    }

    /// Names and values that travel with it, in order.
    pub fn headers(&self) -> Vec<(&str, Option<&[u8]>)> {
        of!(self, message => {
            let headers = message.headers();
            headers.map(|headers| headers.iter().map(|header| (header.key, header.value)).collect()).unwrap_or_default()
        })
    }

    /// A copy that can be kept.
    pub fn to_record(&self) -> KafkaRecord {
        let headers = self.headers().into_iter();
        KafkaRecord {
            topic: self.topic.to_owned(),
            partition: self.partition,
            offset: self.offset(),
            timestamp: self.timestamp(),
            key: self.key().map(<[u8]>::to_vec),
            value: self.value().map(<[u8]>::to_vec),
            headers: headers.map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))).collect(),
        }
    }
}
