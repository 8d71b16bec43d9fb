//! Goal: every record that a receiver stores is in exactly one batch; receivers come, fail and go without
//! disturbing the stream; memory is bounded.
//! Method: closures as receivers, in virtual time.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{SECOND, ear, eventually};
use waterclock_base::world::{lock, spawn};
use waterclock_base::{BoxError, Event, SparkRules, StreamId, Text, encode};
use waterclock_engine::Rdd;
use waterclock_streaming::testing::{manual, manual_context};
use waterclock_streaming::{Receiver, ReceiverHandle, Stop, StreamingContext};

fn builder() -> waterclock_streaming::Builder {
    StreamingContext::builder("receivers").batch_interval(SECOND).threads(2)
}

/// T-093: ten threads with a thousand records each lose none.
#[test]
fn many_threads_store_at_the_same_time() {
    let (ssc, clock) = manual_context("threads", SECOND).unwrap();
    let records = ssc.receiver_stream(|out| {
        let storing = |thread: u64| {
            let out = out.clone();
            spawn("storing", move || (0..1000).try_for_each(|n| out.store(thread * 1000 + n)))
        };
        let threads: Vec<_> = (0..10).map(storing).collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        out.until_stopped();
        Ok(())
    });
    let seen = records.collect_batches();
    ssc.start().unwrap();
    eventually("not all records came", || {
        clock.advance_batches(1);
        seen.all().iter().map(|(_, batch)| batch.len()).sum::<usize>() == 10_000
    });
    ssc.stop(Stop::Now).unwrap();
    let mut all: Vec<u64> = seen.all().into_iter().flat_map(|(_, batch)| batch).collect();
    all.sort_unstable();
    assert_eq!(all, (0..10_000).collect::<Vec<_>>());
    assert_eq!(ssc.status().received_records, 10_000);
}

/// T-096: inputs are numbered in the order of their definition; receivers are listed by themselves.
#[test]
fn inputs_are_numbered_in_order() {
    let (ssc, clock) = manual_context("numbers", SECOND).unwrap();
    let idle = |out: ReceiverHandle<u64>| -> Result<(), BoxError> {
        out.until_stopped();
        Ok(())
    };
    let inputs = [ssc.receiver_stream(idle), ssc.queue_stream(vec![vec![1]]), ssc.receiver_stream(idle)];
    assert_eq!(inputs.each_ref().map(|input| input.id()), [0, 1, 2].map(StreamId));
    inputs.iter().for_each(|input| drop(input.count().collect_batches()));
    ssc.start().unwrap();
    eventually("the receivers do not run", || ssc.status().receivers.len() == 2);
    let mut receivers: Vec<StreamId> = ssc.status().receivers.iter().map(|info| info.stream).collect();
    receivers.sort_unstable();
    assert_eq!(receivers, [StreamId(0), StreamId(2)]);
    clock.advance_batches(1);
    let inputs = ssc.status().last_completed.unwrap().inputs;
    assert_eq!(inputs.iter().map(|input| input.stream.0).collect::<Vec<_>>(), [0, 1, 2]);
    ssc.stop(Stop::Now).unwrap();
}

/// The partitions of one batch of five blocks.
fn partitions_of_five_blocks(rules: SparkRules) -> Vec<Vec<u64>> {
    let (ssc, clock) = manual(builder().spark_rules(rules)).unwrap();
    let stored = Arc::new(AtomicUsize::new(0));
    let storing = stored.clone();
    let numbers = ssc.receiver_stream(move |out| {
        for block in 0..5 {
            out.store_many(vec![block * 2, block * 2 + 1])?;
        }
        storing.store(1, Ordering::SeqCst);
        out.until_stopped();
        Ok(())
    });
    let seen = numbers.glom().collect_batches();
    ssc.start().unwrap();
    eventually("nothing was stored", || stored.load(Ordering::SeqCst) == 1);
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    seen.nth(1).unwrap()
}

/// T-166: the blocks of a batch are its dataset, in order: gathered, or by Spark's rule each a partition.
#[test]
fn blocks_are_gathered_into_partitions() {
    assert_eq!(partitions_of_five_blocks(SparkRules::default()), [vec![0, 1, 2, 3], vec![4, 5, 6, 7, 8, 9]]);
    let mut rules = SparkRules::default();
    rules.one_partition_per_block = true;
    let each: Vec<Vec<u64>> = (0..5).map(|block| vec![block * 2, block * 2 + 1]).collect();
    assert_eq!(partitions_of_five_blocks(rules), each);
}

/// T-167: blocks that the stream has forgotten live as long as a dataset that the program holds.
#[test]
fn a_dataset_that_is_held_keeps_its_blocks() {
    let (ssc, clock) = manual_context("held", SECOND).unwrap();
    let held: Arc<Mutex<Vec<Rdd<Text>>>> = Arc::default();
    let (holding, stored) = (held.clone(), Arc::new(AtomicUsize::new(0)));
    let storing = stored.clone();
    let lines = ssc.receiver_stream(move |out| {
        out.store_lines("to be\nor not\n")?;
        storing.store(1, Ordering::SeqCst);
        out.until_stopped();
        Ok(())
    });
    lines.foreach_rdd(move |rdd, _| {
        lock(&holding).push(rdd);
        Ok(())
    });
    ssc.start().unwrap();
    eventually("nothing was stored", || stored.load(Ordering::SeqCst) == 1);
    clock.advance_batches(5);
    assert_eq!(lock(&held)[0].collect().unwrap(), ["to be", "or not"]);
    assert_eq!(ssc.status().memory_used, 13);
    lock(&held).clear();
    assert_eq!(ssc.status().memory_used, 0);
    ssc.stop(Stop::Now).unwrap();
}

/// A receiver that stops itself for a reason: listeners are told it with the stop, and it is started again
/// after the pause.
#[test]
fn a_receiver_that_stops_itself_says_why() {
    let (ssc, clock) = manual(builder().receiver_restart_delay(SECOND)).unwrap();
    let heard = ear(&ssc);
    let numbers = ssc.receiver_stream(|out: ReceiverHandle<u32>| {
        out.store(out.attempt())?;
        if out.attempt() == 1 {
            out.stop_with("the queue was closed", "it is Sunday");
        }
        out.until_stopped();
        Ok(())
    });
    let seen = numbers.collect_batches();
    ssc.start().unwrap();
    let told = || {
        let short = |event: &Event| match event {
            Event::ReceiverStarted(_) => Some('+'),
            Event::ReceiverError(_) => Some('!'),
            Event::ReceiverStopped(_) => Some('-'),
            _ => None,
        };
        lock(&heard).iter().filter_map(short).collect::<String>()
    };
    eventually("it is not stopped", || told() == "+-");
    clock.advance_batches(1);
    eventually("it is not started again", || told() == "+-+");
    eventually("not all records came", || {
        clock.advance_batches(1);
        seen.all().into_iter().flat_map(|(_, batch)| batch).collect::<Vec<_>>() == [1, 2]
    });
    let why = lock(&heard).iter().find_map(|event| match event {
        Event::ReceiverStopped(info) => Some((info.active, info.last_error.clone())),
        _ => None,
    });
    let (active, why) = why.unwrap();
    assert!(!active && why.contains("the queue was closed") && why.contains("it is Sunday"), "{why}");
    ssc.stop(Stop::Now).unwrap();
}

/// Notes on what was stored are shown with the batch, also on encoded records.
#[test]
fn notes_are_shown_with_the_batch() {
    let (ssc, clock) = manual_context("notes", SECOND).unwrap();
    let stored = Arc::new(AtomicUsize::new(0));
    let storing = stored.clone();
    let numbers = ssc.receiver_stream(move |out: ReceiverHandle<u64>| {
        let mut bytes = Vec::new();
        encode(&7u64, &mut bytes)?;
        encode(&300u64, &mut bytes)?;
        out.store_encoded_noted(&bytes, "offsets 4 to 5")?;
        out.store_many_noted(vec![8], "offset 6")?;
        // What can't be read is not stored, nor is its note.
        if out.store_encoded_noted(&[0xff], "broken").is_ok() {
            return Err("broken bytes were taken".into());
        }
        storing.store(1, Ordering::SeqCst);
        out.until_stopped();
        Ok(())
    });
    let seen = numbers.collect_batches();
    ssc.start().unwrap();
    eventually("nothing was stored", || stored.load(Ordering::SeqCst) == 1);
    clock.advance_batches(1);
    let input = ssc.status().last_completed.unwrap().inputs.remove(0);
    assert_eq!((seen.nth(1), input.records), (Some(vec![7, 300, 8]), 3));
    let shown = input.description;
    assert!(shown.contains("offsets 4 to 5") && shown.contains("offset 6") && !shown.contains("broken"));
    ssc.stop(Stop::Now).unwrap();
}

/// T-151: an input that nothing reads is let go with each batch and disturbs no clean-up.
#[test]
fn an_unread_input_is_let_go() {
    let (ssc, clock) = manual(builder().memory_budget(2000).received_on_disk(0)).unwrap();
    let stored = Arc::new(AtomicUsize::new(0));
    let storing = stored.clone();
    let unread = ssc.receiver_stream(move |out| {
        while !out.is_stopped() {
            out.store(7u64)?;
            storing.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    let _mapped = unread.map(|n| n + 1);
    let seen = ssc.queue_stream(vec![vec![1], vec![2]]).collect_batches();
    ssc.start().unwrap();
    eventually("the budget does not let go", || {
        clock.advance_batches(1);
        stored.load(Ordering::SeqCst) > 1000
    });
    assert!(ssc.status().memory_used <= 1100);
    assert_eq!((seen.nth(1), seen.nth(2)), (Some(vec![1]), Some(vec![2])));
    ssc.stop(Stop::Now).unwrap();
}

/// Bad input: more than the memory budget holds. The receiver is held back, nothing is lost.
#[test]
fn a_receiver_is_held_back_by_the_memory_budget() {
    let (ssc, clock) = manual(builder().memory_budget(100_000).received_on_disk(0)).unwrap();
    let lines = ssc.receiver_stream(|out| {
        for n in 0..5000 {
            out.store_lines(&format!("line number {n:05} of a long text\n"))?;
        }
        out.until_stopped();
        Ok(())
    });
    let seen = lines.map(|line| line.to_string()).collect_batches();
    ssc.start().unwrap();
    let mut most = 0;
    eventually("not all lines came", || {
        clock.advance_batches(1);
        most = most.max(ssc.status().memory_used);
        seen.all().iter().map(|(_, batch)| batch.len()).sum::<usize>() == 5000
    });
    ssc.stop(Stop::Now).unwrap();
    assert!(most <= 51_000, "{most}");
    let all: Vec<String> = seen.all().into_iter().flat_map(|(_, batch)| batch).collect();
    assert!(all.iter().enumerate().all(|(n, line)| *line == format!("line number {n:05} of a long text")));
}

struct Flaky {
    runs: AtomicUsize,
}

impl Receiver<u64> for Flaky {
    fn run(&self, out: ReceiverHandle<u64>) -> Result<(), BoxError> {
        match self.runs.fetch_add(1, Ordering::SeqCst) {
            0 => return Err("no route".into()),
            1 => panic!("a bug"),
            _ => {}
        }
        out.report_error("a hiccup", "lost a byte");
        out.store_many(vec![1, 2, 3])?;
        out.until_stopped();
        Ok(())
    }
}

/// T-155: a receiver that fails, panics and reports is started again; listeners see each step, the status the
/// last error, and the batches go on.
#[test]
fn failures_reach_listeners_and_the_status() {
    let (ssc, clock) = manual_context("flaky", SECOND).unwrap();
    let heard = ear(&ssc);
    let seen = ssc.receiver(Flaky { runs: AtomicUsize::new(0) }).collect_batches();
    ssc.start().unwrap();
    eventually("it does not recover", || {
        clock.advance_batches(1);
        seen.all().iter().any(|(_, batch)| *batch == [1, 2, 3])
    });
    assert!(!ssc.await_termination_for(Duration::ZERO).unwrap());
    let info = &ssc.status().receivers[0];
    assert!(info.last_error.contains("a hiccup") && info.last_error.contains("lost a byte"), "{info:?}");
    assert!(info.active && info.name == "Flaky-0");
    clock.stop_gracefully().unwrap();
    let told = |event: &Event| match event {
        Event::ReceiverStarted(_) => Some("started".to_owned()),
        Event::ReceiverError(info) => Some(info.last_error.clone()),
        Event::ReceiverStopped(_) => Some("stopped".to_owned()),
        _ => None,
    };
    let told: Vec<String> = lock(&heard).iter().filter_map(told).collect();
    let parts = [
        "started",
        "no route",
        "started",
        "it panicked: a bug",
        "started",
        "a hiccup: lost a byte",
        "stopped",
    ];
    assert_eq!(told.len(), parts.len(), "{told:?}");
    assert!(told.iter().zip(parts).all(|(told, part)| told.contains(part)), "{told:?}");
}

/// Several receivers at once, united: each stream's records come once.
#[test]
fn several_receivers_are_united() {
    let (ssc, clock) = manual_context("several", SECOND).unwrap();
    let storing = |first: u64| {
        ssc.receiver_stream(move |out| {
            out.store_many((first..first + 100).collect::<Vec<_>>())?;
            out.until_stopped();
            Ok(())
        })
    };
    let streams = [storing(0), storing(100), storing(200)];
    let seen = ssc.union(&streams).unwrap().collect_batches();
    ssc.start().unwrap();
    eventually("not all records came", || {
        clock.advance_batches(1);
        seen.all().iter().map(|(_, batch)| batch.len()).sum::<usize>() == 300
    });
    ssc.stop(Stop::Now).unwrap();
    let mut all: Vec<u64> = seen.all().into_iter().flat_map(|(_, batch)| batch).collect();
    all.sort_unstable();
    assert_eq!(all, (0..300).collect::<Vec<_>>());
}

/// What came in while ticks were merged is in the batch that was formed at last, also behind a window.
#[test]
fn merged_ticks_lose_nothing() {
    let (ssc, clock) = manual(builder().max_waiting_batches(1)).unwrap();
    let gate = Arc::new(Mutex::new(()));
    let closed = lock(&gate);
    let waiting = gate.clone();
    let numbers = ssc.receiver_stream(|out| {
        for n in 0..3u64 {
            out.store(n)?;
            out.pause(SECOND);
        }
        out.until_stopped();
        Ok(())
    });
    numbers.foreach_rdd(move |_, _| {
        drop(lock(&waiting));
        Ok(())
    });
    let seen = numbers.window(SECOND * 2).collect_batches();
    ssc.start().unwrap();
    let ticking = {
        let clock = clock.clone();
        spawn("ticking", move || clock.advance(SECOND * 4))
    };
    eventually("ticks are not merged", || ssc.status().merged_ticks == 3);
    drop(closed);
    ticking.join().unwrap();
    eventually("not all records came", || {
        clock.advance_batches(1);
        let all: Vec<u64> = seen.all().into_iter().flat_map(|(_, batch)| batch).collect();
        (0..3).all(|n| all.contains(&n))
    });
    ssc.stop(Stop::Now).unwrap();
}

/// T-237, without the checkpoints: later batches that are done first do not take the blocks of a long one.
#[test]
fn a_long_batch_keeps_its_blocks() {
    let (ssc, clock) = manual(builder().concurrent_jobs(2)).unwrap();
    let gate = Arc::new(Mutex::new(()));
    let closed = lock(&gate);
    let (waiting, stored) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let storing = stored.clone();
    let numbers = ssc.receiver_stream(move |out| {
        out.store_many(vec![1u64, 2, 3])?;
        storing.store(1, Ordering::SeqCst);
        out.until_stopped();
        Ok(())
    });
    let sums = Arc::new(Mutex::new(Vec::new()));
    let noted = sums.clone();
    numbers.foreach_rdd(move |rdd, time| {
        if time.as_millis() == 1000 {
            drop(lock(&waiting));
            lock(&noted).extend(rdd.collect()?);
        }
        Ok(())
    });
    ssc.start().unwrap();
    eventually("nothing was stored", || stored.load(Ordering::SeqCst) == 1);
    let ticking = {
        let clock = clock.clone();
        spawn("ticking", move || clock.advance(SECOND * 10))
    };
    eventually("later batches are not done", || ssc.status().completed_batches == 9);
    drop(closed);
    ticking.join().unwrap();
    assert_eq!(*lock(&sums), [1, 2, 3]);
    ssc.stop(Stop::Now).unwrap();
}
