//! Batch times and the arithmetic of batches, slides and windows: whole milliseconds, checked.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The instant that names a batch: milliseconds since the epoch.
///
/// ```
/// use std::time::Duration;
/// use waterclock_base::BatchTime;
/// let t = BatchTime::from_millis(2_500);
/// assert_eq!(t.floor(Duration::from_secs(1), BatchTime::ZERO), BatchTime::from_millis(2_000));
/// assert_eq!(t.to_string(), "2500 ms");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchTime(i64);

impl BatchTime {
    /// The epoch.
    pub const ZERO: BatchTime = BatchTime(0);

    /// The time `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        BatchTime(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The latest time at or before this one that is a whole number of `step`s after `zero`.
    ///
    /// A step of zero leaves the time as it is.
    pub fn floor(self, step: Duration, zero: BatchTime) -> BatchTime {
        match step_millis(step) {
            0 => self,
            step => BatchTime(self.0 - (self.0 - zero.0).rem_euclid(step)),
        }
    }

    /// The first time after this one that is a whole number of `step`s after `zero`.
    pub fn next_multiple(self, step: Duration, zero: BatchTime) -> BatchTime {
        self.floor(step, zero) + step
    }

    /// Whether this time is a whole number of `step`s after `zero`; false for a step of zero.
    pub fn is_multiple_of(self, step: Duration, zero: BatchTime) -> bool {
        match step_millis(step) {
            0 => false,
            step => (self.0 - zero.0).rem_euclid(step) == 0,
        }
    }

    /// The times from this one up to but without `end`, `step` apart; none for a step of zero.
    pub fn until(self, end: BatchTime, step: Duration) -> impl Iterator<Item = BatchTime> {
        let step = step_millis(step);
        let count = if step == 0 || end <= self { 0 } else { (end.0 - self.0 + step - 1) / step };
        (0..count).map(move |i| BatchTime(self.0 + i * step))
    }

    /// The times from this one up to and with `end`, `step` apart; none for a step of zero.
    pub fn to(self, end: BatchTime, step: Duration) -> impl Iterator<Item = BatchTime> {
        self.until(BatchTime(end.0.saturating_add(1)), step)
    }

    /// The date and the time of day in UTC, each as text.
    ///
    /// ```
    /// use waterclock_base::BatchTime;
    /// let (date, time) = BatchTime::from_millis(1_795_240_924_567).utc();
    /// assert_eq!((&*date, &*time), ("2026-11-21", "06:02:04.567"));
    /// ```
    pub fn utc(self) -> (String, String) {
        let (day, rest) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        // Years are counted from March, so that the day that some of them have more is their last.
        let days = day + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
        let (second, milli) = (rest / 1000 % 60, rest % 1000);
        (format!("{year:04}-{month:02}-{day:02}"), format!("{hour:02}:{minute:02}:{second:02}.{milli:03}"))
    }

    /// The duration from `earlier` to this time, zero if `earlier` is later.
    pub fn since(self, earlier: BatchTime) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

fn step_millis(step: Duration) -> i64 {
    i64::try_from(step.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for BatchTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

impl Add<Duration> for BatchTime {
    type Output = BatchTime;
    fn add(self, rhs: Duration) -> BatchTime {
        BatchTime(self.0.saturating_add(step_millis(rhs)))
    }
}

impl Sub<Duration> for BatchTime {
    type Output = BatchTime;
    fn sub(self, rhs: Duration) -> BatchTime {
        BatchTime(self.0.saturating_sub(step_millis(rhs)))
    }
}

/// What one batch covers: everything after `from` up to and with `to`, which is the batch's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchInterval {
    /// The time of the batch before, not included.
    pub from: BatchTime,
    /// The batch's own time, included.
    pub to: BatchTime,
}

/// Checks a duration given to `call`: whole milliseconds, at least one.
///
/// # Errors
/// [`Error::Duration`] names the call and the value.
///
/// ```
/// use std::time::Duration;
/// use waterclock_base::millis;
/// assert!(millis("window", Duration::from_micros(1500)).is_err());
/// assert_eq!(millis("window", Duration::from_secs(2)).unwrap(), Duration::from_millis(2000));
/// ```
pub fn millis(call: &'static str, given: Duration) -> Result<Duration> {
    let why = if given.is_zero() {
        "it must be at least one millisecond"
    } else if !given.subsec_nanos().is_multiple_of(1_000_000) {
        "it must be a whole number of milliseconds"
    } else if i64::try_from(given.as_millis()).is_err() {
        "it is longer than any stream"
    } else {
        return Ok(given);
    };
    Err(Error::Duration { call, given, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> BatchTime {
        BatchTime::from_millis(ms)
    }
    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// T-288, T-295 to T-305: comparison and arithmetic of times.
    #[test]
    fn times_compare_and_add() {
        assert!(at(999) < at(1000) && at(1000) <= at(1000) && at(1001) > at(1000) && at(1000) >= at(1000));
        assert_eq!(at(1000) + ms(200), at(1200));
        assert_eq!(at(1000) - ms(200), at(800));
        assert_eq!(at(1000).since(at(900)), ms(100));
        assert_eq!(at(1350).floor(ms(200), at(0)), at(1200));
        assert_eq!(at(1350).floor(ms(200), at(100)), at(1300));
        assert_eq!(at(-50).floor(ms(200), at(0)), at(-200));
        assert!(at(1000).is_multiple_of(ms(200), at(0)) && !at(1001).is_multiple_of(ms(200), at(0)));
        assert!(!at(1000).is_multiple_of(ms(0), at(0)));
        assert_eq!(at(999).min(at(1000)), at(999));
        assert_eq!(at(999).max(at(1000)), at(1000));
        assert_eq!(at(1000).next_multiple(ms(1000), at(0)), at(2000));
        assert_eq!(at(1999).next_multiple(ms(1000), at(0)), at(2000));
    }

    /// T-280 to T-294: durations are `std::time::Duration`; what the API adds is the check.
    #[test]
    fn durations_are_whole_milliseconds() {
        assert!(millis("f", ms(0)).is_err());
        assert!(millis("f", Duration::from_micros(1)).is_err());
        assert!(millis("f", Duration::MAX).is_err());
        assert_eq!(millis("f", ms(1)).unwrap(), ms(1));
        let text = format!("{}", millis("window", Duration::from_micros(1500)).unwrap_err());
        assert!(text.contains("window") && text.contains("1.5ms"), "{text}");
    }

    /// T-306, T-307: ranges without and with their end.
    #[test]
    fn times_make_ranges() {
        let until: Vec<_> = at(1000).until(at(1300), ms(100)).collect();
        assert_eq!(until, [at(1000), at(1100), at(1200)]);
        let to: Vec<_> = at(1000).to(at(1300), ms(100)).collect();
        assert_eq!(to, [at(1000), at(1100), at(1200), at(1300)]);
        assert_eq!(at(5).until(at(5), ms(1)).count(), 0);
        assert_eq!(at(5).to(at(4), ms(1)).count(), 0);
        assert_eq!(at(5).until(at(9), ms(0)).count(), 0);
    }
}
