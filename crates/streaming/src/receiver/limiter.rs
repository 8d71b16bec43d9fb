//! The rate limit of a receiver: a token bucket on the clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use waterclock_base::Settings;
use waterclock_base::world::{Clock, lock};

use super::rate::initial_rate;
use crate::block::Waiters;

/// After a pause so many seconds' worth of records may come at once.
const BURST_SECONDS: f64 = 0.1;

/// Lets a given number of records through a second.
///
/// Records pass while the bucket is not in debt: a buffer of many records passes at once, and what comes
/// after it waits until it is paid for. So the rate holds over time whatever the size of the pieces. After a
/// pause a tenth of a second's worth passes without waiting.
///
/// ```
/// use waterclock_base::world::ManualClock;
/// use waterclock_streaming::RateLimiter;
/// let limiter = RateLimiter::new(ManualClock::new(), Some(100.0), None);
/// limiter.update(105.0);
/// assert_eq!(limiter.rate(), Some(100.0)); // never above the maximum
/// ```
pub struct RateLimiter {
    clock: Arc<dyn Clock>,
    max: f64,
    /// The bits of the rate: infinite for no limit. Changed only under the bucket's lock.
    rate: AtomicU64,
    bucket: Mutex<Bucket>,
    waiters: Waiters,
}

/// Tokens as they were at a time; less than none is a debt.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    micros: i64,
}

impl Bucket {
    /// Moves to `now` at `rate` tokens a second.
    fn refill(&mut self, now: i64, rate: f64) {
        let earned = (now - self.micros).max(0) as f64 * rate / 1e6;
        self.tokens = (self.tokens + earned).min(rate * BURST_SECONDS);
        self.micros = self.micros.max(now);
    }

    /// Takes `records` tokens, or says when that may be tried again.
    fn take(&mut self, records: u64, rate: f64) -> Result<(), i64> {
        if self.tokens < 0.0 {
            let wait = (-self.tokens / rate * 1e6).ceil().max(1.0);
            return Err(self.micros.saturating_add(wait as i64));
        }
        self.tokens -= records as f64;
        Ok(())
    }
}

impl RateLimiter {
    /// A limiter of `initial` records a second, or `max` if none is given, and never more than `max`. A rate
    /// that is not positive is no limit.
    pub fn new(clock: Arc<dyn Clock>, max: Option<f64>, initial: Option<f64>) -> Self {
        let limit = |rate: Option<f64>| rate.filter(|rate| *rate > 0.0).unwrap_or(f64::INFINITY);
        let max = limit(max);
        RateLimiter {
            max,
            rate: AtomicU64::new(limit(initial).min(max).to_bits()),
            bucket: Mutex::new(Bucket { tokens: 0.0, micros: clock.now_micros() }),
            waiters: Waiters::new(clock.clone()),
            clock,
        }
    }

    /// The limiter that the settings ask for.
    pub fn of(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let max = settings.receiver_max_rate;
        Self::new(clock, max, initial_rate(settings, max))
    }

    /// Records a second; none for no limit.
    pub fn rate(&self) -> Option<f64> {
        Some(self.current()).filter(|rate| rate.is_finite())
    }

    fn current(&self) -> f64 {
        f64::from_bits(self.rate.load(Ordering::Relaxed))
    }

    /// Sets the rate, at most to the maximum; a rate that is not positive is ignored.
    pub fn update(&self, rate: f64) {
        if rate > 0.0 {
            {
                // What was earned until now was earned at the old rate.
                let mut bucket = lock(&self.bucket);
                bucket.refill(self.clock.now_micros(), self.current());
                self.rate.store(rate.min(self.max).to_bits(), Ordering::Relaxed);
            }
            self.wake();
        }
    }

    /// Takes `records` if they may pass now.
    pub(crate) fn try_acquire(&self, records: u64) -> bool {
        self.current() == f64::INFINITY || self.take(records).is_ok()
    }

    /// Waits until `records` may pass, or until `hurry` holds.
    pub(crate) fn acquire(&self, records: u64, hurry: impl Fn() -> bool) {
        while let Err(deadline) = self.take(records) {
            let rate = self.current();
            self.waiters.wait(Some(deadline), || hurry() || self.current() != rate);
            if hurry() {
                return;
            }
        }
    }

    /// Makes those who wait look at their `hurry` again.
    pub(crate) fn wake(&self) {
        self.waiters.wake();
    }

    fn take(&self, records: u64) -> Result<(), i64> {
        let mut bucket = lock(&self.bucket);
        let rate = self.current();
        if rate == f64::INFINITY {
            return Ok(());
        }
        bucket.refill(self.clock.now_micros(), rate);
        bucket.take(records, rate)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use waterclock_base::world::{ManualClock, spawn};

    use super::*;

    fn limiter(max: Option<f64>, initial: Option<f64>) -> RateLimiter {
        RateLimiter::new(ManualClock::new(), max, initial)
    }

    /// T-187: an update without a maximum.
    #[test]
    fn without_a_maximum_every_rate_is_taken() {
        let limiter = limiter(None, None);
        assert_eq!(limiter.rate(), None);
        limiter.update(105.0);
        assert_eq!(limiter.rate(), Some(105.0));
        limiter.update(0.0);
        limiter.update(-1.0);
        limiter.update(f64::NAN);
        assert_eq!(limiter.rate(), Some(105.0));
    }

    /// T-188: an update below the maximum.
    #[test]
    fn a_rate_below_the_maximum_is_taken() {
        let limiter = limiter(Some(110.0), None);
        assert_eq!(limiter.rate(), Some(110.0));
        limiter.update(105.0);
        assert_eq!(limiter.rate(), Some(105.0));
    }

    /// T-189: an update above the maximum is capped.
    #[test]
    fn a_rate_above_the_maximum_is_capped() {
        let capped = limiter(Some(100.0), None);
        capped.update(105.0);
        assert_eq!(capped.rate(), Some(100.0));
        assert_eq!(limiter(Some(100.0), Some(30.0)).rate(), Some(30.0));
        assert_eq!(limiter(Some(100.0), Some(300.0)).rate(), Some(100.0));
        assert_eq!(limiter(Some(-1.0), Some(0.0)).rate(), None);
    }

    /// T-163 (in virtual time): whatever the size of the pieces, the total stays within 5 % of the rate.
    #[test]
    fn the_rate_holds_over_time() {
        for piece in [1, 7, 40] {
            let clock = ManualClock::new();
            let limiter = RateLimiter::new(clock.clone(), Some(200.0), None);
            let mut passed = 0;
            for _ in 0..10_000 {
                while limiter.try_acquire(piece) {
                    passed += piece;
                }
                clock.advance(Duration::from_millis(1));
            }
            assert!((1900..=2100).contains(&passed), "{passed} records in ten seconds");
        }
    }

    #[test]
    fn a_pause_earns_a_tenth_of_a_second() {
        let clock = ManualClock::new();
        let limiter = RateLimiter::new(clock.clone(), Some(100.0), None);
        clock.advance(Duration::from_secs(60));
        let passed = (0..1000).filter(|_| limiter.try_acquire(1)).count();
        assert_eq!(passed, 11);
    }

    #[test]
    fn waiting_ends_with_time_a_new_rate_or_a_hurry() {
        let clock = ManualClock::new();
        let limiter = Arc::new(RateLimiter::new(clock.clone(), Some(1.0), None));
        let hurry = Arc::new(AtomicBool::new(false));
        let wait = || {
            assert!(limiter.try_acquire(1));
            let (limiter, hurry) = (limiter.clone(), hurry.clone());
            spawn("limited", move || limiter.acquire(1, || hurry.load(Ordering::SeqCst)))
        };
        let waiting = wait();
        clock.advance(Duration::from_secs(1));
        waiting.join().unwrap();

        clock.advance(Duration::from_secs(1));
        let waiting = wait();
        limiter.update(0.5);
        clock.advance(Duration::from_secs(2));
        waiting.join().unwrap();

        clock.advance(Duration::from_secs(2));
        let waiting = wait();
        hurry.store(true, Ordering::SeqCst);
        limiter.wake();
        waiting.join().unwrap();
    }
}
