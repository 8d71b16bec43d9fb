//! What actions return to the driver, as one number: two runs of the same job that return the same have the
//! same.

use std::cell::Cell;

use serde::Serialize;
use waterclock_base::key_hash;

thread_local! {
    static NOTED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Runs `run` and gives, beside its result, a hash of everything that [`collect`](crate::Rdd::collect),
/// [`take`](crate::Rdd::take) and [`count`](crate::Rdd::count) returned on this thread meanwhile, in any order.
///
/// ```
/// # use waterclock_engine::{Engine, noting};
/// let engine = Engine::local(2);
/// let run = |numbers: Vec<u32>| noting(|| engine.parallelize(numbers, 2).collect()).1;
/// assert_eq!(run(vec![1, 2]), run(vec![1, 2]));
/// assert_ne!(run(vec![1, 2]), run(vec![2, 2]));
/// ```
pub fn noting<R>(run: impl FnOnce() -> R) -> (R, u64) {
    let before = NOTED.replace(Some(0));
    let result = run();
    let noted = NOTED.replace(before).unwrap_or_default();
    (result, noted)
}

/// Notes what an action returns, where that is asked for: the sum over its records.
pub(crate) fn note<R: Serialize>(records: &[R]) {
    if let Some(sofar) = NOTED.get() {
        NOTED.set(Some(records.iter().map(key_hash).fold(sofar, u64::wrapping_add)));
    }
}
