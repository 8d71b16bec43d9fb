//! What is remembered, persisted and let go: T-035 to T-037, T-039.

use waterclock_base::{BatchTime, Error};
use waterclock_engine::StorageLevel;
use waterclock_streaming::testing::manual;
use waterclock_streaming::{Stop, StreamingContext};

use crate::support::{SECOND, at, context};

/// T-035 and the golden vectors of `slice`.
#[test]
fn slices_have_both_ends_and_skip_zero() {
    let (ssc, clock) = context();
    ssc.remember(10 * SECOND).unwrap();
    let numbers = ssc.queue_stream((1..=4).map(|n| vec![n]));
    numbers.register();
    ssc.start().unwrap();
    clock.advance_batches(4);
    let slice = |from, to| -> Vec<i32> {
        let datasets = numbers.slice(at(from), at(to)).unwrap();
        datasets.iter().flat_map(|rdd| rdd.collect().unwrap()).collect()
    };
    assert_eq!(slice(0, 1), [1]);
    assert_eq!(slice(0, 2), [1, 2]);
    assert_eq!(slice(1, 2), [1, 2]);
    assert_eq!(slice(2, 4), [2, 3, 4]);
    assert!(slice(3, 2).is_empty());
    // Ends between batches are rounded down.
    let between = numbers.slice(BatchTime::from_millis(1999), BatchTime::from_millis(2999)).unwrap();
    assert_eq!(between.len(), 2);
    ssc.stop(Stop::Now).unwrap();
}

/// T-036.
#[test]
fn a_slice_before_start_is_refused() {
    let (ssc, _clock) = context();
    let refused = ssc.queue_stream(vec![vec![1]]).slice(at(0), at(2)).map(drop).unwrap_err();
    assert!(matches!(refused, Error::Lifecycle { call: "slice", .. }), "{refused}");
    assert!(refused.to_string().contains("start"));
}

/// T-037 and the golden vector of `remember`.
#[test]
fn windows_make_their_parents_remember() {
    let (ssc, clock) = context();
    ssc.remember(3 * SECOND).unwrap();
    let mapped = ssc.queue_stream((1..=10).map(|n| vec![n])).map(|n| n);
    let window = mapped.window(2 * SECOND);
    let second = window.window_sliding(4 * SECOND, 2 * SECOND);
    second.register();
    ssc.start().unwrap();
    clock.advance_batches(10);
    assert_eq!(second.remembered_times(), [at(8), at(10)]);
    assert_eq!(window.remembered_times(), (4..=10).map(at).collect::<Vec<_>>());
    assert_eq!(mapped.remembered_times(), (2..=10).map(at).collect::<Vec<_>>());
    ssc.stop(Stop::Now).unwrap();
}

/// T-039: of a persisted stream the newest dataset is kept, those that are forgotten are let go.
#[test]
fn forgotten_datasets_are_let_go() {
    let (ssc, clock) = context();
    let doubled = ssc.queue_stream((1..=4).map(|n| vec![n])).map(|n| 2 * n).persist(StorageLevel::MemoryOnly);
    doubled.register();
    ssc.start().unwrap();
    clock.advance_batches(1);
    let oldest = doubled.slice(at(1), at(1)).unwrap().remove(0).lineage();
    assert!(oldest.is_kept());
    clock.advance_batches(3);
    let newest = doubled.slice(at(4), at(4)).unwrap().remove(0).lineage();
    assert!(newest.is_kept() && !oldest.is_kept());
    assert_eq!(doubled.remembered_times(), [at(4)]);
    ssc.stop(Stop::Now).unwrap();
}

/// With `unpersist(false)` one that the program holds is kept as long as that.
#[test]
fn forgotten_datasets_may_be_kept_by_who_holds_them() {
    let builder = StreamingContext::builder("kept").batch_interval(SECOND).threads(2).unpersist(false);
    let (ssc, clock) = manual(builder).unwrap();
    let doubled = ssc.queue_stream((1..=4).map(|n| vec![n])).map(|n| 2 * n).persist(StorageLevel::MemoryOnly);
    doubled.register();
    ssc.start().unwrap();
    clock.advance_batches(1);
    let oldest = doubled.slice(at(1), at(1)).unwrap().remove(0);
    clock.advance_batches(3);
    assert_eq!(doubled.remembered_times(), [at(4)]);
    assert!(oldest.lineage().is_kept());
    assert_eq!(oldest.collect().unwrap(), [2]);
    // Of the others, which nobody holds, nothing is left.
    let before = ssc.engine().memory().used();
    drop(oldest);
    let left = ssc.engine().memory().used();
    assert!(left < before);
    let newest = doubled.slice(at(4), at(4)).unwrap().remove(0);
    assert_eq!((left, newest.collect().unwrap()), (before / 2, vec![8]));
    ssc.stop(Stop::Now).unwrap();
}
