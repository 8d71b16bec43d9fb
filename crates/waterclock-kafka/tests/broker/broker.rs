//! The other side: topics, and a plain client that knows nothing of Waterclock.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use waterclock_base::world::{Clock as _, SystemClock};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

static UP: RwLock<()> = RwLock::new(());

/// For as long as this is held, the broker is there.
pub(crate) fn stays_up() -> impl Sized {
    UP.read().unwrap_or_else(PoisonError::into_inner)
}

/// For as long as this is held, no other test is disturbed when it is not.
pub(crate) fn alone() -> impl Sized {
    UP.write().unwrap_or_else(PoisonError::into_inner)
}

/// Where the broker is.
pub(crate) fn address() -> String {
    std::env::var("WATERCLOCK_KAFKA").expect("run it by `cargo xtask servers kafka -- ..`")
}

pub(crate) fn config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address());
    config
}

/// A name that no other test has, in this run or an earlier one.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (run, count) = (waterclock_base::world::random_seed(), COUNT.fetch_add(1, Ordering::Relaxed));
    format!("{name}-{run:x}-{count}")
}

fn admin() -> AdminClient<DefaultClientContext> {
    config().create().unwrap()
}

/// A new topic.
pub(crate) fn topic(name: &str, partitions: i32) -> String {
    let name = unique(name);
    create(&name, partitions);
    name
}

pub(crate) fn create(name: &str, partitions: i32) {
    let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let created = block_on(admin().create_topics([&new], &options)).unwrap();
    created.into_iter().for_each(|topic| assert_eq!(topic.as_deref(), Ok(name)));
}

pub(crate) fn delete(name: &str) {
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    block_on(admin().delete_topics(&[name], &options)).unwrap();
}

pub(crate) fn add_partitions(name: &str, count: usize) {
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    block_on(admin().create_partitions([&NewPartitions::new(name, count)], &options)).unwrap();
}

/// Deletes what is in front of an offset, as retention does.
pub(crate) fn delete_before(topic: &str, partition: i32, offset: i64) {
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
    block_on(admin().delete_records(&before, &AdminOptions::new())).unwrap();
}

/// Writes values into a partition.
pub(crate) fn send<'a>(topic: &str, partition: i32, values: impl IntoIterator<Item = &'a str>) {
    let producer: BaseProducer = config().create().unwrap();
    for value in values {
        send_one(&producer, topic, partition, value);
    }
    producer.flush(PATIENCE).unwrap();
}

fn send_one(producer: &BaseProducer, topic: &str, partition: i32, value: &str) {
    let record = BaseRecord::<str, str>::to(topic).partition(partition).payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// A transaction that is open.
pub(crate) struct Transaction(BaseProducer);

impl Transaction {
    pub(crate) fn begin() -> Self {
        let producer: BaseProducer =
            config().set("transactional.id", unique("transaction")).create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        Transaction(producer)
    }

    pub(crate) fn send<'a>(&self, topic: &str, partition: i32, values: impl IntoIterator<Item = &'a str>) {
        values.into_iter().for_each(|value| send_one(&self.0, topic, partition, value));
        self.0.flush(PATIENCE).unwrap();
    }

    pub(crate) fn commit(self) {
        self.0.commit_transaction(PATIENCE).unwrap();
    }

    pub(crate) fn abort(self) {
        self.0.abort_transaction(PATIENCE).unwrap();
    }
}

/// Waits until readers of committed records can read up to `end`: transactions end some time after their commit.
pub(crate) fn wait_for_end(topic: &str, partition: i32, end: i64) {
    let consumer: BaseConsumer = config().set("isolation.level", "read_committed").create().unwrap();
    let deadline = SystemClock::new();
    let until = deadline.now_micros() + 60_000_000;
    while consumer.fetch_watermarks(topic, partition, PATIENCE).unwrap().1 != end {
        assert!(deadline.now_micros() < until, "{topic}-{partition} does not come to {end}");
    }
}

/// What readers of committed records find in a topic, by partition: at least `expected` records, which are waited for.
pub(crate) fn committed(topic: &str, partitions: i32, expected: usize) -> Vec<Vec<String>> {
    loop {
        let found = committed_now(topic, partitions);
        if found.iter().map(Vec::len).sum::<usize>() >= expected {
            return found;
        }
    }
}

fn committed_now(topic: &str, partitions: i32) -> Vec<Vec<String>> {
    let mut config = config();
    config.set("group.id", "checker").set("isolation.level", "read_committed");
    let consumer: BaseConsumer =
        config.set("enable.partition.eof", "true").set("enable.auto.commit", "false").create().unwrap();
    let of = |partition| {
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        consumer.assign(&place).unwrap();
        let mut found = Vec::new();
        loop {
            match consumer.poll(PATIENCE).expect("the broker answers") {
                Ok(message) => {
                    found.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
                }
                Err(KafkaError::PartitionEOF(_)) => return found,
                Err(error) => panic!("{error}"),
            }
        }
    };
    (0..partitions).map(of).collect()
}

/// Where a group is in a partition.
pub(crate) fn group_at(group: &str, topic: &str, partition: i32) -> Option<i64> {
    let consumer: BaseConsumer = config().set("group.id", group).create().unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, partition);
    let known = consumer.committed_offsets(asked, PATIENCE).unwrap();
    match known.elements()[0].offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

/// Deletes what brokers know of a group, as they do themselves where nobody has written to it for long enough.
pub(crate) fn forget_group(group: &str) {
    let deleted = block_on(admin().delete_groups(&[group], &AdminOptions::new())).unwrap();
    deleted.into_iter().for_each(|deleted| assert_eq!(deleted.as_deref(), Ok(group)));
}

/// `kill` or `restart`: what becomes of the broker.
pub(crate) fn broker(verb: &str) {
    let control = std::env::var("WATERCLOCK_SERVERS").expect("run it by `cargo xtask servers kafka -- ..`");
    #[expect(clippy::disallowed_methods, reason = "a test of the real world")]
    let mut control = TcpStream::connect(control).unwrap();
    writeln!(control, "{verb} kafka").unwrap();
    let mut answer = String::new();
    control.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.trim(), "done");
}
