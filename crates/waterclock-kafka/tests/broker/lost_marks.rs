//! The brokers forget a group that nobody writes to for a week, and with it which batches a topic has. Here an
//! administrator deletes it.

use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::{BatchTime, BoxError, FailurePolicy};
use waterclock_kafka::{KafkaSink, NewRecord, OnLostMark};
use waterclock_streaming::testing::{self, TestClock};
use waterclock_streaming::{BatchMark, BatchSink, SinkClass, Stop, StreamingContext};

use crate::broker::{self, address, committed, forget_group, group_at, topic};

type Make = fn(String) -> NewRecord;

/// When the process seems to be killed.
const NEVER: u8 = 0;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;

/// A sink whose process can be killed around a transaction.
#[derive(Clone)]
struct Life {
    sink: Arc<KafkaSink<Make>>,
    killed: Arc<AtomicU8>,
    /// Where the brokers keep the marks.
    group: Arc<Mutex<String>>,
}

impl Life {
    fn new(topic: &str, on_lost_mark: OnLostMark) -> Self {
        let make: Make = |value| NewRecord::value(value).partition(0);
        let sink = KafkaSink::new(address(), topic, make).on_lost_mark(on_lost_mark);
        Life { sink: Arc::new(sink), killed: Arc::default(), group: Arc::default() }
    }

    fn around(&self, publish: impl FnOnce() -> Result<(), BoxError>) -> Result<(), BoxError> {
        match self.killed.load(Ordering::SeqCst) {
            BEFORE => Err("killed".into()),
            AFTER => publish().and(Err("killed".into())),
            _ => publish(),
        }
    }
}

impl BatchSink<String> for Life {
    type Part = Vec<NewRecord>;

    fn class(&self) -> SinkClass {
        SinkClass::Transactional
    }

    fn stage(&self, batch: &BatchMark, part: usize, records: Vec<String>) -> Result<Self::Part, BoxError> {
        let application = batch.application.unwrap();
        *self.group.lock().unwrap() = format!("waterclock-{application:016x}-{}", batch.output);
        self.sink.stage(batch, part, records)
    }

    fn publish(&self, batch: &BatchMark, parts: &[Self::Part]) -> Result<(), BoxError> {
        self.around(|| BatchSink::<String>::publish(&*self.sink, batch, parts))
    }

    fn publish_again(
        &self,
        batch: &BatchMark,
        parts: &[Self::Part],
        earlier: Option<BatchTime>,
    ) -> Result<(), BoxError> {
        self.around(|| BatchSink::<String>::publish_again(&*self.sink, batch, parts, earlier))
    }
}

/// Goes on at `now` with what was begun before, then runs so many batches; the last of all is killed where that is
/// said. What the context ends with.
fn live(
    dir: &Path,
    input: &[&str],
    (now, batches): (i64, u32),
    life: &Life,
    killed: u8,
) -> Result<(), String> {
    let input = input.iter().map(|of| of.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let (ssc, clock): (StreamingContext, TestClock) =
        testing::get_or_create(dir, BatchTime::from_millis(now), |builder| {
            let builder = builder.batch_interval(Duration::from_secs(1)).on_failure(FailurePolicy::Stop);
            let ssc = builder.threads(2).build()?;
            ssc.queue_stream(input).named("batches").write_to(life.clone()).named("out");
            Ok(ssc)
        })
        .unwrap();
    ssc.start().unwrap();
    clock.advance(Duration::ZERO);
    for n in 1..=batches {
        life.killed.store(if n == batches { killed } else { NEVER }, Ordering::SeqCst);
        clock.advance_batches(1);
    }
    let ended = ssc.await_termination_for(Duration::ZERO).map(drop).map_err(|error| error.full_text());
    ssc.stop(Stop::Now).unwrap();
    ended
}

fn records(names: &[&str]) -> Vec<Vec<String>> {
    vec![names.iter().map(|name| (*name).to_owned()).collect()]
}

/// A batch that may be there is neither written twice nor left out: the program has to say what it is to be.
#[test]
fn a_batch_that_may_be_there_is_left_to_whoever_can_know() {
    let _up = broker::stays_up();
    let decided = [(OnLostMark::Skip, vec!["a", "b", "c"]), (OnLostMark::Write, vec!["a", "b", "b", "c"])];
    for (decision, expected) in decided {
        let (out, dir, input) = (topic("forgotten", 1), tempfile::tempdir().unwrap(), ["a", "b", "c"]);
        let first = Life::new(&out, OnLostMark::Fail);
        assert!(live(dir.path(), &input, (0, 2), &first, AFTER).is_err());
        let group = first.group.lock().unwrap().clone();
        assert_eq!(group_at(&group, &out, 0), Some(2000));
        forget_group(&group);
        // As often as it is started.
        for _ in 0..2 {
            let again = Life::new(&out, OnLostMark::Fail);
            let error = live(dir.path(), &input, (2000, 0), &again, NEVER).unwrap_err();
            let said = [&*out, &*group, "2000 ms", "1000 ms", "on_lost_mark", "offsets.retention.minutes"];
            assert!(said.iter().all(|part| error.contains(part)), "{error}");
        }
        assert_eq!(committed(&out, 1, 2), records(&["a", "b"]));
        live(dir.path(), &input, (2000, 1), &Life::new(&out, decision), NEVER).unwrap();
        assert_eq!(committed(&out, 1, expected.len()), records(&expected));
        // From then on there is a mark again.
        assert_eq!(group_at(&group, &out, 0), Some(3000));
    }
}

/// Where nothing was ever written there is no mark, and none is missed.
#[test]
fn a_first_batch_is_written() {
    let _up = broker::stays_up();
    let (out, dir) = (topic("first", 1), tempfile::tempdir().unwrap());
    assert!(live(dir.path(), &["a"], (0, 1), &Life::new(&out, OnLostMark::Fail), BEFORE).is_err());
    live(dir.path(), &["a"], (1000, 0), &Life::new(&out, OnLostMark::Fail), NEVER).unwrap();
    assert_eq!(committed(&out, 1, 1), records(&["a"]));
}

/// An output that had nothing to write so far has a mark too, so that it is known to be lost; and where a batch that
/// was begun has no records, nothing can be written twice.
#[test]
fn empty_batches_are_marked() {
    let _up = broker::stays_up();
    let (out, dir, input) = (topic("empty", 1), tempfile::tempdir().unwrap(), ["", "", "", "", "a"]);
    let first = Life::new(&out, OnLostMark::Fail);
    assert!(live(dir.path(), &input, (0, 3), &first, AFTER).is_err());
    let group = first.group.lock().unwrap().clone();
    assert_eq!(group_at(&group, &out, 0), Some(1000), "once is enough");
    forget_group(&group);
    let second = Life::new(&out, OnLostMark::Fail);
    assert!(live(dir.path(), &input, (3000, 2), &second, AFTER).is_err());
    assert_eq!(committed(&out, 1, 1), records(&["a"]));
    forget_group(&group);
    let third = Life::new(&out, OnLostMark::Fail);
    let error = live(dir.path(), &input, (5000, 0), &third, NEVER).unwrap_err();
    assert!(error.contains("on_lost_mark"), "{error}");
    assert_eq!(committed(&out, 1, 1), records(&["a"]));
}
