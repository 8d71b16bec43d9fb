//! Goal: queues, generators and readers give what they are documented to, batch for batch.
//! Method: virtual time.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod common;

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{SECOND, ear, eventually, pause};
use waterclock_base::world::{Clock, SystemClock, lock};
use waterclock_base::{BatchInterval, BoxError, Error, Event, Record, Text};
use waterclock_streaming::testing::{manual, manual_context};
use waterclock_streaming::{
    Collected, QueueOptions, RangeSource, RddQueue, Stop, StreamingContext, TextReader,
};

fn all<T: Record>(seen: &Collected<T>) -> Vec<T> {
    seen.all().into_iter().flat_map(|(_, batch)| batch).collect()
}

/// T-094: a queue gives one dataset a batch.
#[test]
fn a_queue_gives_one_dataset_a_batch() {
    let (ssc, clock) = manual_context("queue", SECOND).unwrap();
    let queue = RddQueue::new();
    let seen = ssc.queue_stream_with(&queue, QueueOptions::new()).collect_batches();
    for batch in [vec!["a"], vec!["b", "c"]] {
        queue.push(ssc.engine().parallelize(batch.into_iter().map(Text::from).collect(), 2));
    }
    ssc.start().unwrap();
    clock.advance_batches(3);
    queue.push(ssc.engine().parallelize(vec![Text::from("d")], 2));
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    let batches: Vec<Vec<Text>> = (1..=4).map(|n| seen.nth(n).unwrap()).collect();
    assert_eq!(batches, [vec!["a"], vec!["b", "c"], vec![], vec!["d"]]);
}

/// T-095: a queue gives all that waits at once: three, then two.
#[test]
fn a_queue_gives_all_at_once() {
    let (ssc, clock) = manual_context("queue", SECOND).unwrap();
    let queue = RddQueue::new();
    let options = QueueOptions::new().one_at_a_time(false);
    let seen = ssc.queue_stream_with(&queue, options).collect_batches();
    ssc.start().unwrap();
    for batches in [vec![vec![1], vec![2], vec![3]], vec![vec![4], vec![5]]] {
        batches.into_iter().for_each(|batch| queue.push(ssc.engine().parallelize(batch, 1)));
        clock.advance_batches(1);
    }
    ssc.stop(Stop::Now).unwrap();
    assert_eq!((seen.nth(1), seen.nth(2)), (Some(vec![1, 2, 3]), Some(vec![4, 5])));
}

/// A generator gives each batch the records that became due in it, in few partitions, also behind a window.
#[test]
fn a_generator_is_a_function_of_time() {
    let (ssc, clock) = manual_context("generator", Duration::from_millis(300)).unwrap();
    let numbers = ssc.generator_stream(10, |n| n).unwrap();
    let parts = numbers.glom().collect_batches();
    let sums = numbers.window(Duration::from_millis(600)).reduce(|a, b| a + b).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(3);
    ssc.stop(Stop::Now).unwrap();
    let parts: Vec<Vec<Vec<u64>>> = (1..=3).map(|n| parts.nth(n).unwrap()).collect();
    assert_eq!(parts, [[vec![0], vec![1, 2]], [vec![3], vec![4, 5]], [vec![6], vec![7, 8]]]);
    assert_eq!(all(&sums), [3, 15, 33]);
    assert_eq!(ssc.status().received_records, 9);
    let (ssc, _clock) = manual_context("none", SECOND).unwrap();
    assert!(matches!(ssc.generator_stream(0, |n| n), Err(Error::Definition { .. })));
}

/// A generator of few records has empty batches; one that panics fails its batch and names itself.
#[test]
fn a_generator_may_be_slow_or_panic() {
    let (ssc, clock) = manual_context("slow", Duration::from_millis(400)).unwrap();
    let seen = ssc.generator_stream(1, |n| if n == 1 { panic!("unlucky") } else { n }).unwrap();
    let seen = seen.collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(8);
    let error = ssc.await_termination().unwrap_err();
    ssc.stop(Stop::Now).unwrap();
    let batches: Vec<Option<Vec<u64>>> = (1..=8).map(|n| seen.nth(n)).collect();
    let none = Some(vec![]);
    let expected = [none.clone(), none.clone(), Some(vec![0]), none.clone(), None, none.clone(), none];
    assert_eq!(batches, [&expected[..], &[Some(vec![2])]].concat());
    let text = format!("{error:?}");
    assert!(text.contains("unlucky") && text.contains("generator_stream at"), "{text}");
}

/// Lines up to the end of the input, which ends the receiver quietly; the last line needs no end.
#[test]
fn a_reader_ends_quietly() {
    let builder = StreamingContext::builder("reader").batch_interval(SECOND).threads(2);
    let (ssc, clock) = manual(builder.max_line_bytes(20)).unwrap();
    let heard = ear(&ssc);
    let input = b"to be\nor \xff not\r\n\na line that is far too long for this\nthe end".as_slice();
    let seen = ssc.receiver(TextReader::new(input, ssc.settings().max_line_bytes)).collect_batches();
    ssc.start().unwrap();
    eventually("the lines do not come", || {
        clock.advance_batches(1);
        all(&seen).len() == 3
    });
    let stopped = |event: &Event| matches!(event, Event::ReceiverStopped(_));
    eventually("it does not end", || lock(&heard).iter().any(stopped));
    clock.advance_batches(2);
    assert_eq!(ssc.status().receivers[0].last_error, "");
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&seen), ["to be", "", "the end"]);
    assert_eq!(ssc.status().dropped_records, 2);
    assert_eq!(lock(&heard).iter().filter(|event| stopped(event)).count(), 1);
}

/// Gives some text, then blocks for ever.
struct Terminal {
    text: &'static [u8],
    released: Arc<AtomicBool>,
}

impl Read for Terminal {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(bytes)?;
        while count == 0 && !self.released.load(Ordering::SeqCst) {
            pause(1);
        }
        Ok(count)
    }
}

/// A read that never returns does not hold up a stop, and what was read is processed.
#[test]
fn a_silent_reader_holds_up_nothing() {
    let (ssc, clock) = manual_context("terminal", SECOND).unwrap();
    let released = Arc::new(AtomicBool::new(false));
    let terminal = Terminal { text: b"one\ntwo\nhal", released: released.clone() };
    let seen = ssc.receiver(TextReader::new(terminal, 1000)).collect_batches();
    ssc.start().unwrap();
    eventually("the lines do not come", || {
        clock.advance_batches(1);
        all(&seen).len() == 2
    });
    let real = SystemClock::new();
    let began = real.now_micros();
    clock.stop_gracefully().unwrap();
    assert!(real.now_micros() - began < 2_000_000);
    assert_eq!(all(&seen), ["one", "two"]);
    assert_eq!(ssc.status().dropped_records, 1);
    released.store(true, Ordering::SeqCst);
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk is on fire"))
    }
}

/// Bad input: an error while reading is reported and taken for the end.
#[test]
fn an_error_while_reading_is_the_end() {
    let (ssc, clock) = manual_context("broken", SECOND).unwrap();
    let heard = ear(&ssc);
    ssc.receiver(TextReader::new(Broken, 1000)).count().collect_batches();
    ssc.start().unwrap();
    eventually("it does not end", || {
        clock.advance_batches(1);
        lock(&heard).iter().any(|event| matches!(event, Event::ReceiverStopped(_)))
    });
    let info = &ssc.status().receivers[0];
    assert!(info.last_error.contains("the disk is on fire") && !info.active, "{info:?}");
    ssc.stop(Stop::Now).unwrap();
}

/// Three numbers a batch, and what it was told that is done.
struct Counting(Arc<Mutex<Vec<(u64, u64)>>>);

impl RangeSource<u64> for Counting {
    type Range = (u64, u64);

    fn next(&self, before: Option<&(u64, u64)>, _: BatchInterval) -> Result<(u64, u64), BoxError> {
        let begin = before.map_or(0, |before| before.1);
        Ok((begin, begin + 3))
    }

    fn partitions(&self, _: &(u64, u64)) -> usize {
        1
    }

    fn records(&self, range: &(u64, u64)) -> u64 {
        range.1 - range.0
    }

    fn describe(&self, range: &(u64, u64)) -> String {
        format!("{} to {}", range.0, range.1)
    }

    fn read(
        &self,
        range: &(u64, u64),
        _: usize,
        out: &mut dyn FnMut(u64) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        (range.0..range.1).try_for_each(out)
    }

    fn acknowledge(&self, range: &(u64, u64)) {
        lock(&self.0).push(*range);
    }
}

/// Without a checkpoint no log says when a batch is done for good: it is when it is over.
#[test]
fn a_source_of_ranges_is_told_what_is_done_without_a_checkpoint() {
    let (ssc, clock) = manual_context("ranges", SECOND).unwrap();
    let done = Arc::<Mutex<Vec<_>>>::default();
    let (numbers, _) = ssc.range_stream("counting", Counting(done.clone()));
    let fails = numbers.map(|n| if n == 4 { panic!("this batch is skipped") } else { n });
    fails.collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(3);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(*lock(&done), [(0, 3), (3, 6), (6, 9)]);
}
