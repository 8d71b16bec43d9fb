//! Goal: a graceful stop processes all that was received, and always ends.
//! Method: real time, short batches; receivers that are fast, slow, deaf, or about to start.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{ear, eventually, pause, warnings};
use waterclock_base::world::{Clock, SystemClock};
use waterclock_streaming::testing::manual_context;
use waterclock_streaming::{Builder, Stop, StreamingContext};

const BATCH: Duration = Duration::from_millis(50);

fn builder() -> Builder {
    StreamingContext::builder("graceful stop").batch_interval(BATCH).threads(2)
}

/// T-134: what was received is processed: four rounds.
#[test]
fn everything_that_was_received_is_processed() {
    for round in 0..4 {
        let ssc = builder().build().unwrap();
        let (stored, processed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let storing = stored.clone();
        let numbers = ssc.receiver_stream(move |out| {
            let mut n = 0u64;
            while !out.is_stopped() && out.store(n).is_ok() {
                n += 1;
                storing.store(n, Ordering::SeqCst);
            }
            Ok(())
        });
        let processing = processed.clone();
        numbers.foreach_rdd(move |rdd, _| {
            processing.fetch_add(rdd.count()?, Ordering::SeqCst);
            Ok(())
        });
        ssc.start().unwrap();
        eventually("nothing is processed", || processed.load(Ordering::SeqCst) > 0);
        ssc.stop(Stop::Gracefully).unwrap();
        let (stored, processed) = (stored.load(Ordering::SeqCst), processed.load(Ordering::SeqCst));
        assert!(stored > 0 && stored == processed, "round {round}: {stored} stored, {processed} processed");
        let status = ssc.status();
        assert_eq!((status.received_records, status.processed_records), (stored, stored));
    }
}

/// T-136: a slow receiver puts down all that it has begun to make: 15 records.
#[test]
fn a_slow_receiver_is_waited_for() {
    let ssc = builder().build().unwrap();
    let numbers = ssc.receiver_stream(move |out| {
        for n in 0..15u64 {
            pause(20);
            out.store(n)?;
        }
        Ok(())
    });
    let seen = numbers.collect_batches();
    ssc.start().unwrap();
    eventually("nothing is processed", || !seen.all().iter().all(|(_, batch)| batch.is_empty()));
    ssc.stop(Stop::Gracefully).unwrap();
    let all: Vec<u64> = seen.all().into_iter().flat_map(|(_, batch)| batch).collect();
    assert_eq!(all, (0..15).collect::<Vec<_>>());
}

/// T-135: a receiver that does not hear the stop is left behind after a while, with a warning, and what it
/// stores afterwards is refused.
#[test]
fn a_deaf_receiver_is_left_behind() {
    let ssc = builder().graceful_stop_timeout(Duration::from_millis(300)).build().unwrap();
    let heard = ear(&ssc);
    let (release, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (released, was_refused) = (release.clone(), refused.clone());
    let numbers = ssc.receiver_stream(move |out| {
        out.store(1u64)?;
        while !released.load(Ordering::SeqCst) {
            pause(1);
        }
        was_refused.store(out.store(2).is_err(), Ordering::SeqCst);
        Ok(())
    });
    let seen = numbers.collect_batches();
    ssc.start().unwrap();
    eventually("nothing is processed", || seen.all().iter().any(|(_, batch)| *batch == [1]));
    let clock = SystemClock::new();
    let began = clock.now_micros();
    ssc.stop(Stop::Gracefully).unwrap();
    assert!(clock.now_micros() - began < 5_000_000);
    assert_eq!(warnings(&heard, "did not stop within 300ms"), 1);
    release.store(true, Ordering::SeqCst);
    eventually("it may still store", || refused.load(Ordering::SeqCst));
    assert_eq!(ssc.status().received_records, 1);
}

/// T-135: a receiver that is to start again while the context stops does not.
#[test]
fn a_receiver_between_two_runs_does_not_start_again() {
    let ssc = builder().receiver_restart_delay(Duration::from_secs(60)).build().unwrap();
    let runs = Arc::new(AtomicU64::new(0));
    let running = runs.clone();
    let numbers = ssc.receiver_stream(move |out| {
        running.fetch_add(1, Ordering::SeqCst);
        out.store(1u64)?;
        Err("it fails".into())
    });
    let seen = numbers.collect_batches();
    ssc.start().unwrap();
    eventually("it does not fail", || ssc.status().receivers.iter().any(|info| !info.last_error.is_empty()));
    ssc.stop(Stop::Gracefully).unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    let all: Vec<u64> = seen.all().into_iter().flat_map(|(_, batch)| batch).collect();
    assert_eq!(all, [1]);
}

/// T-153: batches that are formed after the inputs have stopped are formed without an error.
#[test]
fn the_last_batches_are_formed_after_the_inputs_stopped() {
    let mut rules = waterclock_base::SparkRules::default();
    rules.stop_after_second_tick = true;
    let ssc = builder().spark_rules(rules).build().unwrap();
    let heard = ear(&ssc);
    let numbers = ssc.receiver_stream(|out| {
        while !out.is_stopped() {
            out.store(1u64)?;
            out.pause(Duration::from_millis(1));
        }
        Ok(())
    });
    let seen = numbers.union(&ssc.queue_stream(vec![])).window(BATCH * 3).count().collect_batches();
    ssc.start().unwrap();
    eventually("no batch is formed", || seen.all().len() > 2);
    ssc.stop(Stop::Gracefully).unwrap();
    ssc.await_termination().unwrap();
    let status = ssc.status();
    assert_eq!((status.failed_batches, status.received_records), (0, status.processed_records));
    assert_eq!(warnings(&heard, ""), 0);
}

/// A stop that is not graceful does not wait for batches, and a receiver's wait ends at once.
#[test]
fn a_hasty_stop_ends_every_wait() {
    let ssc = builder().batch_interval(Duration::from_secs(600)).receiver_max_rate(1.0).build().unwrap();
    let numbers = ssc.receiver_stream(|out| (0u64..).try_for_each(|n| Ok(out.store(n)?)));
    numbers.count().print();
    ssc.start().unwrap();
    eventually("it does not run", || !ssc.status().receivers.is_empty());
    let clock = SystemClock::new();
    let began = clock.now_micros();
    ssc.stop(Stop::Now).unwrap();
    assert!(clock.now_micros() - began < 1_500_000);
}

/// Under virtual time, too: the patience of a stop is real time, which nobody need move.
#[test]
fn a_deaf_receiver_is_left_behind_in_virtual_time() {
    let (ssc, _clock) = manual_context("deaf", Duration::from_secs(1)).unwrap();
    let heard = ear(&ssc);
    let release = Arc::new(AtomicBool::new(false));
    let released = release.clone();
    let numbers = ssc.receiver_stream(move |_| {
        while !released.load(Ordering::SeqCst) {
            pause(1);
        }
        Ok(())
    });
    numbers.map(|n: u64| n).count().collect_batches();
    ssc.start().unwrap();
    eventually("it does not run", || ssc.status().receivers.iter().any(|info| info.active));
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(warnings(&heard, "did not stop within 2s"), 1);
    release.store(true, Ordering::SeqCst);
}
