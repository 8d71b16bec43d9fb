//! Time: a clock to read and to wait on, and one that a test moves by hand.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::lock;
use crate::time::BatchTime;

/// Something to wait for: raised by one thread, seen by another that waits with [`Clock::wait`].
///
/// A signal raised while nobody waits is not lost: the next wait returns at once.
#[derive(Default)]
pub struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    /// A signal that is not raised.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Wakes the waiter, or the next one.
    pub fn raise(&self) {
        *lock(&self.raised) = true;
        self.changed.notify_all();
    }

    /// Wakes the waiter without leaving a mark: it looks at the time again and goes on waiting.
    fn nudge(&self) {
        // The lock is taken so that a waiter is either before its look at the time or already waiting.
        drop(lock(&self.raised));
        self.changed.notify_all();
    }
}

/// A clock: tells the time in microseconds since the epoch and lets a thread wait for a time or a signal.
pub trait Clock: Send + Sync + 'static {
    /// Microseconds since the epoch.
    fn now_micros(&self) -> i64;

    /// Waits until `deadline` (microseconds since the epoch; none: for ever) or until `signal` is raised.
    /// True when it was the signal, which is lowered again.
    fn wait(&self, deadline: Option<i64>, signal: &Arc<Signal>) -> bool;

    /// Lets the time pass to `micros` where nobody is going to move it: a graceful stop does so, whose caller
    /// can't move a manual clock meanwhile. Real time needs no help.
    fn pass_until(&self, _micros: i64) {}

    /// Milliseconds since the epoch, as a batch time.
    fn now(&self) -> BatchTime {
        BatchTime::from_millis(self.now_micros().div_euclid(1000))
    }
}

/// The machine's clock. It never goes backwards: it is read once and carried on by the monotonic clock.
pub struct SystemClock {
    origin: Instant,
    origin_micros: i64,
}

impl SystemClock {
    /// Starts from the machine's idea of now.
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    #[expect(clippy::new_without_default, reason = "reading the time is not a default value")]
    pub fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        SystemClock {
            origin: Instant::now(),
            origin_micros: i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX),
        }
    }
}

impl Clock for SystemClock {
    fn now_micros(&self) -> i64 {
        self.origin_micros + i64::try_from(self.origin.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    fn wait(&self, deadline: Option<i64>, signal: &Arc<Signal>) -> bool {
        let mut raised = lock(&signal.raised);
        loop {
            if std::mem::take(&mut *raised) {
                return true;
            }
            raised = match deadline {
                None => signal.changed.wait(raised).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline - self.now_micros();
                    if left <= 0 {
                        return false;
                    }
                    let left = Duration::from_micros(left.unsigned_abs());
                    signal.changed.wait_timeout(raised, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// A clock that stands still until it is moved.
///
/// ```
/// use std::time::Duration;
/// use waterclock_base::world::{Clock, ManualClock};
/// let clock = ManualClock::new();
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(clock.now().as_millis(), 1000);
/// ```
#[derive(Default)]
pub struct ManualClock {
    micros: Mutex<i64>,
    waiters: Mutex<Vec<Weak<Signal>>>,
}

impl ManualClock {
    /// A clock that shows the epoch.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A clock that shows this time.
    pub fn at(time: BatchTime) -> Arc<Self> {
        let clock = Self::new();
        *lock(&clock.micros) = time.as_millis().saturating_mul(1000);
        clock
    }

    /// Moves the clock forward and wakes whoever waits for a time that has come.
    pub fn advance(&self, by: Duration) {
        *lock(&self.micros) += i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.nudge();
    }

    fn nudge(&self) {
        for signal in lock(&self.waiters).iter().filter_map(Weak::upgrade) {
            signal.nudge();
        }
    }
}

impl Clock for ManualClock {
    fn now_micros(&self) -> i64 {
        *lock(&self.micros)
    }

    fn pass_until(&self, micros: i64) {
        {
            let mut now = lock(&self.micros);
            *now = micros.max(*now);
        }
        self.nudge();
    }

    fn wait(&self, deadline: Option<i64>, signal: &Arc<Signal>) -> bool {
        {
            let mut waiters = lock(&self.waiters);
            waiters.retain(|waiter| waiter.strong_count() > 0);
            if !waiters.iter().any(|waiter| waiter.as_ptr() == Arc::as_ptr(signal)) {
                waiters.push(Arc::downgrade(signal));
            }
        }
        let mut raised = lock(&signal.raised);
        loop {
            if std::mem::take(&mut *raised) {
                return true;
            }
            if deadline.is_some_and(|deadline| self.now_micros() >= deadline) {
                return false;
            }
            raised = signal.changed.wait(raised).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_raised_before_the_wait_is_not_lost() {
        let (clock, signal) = (SystemClock::new(), Signal::new());
        signal.raise();
        assert!(clock.wait(None, &signal));
        assert!(!clock.wait(Some(clock.now_micros()), &signal));
    }

    #[test]
    fn a_manual_clock_wakes_waiters_only_when_their_time_has_come() {
        let clock = ManualClock::new();
        let waiter = {
            let clock = clock.clone();
            super::super::spawn("waiter", move || {
                let signal = Signal::new();
                assert!(!clock.wait(Some(2_000_000), &signal));
                clock.now()
            })
        };
        clock.advance(Duration::from_secs(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(waiter.join().unwrap(), BatchTime::from_millis(2000));
    }
}
