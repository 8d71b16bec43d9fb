//! Streams from topics. The batches are under virtual time, the broker is real.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::{BatchTime, Event, Text};
use waterclock_kafka::{KafkaRecord, KafkaSource, OffsetRange, Start};
use waterclock_streaming::testing::{self, TestClock};
use waterclock_streaming::{Collected, DStream, Stop, StreamingContext};

use crate::broker::{self, Transaction, address, group_at, topic, unique};

const SECOND: Duration = Duration::from_secs(1);

fn context() -> (StreamingContext, TestClock) {
    let (ssc, clock) = testing::manual_context("kafka", SECOND).unwrap();
    // What batches read is looked at after them.
    ssc.remember(60 * SECOND).unwrap();
    (ssc, clock)
}

fn values(stream: &DStream<KafkaRecord>) -> Collected<String> {
    stream.map(|record| record.value_text()).collect_batches()
}

fn range(topic: &str, partition: i32, from: i64, to: i64) -> OffsetRange {
    OffsetRange { topic: topic.to_owned(), partition, from, to }
}

fn at(ms: i64) -> BatchTime {
    BatchTime::from_millis(ms)
}

/// T-383: several topics from the first offset: every record, and the ranges say where they are. T-389: listeners
/// are told how many records, and which.
#[test]
fn several_topics_from_the_first_offset() {
    let _up = broker::stays_up();
    let (a, b) = (topic("several-a", 2), topic("several-b", 1));
    broker::send(&a, 0, ["1", "2"]);
    broker::send(&a, 1, ["3"]);
    broker::send(&b, 0, ["4", "5", "6"]);
    let (ssc, clock) = context();
    let (stream, ranges) = KafkaSource::new(address()).topics([&a, &b]).stream(&ssc);
    let seen = values(&stream);
    let inputs = Arc::new(Mutex::new(Vec::new()));
    let noted = inputs.clone();
    ssc.add_listener(move |event: &Event| {
        if let Event::BatchCompleted(batch) = event {
            noted.lock().unwrap().extend(batch.inputs.iter().map(|i| (i.records, i.description.clone())));
        }
    });
    ssc.start().unwrap();
    clock.advance_batches(1);
    broker::send(&a, 1, ["7"]);
    clock.advance_batches(2);
    assert_eq!(seen.sorted_at(1), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(seen.sorted_at(2), ["7"]);
    assert!(seen.sorted_at(3).is_empty());
    let first = [range(&a, 0, 0, 2), range(&a, 1, 0, 1), range(&b, 0, 0, 3)];
    assert_eq!(ranges.at(at(1000)).unwrap().ranges, first);
    assert_eq!(ranges.at(at(2000)).unwrap().of(&a, 1), Some(&range(&a, 1, 1, 2)));
    ssc.stop(Stop::Now).unwrap();
    let inputs = inputs.lock().unwrap();
    assert_eq!(inputs.iter().map(|input| input.0).collect::<Vec<_>>(), [6, 1, 0]);
    assert_eq!(inputs[0].1, format!("{b}-0: 0 to 3 (3), {a}-0: 0 to 2 (2), {a}-1: 0 to 1 (1)"));
}

/// T-384: a pattern picks the topics that match, also those that come later, and those from their first record.
#[test]
fn a_pattern_picks_topics_now_and_later() {
    let _up = broker::stays_up();
    let prefix = unique("like");
    let (first, other) = (format!("{prefix}-a"), topic("unlike", 1));
    broker::create(&first, 1);
    broker::send(&first, 0, ["1"]);
    broker::send(&other, 0, ["no"]);
    let (ssc, clock) = context();
    let source = KafkaSource::new(address()).topic_pattern(format!("^{prefix}-[ab]$"));
    let (stream, _) = source.look_for_partitions_every(SECOND).stream(&ssc);
    let seen = values(&stream);
    ssc.start().unwrap();
    clock.advance_batches(1);
    let second = format!("{prefix}-b");
    broker::create(&second, 1);
    broker::create(&format!("{prefix}-c"), 1);
    broker::send(&second, 0, ["2", "3"]);
    broker::send(&first, 0, ["4"]);
    clock.advance_batches(1);
    assert_eq!(
        (seen.sorted_at(1), seen.sorted_at(2)),
        (vec!["1".into()], vec!["2".into(), "3".into(), "4".into()])
    );
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn new_partitions_are_read_from_their_first_record() {
    let _up = broker::stays_up();
    let grows = topic("grows", 1);
    broker::send(&grows, 0, ["old"]);
    let (ssc, clock) = context();
    let source = KafkaSource::new(address()).topics([&grows]).start(Start::Latest);
    let (stream, ranges) = source.look_for_partitions_every(2 * SECOND).stream(&ssc);
    let seen = values(&stream);
    ssc.start().unwrap();
    clock.advance_batches(1);
    broker::add_partitions(&grows, 2);
    broker::send(&grows, 1, ["1", "2"]);
    clock.advance_batches(2);
    assert_eq!(ranges.at(at(3000)).unwrap().ranges, [range(&grows, 0, 1, 1), range(&grows, 1, 0, 2)]);
    assert_eq!(seen.all().into_iter().flat_map(|(_, batch)| batch).collect::<Vec<_>>(), ["1", "2"]);
    ssc.stop(Stop::Now).unwrap();
}

/// T-385: from the latest offset on, older records are not seen.
#[test]
fn from_the_latest_offset() {
    let _up = broker::stays_up();
    let late = topic("late", 1);
    broker::send(&late, 0, ["old", "older"]);
    let (ssc, clock) = context();
    let (stream, _) = KafkaSource::new(address()).topics([&late]).start(Start::Latest).stream(&ssc);
    let seen = values(&stream);
    ssc.start().unwrap();
    broker::send(&late, 0, ["new"]);
    clock.advance_batches(1);
    assert_eq!(seen.sorted_at(1), ["new"]);
    ssc.stop(Stop::Now).unwrap();
}

/// T-386: from given offsets, and from a time; of given partitions only.
#[test]
fn from_given_offsets_and_times() {
    let _up = broker::stays_up();
    let given = topic("given", 2);
    broker::send(&given, 0, ["1", "2", "3"]);
    broker::send(&given, 1, ["4"]);
    let seen_from = |source: KafkaSource| {
        let (ssc, clock) = context();
        let (stream, _) = source.stream(&ssc);
        let seen = values(&stream);
        ssc.start().unwrap();
        clock.advance_batches(1);
        ssc.stop(Stop::Now).unwrap();
        seen.sorted_at(1)
    };
    let source = || KafkaSource::new(address()).topics([&given]);
    let offsets = Start::Offsets([((given.clone(), 0), 2)].into());
    assert_eq!(seen_from(source().start(offsets)), ["3", "4"]);
    assert_eq!(seen_from(KafkaSource::new(address()).assign([(&given, 1)])), ["4"]);
    assert_eq!(seen_from(source().start(Start::Timestamp(0))), ["1", "2", "3", "4"]);
    // A time that has not come.
    assert!(seen_from(source().start(Start::Timestamp(i64::MAX / 2))).is_empty());
}

/// T-388: offsets are committed to a group once a batch is over, the last one at the stop included, and a program
/// without a checkpoint goes on from them.
#[test]
fn a_group_is_told_and_gone_on_from() {
    let _up = broker::stays_up();
    let (told, group) = (topic("told", 1), unique("group"));
    broker::send(&told, 0, ["1", "2"]);
    let run = || {
        let (ssc, clock) = context();
        let source = KafkaSource::new(address()).topics([&told]).start(Start::Group);
        let (stream, _) = source.commit_to_group(&group).stream(&ssc);
        let seen = values(&stream);
        ssc.start().unwrap();
        clock.advance_batches(1);
        clock.stop_gracefully().unwrap();
        seen.sorted_at(1)
    };
    assert_eq!(run(), ["1", "2"]);
    assert_eq!(group_at(&group, &told, 0), Some(2));
    broker::send(&told, 0, ["3"]);
    assert_eq!(run(), ["3"]);
    assert_eq!(group_at(&group, &told, 0), Some(3));
}

/// T-398: offsets without a record (marks of transactions, aborted records) are passed over wherever a range ends.
#[test]
fn transactions_leave_gaps_that_are_passed_over() {
    let _up = broker::stays_up();
    let gaps = topic("gaps", 1);
    let (ssc, clock) = context();
    let (stream, ranges) = KafkaSource::new(address()).topics([&gaps]).stream(&ssc);
    let seen = values(&stream);
    ssc.start().unwrap();
    let commit = |values: &[&str]| {
        let transaction = Transaction::begin();
        transaction.send(&gaps, 0, values.iter().copied());
        transaction.commit();
    };
    let abort = || {
        let transaction = Transaction::begin();
        transaction.send(&gaps, 0, ["aborted", "aborted"]);
        transaction.abort();
    };
    let mut expected = Vec::new();
    let mut next = |end: i64, values: &[&str]| {
        broker::wait_for_end(&gaps, 0, end);
        clock.advance_batches(1);
        expected.push(values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
    };
    // Ends with a mark; with an aborted transaction; has nothing else; ends with records again.
    commit(&["1", "2"]);
    next(3, &["1", "2"]);
    commit(&["3"]);
    abort();
    next(8, &["3"]);
    abort();
    next(11, &[]);
    next(11, &[]);
    abort();
    broker::send(&gaps, 0, ["4"]);
    next(15, &["4"]);
    // An aborted record right in front of an open transaction: the range ends with an offset that nothing marks.
    let (first, open) = (Transaction::begin(), Transaction::begin());
    first.send(&gaps, 0, ["aborted"]);
    open.send(&gaps, 0, ["5"]);
    first.abort();
    next(16, &[]);
    broker::send(&gaps, 0, ["6"]);
    next(16, &[]);
    open.commit();
    next(20, &["5", "6"]);
    let found: Vec<_> = (1..).take(expected.len()).map(|n| seen.nth(n).unwrap()).collect();
    assert_eq!(found, expected);
    let ends: Vec<_> = (1..=8).map(|n| ranges.at(at(n * 1000)).map(|ranges| ranges.ranges[0].to)).collect();
    assert_eq!(ends.last().unwrap(), &Some(20), "{ends:?}");
    ssc.stop(Stop::Now).unwrap();
}

/// T-397 (without ranges of the program's own): the dataset of a batch, with a partition that has nothing.
#[test]
fn the_dataset_of_a_batch() {
    let _up = broker::stays_up();
    let basics = topic("basics", 2);
    broker::send(&basics, 1, ["1", "2", "3"]);
    let (ssc, clock) = context();
    let (stream, _) = KafkaSource::new(address()).topics([&basics]).stream(&ssc);
    let found = Arc::new(Mutex::new(Vec::new()));
    let noted = found.clone();
    stream.map(|record| record.value_text()).foreach_rdd(move |rdd, _| {
        let facts = (rdd.partitions(), rdd.count()?, rdd.is_empty()?, rdd.take(2)?);
        noted.lock().unwrap().push(facts);
        Ok(())
    });
    ssc.start().unwrap();
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    let two = vec!["1".to_owned(), "2".to_owned()];
    assert_eq!(*found.lock().unwrap(), [(2, 3, false, two), (2, 0, true, vec![])]);
}

/// T-399: nothing is read at the head of the log, and what comes there next is.
#[test]
fn the_head_of_the_log() {
    let _up = broker::stays_up();
    let head = topic("head", 1);
    let (ssc, clock) = context();
    let (stream, ranges) = KafkaSource::new(address()).topics([&head]).stream(&ssc);
    let seen = values(&stream);
    ssc.start().unwrap();
    clock.advance_batches(2);
    broker::send(&head, 0, ["1"]);
    clock.advance_batches(1);
    broker::send(&head, 0, ["2"]);
    clock.advance_batches(2);
    let counts: Vec<_> = (1..=5).map(|n| ranges.at(at(n * 1000)).map(|ranges| ranges.count())).collect();
    assert_eq!(counts[2..], [Some(1), Some(1), Some(0)]);
    assert_eq!((seen.sorted_at(3), seen.sorted_at(4)), (vec!["1".to_owned()], vec!["2".to_owned()]));
    ssc.stop(Stop::Now).unwrap();
}

/// T-402: a task that failed reads its range again. T-403: a batch is read by two outputs at once.
#[test]
fn ranges_are_read_again_and_at_once() {
    let _up = broker::stays_up();
    let again = topic("again", 2);
    let numbers: Vec<_> = (0..3000).map(|n| n.to_string()).collect();
    for partition in [0, 1] {
        broker::send(&again, partition, numbers.iter().map(|n| &**n));
    }
    let builder = StreamingContext::builder("again").batch_interval(SECOND).threads(2).concurrent_jobs(2);
    let (ssc, clock) = testing::manual(builder.task_attempts(3)).unwrap();
    let source = KafkaSource::new(address()).topics([&again]).max_rate_per_partition(1000);
    let (stream, _) = source.stream_with(&ssc, |message| {
        (message.partition(), std::str::from_utf8(message.value().unwrap()).unwrap().parse::<u32>().unwrap())
    });
    let failures = Arc::new(Mutex::new(0));
    let fail_once = stream.map(move |record| {
        let mut failures = failures.lock().unwrap();
        if record.1 == 1500 && *failures == 0 {
            *failures += 1;
            drop(failures);
            panic!("the first attempt fails");
        }
        record
    });
    let (one, other) = (fail_once.collect_batches(), stream.collect_batches());
    ssc.start().unwrap();
    clock.advance_batches(3);
    for n in 1..=3u32 {
        let expected: Vec<_> =
            [0, 1].iter().flat_map(|p| (1000 * (n - 1)..1000 * n).map(|value| (*p, value))).collect();
        assert_eq!(one.sorted_at(n), expected);
        assert_eq!(other.sorted_at(n), expected);
    }
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn a_record_has_all_its_parts() {
    let _up = broker::stays_up();
    use rdkafka::message::{Header, OwnedHeaders};
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
    let parts = topic("parts", 1);
    let producer: BaseProducer = broker::config().create().unwrap();
    let headers = OwnedHeaders::new().insert(Header { key: "unit", value: Some("litre") });
    let headers = headers.insert(Header { key: "none", value: None::<&str> });
    let full = BaseRecord::to(&parts).key("water").payload("3").timestamp(1_700_000_000_000).headers(headers);
    producer.send(full).map_err(|(error, _)| error).unwrap();
    producer.send(BaseRecord::<str, str>::to(&parts).key("water")).map_err(|(error, _)| error).unwrap();
    producer.flush(broker::PATIENCE).unwrap();

    let (ssc, clock) = context();
    let (stream, _) = KafkaSource::new(address()).topics([&parts]).stream(&ssc);
    let (seen, lent) = (stream.collect_batches(), Arc::new(Mutex::new(Vec::new())));
    let noted = lent.clone();
    let (texts, _) = KafkaSource::new(address()).topics([&parts]).stream_with(&ssc, move |message| {
        let headers = message.headers().len();
        noted.lock().unwrap().push((message.topic().to_owned(), message.offset(), headers));
        Text::from(std::str::from_utf8(message.key().unwrap_or_default()).unwrap_or_default())
    });
    let keys = texts.collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(1);
    let records = seen.nth(1).unwrap();
    let headers = vec![("unit".to_owned(), Some(b"litre".to_vec())), ("none".to_owned(), None)];
    let full = KafkaRecord {
        topic: parts.clone(),
        partition: 0,
        offset: 0,
        timestamp: Some(1_700_000_000_000),
        key: Some(b"water".to_vec()),
        value: Some(b"3".to_vec()),
        headers,
    };
    assert_eq!(records[0], full);
    assert_eq!((records[1].value.as_deref(), records[1].headers.len()), (None, 0));
    assert_eq!(keys.nth(1).unwrap(), ["water", "water"]);
    assert_eq!(*lent.lock().unwrap(), [(parts.clone(), 0, 2), (parts, 1, 0)]);
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn what_is_wrong_is_said_at_the_start() {
    let _up = broker::stays_up();
    let said = |source: KafkaSource| {
        let (ssc, _) = context();
        source.stream(&ssc).0.print();
        ssc.start().unwrap_err().full_text()
    };
    let missing = unique("missing");
    assert!(said(KafkaSource::new(address()).topics([&missing])).contains(&missing));
    assert!(said(KafkaSource::new(address()).topic_pattern("(")).contains("topic_pattern"));
    assert!(said(KafkaSource::new(address()).topics(["t"]).start(Start::Group)).contains("commit_to_group"));
    let nobody = KafkaSource::new("127.0.0.1:1").topics(["t"]).time_out(Duration::from_millis(300));
    assert!(said(nobody).contains("127.0.0.1:1"));
    let secret = KafkaSource::new(address())
        .topics(["t"])
        .setting("sasl.mechanism", "x")
        .setting("no.such", "hunter2");
    let text = said(secret);
    assert!(text.contains("no.such") && !text.contains("hunter2"), "{text}");
}

/// Ranges of offsets that the program names are a dataset, with one partition for each: these records and no others,
/// as often as it is asked. What is gone fails the job or is counted.
#[test]
fn given_ranges_are_a_dataset() {
    let _up = broker::stays_up();
    let topic = topic("dataset", 2);
    broker::send(&topic, 0, ["0", "1", "2", "3", "4"]);
    broker::send(&topic, 1, ["5", "6"]);
    let (ssc, _clock) = context();
    let read = |source: KafkaSource, ranges: &[OffsetRange]| {
        let records = source.create_rdd(&ssc, ranges.to_vec())?;
        records.map(|record| record.value_text()).glom().collect()
    };
    let source = || KafkaSource::new(address());
    let ranges =
        [range(&topic, 1, 0, 2), range(&topic, 0, 1, 3), range(&topic, 0, 3, 3), range(&topic, 0, 3, 4)];
    let expected = [vec!["5", "6"], vec!["1", "2"], vec![], vec!["3"]];
    assert_eq!(read(source(), &ranges).unwrap(), expected);
    let lengths = source().create_rdd_with(&ssc, ranges.clone(), |message| message.value().unwrap().len());
    let lengths = lengths.unwrap();
    assert_eq!((lengths.count().unwrap(), lengths.collect().unwrap()), (5, vec![1; 5]));
    broker::delete_before(&topic, 0, 2);
    assert!(read(source(), &ranges).unwrap_err().full_text().contains("deleted"));
    let skipped = read(source().on_lost(waterclock_streaming::OnLost::SkipAndCount), &ranges).unwrap();
    assert_eq!(skipped, [vec!["5", "6"], vec!["2"], vec![], vec!["3"]]);
    let wrong = source().setting("enable.auto.commit", "true").create_rdd(&ssc, ranges).err().unwrap();
    assert!(wrong.full_text().contains("enable.auto.commit"), "{wrong:?}");
}
