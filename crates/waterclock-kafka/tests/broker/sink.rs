//! Batches into topics.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::{BatchTime, BoxError, FailurePolicy};
use waterclock_kafka::{KafkaSink, NewRecord};
use waterclock_streaming::testing::{self, TestClock};
use waterclock_streaming::{BatchMark, BatchSink, SinkClass, Stop, StreamingContext};

use crate::broker::{self, address, committed, topic};

type Make = fn(String) -> NewRecord;

fn sink(topic: &str) -> KafkaSink<Make> {
    KafkaSink::new(address(), topic, |value| NewRecord::value(value).partition(0))
}

/// Publishes into Kafka, fails afterwards when it is told to, as if the process had been killed there, and notes what
/// the sink says of a batch that was run again.
struct Watched<F> {
    sink: KafkaSink<F>,
    killed: Arc<AtomicBool>,
    said: Arc<Mutex<Vec<Option<bool>>>>,
}

impl<F> Watched<F> {
    fn new(sink: KafkaSink<F>) -> Self {
        Watched { sink, killed: Arc::default(), said: Arc::default() }
    }
}

impl<F: Fn(String) -> NewRecord + Send + Sync + 'static> BatchSink<String> for Watched<F> {
    type Part = Vec<NewRecord>;

    fn class(&self) -> SinkClass {
        BatchSink::<String>::class(&self.sink)
    }

    fn stage(&self, batch: &BatchMark, part: usize, records: Vec<String>) -> Result<Self::Part, BoxError> {
        self.sink.stage(batch, part, records)
    }

    fn publish(&self, batch: &BatchMark, parts: &[Self::Part]) -> Result<(), BoxError> {
        BatchSink::<String>::publish(&self.sink, batch, parts)?;
        if self.killed.swap(false, Ordering::Relaxed) { Err("killed".into()) } else { Ok(()) }
    }

    fn is_as_published(&self, batch: &BatchMark, parts: &[Self::Part]) -> Result<Option<bool>, BoxError> {
        let said = BatchSink::<String>::is_as_published(&self.sink, batch, parts)?;
        self.said.lock().unwrap().push(said);
        Ok(said)
    }
}

/// Batches `a1 a2`, `b1 b2`, ..: one a second.
fn program(dir: &Path, now: i64, sink: impl BatchSink<String>) -> (StreamingContext, TestClock) {
    let batches = ["a", "b", "c", "d", "e"].map(|name| vec![format!("{name}1"), format!("{name}2")]);
    let (ssc, clock) = testing::get_or_create(dir, BatchTime::from_millis(now), |builder| {
        let builder = builder.batch_interval(Duration::from_secs(1)).on_failure(FailurePolicy::Stop);
        let ssc = builder.threads(2).build()?;
        ssc.queue_stream(batches.to_vec()).named("batches").write_to(sink).named("out");
        Ok(ssc)
    })
    .unwrap();
    ssc.start().unwrap();
    clock.advance(Duration::ZERO);
    (ssc, clock)
}

fn once(names: &[&str]) -> Vec<Vec<String>> {
    vec![names.iter().flat_map(|name| [format!("{name}1"), format!("{name}2")]).collect()]
}

#[test]
fn a_batch_that_was_published_is_not_published_again() {
    let _up = broker::stays_up();
    let (out, dir) = (topic("out", 1), tempfile::tempdir().unwrap());
    let watched = Watched::new(sink(&out));
    let killed = watched.killed.clone();
    let (ssc, clock) = program(dir.path(), 0, watched);
    clock.advance_batches(1);
    killed.store(true, Ordering::Relaxed);
    clock.advance_batches(1);
    assert!(ssc.await_termination_for(Duration::ZERO).is_err());
    // Its own job ends the context.
    ssc.stop(Stop::Now).unwrap();
    drop((ssc, clock));
    assert_eq!(committed(&out, 1, 4), once(&["a", "b"]));
    // The second batch is run again.
    let (ssc, clock) = program(dir.path(), 2000, sink(&out));
    clock.advance_batches(1);
    assert_eq!(ssc.status().completed_batches, 2);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(committed(&out, 1, 6), once(&["a", "b", "c"]));
}

/// What was published is left as it is, and known to be something else.
#[test]
fn a_batch_that_was_published_otherwise_is_known() {
    let _up = broker::stays_up();
    for (end, same) in [("", true), ("!", false)] {
        let (out, dir) = (topic("compared", 1), tempfile::tempdir().unwrap());
        let watched = Watched::new(sink(&out));
        watched.killed.store(true, Ordering::Relaxed);
        let (ssc, clock) = program(dir.path(), 0, watched);
        clock.advance_batches(1);
        // Its own job ends the context.
        ssc.stop(Stop::Now).unwrap();
        drop((ssc, clock));
        let make = move |record: String| NewRecord::value(record + end).partition(0);
        let watched = Watched::new(KafkaSink::new(address(), &out, make));
        let said = watched.said.clone();
        let (ssc, clock) = program(dir.path(), 1000, watched);
        clock.advance_batches(0);
        ssc.stop(Stop::Now).unwrap();
        assert_eq!(*said.lock().unwrap(), [Some(same)]);
        assert_eq!(committed(&out, 1, 2), once(&["a"]));
    }
}

#[test]
fn a_broker_that_is_killed_takes_no_batch_with_it_and_none_twice() {
    let _alone = broker::alone();
    let (out, dir) = (topic("killed", 1), tempfile::tempdir().unwrap());
    let (ssc, clock) = program(dir.path(), 0, sink(&out));
    clock.advance_batches(1);
    broker::broker("kill");
    clock.tick_without_waiting();
    broker::broker("restart");
    clock.advance_batches(1);
    broker::broker("restart");
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(committed(&out, 1, 8), once(&["a", "b", "c", "d"]));
}

/// What another transaction of the same name left open is not seen, and the one that comes later wins.
#[test]
fn whoever_was_taken_over_writes_no_more() {
    let _up = broker::stays_up();
    /// The first batch by one, the second by the other, then by the first again.
    struct Two(KafkaSink<Make>, KafkaSink<Make>);
    impl BatchSink<String> for Two {
        type Part = Vec<NewRecord>;

        fn class(&self) -> SinkClass {
            SinkClass::Transactional
        }

        fn stage(
            &self,
            batch: &BatchMark,
            part: usize,
            records: Vec<String>,
        ) -> Result<Self::Part, BoxError> {
            self.0.stage(batch, part, records)
        }

        fn publish(&self, batch: &BatchMark, parts: &[Self::Part]) -> Result<(), BoxError> {
            let sink = if batch.time.as_millis() == 2000 { &self.1 } else { &self.0 };
            BatchSink::<String>::publish(sink, batch, parts)
        }
    }
    let (out, dir) = (topic("taken", 1), tempfile::tempdir().unwrap());
    let (ssc, clock) = program(dir.path(), 0, Two(sink(&out), sink(&out)));
    clock.advance_batches(3);
    let error = ssc.await_termination_for(Duration::ZERO).unwrap_err().full_text();
    assert!(error.contains("taken over"), "{error}");
    assert_eq!(committed(&out, 1, 4), once(&["a", "b"]));
}

#[test]
fn records_keep_their_parts() {
    let _up = broker::stays_up();
    let out = topic("parts", 2);
    let (ssc, clock) = testing::manual_context("parts", Duration::from_secs(1)).unwrap();
    let make = |n: u32| NewRecord::value(n.to_string()).key("water").header("unit", "litre").timestamp(77);
    ssc.queue_stream(vec![vec![1u32, 2], vec![], vec![3]]).write_to(KafkaSink::new(address(), &out, make));
    let source = waterclock_kafka::KafkaSource::new(address()).topics([&out]);
    let seen = source.stream(&ssc).0.collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(3);
    let mut all: Vec<_> = Vec::new();
    while all.len() < 3 {
        clock.advance_batches(1);
        all = seen.all().into_iter().flat_map(|(_, records)| records).collect();
    }
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(all.iter().map(|record| record.value_text()).collect::<Vec<_>>(), ["1", "2", "3"]);
    let first = &all[0];
    assert_eq!((first.key.as_deref(), first.timestamp), (Some(&b"water"[..]), Some(77)));
    assert_eq!(first.headers, [("unit".to_owned(), Some(b"litre".to_vec()))]);
    assert!(all.iter().all(|record| record.partition == first.partition));
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let _up = broker::stays_up();
    // Brokers make topics that are asked for, but none of this name.
    let missing = broker::unique("no/where");
    let (ssc, clock) = testing::manual_context("missing", Duration::from_secs(1)).unwrap();
    let sink = sink(&missing).time_out(Duration::from_millis(500));
    ssc.queue_stream(vec![vec!["x".to_owned()]]).write_to(sink);
    ssc.start().unwrap();
    clock.advance_batches(1);
    let error = ssc.await_termination_for(Duration::ZERO).unwrap_err().full_text();
    assert!(error.contains(&missing), "{error}");
    ssc.stop(Stop::Now).unwrap();
}
