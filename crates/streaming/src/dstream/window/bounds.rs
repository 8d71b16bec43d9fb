//! Which times of its parent a window covers. Pure.

use std::panic::Location;
use std::time::Duration;

use waterclock_base::{BatchTime, Error, Result, SparkRules, millis};

/// The length and slide of a window over a stream with datasets every `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) length: Duration,
    pub(crate) slide: Duration,
    step: Duration,
}

/// Where a window is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) call: &'static str,
    pub(crate) site: &'static Location<'static>,
}

impl Bounds {
    /// Checks that both are whole milliseconds, and multiples of the parent's slide `step`.
    ///
    /// A length or slide of zero is refused unless `rules` accept it: a length of zero then covers nothing,
    /// and a slide of zero fails every batch.
    pub(crate) fn new(
        asked: Asked,
        length: Duration,
        slide: Duration,
        step: Duration,
        rules: SparkRules,
    ) -> Result<Bounds> {
        for (what, given) in [("length", length), ("slide", slide)] {
            if !(given.is_zero() && rules.accept_zero) {
                millis(asked.call, given)?;
            }
            if !is_multiple(given, step) {
                let why =
                    format!("the window's {what} {given:?} is not a multiple of the parent's slide {step:?}");
                return Err(Error::Definition { call: asked.call, site: asked.site, why });
            }
        }
        Ok(Bounds { length, slide, step })
    }

    /// What stands for bounds that were refused, so that a stream can be made to carry the refusal.
    pub(crate) fn of_refused(step: Duration) -> Bounds {
        Bounds { length: step, slide: step, step }
    }

    /// How many of the parent's datasets a full window covers.
    pub(crate) fn batches(&self) -> u64 {
        in_steps(self.length, self.step)
    }

    /// How many of the parent's datasets the window moves on by.
    pub(crate) fn batches_per_slide(&self) -> u64 {
        in_steps(self.slide, self.step)
    }

    /// The parent's times that the window at `t` covers, oldest first: those in `(t - length, t]` that lie
    /// after `zero`.
    pub(crate) fn times(&self, t: BatchTime, zero: BatchTime) -> impl Iterator<Item = BatchTime> + use<> {
        let begin = (t - self.length).max(zero);
        (begin + self.step).to(t, self.step)
    }
}

fn is_multiple(duration: Duration, step: Duration) -> bool {
    match step.as_millis() {
        0 => duration.is_zero(),
        step => duration.as_millis().is_multiple_of(step),
    }
}

fn in_steps(duration: Duration, step: Duration) -> u64 {
    let steps = duration.as_millis().checked_div(step.as_millis()).unwrap_or(0);
    u64::try_from(steps).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn bounds(length: u64, slide: u64, rules: SparkRules) -> Result<Bounds> {
        let asked = Asked { call: "window", site: Location::caller() };
        Bounds::new(asked, Duration::from_millis(length), Duration::from_millis(slide), SECOND, rules)
    }
    fn at(ms: i64) -> BatchTime {
        BatchTime::from_millis(ms)
    }

    /// T-040 to T-043 as arithmetic: the worked example of the window rules, elements 0 to 5 in the batches
    /// of 1 to 6 seconds.
    #[test]
    fn windows_cover_what_lies_in_them_and_after_zero() {
        let shown = |length, slide| -> Vec<Vec<i64>> {
            let bounds = bounds(length, slide, SparkRules::default()).unwrap();
            let ends = (1..=6).map(|n| at(n * 1000)).filter(|t| t.is_multiple_of(bounds.slide, at(0)));
            ends.map(|t| bounds.times(t, at(0)).map(|t| t.as_millis() / 1000 - 1).collect()).collect()
        };
        assert_eq!(shown(2000, 1000), [vec![0], vec![0, 1], vec![1, 2], vec![2, 3], vec![3, 4], vec![4, 5]]);
        assert_eq!(shown(2000, 2000), [[0, 1], [2, 3], [4, 5]]);
        assert_eq!(shown(4000, 2000), [vec![0, 1], vec![0, 1, 2, 3], vec![2, 3, 4, 5]]);
        assert_eq!(shown(2000, 3000), [[1, 2], [4, 5]]);
    }

    #[test]
    fn zero_time_need_not_be_the_epoch() {
        let bounds = bounds(3000, 1000, SparkRules::default()).unwrap();
        let times: Vec<_> = bounds.times(at(7000), at(5000)).collect();
        assert_eq!(times, [at(6000), at(7000)]);
        assert_eq!((bounds.batches(), bounds.batches_per_slide()), (3, 1));
    }

    #[test]
    fn lengths_and_slides_are_multiples_of_the_parents_slide() {
        for (length, slide, wrong) in [(1500, 1000, "1.5s"), (2000, 700, "700ms"), (500, 1000, "500ms")] {
            let text = bounds(length, slide, SparkRules::all()).unwrap_err().to_string();
            assert!(text.contains(wrong) && text.contains("1s"), "{text}");
        }
    }

    #[test]
    fn zero_is_refused_unless_spark_rules_accept_it() {
        for (length, slide) in [(0, 1000), (2000, 0)] {
            assert!(matches!(bounds(length, slide, SparkRules::default()), Err(Error::Duration { .. })));
            assert!(bounds(length, slide, SparkRules::all()).is_ok());
        }
        let empty = bounds(0, 1000, SparkRules::all()).unwrap();
        assert_eq!(empty.times(at(4000), at(0)).count(), 0);
    }

    #[test]
    fn a_window_longer_than_time_itself_begins_at_zero() {
        let forever = Bounds { length: Duration::from_millis(i64::MAX as u64), slide: SECOND, step: SECOND };
        assert_eq!(forever.times(at(2000), at(0)).count(), 2);
    }
}
