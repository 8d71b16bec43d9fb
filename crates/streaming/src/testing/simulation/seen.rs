//! What came out of a program, and whether it should have.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::BatchTime;
use waterclock_base::world::lock;

/// What each batch of a stream had.
pub(super) type Batches<T> = Arc<Mutex<BTreeMap<BatchTime, Vec<T>>>>;

/// Whether all is as it should be.
type Check = Box<dyn Fn() -> Result<(), String> + Send>;

/// Everything that was seen outside, of all lives.
#[derive(Default)]
pub(super) struct Seen {
    /// By the stream's label: `Batches<T>`.
    streams: BTreeMap<String, Box<dyn Any + Send>>,
    checks: BTreeMap<String, Check>,
    /// Every batch of which anything was seen.
    times: BTreeSet<BatchTime>,
    /// By the label of an output that every batch has: its batches that were seen.
    outputs: BTreeMap<String, BTreeSet<BatchTime>>,
    zero: Option<BatchTime>,
    /// Times that need no batch of their own.
    passed_over: Vec<(BatchTime, BatchTime)>,
    /// What was done when the program last stopped in order.
    done: Option<BatchTime>,
    failure: Option<String>,
}

impl Seen {
    /// Where the batches of a stream are kept.
    pub(super) fn stream<T: Send + 'static>(&mut self, label: &str) -> Batches<T> {
        let fresh = || Box::new(Batches::<T>::default()) as Box<dyn Any + Send>;
        let kept = self.streams.entry(label.to_owned()).or_insert_with(fresh);
        if let Some(batches) = kept.downcast_ref::<Batches<T>>() {
            return batches.clone();
        }
        self.fail(format!("{label} has records of another type than in an earlier life"));
        Batches::default()
    }

    pub(super) fn check(&mut self, label: &str, check: impl Fn() -> Result<(), String> + Send + 'static) {
        self.checks.insert(label.to_owned(), Box::new(check));
    }

    /// Something is not as it should be; the first is what counts.
    pub(super) fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
    }

    pub(super) fn failure(&self) -> Result<(), String> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Every batch has a part of this output.
    pub(super) fn comes_with_every_batch(&mut self, label: &str) {
        self.outputs.entry(label.to_owned()).or_default();
    }

    /// A sink shows a batch: all of its outputs must have succeeded.
    pub(super) fn published<T: Clone + Debug>(
        &mut self,
        label: &str,
        time: BatchTime,
        records: Vec<T>,
        batches: &Batches<T>,
    ) {
        let missing =
            self.outputs.iter().find(|(_, seen)| !seen.contains(&time)).map(|(output, _)| output.clone());
        if let Some(output) = missing {
            self.fail(format!("{label} of {time} was published before {output} had succeeded"));
        }
        self.see(label, time, records, batches);
    }

    /// A batch of a stream was seen outside.
    pub(super) fn see<T: Clone + Debug>(
        &mut self,
        label: &str,
        time: BatchTime,
        records: Vec<T>,
        batches: &Batches<T>,
    ) {
        self.times.insert(time);
        self.outputs.get_mut(label).into_iter().for_each(|seen| _ = seen.insert(time));
        if self.done.is_some_and(|done| time <= done) {
            self.fail(format!("{label} of {time} came again after a stop in order"));
        }
        let mut batches = lock(batches);
        if let Some(before) = batches.get(&time).filter(|before| sorted(before) != sorted(&records)) {
            self.fail(format!("{label} of {time} was {before:?} and then {records:?}"));
        }
        batches.insert(time, records);
    }

    /// A process is about to go on, and makes up for the time since with so many batches at most.
    pub(super) fn starting(&mut self, now: BatchTime, interval: Duration, most: u32) {
        // The newest batch that anything was seen of had been cut; what is missing may be less.
        let Some(from) = self.times.last().copied().or(self.zero) else { return };
        if (from + interval).to(now, interval).count() > most as usize {
            self.passed_over.push((from, now));
        }
    }

    pub(super) fn has_started(&self) -> bool {
        self.zero.is_some()
    }

    pub(super) fn started(&mut self, zero: BatchTime) {
        self.zero = Some(zero);
    }

    /// The tick of this time may find too many batches waiting.
    pub(super) fn may_pass_over(&mut self, time: BatchTime) {
        self.passed_over.push((time, time));
    }

    pub(super) fn stopped_in_order(&mut self) {
        self.done = self.times.last().copied();
    }

    /// Compares everything with what it should be.
    pub(super) fn compare(&self, interval: Duration) -> Result<(), String> {
        self.failure()?;
        self.checks.values().try_for_each(|check| check())?;
        let (Some(zero), Some(last)) = (self.zero, self.times.last()) else { return Ok(()) };
        let excused = |t: BatchTime| self.passed_over.iter().any(|(from, to)| *from <= t && t <= *to);
        let missing = (zero + interval).to(*last, interval).find(|t| !self.times.contains(t) && !excused(*t));
        missing.map_or(Ok(()), |t| Err(format!("there was no batch of {t}")))
    }
}

/// Records as texts, in order of these.
fn sorted<T: Debug>(records: &[T]) -> Vec<String> {
    let mut texts: Vec<String> = records.iter().map(|record| format!("{record:?}")).collect();
    texts.sort();
    texts
}

/// Compares what the batches of a source had with all of its input.
pub(super) fn compare_source<T: Debug>(
    label: &str,
    batches: &BTreeMap<BatchTime, Vec<T>>,
    input: &[String],
) -> Result<(), String> {
    let read = batches.iter().flat_map(|(time, records)| records.iter().map(|record| (*time, record)));
    let mut read = read.map(|(time, record)| (time, format!("{record:?}")));
    for (n, expected) in input.iter().enumerate() {
        match read.next() {
            Some((_, record)) if record == *expected => {}
            Some((time, record)) => {
                return Err(format!(
                    "{label}: record {n} is {expected}, and {record} came in its place, in {time}"
                ));
            }
            None => return Err(format!("{label}: record {n}, {expected}, is lost")),
        }
    }
    match read.next() {
        None => Ok(()),
        Some((time, record)) => Err(format!("{label}: {record} in {time} is one too many")),
    }
}

/// Compares batches with what was expected of them.
pub(super) fn compare_batches<T: Debug>(
    label: &str,
    seen: &BTreeMap<BatchTime, Vec<T>>,
    expected: &[(BatchTime, Vec<T>)],
) -> Result<(), String> {
    let expected: BTreeMap<BatchTime, &Vec<T>> =
        expected.iter().map(|(time, batch)| (*time, batch)).collect();
    let times: BTreeSet<BatchTime> = seen.keys().chain(expected.keys()).copied().collect();
    for time in times {
        // No dataset and one without records are the same here.
        let was = seen.get(&time).map(|batch| sorted(batch)).unwrap_or_default();
        let should = expected.get(&time).map(|batch| sorted(batch)).unwrap_or_default();
        if was != should {
            return Err(format!("{label} of {time} was {was:?} and should have been {should:?}"));
        }
    }
    Ok(())
}
