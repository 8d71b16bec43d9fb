//! What a start does with what it finds. Pure.

use std::time::Duration;

use waterclock_base::{BatchInterval, BatchTime};

use super::facts::Facts;
use super::record::Descriptor;
use super::{Fault, planted};

/// What a start does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Begin anew: there is nothing.
    Fresh,
    Resume(Resume),
    /// The program can't go on from what is there.
    Refuse(String),
}

/// Where a start goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    /// The time before the first batch ever.
    pub(crate) zero: BatchTime,
    /// The newest batch that is over.
    pub(crate) ended: BatchTime,
    /// Batches that were fixed and are not over: they are run again with the same input.
    pub(crate) redo: Vec<Descriptor>,
    /// The last time that was ticked.
    pub(crate) from: BatchTime,
}

/// Decides.
pub(crate) fn decide(facts: Option<&Facts>, interval: Duration) -> Decision {
    let Some(facts) = facts else { return Decision::Fresh };
    let header = &facts.snapshot.header;
    let was = Duration::from_millis(header.interval_ms);
    let redo: Vec<Descriptor> =
        facts.batches.values().filter(|(_, end)| end.is_none()).map(|(cut, _)| cut.clone()).collect();
    let on_grid = |t: BatchTime| t.is_multiple_of(interval, header.zero);
    if let Some(cut) = redo.iter().find(|cut| !on_grid(cut.time())) {
        return Decision::Refuse(format!(
            "the batch interval was {was:?} and is {interval:?} now, and the batch {} that is still to be run \
             does not fit; run the program once with the old interval and stop it gracefully",
            cut.time()
        ));
    }
    let known = facts.batches.keys().next_back().copied();
    let from = known.max(facts.stopped).unwrap_or(header.time).max(header.time);
    let over = facts.batches.values().rev().find(|(_, end)| end.is_some());
    let ended = over.map_or(header.time, |(cut, _)| cut.time()).max(header.time);
    // A time between two grid points counts to the one before it: what came since is the next batch's.
    let from = from.floor(interval, header.zero);
    Decision::Resume(Resume { zero: header.zero, ended, redo, from })
}

/// The batches that make up for the times since `from`, up to `now`: each its own, or where those are more
/// than `most`, that many that cover them evenly.
pub(crate) fn missed(
    from: BatchTime,
    now: BatchTime,
    step: Duration,
    most: Option<u32>,
) -> Vec<BatchInterval> {
    let first = if planted(Fault::MissedOffByOne) { from + step + step } else { from + step };
    shared_out(from, &first.to(now, step).collect::<Vec<_>>(), most)
}

/// The same where batches may span any number of steps: they end where windows begin and end, `boundaries` apart, and
/// at the newest time.
pub(crate) fn missed_at(
    from: BatchTime,
    now: BatchTime,
    (step, zero): (Duration, BatchTime),
    boundaries: &[Duration],
    most: Option<u32>,
) -> Vec<BatchInterval> {
    let is_end = |t: &BatchTime| {
        *t + step > now || boundaries.iter().any(|boundary| t.is_multiple_of(*boundary, zero))
    };
    shared_out(from, &(from + step).to(now, step).filter(is_end).collect::<Vec<_>>(), most)
}

/// A batch for each of these ends, or where that is too many, so many that cover them evenly.
fn shared_out(from: BatchTime, times: &[BatchTime], most: Option<u32>) -> Vec<BatchInterval> {
    let count = most.map_or(times.len(), |most| times.len().min(most.max(1) as usize));
    let mut begin = from;
    let mut batches = Vec::with_capacity(count);
    for n in 1..=count {
        let to = times[times.len() * n / count - 1];
        batches.push(BatchInterval { from: begin, to });
        begin = to;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> BatchTime {
        BatchTime::from_millis(ms)
    }

    #[test]
    fn missed_times_are_batches_of_their_own_or_shared_out_evenly() {
        let second = Duration::from_secs(1);
        let ends = |from, now, most| -> Vec<i64> {
            missed(at(from), at(now), second, most).iter().map(|batch| batch.to.as_millis()).collect()
        };
        assert_eq!(ends(1000, 4500, Some(10)), [2000, 3000, 4000]);
        assert_eq!(ends(1000, 1999, Some(10)), [0i64; 0]);
        assert_eq!(ends(0, 10_000, Some(3)), [3000, 6000, 10_000]);
        assert_eq!(ends(0, 3000, None), [1000, 2000, 3000]);
        let all = missed(at(0), at(10_000), second, Some(3));
        assert!(all.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!(all[0].from, at(0));
    }

    #[test]
    fn missed_times_are_few_batches_where_batches_may_be_long() {
        let ends = |boundaries: &[u64]| -> Vec<i64> {
            let boundaries: Vec<_> = boundaries.iter().map(|ms| Duration::from_millis(*ms)).collect();
            let grid = (Duration::from_millis(5), at(0));
            let batches = missed_at(at(1015), at(2003), grid, &boundaries, None);
            assert!(batches.windows(2).all(|pair| pair[0].to == pair[1].from));
            batches.iter().map(|batch| batch.to.as_millis()).collect()
        };
        assert_eq!(ends(&[]), [2000]);
        assert_eq!(ends(&[250]), [1250, 1500, 1750, 2000]);
        assert_eq!(ends(&[250, 300]), [1200, 1250, 1500, 1750, 1800, 2000]);
    }
}
