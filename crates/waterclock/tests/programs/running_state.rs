use std::time::Duration;
use waterclock::prelude::*;
use waterclock::testing;

pub(crate) fn main() -> waterclock::Result<()> {
    let (ssc, clock) = testing::manual_context("state", Duration::from_secs(1))?;
    let clicks = ssc.queue_stream(vec![vec![(7u32, 1u64), (8, 2)], vec![], vec![(7, 3)]]);
    let totals = clicks.update_state_by_key(|new: Vec<u64>, old: Option<u64>| {
        Some(old.unwrap_or(0) + new.iter().sum::<u64>())
    });
    let seen = totals.collect_batches(); // for tests and notebooks
    ssc.start()?;
    clock.advance_batches(3); // returns when three batches are committed or failed
    assert_eq!(seen.sorted_at(3), vec![(7, 4), (8, 2)]); // records of the third batch, sorted
    ssc.stop(Stop::Gracefully)
}
