//! What the tests share.

use std::time::Duration;

use waterclock_base::{BatchTime, Data, Record};
use waterclock_streaming::testing::{TestClock, manual_context, scripted};
use waterclock_streaming::{DStream, Stop, StreamingContext};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn at(seconds: i64) -> BatchTime {
    BatchTime::from_millis(seconds * 1000)
}

pub(crate) fn context() -> (StreamingContext, TestClock) {
    manual_context("operations", SECOND).unwrap()
}

/// A stream of batches of one second in two partitions; `None` is a batch without a dataset.
pub(crate) fn with_gaps<T: Data>(ssc: &StreamingContext, batches: Vec<Option<Vec<T>>>) -> DStream<T> {
    scripted(ssc, move |t, engine| match batches.get(number(t) - 1) {
        Some(batch) => batch.clone().map(|records| engine.parallelize(records, 2)),
        None => Some(engine.parallelize(Vec::new(), 2)),
    })
}

/// Which batch of one second it is, counted from 1.
pub(crate) fn number(t: BatchTime) -> usize {
    usize::try_from(t.as_millis() / 1000).unwrap()
}

/// What an operation makes of batches some of which have no dataset; `None` where it has none or fails.
pub(crate) fn run_gaps<T: Data, U: Record>(
    batches: Vec<Option<Vec<T>>>,
    operation: impl FnOnce(DStream<T>) -> DStream<U>,
    count: u32,
) -> Vec<Option<Vec<U>>> {
    let (ssc, clock) = context();
    let seen = operation(with_gaps(&ssc, batches)).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(count);
    let seen = (1..=count).map(|n| seen.nth(n)).collect();
    ssc.stop(Stop::Now).unwrap();
    seen
}

/// The records of each batch, sorted.
pub(crate) fn sorted<T: Ord>(batches: Vec<Option<Vec<T>>>) -> Vec<Option<Vec<T>>> {
    let sort = |mut batch: Vec<T>| {
        batch.sort();
        batch
    };
    batches.into_iter().map(|batch| batch.map(sort)).collect()
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Pairs of each word with a one.
pub(crate) fn ones(text: &str) -> Vec<(String, i64)> {
    words(text).into_iter().map(|word| (word, 1)).collect()
}

/// Pairs as `x1 y2` writes them: a word of one letter with the number behind it.
pub(crate) fn pairs(text: &str) -> Vec<(String, i64)> {
    words(text).into_iter().map(|pair| (pair[..1].to_owned(), pair[1..].parse().unwrap())).collect()
}
