//! Closures that wait for something outside, called for several records at once.
//!
//! Method: services whose answers depend on which calls are open, or on a clock that the test moves.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex};

use waterclock_base::BoxError;
use waterclock_base::world::Signal;
use waterclock_streaming::Stop;

use crate::support::{SECOND, context, with_gaps};

/// Counts calls and lets them wait for each other.
#[derive(Default)]
struct Service {
    open: AtomicUsize,
    most_open: AtomicUsize,
    begun: Mutex<usize>,
    changed: Condvar,
}

impl Service {
    fn enter(&self) {
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_open.fetch_max(open, Ordering::SeqCst);
        *self.begun.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    fn leave(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// Waits until so many calls have begun, and says how many those are then.
    fn wait_for(&self, calls: usize) -> usize {
        let begun = self.begun.lock().unwrap();
        *self.changed.wait_while(begun, |begun| *begun < calls).unwrap()
    }
}

#[test]
fn so_many_calls_are_open_at_once_and_no_more() {
    let (ssc, clock) = context();
    let (service, all_three) = (Arc::new(Service::default()), Arc::new(Barrier::new(3)));
    let seen_by = service.clone();
    let records: Vec<u32> = (0..12).collect();
    let batches = vec![Some(vec![0]), None, Some(vec![]), Some(records.clone())];
    let threads = Arc::new(Mutex::new(HashSet::new()));
    let noted = threads.clone();
    let one_partition = with_gaps(&ssc, batches).transform(|rdd, _| Ok(rdd.coalesce(1)));
    let seen = one_partition
        .map_blocking(3, move |n| {
            service.enter();
            noted.lock().unwrap().insert(std::thread::current().id());
            // The first batch's only call has nobody to wait for.
            if service.wait_for(1) > 1 {
                all_three.wait();
            }
            service.leave();
            Ok(n * 10)
        })
        .collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(4);
    let expected: Vec<_> = records.iter().map(|n| n * 10).collect();
    assert_eq!(
        [seen.nth(1), seen.nth(2), seen.nth(3), seen.nth(4)],
        [Some(vec![0]), None, Some(vec![]), Some(expected)]
    );
    assert_eq!(seen_by.most_open.load(Ordering::SeqCst), 3);
    assert!(threads.lock().unwrap().len() <= 3, "threads are kept from batch to batch");
    ssc.stop(Stop::Now).unwrap();
}

/// A record whose answer is late keeps its place, and does not let the others run ahead without end.
#[test]
fn results_are_in_the_order_of_the_records() {
    let (ssc, clock) = context();
    let service = Arc::new(Service::default());
    let records: Vec<u64> = (0..3_000).collect();
    let late = Arc::new(AtomicUsize::new(0));
    let noted = late.clone();
    let stream = with_gaps(&ssc, vec![Some(records.clone())]).transform(|rdd, _| Ok(rdd.coalesce(1)));
    let seen = stream
        .map_blocking(4, move |n| {
            service.enter();
            if n == 0 {
                noted.store(service.wait_for(1_024), Ordering::SeqCst);
            }
            service.leave();
            Ok(n)
        })
        .collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(1);
    assert_eq!(seen.nth(1), Some(records));
    assert_eq!(late.load(Ordering::SeqCst), 1_024);
    ssc.stop(Stop::Now).unwrap();
}

/// Each call takes a second of the service's time; how long four take is a matter of the concurrency.
fn answered_at(concurrency: usize) -> Vec<(u32, i64)> {
    let (ssc, clock) = context();
    let (service, time) = (Arc::new(Service::default()), ssc.engine().world().clock.clone());
    let calls = service.clone();
    let answers = with_gaps(&ssc, vec![Some(vec![1, 2, 3, 4])])
        .transform(|rdd, _| Ok(rdd.coalesce(1)))
        .map_blocking(concurrency, move |n| {
            // By the time that the call begins, not the one at which it is noticed.
            let due = time.now_micros() + 1_000_000;
            calls.enter();
            time.wait(Some(due), &Signal::new());
            calls.leave();
            Ok((n, time.now().as_millis()))
        });
    let (done, all) = std::sync::mpsc::channel();
    answers.foreach_rdd(move |rdd, _| Ok(done.send(rdd.collect()?)?));
    ssc.start().unwrap();
    clock.tick_without_waiting();
    for begun in (1..=4).filter(|n| n % concurrency == 0) {
        service.wait_for(begun);
        clock.tick_without_waiting();
    }
    let answers = all.recv().unwrap();
    ssc.stop(Stop::Now).unwrap();
    answers
}

#[test]
fn time_that_is_waited_is_shared() {
    assert_eq!(answered_at(4), [(1, 2000), (2, 2000), (3, 2000), (4, 2000)]);
    assert_eq!(answered_at(2), [(1, 2000), (2, 2000), (3, 3000), (4, 3000)]);
    assert_eq!(answered_at(1), [(1, 2000), (2, 3000), (3, 4000), (4, 5000)]);
}

#[test]
fn the_first_refused_record_is_told_and_no_call_outlives_its_task() {
    let (ssc, clock) = context();
    let service = Arc::new(Service::default());
    let calls = service.clone();
    let ask = move |text: &'static str| -> Result<i64, BoxError> {
        calls.enter();
        // The second refusal comes back before the first one.
        if text == "late" {
            calls.wait_for(3);
        }
        calls.leave();
        assert_ne!(text, "panic", "no answer to it");
        Ok(text.parse()?)
    };
    let batches = vec![Some(vec!["7", "late", "soon"]), Some(vec!["1", "panic"]), Some(vec!["8", "9"])];
    let texts = with_gaps(&ssc, batches).transform(|rdd, _| Ok(rdd.coalesce(1)));
    let seen = texts.map_blocking(3, ask).collect_batches();
    ssc.start().unwrap();
    for batch in [None, None, Some(vec![8, 9])] {
        clock.advance_batches(1);
        assert_eq!(seen.nth(u32::try_from(ssc.status().completed_batches).unwrap()), batch);
        assert_eq!(service.open.load(Ordering::SeqCst), 0);
    }
    let text = ssc.await_termination_for(SECOND).unwrap_err().full_text();
    for part in ["map_blocking", "blocking.rs", "batch 1000 ms", "record 1 of partition 0", "invalid digit"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn a_panic_is_blamed_on_the_operation() {
    let (ssc, clock) = context();
    let numbers = with_gaps(&ssc, vec![Some(vec![1, 2, 3])]);
    numbers.map_blocking(2, |n| if n == 2 { panic!("two is bad") } else { Ok(n) }).register();
    ssc.start().unwrap();
    clock.advance_batches(1);
    let text = ssc.await_termination_for(SECOND).unwrap_err().full_text();
    for part in ["map_blocking", "blocking.rs", "two is bad"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    ssc.stop(Stop::Now).unwrap();
}

/// What holds in a task holds in its calls: accumulators count once, and actions are refused.
#[test]
fn a_call_is_a_part_of_its_task() {
    let (ssc, clock) = context();
    let sum = ssc.engine().accumulator("asked", 0u64, |sum, n: u64| *sum += n);
    let (adding, other) = (sum.clone(), ssc.engine().parallelize(vec![1], 1));
    let calls = AtomicUsize::new(0);
    let seen = with_gaps(&ssc, vec![Some(vec![1u64, 2, 3, 4, 5])])
        .map_blocking(2, move |n| {
            adding.add(n);
            let refusal = other.count().map(|_| String::new()).unwrap_or_else(|error| error.to_string());
            if calls.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err("the first attempt fails".into());
            }
            Ok(refusal.contains("inside a closure on records"))
        })
        .collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(1);
    assert_eq!((seen.nth(1), sum.value()), (Some(vec![true; 5]), 15));
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn no_concurrency_is_refused() {
    let (ssc, _clock) = context();
    let refused = with_gaps(&ssc, vec![Some(vec![1])]).map_blocking(0, Ok).checked();
    let text = refused.err().unwrap().full_text();
    assert!(text.contains("map_blocking at") && text.contains("concurrency of 0"), "{text}");
}
