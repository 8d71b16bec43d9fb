//! Reading a topic: Waterclock's source beside a loop around the client that both use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde_json::{Value, json};
use waterclock::kafka::KafkaSource;
use waterclock::prelude::*;
use waterclock::testing::manual;

use crate::Options;

/// Records of a batch, of 100 bytes each.
const BATCH: u64 = 200_000;
const VALUE: [u8; 100] = [b'x'; 100];
const PATIENCE: Duration = Duration::from_secs(60);

/// Each way three times in turn; the best of each counts.
pub(crate) fn run(options: &Options) -> Result<Value, BoxError> {
    let brokers = std::env::var("WATERCLOCK_KAFKA").map_err(|_| "WATERCLOCK_KAFKA is not set")?;
    let batches = options.batches.unwrap_or(10) as u64;
    let topic = format!("bench-{}", std::process::id());
    fill(&brokers, &topic, batches * BATCH)?;
    let (mut bare, mut ours) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..3 {
        bare = bare.min(by_hand(&brokers, &topic, batches * BATCH)?);
        ours = ours.min(by_source(&brokers, &topic, batches, options.threads)?);
    }
    let records = (batches * BATCH) as f64;
    Ok(json!({
        "job": "kafka",
        "records": batches * BATCH,
        "bare_records_per_s": records / bare,
        "records_per_s": records / ours,
        "of_bare": bare / ours,
    }))
}

/// Writes the records; the broker makes the topic, with one partition.
fn fill(brokers: &str, topic: &str, records: u64) -> Result<(), BoxError> {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("linger.ms", "20").create()?;
    for _ in 0..records {
        let mut record = BaseRecord::<(), [u8]>::to(topic).payload(&VALUE);
        while let Err((error, back)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            record = back;
            producer.poll(Duration::from_millis(10));
        }
    }
    Ok(producer.flush(PATIENCE)?)
}

/// Seconds of a loop that does nothing but read and add up.
fn by_hand(brokers: &str, topic: &str, records: u64) -> Result<f64, BoxError> {
    let from = Instant::now();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "bench").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(topic, 0, Offset::Offset(0))?;
    consumer.assign(&place)?;
    let (mut read, mut bytes) = (0, 0);
    while read < records {
        let message = consumer.poll(PATIENCE).ok_or("the broker gives nothing")??;
        bytes += message.payload().map_or(0, <[u8]>::len);
        read += 1;
    }
    let expected = records * VALUE.len() as u64;
    if bytes as u64 == expected { Ok(from.elapsed().as_secs_f64()) } else { Err("bytes are missing".into()) }
}

/// Seconds of the same by batches, from the start of the context to the end of the last one.
fn by_source(brokers: &str, topic: &str, batches: u64, threads: usize) -> Result<f64, BoxError> {
    let second = Duration::from_secs(1);
    let from = Instant::now();
    let (ssc, clock) = manual(StreamingContext::builder("kafka").batch_interval(second).threads(threads))?;
    let source = KafkaSource::new(brokers).topics([topic]).max_rate_per_partition(BATCH);
    let (lengths, _) = source.stream_with(&ssc, |message| message.value().map_or(0, <[u8]>::len) as u64);
    let bytes = Arc::new(AtomicU64::new(0));
    let sum = bytes.clone();
    lengths.foreach_rdd(move |rdd, _| {
        sum.fetch_add(rdd.sum()?, Ordering::Relaxed);
        Ok(())
    });
    ssc.start()?;
    clock.advance_batches(u32::try_from(batches)?);
    let seconds = from.elapsed().as_secs_f64();
    ssc.stop(Stop::Now)?;
    let expected = batches * BATCH * VALUE.len() as u64;
    if bytes.load(Ordering::Relaxed) == expected { Ok(seconds) } else { Err("bytes are missing".into()) }
}
