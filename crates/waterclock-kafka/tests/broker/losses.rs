//! What is gone when it is to be read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::Event;
use waterclock_kafka::KafkaSource;
use waterclock_streaming::testing::{self, TestClock};
use waterclock_streaming::{Collected, OnLost, Stop, StreamingContext};

use crate::broker::{self, address, topic};

struct Run {
    ssc: StreamingContext,
    clock: TestClock,
    seen: Collected<String>,
    dropped: Arc<Mutex<u64>>,
}

/// Five records a batch; the first batch is done.
fn run(topic: &str, on_lost: OnLost) -> Run {
    // A consumer that is kept may have fetched what is deleted then.
    run_with(topic, on_lost, 0)
}

fn run_with(topic: &str, on_lost: OnLost, consumers: usize) -> Run {
    let (ssc, clock) = testing::manual_context("losses", Duration::from_secs(1)).unwrap();
    let source = KafkaSource::new(address()).topics([topic]).max_rate_per_partition(5).on_lost(on_lost);
    let source = source.cached_consumers(consumers);
    let (stream, _) = source.look_for_partitions_every(Duration::ZERO).stream(&ssc);
    let seen = stream.map(|record| record.value_text()).collect_batches();
    let dropped = Arc::new(Mutex::new(0));
    let noted = dropped.clone();
    ssc.add_listener(move |event: &Event| {
        if let Event::RecordsDropped { records, .. } = event {
            *noted.lock().unwrap() += records;
        }
    });
    ssc.start().unwrap();
    clock.advance_batches(1);
    Run { ssc, clock, seen, dropped }
}

fn numbers() -> Vec<String> {
    (0..20).map(|n| n.to_string()).collect()
}

#[test]
fn records_that_are_gone_fail_the_batch() {
    let _up = broker::stays_up();
    let gone = topic("gone", 1);
    broker::send(&gone, 0, numbers().iter().map(|n| &**n));
    let run = run(&gone, OnLost::Fail);
    broker::delete_before(&gone, 0, 12);
    run.clock.advance_batches(1);
    let error = run.ssc.await_termination_for(Duration::ZERO).unwrap_err().full_text();
    assert!(error.contains(&format!("offsets 5 to 10 of {gone}-0")), "{error}");
    assert!(error.contains("deleted") && error.contains("SkipAndCount"), "{error}");
    // The next ones: 12 to 14 are in the third batch, whose beginning is gone too.
    run.clock.advance_batches(2);
    assert_eq!(run.seen.all().len(), 2);
    assert_eq!(run.seen.all()[1].1, ["15", "16", "17", "18", "19"]);
    run.ssc.stop(Stop::Now).unwrap();
}

#[test]
fn records_that_are_gone_can_be_counted() {
    let _up = broker::stays_up();
    let gone = topic("counted", 1);
    broker::send(&gone, 0, numbers().iter().map(|n| &**n));
    let run = run(&gone, OnLost::SkipAndCount);
    broker::delete_before(&gone, 0, 12);
    run.clock.advance_batches(3);
    let batches: Vec<_> = (1..=4).map(|n| run.seen.nth(n).unwrap().len()).collect();
    assert_eq!(batches, [5, 0, 3, 5]);
    assert_eq!(run.seen.nth(3).unwrap(), ["12", "13", "14"]);
    run.ssc.stop(Stop::Now).unwrap();
    assert_eq!(*run.dropped.lock().unwrap(), 7);
}

/// T-401: the consumer of a batch goes on with the next one, with what it has fetched meanwhile.
#[test]
fn a_kept_consumer_goes_on_with_what_it_has() {
    let _up = broker::stays_up();
    let kept = topic("kept", 1);
    broker::send(&kept, 0, numbers().iter().map(|n| &**n));
    // All records came in one answer with those of the first batch.
    let run = run_with(&kept, OnLost::Fail, 1);
    broker::delete_before(&kept, 0, 12);
    run.clock.advance_batches(3);
    assert_eq!(run.seen.all().into_iter().flat_map(|(_, batch)| batch).collect::<Vec<_>>(), numbers());
    run.ssc.stop(Stop::Now).unwrap();
}

#[test]
fn a_topic_made_anew_is_noticed() {
    let _up = broker::stays_up();
    for on_lost in [OnLost::Fail, OnLost::SkipAndCount] {
        let anew = topic("anew", 1);
        broker::send(&anew, 0, ["1", "2", "3"]);
        let run = run(&anew, on_lost);
        broker::delete(&anew);
        broker::create(&anew, 1);
        broker::send(&anew, 0, ["4", "5"]);
        run.clock.advance_batches(1);
        if on_lost == OnLost::Fail {
            let error = run.ssc.await_termination_for(Duration::ZERO).unwrap_err().full_text();
            assert!(error.contains("made anew"), "{error}");
        } else {
            assert_eq!(run.seen.sorted_at(2), ["4", "5"]);
        }
        run.ssc.stop(Stop::Now).unwrap();
    }
}

/// A topic that is not there for a while is not taken for a new one when it is there again.
#[test]
fn a_topic_that_went_is_waited_for() {
    let _up = broker::stays_up();
    let went = topic("went", 1);
    broker::send(&went, 0, ["1"]);
    let run = run(&went, OnLost::Fail);
    broker::delete(&went);
    run.clock.advance_batches(2);
    assert_eq!(run.seen.sorted_at(1), ["1"]);
    assert!(run.seen.sorted_at(2).is_empty());
    run.ssc.stop(Stop::Now).unwrap();
}
