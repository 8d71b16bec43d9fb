//! Records that closures refuse: they fail the batch, are counted once, or get a stream of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use waterclock_base::{Error, Fault};
use waterclock_streaming::{OnBadRecord, Stop};

use crate::support::{SECOND, at, context, words};

fn number(text: String) -> Result<i64, waterclock_base::BoxError> {
    Ok(text.parse()?)
}

#[test]
fn a_refused_record_fails_its_batch_and_is_told() {
    let (ssc, clock) = context();
    let texts = ssc.queue_stream([words("1 2"), words("3 4 x y"), words("5")]);
    let seen = texts.try_map(number).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(3);
    assert_eq!([seen.nth(1), seen.nth(2), seen.nth(3)], [Some(vec![1, 2]), None, Some(vec![5])]);
    let error = ssc.await_termination_for(SECOND).unwrap_err();
    let text = error.full_text();
    for part in ["try_map", "refusing.rs", "batch 2000 ms", "record 0 of partition 1", "invalid digit"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert_eq!(error.fault(), Fault::User);
    let Error::Batch { source, .. } = error else { panic!("{text}") };
    assert!(matches!(*source, Error::Task { attempts: 4, .. }), "{text}");
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn try_flat_map_gives_several_or_refuses() {
    let (ssc, clock) = context();
    let texts = ssc.queue_stream([words("1,2 x 3")]);
    let split = |text: String| -> Result<Vec<i64>, waterclock_base::BoxError> {
        text.split(',').map(|part| Ok(part.parse()?)).collect()
    };
    let kept = texts.try_flat_map_with(split, OnBadRecord::DropAndCount).collect_batches();
    let failed = texts.try_flat_map(split).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(1);
    assert_eq!((kept.nth(1), failed.nth(1)), (Some(vec![1, 2, 3]), None));
    assert_eq!(ssc.status().dropped_records, 1);
    ssc.stop(Stop::Now).unwrap();
}

/// Several outputs, an early end, and a task that fails after it refused records: each record counts once.
#[test]
fn dropped_records_are_counted_once() {
    let (ssc, clock) = context();
    let texts = ssc.queue_stream([words("1 x 2 y"), words("z 3")]);
    let numbers = texts.try_map_with(number, OnBadRecord::DropAndCount);
    numbers.foreach_rdd(|rdd, _| {
        rdd.take(1)?;
        Ok(())
    });
    let stumbled = Arc::new(AtomicBool::new(false));
    let stumbles = numbers.map(move |n| {
        assert!(n != 2 || stumbled.swap(true, Ordering::Relaxed), "stumbles once");
        n
    });
    let seen = stumbles.collect_batches();
    numbers.window(2 * SECOND).register();
    ssc.start().unwrap();
    clock.advance_batches(1);
    assert_eq!((seen.nth(1), ssc.status().dropped_records), (Some(vec![1, 2]), 2));
    clock.advance_batches(2);
    assert_eq!((seen.nth(2), ssc.status().dropped_records), (Some(vec![3]), 3));
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn rejected_records_tell_what_why_and_where() {
    let (ssc, clock) = context();
    let texts = ssc.queue_stream([words("1 x 2 3 y 4"), vec![], words("z")]);
    let (good, bad) = texts.try_map_or_reject(|text| Ok(text.parse::<i64>()?));
    let (good, bad) = (good.collect_batches(), bad.collect_batches());
    ssc.start().unwrap();
    clock.advance_batches(3);
    assert_eq!([good.nth(1), good.nth(2), good.nth(3)], [Some(vec![1, 2, 3, 4]), Some(vec![]), Some(vec![])]);
    let rejected = bad.nth(1).unwrap();
    let places: Vec<_> = rejected.iter().map(|r| (r.record.as_str(), r.partition, r.position)).collect();
    assert_eq!(places, [("x", 0, 1), ("y", 1, 1)]);
    let last = &bad.nth(3).unwrap()[0];
    assert_eq!((last.record.as_str(), last.batch), ("z", at(3)));
    assert_eq!(last.error, "invalid digit found in string");
    assert!(last.operator.contains("try_map_or_reject at") && last.operator.contains("refusing.rs"));
    assert_eq!(bad.nth(2), Some(vec![]));
    ssc.stop(Stop::Now).unwrap();
}

/// Both streams are made from one run of the closure.
#[test]
fn good_and_rejected_share_the_closures_work() {
    let (ssc, clock) = context();
    let calls = ssc.engine().accumulator("calls", 0u64, |sum, n: u64| *sum += n);
    let counter = calls.clone();
    let (good, bad) = ssc.queue_stream([vec![1, 2, 3, 4]]).try_map_or_reject(move |n| {
        counter.add(1);
        if n % 2 == 0 { Ok(*n) } else { Err("odd".into()) }
    });
    let (good, bad) = (good.collect_batches(), bad.count().collect_batches());
    ssc.start().unwrap();
    clock.advance_batches(1);
    assert_eq!((good.nth(1), bad.nth(1), calls.value()), (Some(vec![2, 4]), Some(vec![2]), 4));
    ssc.stop(Stop::Now).unwrap();
}
