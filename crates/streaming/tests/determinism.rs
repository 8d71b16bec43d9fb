//! The check of determinism, batch by batch. Method: programs with an operation that is not, and with ones that
//! are, under virtual time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use waterclock_base::{BatchTime, BoxError, Error, Event};
use waterclock_streaming::testing::{TestClock, manual};
use waterclock_streaming::{BatchMark, BatchSink, DStream, SinkClass, Stop, StreamingContext};

const SECOND: Duration = Duration::from_secs(1);

fn checked() -> (StreamingContext, TestClock, DStream<(u32, i64)>) {
    let builder =
        StreamingContext::builder("checked").batch_interval(SECOND).threads(2).default_parallelism(3);
    let (ssc, clock) = manual(builder.check_determinism(true)).unwrap();
    let pairs = ssc.queue_stream((1..=3).map(|n| (0..50).map(|i| (i % 7, i64::from(i * n))).collect()));
    (ssc, clock, pairs)
}

/// Runs a batch, which fails; the operator that is named, and its line.
fn named(ssc: &StreamingContext, clock: &TestClock) -> (String, u32) {
    ssc.start().unwrap();
    clock.advance_batches(1);
    let error = ssc.await_termination().unwrap_err();
    ssc.stop(Stop::Now).unwrap();
    let Error::Batch { source, time, .. } = error else { panic!("{error:?}") };
    assert_eq!(time, BatchTime::from_millis(1000));
    match *source {
        Error::Determinism { operator, site, .. } => (operator, site.line()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_closure_that_counts_is_named() {
    let (ssc, clock, pairs) = checked();
    let calls = AtomicU32::new(0);
    let (line, numbered) = (line!(), pairs.map(move |(key, _)| (key, calls.fetch_add(1, Ordering::Relaxed))));
    numbered.filter(|(key, _)| *key > 0).group_by_key().map_values(|all| all.len()).print();
    assert_eq!(named(&ssc, &clock), ("map".into(), line));
}

#[test]
fn a_reduction_that_does_not_commute_is_named() {
    let (ssc, clock, pairs) = checked();
    let (line, last) = (line!(), pairs.reduce_by_key(|_, later| later));
    last.print();
    assert_eq!(named(&ssc, &clock), ("reduce_by_key".into(), line));
}

#[test]
fn a_function_of_state_that_looks_at_a_counter_is_named() {
    let (ssc, clock, pairs) = checked();
    let calls = AtomicU32::new(0);
    let update =
        move |new: Vec<i64>, _: Option<i64>| Some(new[0] + i64::from(calls.fetch_add(1, Ordering::Relaxed)));
    let (line, state) = (line!(), pairs.update_state_by_key(update));
    state.register();
    assert_eq!(named(&ssc, &clock), ("update_state_by_key".into(), line));
}

/// Keeps what was published, and counts how often a part was prepared.
#[derive(Clone, Default)]
struct Shelf {
    staged: Arc<AtomicU32>,
    batches: Arc<Mutex<Vec<Vec<(u32, i64)>>>>,
}

impl BatchSink<(u32, i64)> for Shelf {
    type Part = Vec<(u32, i64)>;

    fn class(&self) -> SinkClass {
        SinkClass::AtLeastOnce
    }

    fn stage(&self, _: &BatchMark, _: usize, records: Vec<(u32, i64)>) -> Result<Self::Part, BoxError> {
        self.staged.fetch_add(1, Ordering::Relaxed);
        Ok(records)
    }

    fn publish(&self, _: &BatchMark, parts: &[Self::Part]) -> Result<(), BoxError> {
        let mut all = parts.concat();
        all.sort_unstable();
        self.batches.lock().unwrap().push(all);
        Ok(())
    }
}

/// The program is clean: it passes, and is seen as if nothing was checked.
#[test]
fn a_clean_program_passes_and_its_effects_are_there_once() {
    let (ssc, clock, pairs) = checked();
    let sum = |new: Vec<i64>, old: Option<i64>| Some(old.unwrap_or(0) + new.iter().sum::<i64>());
    let totals = pairs.update_state_by_key(sum);
    let seen = totals.collect_batches();
    let shelf = Shelf::default();
    totals.write_to(shelf.clone());
    let (records, batches) =
        (ssc.engine().accumulator("records", 0, |sum, n: u64| *sum += n), Arc::<AtomicU32>::default());
    let (adder, ran) = (records.clone(), batches.clone());
    let window = pairs.reduce_by_key_and_window(|a, b| a.max(b), SECOND * 2, SECOND);
    window.join(&totals).foreach_rdd(move |rdd, _| {
        ran.fetch_add(1, Ordering::Relaxed);
        let adder = adder.clone();
        rdd.for_each(move |_| adder.add(1))?;
        Ok(())
    });
    ssc.start().unwrap();
    clock.advance_batches(3);
    ssc.stop(Stop::Now).unwrap();
    assert!(ssc.await_termination().is_ok());
    assert_eq!((records.value(), batches.load(Ordering::Relaxed)), (21, 3));
    let published = shelf.batches.lock().unwrap().clone();
    assert_eq!(published, (1..=3).map(|n| seen.sorted_at(n)).collect::<Vec<_>>());
    // Twice to try it out, and once to do it, for each partition.
    assert_eq!(shelf.staged.load(Ordering::Relaxed), 3 * 3 * 3);
}

/// What the check does not see is named when it begins, once; without it nothing is said.
#[test]
fn what_is_not_checked_is_said() {
    let warned = |checks: bool| {
        let builder = StreamingContext::builder("said").batch_interval(SECOND).check_determinism(checks);
        let (ssc, clock) = manual(builder).unwrap();
        let (tell, told) = mpsc::channel();
        ssc.add_listener(move |event: &Event| {
            if let Event::Warning { text } = event {
                tell.send(text.clone()).unwrap();
            }
        });
        let numbers = ssc.queue_stream(vec![vec![1], vec![2]]).map(|n| n + 1);
        numbers.transform(|rdd, _| Ok(rdd)).count().print();
        numbers.foreach_rdd(|_, _| Ok(()));
        ssc.start().unwrap();
        clock.advance_batches(2);
        ssc.stop(Stop::Now).unwrap();
        told.try_iter().collect::<Vec<_>>()
    };
    assert_eq!(warned(false), [""; 0]);
    let told = warned(true);
    let [text] = &told[..] else { panic!("{told:?}") };
    assert!(text.contains("transform at ") && text.contains("foreach_rdd at "), "{text}");
    assert!(!text.contains("map at") && !text.contains("print at"), "{text}");
}
