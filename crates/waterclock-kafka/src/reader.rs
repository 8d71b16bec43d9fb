//! Reading the records of a range, and of nothing else.

use std::sync::Mutex;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::OwnedMessage;
use rdkafka::{Message as _, Offset, TopicPartitionList};
use waterclock_base::BoxError;
use waterclock_base::world::lock;

use crate::client::{Cluster, Deadline, Reading};
use crate::error::KafkaError;
use crate::offsets::OffsetRange;
use crate::record::KafkaMessage;

/// How long the client is waited for before its position is looked at: it says nothing where offsets have no record.
const GLANCE: Duration = Duration::from_millis(5);

const SHORTER: &str = "the topic is shorter: it was cut off or made anew";

/// Consumers that are not at work, each at the end of what it read last, where the next batch begins. They fetch ahead.
pub(crate) struct Readers {
    cluster: Cluster,
    /// How long nothing may come.
    patience: Duration,
    most: usize,
    /// The one that was used last at the end.
    idle: Mutex<Vec<Reader>>,
}

/// A consumer of one partition.
struct Reader {
    topic: String,
    partition: i32,
    consumer: Reading,
    /// Nothing before this offset will come any more, and everything from it on.
    next: i64,
    /// What came after the end of a range.
    ahead: Option<OwnedMessage>,
}

/// Takes each record; its errors end the reading.
type Take<'a> = &'a mut dyn FnMut(&KafkaMessage<'_>) -> Result<(), BoxError>;

impl Readers {
    pub(crate) fn new(cluster: Cluster, patience: Duration, most: usize) -> Self {
        Readers { cluster, patience, most, idle: Mutex::default() }
    }

    /// Whether the settings can be used.
    ///
    /// # Errors
    /// When they can't.
    pub(crate) fn check(&self) -> Result<(), KafkaError> {
        let config = self.config()?;
        let created = config.create_native_config().map(|_| ());
        created.map_err(|cause| self.cluster.failed("connecting", cause))
    }

    fn config(&self) -> Result<rdkafka::ClientConfig, KafkaError> {
        let usual = [
            ("group.id", "waterclock"),
            ("isolation.level", "read_committed"),
            // There is one consumer for each partition.
            ("queued.max.messages.kbytes", "16384"),
            // How late the end of a partition shows where its last offsets have no record.
            ("fetch.wait.max.ms", "100"),
        ];
        let fixed = [
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("enable.partition.eof", "true"),
        ];
        self.cluster.config(&usual, &fixed)
    }

    /// Hands out what the range still has; answers with the number of offsets that are gone, where `skip` says to go
    /// on without them.
    ///
    /// # Errors
    /// Those of `take`, and whatever makes reading impossible. The consumer is not used again then.
    pub(crate) fn read(&self, range: &OffsetRange, skip: bool, take: Take<'_>) -> Result<u64, BoxError> {
        if range.to == range.from {
            return Ok(0);
        }
        if range.to < range.from {
            return Err(Self::lost(range, range.to, SHORTER).into());
        }
        let (mut reader, is_new) = match self.idle_at(range) {
            Some(reader) => (reader, false),
            None => (self.connect(range)?, true),
        };
        let lost = self.read_with(&mut reader, is_new, range, skip, take)?;
        let replaced = {
            let mut idle = lock(&self.idle);
            idle.push(reader);
            (idle.len() > self.most).then(|| idle.remove(0))
        };
        // Ended without the lock: that takes a while.
        drop(replaced);
        Ok(lost)
    }

    /// The consumer that is where the range begins. Others of the partition are ended: batches go forward.
    fn idle_at(&self, range: &OffsetRange) -> Option<Reader> {
        let mut same = Vec::new();
        {
            let mut idle = lock(&self.idle);
            let is_same =
                |reader: &Reader| reader.topic == range.topic && reader.partition == range.partition;
            while let Some(at) = idle.iter().position(is_same) {
                same.push(idle.remove(at));
            }
        }
        same.into_iter().find(|reader| reader.next == range.from)
    }

    fn connect(&self, range: &OffsetRange) -> Result<Reader, KafkaError> {
        let failed = |cause| self.cluster.failed("connecting", cause);
        let consumer: Reading = self.cluster.connect(&self.config()?)?;
        let (topic, partition) = (range.topic.clone(), range.partition);
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&topic, partition, Offset::Offset(range.from)).map_err(failed)?;
        consumer.assign(&place).map_err(failed)?;
        Ok(Reader { topic, partition, consumer, next: range.from, ahead: None })
    }

    /// Begins to fetch at the next offset; whatever was fetched before is dropped.
    ///
    /// A consumer is never assigned a second time: the client aborts the process when the partition is taken away
    /// again before it has noticed the first (librdkafka issue 5573).
    fn seek(&self, reader: &Reader) -> Result<(), KafkaError> {
        reader
            .consumer
            .seek(&reader.topic, reader.partition, Offset::Offset(reader.next), self.cluster.time_out)
            .map_err(|cause| self.cluster.failed("reading", cause))
    }

    fn read_with(
        &self,
        reader: &mut Reader,
        is_new: bool,
        range: &OffsetRange,
        skip: bool,
        take: Take<'_>,
    ) -> Result<u64, BoxError> {
        let (topic, partition) = (&*range.topic, range.partition);
        // Whether everything that the consumer says was fetched after the range was fixed.
        let mut fresh = is_new;
        let mut deadline = Deadline::after(self.patience);
        let (mut lost, mut last) = (0, None);
        if let Some(message) = reader.ahead.take_if(|message| message.offset() < range.to) {
            take(&KafkaMessage::kept(topic, partition, &message))?;
            reader.next = message.offset() + 1;
        }
        while reader.ahead.is_none() && reader.next < range.to {
            match reader.consumer.poll(GLANCE) {
                Some(Ok(message)) if message.offset() < range.to => {
                    take(&KafkaMessage::lent(topic, partition, &message))?;
                    reader.next = message.offset() + 1;
                    deadline.begin_again();
                }
                Some(Ok(message)) => {
                    reader.ahead = Some(message.detach());
                }
                Some(Err(ClientError::PartitionEOF(_))) if fresh || reader.passed(range.to) => break,
                Some(Err(ClientError::PartitionEOF(_))) => {
                    // It may be an end that was reached before the last records came: the question is put again.
                    self.seek(reader)?;
                    fresh = true;
                }
                Some(Err(error)) if is_out_of_range(&error) => {
                    let at = self.after_loss(reader, range, skip)?;
                    lost += u64::try_from(at - reader.next).unwrap_or(0);
                    *reader = self.connect(&OffsetRange { from: at, ..range.clone() })?;
                    fresh = true;
                }
                Some(Err(error)) if is_final(&error) => {
                    return Err(self.cluster.failed(format!("reading {topic}-{partition}"), error).into());
                }
                Some(Err(error)) => last = Some(Box::new(error)),
                None if reader.passed(range.to) => break,
                None if deadline.has_passed() => {
                    let (topic, at) = (range.topic.clone(), reader.next);
                    let seconds = self.patience.as_secs();
                    return Err(KafkaError::Stalled { topic, partition, at, seconds, last }.into());
                }
                None => {}
            }
        }
        reader.next = range.to;
        Ok(lost)
    }

    /// Where it goes on when the next offset is gone.
    fn after_loss(&self, reader: &Reader, range: &OffsetRange, skip: bool) -> Result<i64, KafkaError> {
        let (topic, partition) = (&range.topic, range.partition);
        let (begin, end) = reader
            .consumer
            .fetch_watermarks(topic, partition, self.cluster.time_out)
            .map_err(|cause| self.cluster.failed("asking for offsets", cause))?;
        let why = match () {
            () if reader.next < begin => "the brokers have deleted them",
            () if end < range.to => SHORTER,
            () => "the brokers say that they are out of range",
        };
        if skip {
            // Behind the range where the topic has nothing of it any more.
            let at = if reader.next < begin { begin.min(range.to) } else { range.to };
            return Ok(at);
        }
        Err(Self::lost(range, reader.next, why))
    }

    fn lost(range: &OffsetRange, at: i64, why: &'static str) -> KafkaError {
        let OffsetRange { topic, partition, from, to } = range.clone();
        KafkaError::Lost { topic, partition, from, to, at, why }
    }
}

impl Reader {
    /// Whether everything before `to` was handed out. Marks of transactions count, which come as no message.
    fn passed(&self, to: i64) -> bool {
        let Ok(position) = self.consumer.position() else { return false };
        let at = position.find_partition(&self.topic, self.partition);
        at.is_some_and(|at| matches!(at.offset(), Offset::Offset(offset) if offset >= to))
    }
}

fn is_out_of_range(error: &ClientError) -> bool {
    matches!(error.rdkafka_error_code(), Some(Code::AutoOffsetReset | Code::OffsetOutOfRange))
}

/// Whether waiting is of no use.
fn is_final(error: &ClientError) -> bool {
    matches!(error, ClientError::MessageConsumptionFatal(_))
        || matches!(
            error.rdkafka_error_code(),
            Some(Code::TopicAuthorizationFailed | Code::SaslAuthenticationFailed | Code::Authentication)
        )
}
