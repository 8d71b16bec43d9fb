//! Goal: all data is under one account; where that is used up received blocks go to disk, then receivers are held back,
//! and nothing is lost; state that takes too much is told of, and the program goes on.
//! Method: virtual time, small budgets.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod common;

use std::fmt::Debug;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use common::{SECOND, ear, eventually, warnings};
use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Record, Text};
use waterclock_streaming::testing::{TestClock, get_or_create, manual};
use waterclock_streaming::{Builder, Collected, DStream, ReceiverHandle, Stop, StreamingContext};

fn builder() -> Builder {
    StreamingContext::builder("memory").batch_interval(SECOND).threads(2)
}

/// Stores so many, one after the other; how many it has stored.
fn stored<T: Record>(
    ssc: &StreamingContext,
    count: usize,
    store: impl Fn(&ReceiverHandle<T>, usize) -> waterclock_base::Result<()> + Send + Sync + 'static,
) -> (DStream<T>, Arc<AtomicUsize>) {
    let stored = Arc::new(AtomicUsize::new(0));
    let counter = stored.clone();
    let stream = ssc.receiver_stream(move |out| {
        for n in 0..count {
            store(&out, n)?;
            counter.fetch_add(1, Ordering::SeqCst);
        }
        out.until_stopped();
        Ok(())
    });
    (stream, stored)
}

/// Five thousand records in a memory for less than half of them, all before the first tick.
fn spilled<T: Record + PartialEq + Debug>(
    store: impl Fn(&ReceiverHandle<T>, usize) -> waterclock_base::Result<()> + Send + Sync + 'static,
    expected: impl Fn(usize) -> T,
) {
    let (ssc, clock): (_, TestClock) =
        manual(builder().memory_budget(100_000).received_on_disk(1 << 20)).unwrap();
    let (stream, stored) = stored(&ssc, 5000, store);
    let seen: Collected<T> = stream.collect_batches();
    ssc.start().unwrap();
    eventually("the receiver is held back", || stored.load(Ordering::SeqCst) == 5000);
    let memory = ssc.status().memory;
    assert!(memory.received <= 50_000 && memory.on_disk >= 50_000, "{memory:?}");
    clock.advance_batches(2);
    assert_eq!(seen.nth(1).unwrap(), (0..5000).map(expected).collect::<Vec<_>>());
    clock.advance_batches(2);
    let status = ssc.status();
    assert_eq!((status.memory.received, status.memory.on_disk, status.memory_used), (0, 0, 0));
    assert!(status.spilled_bytes >= 50_000);
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn received_lines_go_to_disk_and_come_back() {
    let line = |n| format!("line number {n:05} of a long text");
    spilled(move |out, n| out.store_lines(&format!("{}\n", line(n))), move |n| Text::from(line(n)));
}

#[test]
fn received_records_go_to_disk_and_come_back() {
    spilled(|out, n| out.store((n as u64, format!("record {n}"))), |n| (n as u64, format!("record {n}")));
}

/// Where the disk may hold no more, receivers are held back.
#[test]
fn what_waits_on_disk_has_a_limit() {
    let (ssc, clock) = manual(builder().memory_budget(100_000).received_on_disk(60_000)).unwrap();
    let (stream, stored) = stored(&ssc, 50_000, |out, n| out.store(n as u64));
    let seen = stream.collect_batches();
    ssc.start().unwrap();
    let mut most = (0, 0);
    eventually("not all records came", || {
        let memory = ssc.status().memory;
        most = (most.0.max(memory.received), most.1.max(memory.on_disk));
        clock.advance_batches(1);
        seen.all().iter().map(|(_, batch)| batch.len()).sum::<usize>() == 50_000
    });
    assert_eq!(stored.load(Ordering::SeqCst), 50_000);
    // A block more than the limit, at most.
    assert!(most.0 <= 50_008 && most.1 <= 60_000 + 12_500, "{most:?}");
    let all: Vec<u64> = seen.all().into_iter().flat_map(|(_, batch)| batch).collect();
    assert_eq!(all, (0..50_000).collect::<Vec<_>>());
    ssc.stop(Stop::Now).unwrap();
}

/// While data is on disk and an input is held back the health says so; afterwards no more.
#[test]
fn what_is_short_is_told_while_it_is() {
    let (ssc, clock) = manual(builder().memory_budget(100_000).received_on_disk(60_000)).unwrap();
    let (stream, stored) = stored(&ssc, 50_000, |out, n| out.store(n as u64));
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    stream.named("numbers").foreach_rdd(move |rdd, _| {
        // It ends when the test has let go.
        let _ = lock(&wait).recv();
        rdd.count()?;
        Ok(())
    });
    ssc.start().unwrap();
    let told = |text: &str| ssc.status().health.strains.iter().any(|strain| strain.contains(text));
    eventually("nothing goes to disk", || told("data is on disk"));
    // Time passes while the receiver waits.
    eventually("the receiver is not held back", || {
        clock.tick_without_waiting();
        told("input numbers is held back")
    });
    drop(go);
    eventually("not all is stored", || {
        clock.advance_batches(1);
        stored.load(Ordering::SeqCst) == 50_000
    });
    let held = ssc.status().inputs[0].held_back_micros;
    assert!(held > 0);
    clock.advance_batches(20);
    let status = ssc.status();
    assert!(status.health.strains.is_empty() && status.health.keeps_up, "{:?}", status.health);
    assert_eq!((status.inputs[0].held_back_micros, status.inputs[0].waiting_records), (held, Some(0)));
    ssc.stop(Stop::Now).unwrap();
}

/// State that takes more than its share is told of once, naming it; receivers still have a part, and all is processed.
#[test]
fn state_over_its_limit_is_told_and_stops_nothing() {
    let (ssc, clock) = manual(builder().memory_budget(40_000).received_on_disk(0)).unwrap();
    let heard = ear(&ssc);
    let (stream, _) = stored(&ssc, 20_000, |out, n| out.store((n as u64, 1u64)));
    let count = |new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.len() as u64);
    let keys = stream.update_state_by_key(count).named("visits").count().collect_batches();
    ssc.start().unwrap();
    eventually("it stands still", || {
        clock.advance_batches(1);
        keys.all().last().is_some_and(|(_, count)| *count == [20_000])
    });
    let memory = ssc.status().memory;
    assert!(memory.state_over_limit && memory.state > 20_000 * 16, "{memory:?}");
    ssc.stop(Stop::Now).unwrap();
    ssc.await_termination().unwrap();
    assert_eq!((warnings(&heard, "state takes"), warnings(&heard, "visits")), (1, 1));
}

/// The more memory state has, the sooner received blocks go to disk: here so few that they would stay without it. State
/// that was restored counts before the first batch.
#[test]
fn state_leaves_less_for_received_blocks() {
    let life = |dir: &Path, now: i64, keys: u64, records: usize| {
        let (mut sums, mut counter) = (None, None);
        let (ssc, clock) = get_or_create(dir, BatchTime::from_millis(now), |builder| {
            let builder = builder.batch_interval(SECOND).threads(2);
            let ssc = builder.memory_budget(40_000).received_on_disk(1 << 20).build()?;
            let many = ssc.queue_stream(vec![(0..keys).map(|n| (n, 1u64)).collect()]).named("keys");
            let (stream, stored) = stored(&ssc, records, |out, n| out.store((n as u64, 1u64)));
            let count = |new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.iter().sum::<u64>());
            let visits = many.union(&stream.named("in")).update_state_by_key(count).named("visits");
            let sum = visits.map(|(_, visits)| visits).reduce(|a, b| a + b);
            (sums, counter) = (Some(sum.collect_batches()), Some(stored));
            Ok(ssc)
        })
        .unwrap();
        ssc.start().unwrap();
        let (sums, stored) = (sums.unwrap(), counter.unwrap());
        eventually("not all is stored", || stored.load(Ordering::SeqCst) == records);
        let memory = ssc.status().memory;
        clock.advance_batches(1);
        let sum = sums.all().last().map(|(_, sum)| sum[0]);
        ssc.stop(Stop::Now).unwrap();
        (memory, sum)
    };
    let (small, large) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (without, sum) = life(small.path(), 0, 1, 500);
    assert_eq!((without.state, without.received, without.on_disk, sum), (0, 8000, 0, Some(501)));
    life(large.path(), 0, 3000, 0);
    let (with, sum) = life(large.path(), 1000, 3000, 500);
    assert!(with.state >= 40_000 && with.on_disk > 0 && with.received <= 5008, "{with:?}");
    assert_eq!(sum, Some(3500));
}

/// Blocks that another process received, and no batch had yet, take no more memory than those of this one.
#[test]
fn restored_blocks_go_to_disk_too() {
    let dir = tempfile::tempdir().unwrap();
    let life = |blocks: usize| {
        let (mut seen, mut counter) = (None, None);
        let (ssc, clock) = get_or_create(dir.path(), BatchTime::ZERO, |builder| {
            let builder = builder.batch_interval(SECOND).threads(2);
            let ssc = builder.memory_budget(40_000).received_on_disk(1 << 20).build()?;
            let (stream, stored) = stored(&ssc, blocks, |out, n| out.store_many(vec![n as u64; 100]));
            (seen, counter) = (Some(stream.named("in").collect_batches()), Some(stored));
            Ok(ssc)
        })
        .unwrap();
        ssc.start().unwrap();
        (ssc, clock, seen.unwrap(), counter.unwrap())
    };
    let (ssc, clock, _, stored) = life(60);
    eventually("not all is stored", || stored.load(Ordering::SeqCst) == 60);
    ssc.stop(Stop::Now).unwrap();
    drop((ssc, clock));
    let (ssc, clock, seen, _) = life(0);
    let memory = ssc.status().memory;
    assert!(memory.received <= 10_800 && memory.on_disk > 0, "{memory:?}");
    clock.advance_batches(1);
    let expected: Vec<u64> = (0..60).flat_map(|n| vec![n; 100]).collect();
    assert_eq!(seen.all().into_iter().flat_map(|(_, batch)| batch).collect::<Vec<_>>(), expected);
    ssc.stop(Stop::Now).unwrap();
}

/// Kept datasets and received blocks are in the same account.
#[test]
fn shares_are_shown() {
    let (ssc, clock) = manual(builder()).unwrap();
    let (stream, stored) = stored(&ssc, 100, |out, n| out.store(n as u64));
    let kept = stream.map(|n| n + 1).persist(Default::default());
    kept.collect_batches();
    ssc.start().unwrap();
    eventually("nothing is stored", || stored.load(Ordering::SeqCst) == 100);
    assert_eq!(ssc.status().memory.received, 800);
    clock.advance_batches(1);
    let status = ssc.status();
    let memory = status.memory;
    assert_eq!((memory.cached, memory.state), (800, 0));
    assert_eq!(status.memory_used, memory.received + memory.shuffled + memory.cached + memory.state);
    ssc.stop(Stop::Now).unwrap();
}
