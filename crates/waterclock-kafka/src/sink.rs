//! Batches into topics, each in a transaction.

use std::sync::Mutex;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use waterclock_base::world::{at_point, lock, random_seed};
use waterclock_base::{BatchTime, BoxError, Data, key_hash};
use waterclock_streaming::{BatchMark, BatchSink, SinkClass};

use crate::client::{Cluster, Deadline, EVENTS, Reading, Writing};
use crate::error::KafkaError;
use crate::mark::Marks;
use crate::new_record::NewRecord;

/// How long the client is left alone with what it holds: a poll takes all the time that it is given, and so does the
/// client's own `flush`, a tenth of a second at least.
const GLANCE: Duration = Duration::from_millis(1);

const BEFORE_TRYING_AGAIN: Duration = Duration::from_millis(200);

/// How often the brokers are told again which batches are there, where nothing else is written.
const RENEWED_EVERY: Duration = Duration::from_secs(3600);

const RENEWAL_TIME_OUT: Duration = Duration::from_secs(5);

/// What to do with a batch that may be there, when the brokers have forgotten which batches are.
///
/// ```
/// use waterclock_kafka::OnLostMark;
/// assert_eq!(OnLostMark::default(), OnLostMark::Fail);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLostMark {
    /// The batch fails: who runs the program looks into the topic, and starts it again with one of the others.
    #[default]
    Fail,
    /// It is written, for the second time if it is there.
    Write,
    /// It is taken to be there, and lost if it is not.
    Skip,
}

/// A sink that writes each batch into topics in one transaction: readers of committed records
/// (`isolation.level=read_committed`) see all of a batch, once, or nothing.
///
/// For [`DStream::write_to`](waterclock_streaming::DStream::write_to). What the batch is called is written in the same
/// transaction, as an offset of the consumer group `waterclock-APPLICATION-OUTPUT`. A batch that is published again,
/// after a crash or an error of which nobody knows what it left, is found there.
///
/// ```no_run
/// # use std::time::Duration;
/// # let (ssc, _) = waterclock_streaming::testing::manual_context("words", Duration::from_secs(1))?;
/// use waterclock_kafka::{KafkaSink, NewRecord};
/// let counts = ssc.queue_stream(vec![vec![("water".to_owned(), 3u64)]]).named("counts");
/// counts
///     .write_to(KafkaSink::new("localhost:9092", "counts", |(word, count): (String, u64)| {
///         NewRecord::value(count.to_string()).key(word)
///     }))
///     .named("counts-to-kafka");
/// # Ok::<(), waterclock_base::Error>(())
/// ```
///
/// # Recovery
/// Exactly once, with a checkpoint and an output that has a name. Without a checkpoint each batch is still there once
/// or not at all, but what a restarted program reads again it also writes again.
///
/// The brokers forget a group that nobody writes to after `offsets.retention.minutes`, seven days if they are not told
/// otherwise. A program that runs renews it every hour. One that was killed in the middle of a batch and is started
/// again only after that time can't know whether that batch is there: it fails with [`KafkaError::MarkLost`] unless it
/// is told [what to do](Self::on_lost_mark).
///
/// # Errors
/// A batch fails when the brokers don't take it within [`time_out`](Self::time_out). When another process has taken
/// over the output, with the same checkpoint, this one can't write any more.
pub struct KafkaSink<F> {
    cluster: Cluster,
    topic: String,
    /// Stands for the application where there is no checkpoint.
    instance: u64,
    make: F,
    on_lost_mark: OnLostMark,
    output: Mutex<Output>,
}

struct Output {
    state: State,
    /// When an empty batch is to be marked too: with the first batch, as what is known may be about to be forgotten,
    /// and then from time to time.
    renew: Deadline,
    /// Whether this process knows the brokers to have a mark.
    is_marked: bool,
}

/// Connected with the first batch.
enum State {
    Apart,
    Connected(Box<Writer>),
    TakenOver,
}

/// A producer of one output, and what its topic has.
struct Writer {
    producer: Writing,
    /// Speaks for the group.
    group: Reading,
    marks: Marks,
}

impl<F> KafkaSink<F> {
    /// A sink that knows its first brokers, `host:port,host:port`, and writes what `make` makes of each record into
    /// `topic`, which must be there.
    pub fn new(brokers: impl Into<String>, topic: impl Into<String>, make: F) -> Self {
        let mut cluster = Cluster::new(brokers);
        cluster.time_out = Duration::from_secs(60);
        KafkaSink {
            cluster,
            topic: topic.into(),
            instance: random_seed(),
            make,
            on_lost_mark: OnLostMark::Fail,
            output: Mutex::new(Output {
                state: State::Apart,
                renew: Deadline::after(Duration::ZERO),
                is_marked: false,
            }),
        }
    }

    /// Sets a property of the client, librdkafka, such as `security.protocol`, `ssl.ca.location`, `sasl.username` or
    /// `compression.type`; see [`KafkaSource::setting`](crate::KafkaSource::setting).
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.cluster.settings.push((name.into(), value.into()));
        self
    }

    /// How long a batch may take to be written, with everything that has to be tried again: a minute if nothing is
    /// said.
    #[must_use]
    pub fn time_out(mut self, time_out: Duration) -> Self {
        self.cluster.time_out = time_out;
        self
    }

    /// What to do with a batch that an earlier process had begun, when the brokers have forgotten which batches are
    /// there: [`OnLostMark::Fail`] if nothing is said. Only for the one start that has to be decided about: in later
    /// ones it would hide that marks were lost again.
    #[must_use]
    pub fn on_lost_mark(mut self, what: OnLostMark) -> Self {
        self.on_lost_mark = what;
        self
    }

    /// The name of the transactions and of the group.
    fn id(&self, batch: &BatchMark) -> String {
        format!("waterclock-{:016x}-{}", batch.application.unwrap_or(self.instance), batch.output)
    }

    /// Ends whatever transaction of the same name was left open, and asks what is there.
    fn connect(&self, id: &str, deadline: &Deadline) -> Result<Writer, KafkaError> {
        let failed = |doing| move |cause| self.cluster.failed(doing, cause);
        // Longer than a batch may take, so that the brokers don't end a transaction that is at work.
        let open = (self.cluster.time_out + Duration::from_secs(30)).as_millis().to_string();
        let usual = [
            ("partitioner", "murmur2_random"),
            ("linger.ms", "5"),
            ("transaction.timeout.ms", open.as_str()),
        ];
        let fixed = [("transactional.id", id), ("enable.idempotence", "true")];
        let config = self.cluster.config(&usual, &fixed)?;
        let producer: Writing = self.cluster.connect(&config)?;
        self.find_topic(&producer, deadline)?;
        producer.init_transactions(deadline.left()).map_err(failed("beginning transactions"))?;
        at_point("kafka-fenced");
        // What a producer is set to is mostly nothing to a consumer.
        let mut reading = self.cluster.clone();
        let shared = ["security.", "ssl.", "sasl.", "socket.", "broker.", "client.", "enable.ssl"];
        reading.settings.retain(|(name, _)| shared.iter().any(|prefix| name.starts_with(prefix)));
        let fixed =
            [("group.id", id), ("isolation.level", "read_committed"), ("enable.auto.commit", "false")];
        let group: Reading = reading.connect(&reading.config(&[], &fixed)?)?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&self.topic, 0);
        let known = group.committed_offsets(asked, deadline.left());
        let known = known.map_err(failed("asking which batches are there"))?;
        let mut marks = Marks::default();
        for element in known.elements() {
            element.error().map_err(failed("asking which batches are there"))?;
            if let Offset::Offset(offset) = element.offset() {
                marks = Marks::read(offset, element.metadata());
            }
        }
        Ok(Writer { producer, group, marks })
    }

    /// The name of the batch is kept beside the topic, so that it must be there.
    fn find_topic(&self, producer: &Writing, deadline: &Deadline) -> Result<(), KafkaError> {
        // At the very end too the answer is waited for, which says more than that there was none.
        let patience = deadline.left().max(Duration::from_secs(1));
        let metadata = producer.client().fetch_metadata(Some(&self.topic), patience);
        let metadata = metadata.map_err(|cause| {
            // What it has to say beside comes when it is asked for events.
            (0..EVENTS).for_each(|_| producer.poll(Duration::ZERO));
            self.cluster.failed("asking for the topic", cause)
        })?;
        let is_there = metadata.topics().iter().any(|topic| !topic.partitions().is_empty());
        if is_there {
            return Ok(());
        }
        Err(KafkaError::Missing { topic: self.topic.clone(), partition: None })
    }

    /// Writes the batch in one transaction.
    fn write(
        &self,
        writer: &mut Writer,
        time: i64,
        parts: &[Vec<NewRecord>],
        deadline: &Deadline,
    ) -> Result<(), KafkaError> {
        let failed = |doing| move |cause| self.cluster.failed(doing, cause);
        let marks = writer.marks.with(time, content(parts));
        at_point("kafka-before-begin");
        writer.producer.begin_transaction().map_err(failed("beginning a transaction"))?;
        for record in parts.iter().flatten() {
            self.send(&writer.producer, record, deadline).map_err(failed("sending"))?;
            at_point("kafka-mid-send");
        }
        at_point("kafka-sent");
        if let (Some((offset, text)), Some(group)) = (marks.written(), writer.group.group_metadata()) {
            let mut mark = TopicPartitionList::new();
            let mut element = mark.add_partition(&self.topic, 0);
            element.set_offset(Offset::Offset(offset)).map_err(failed("marking the batch"))?;
            element.set_metadata(text);
            let sent = writer.producer.send_offsets_to_transaction(&mark, &group, deadline.left());
            sent.map_err(failed("marking the batch"))?;
            at_point("kafka-offsets-sent");
        }
        while writer.producer.in_flight_count() > 0 && !deadline.has_passed() {
            writer.producer.poll(GLANCE);
        }
        at_point("kafka-before-commit");
        writer.producer.commit_transaction(deadline.left()).map_err(failed("committing"))?;
        at_point("kafka-committed");
        writer.marks = marks;
        Ok(())
    }

    /// Publishes a batch; `earlier` is the newest one before it that this output is known to have published, where the
    /// batch itself may be there.
    fn put(
        &self,
        batch: &BatchMark,
        parts: &[Vec<NewRecord>],
        earlier: Option<BatchTime>,
    ) -> Result<(), KafkaError> {
        let is_empty = parts.iter().all(Vec::is_empty);
        let mut output = lock(&self.output);
        // Without a checkpoint no batch is ever looked for.
        if is_empty && (batch.application.is_none() || !output.renew.has_passed()) {
            return Ok(());
        }
        if !(is_empty && output.is_marked) {
            return self.put_into(
                &mut output,
                batch,
                parts,
                earlier.filter(|_| !is_empty),
                self.cluster.time_out,
            );
        }
        // Nothing is lost where the mark can't be renewed now: it has been for an hour, and there is time.
        let renewed =
            self.put_into(&mut output, batch, parts, None, self.cluster.time_out.min(RENEWAL_TIME_OUT));
        output.renew = Deadline::after(RENEWED_EVERY);
        match renewed {
            Err(error) if !matches!(error, KafkaError::TakenOver { .. }) => {
                tracing::warn!("{}: which batches are there can't be told again: {error}", self.id(batch));
                Ok(())
            }
            renewed => renewed,
        }
    }

    fn put_into(
        &self,
        output: &mut Output,
        batch: &BatchMark,
        parts: &[Vec<NewRecord>],
        earlier: Option<BatchTime>,
        time_out: Duration,
    ) -> Result<(), KafkaError> {
        let (id, deadline) = (self.id(batch), Deadline::after(time_out));
        loop {
            let tried = match &mut output.state {
                State::TakenOver => return Err(KafkaError::TakenOver { id }),
                State::Connected(writer) if writer.marks.has(batch.time.as_millis()) => Ok(()),
                State::Connected(writer) => match earlier.filter(|_| writer.marks.is_empty()) {
                    Some(earlier) if self.on_lost_mark == OnLostMark::Fail => {
                        let topic = self.topic.clone();
                        Err(KafkaError::MarkLost { topic, group: id.clone(), batch: batch.time, earlier })
                    }
                    Some(_) if self.on_lost_mark == OnLostMark::Skip => return Ok(()),
                    _ => self.write(writer, batch.time.as_millis(), parts, &deadline),
                },
                State::Apart => match self.connect(&id, &deadline) {
                    Ok(writer) => {
                        output.state = State::Connected(Box::new(writer));
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            let Err(error) = tried else {
                (output.is_marked, output.renew) = (true, Deadline::after(RENEWED_EVERY));
                return Ok(());
            };
            if is_taken_over(&error) {
                output.state = State::TakenOver;
                continue;
            }
            // A new producer ends what this one has begun and then asks: so it is known whether the batch is there.
            output.state = State::Apart;
            if deadline.has_passed() || is_final(&error) {
                return Err(error);
            }
            tracing::warn!("{id}, batch {}: {error}; trying again", batch.time);
            deadline.pause(BEFORE_TRYING_AGAIN);
        }
    }

    fn send(&self, producer: &Writing, record: &NewRecord, deadline: &Deadline) -> Result<(), ClientError> {
        let topic = record.topic.as_ref().unwrap_or(&self.topic);
        let mut sent = BaseRecord::<[u8], [u8]>::to(topic);
        sent.key = record.key.as_deref();
        sent.payload = record.value.as_deref();
        sent.partition = record.partition;
        sent.timestamp = record.timestamp;
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let add = |headers: OwnedHeaders, (name, value): &(String, Option<Vec<u8>>)| {
                headers.insert(Header { key: name, value: value.as_deref() })
            };
            sent.headers = Some(record.headers.iter().fold(headers, add));
        }
        loop {
            match producer.send(sent) {
                Ok(()) => return Ok(()),
                Err((error, _)) if deadline.has_passed() => return Err(error),
                Err((ClientError::MessageProduction(Code::QueueFull), back)) => {
                    sent = back;
                    producer.poll(GLANCE);
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}

impl<T, F> BatchSink<T> for KafkaSink<F>
where
    T: Data,
    F: Fn(T) -> NewRecord + Send + Sync + 'static,
{
    type Part = Vec<NewRecord>;

    fn class(&self) -> SinkClass {
        SinkClass::Transactional
    }

    fn stage(&self, _batch: &BatchMark, _partition: usize, records: Vec<T>) -> Result<Self::Part, BoxError> {
        Ok(records.into_iter().map(&self.make).collect())
    }

    fn publish(&self, batch: &BatchMark, parts: &[Self::Part]) -> Result<(), BoxError> {
        Ok(self.put(batch, parts, None)?)
    }

    fn publish_again(
        &self,
        batch: &BatchMark,
        parts: &[Self::Part],
        earlier: Option<BatchTime>,
    ) -> Result<(), BoxError> {
        Ok(self.put(batch, parts, earlier)?)
    }

    fn is_as_published(&self, batch: &BatchMark, parts: &[Self::Part]) -> Result<Option<bool>, BoxError> {
        let State::Connected(writer) = &lock(&self.output).state else { return Ok(None) };
        let there = writer.marks.content(batch.time.as_millis());
        Ok(there.map(|there| there == content(parts)))
    }

    fn content_hash(&self, part: &Self::Part) -> u64 {
        hash_of(part)
    }
}

/// A number for records, whatever their order.
fn hash_of(records: &[NewRecord]) -> u64 {
    records.iter().map(key_hash).fold(0, u64::wrapping_add)
}

/// What a mark says of a batch's records.
fn content(parts: &[Vec<NewRecord>]) -> u64 {
    parts.iter().map(|part| hash_of(part)).fold(0, u64::wrapping_add)
}

/// What the client said, if it said anything.
fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::Client { cause, .. } => match &**cause {
            ClientError::Transaction(error) => Some(error.code()),
            cause => cause.rdkafka_error_code(),
        },
        _ => None,
    }
}

fn is_taken_over(error: &KafkaError) -> bool {
    matches!(code(error), Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch))
}

/// Whether trying again is of no use.
fn is_final(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Setting { .. } | KafkaError::MarkLost { .. })
        || matches!(
            code(error),
            Some(
                Code::TopicAuthorizationFailed
                    | Code::GroupAuthorizationFailed
                    | Code::TransactionalIdAuthorizationFailed
                    | Code::SaslAuthenticationFailed
                    | Code::MessageSizeTooLarge
            )
        )
}
