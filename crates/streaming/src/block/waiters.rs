//! Waiting for a change on the clock seam: a condition variable that a manual clock can advance.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use waterclock_base::world::{Clock, Signal, lock};

/// The threads that wait for one thing to change.
///
/// # Contract
/// 1. Whoever changes what a `done` looks at calls [`wake`](Self::wake) afterwards (unchecked).
pub(crate) struct Waiters {
    clock: Arc<dyn Clock>,
    waiting: Mutex<Vec<Arc<Signal>>>,
}

impl Waiters {
    /// Nobody waits.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Waiters { clock, waiting: Mutex::default() }
    }

    /// Makes every waiting thread look again.
    pub(crate) fn wake(&self) {
        for signal in lock(&self.waiting).iter() {
            signal.raise();
        }
    }

    /// Waits until `done` holds, at most for so long. True when it held.
    pub(crate) fn wait_for(&self, most: Duration, done: impl Fn() -> bool) -> bool {
        let micros = i64::try_from(most.as_micros()).unwrap_or(i64::MAX);
        self.wait(Some(self.clock.now_micros().saturating_add(micros)), done)
    }

    /// Waits until `done` holds or the clock shows `deadline` (microseconds; none: for ever).
    /// True when `done` held.
    pub(crate) fn wait(&self, deadline: Option<i64>, done: impl Fn() -> bool) -> bool {
        // Each thread has a signal of its own, because a signal is lowered by the first that sees it. It is
        // known to `wake` before `done` is looked at, so that no change falls between the two.
        let signal = Signal::new();
        lock(&self.waiting).push(signal.clone());
        let answer = loop {
            if done() {
                break true;
            }
            if !self.clock.wait(deadline, &signal) {
                break done();
            }
        };
        lock(&self.waiting).retain(|other| !Arc::ptr_eq(other, &signal));
        answer
    }
}

/// How long threads were made to wait for one reason, waits in progress included.
pub(crate) struct Stopwatch {
    clock: Arc<dyn Clock>,
    times: Mutex<Times>,
}

/// Microseconds after which a wait counts little for what was lately.
const LATELY: f64 = 3e6;

#[derive(Default)]
struct Times {
    waiting: u32,
    /// When this was last brought up to date.
    at: i64,
    total: i64,
    /// The share of the time in which somebody waited; the longer ago, the less it counts.
    lately: f64,
}

impl Times {
    /// Brings it up to `now`.
    fn pass(&mut self, now: i64) {
        let passed = (now - self.at).max(0);
        self.at = now;
        self.lately *= (-(passed as f64) / LATELY).exp();
        if self.waiting > 0 {
            self.total += passed;
            self.lately += 1.0 - (-(passed as f64) / LATELY).exp();
        }
    }
}

impl Stopwatch {
    /// Shows zero.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Stopwatch { clock, times: Mutex::default() }
    }

    /// Runs `wait` and counts the time; threads that wait at the same time count once.
    pub(crate) fn time<R>(&self, wait: impl FnOnce() -> R) -> R {
        self.up_to_now().waiting += 1;
        let answer = wait();
        self.up_to_now().waiting -= 1;
        answer
    }

    /// Microseconds so far.
    pub(crate) fn micros(&self) -> u64 {
        u64::try_from(self.up_to_now().total).unwrap_or(0)
    }

    /// The share of the last few seconds, from 0 to 1.
    pub(crate) fn lately(&self) -> f64 {
        self.up_to_now().lately
    }

    fn up_to_now(&self) -> MutexGuard<'_, Times> {
        let mut times = lock(&self.times);
        times.pass(self.clock.now_micros());
        times
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use waterclock_base::world::{ManualClock, spawn};

    use super::*;

    #[test]
    fn every_waiting_thread_is_woken() {
        let waiters = Arc::new(Waiters::new(ManualClock::new()));
        let open = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (waiters, open) = (waiters.clone(), open.clone());
                spawn("waiter", move || waiters.wait(None, || open.load(Ordering::SeqCst)))
            })
            .collect();
        open.store(true, Ordering::SeqCst);
        waiters.wake();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
        assert!(lock(&waiters.waiting).is_empty());
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_is_timed() {
        let clock = ManualClock::new();
        let (waiters, watch) = (Waiters::new(clock.clone()), Stopwatch::new(clock.clone()));
        let advanced = clock.clone();
        watch.time(|| {
            advanced.advance(Duration::from_millis(3));
            assert_eq!(watch.micros(), 3000);
            assert!(!waiters.wait(Some(3000), || false));
        });
        clock.advance(Duration::from_millis(3));
        assert_eq!(watch.micros(), 3000);
    }

    #[test]
    fn what_was_waited_lately_fades() {
        let clock = ManualClock::new();
        let watch = Stopwatch::new(clock.clone());
        clock.advance(Duration::from_secs(100));
        assert_eq!(watch.lately(), 0.0);
        watch.time(|| clock.advance(Duration::from_secs(30)));
        assert!(watch.lately() > 0.99, "{}", watch.lately());
        clock.advance(Duration::from_secs(3));
        assert!((0.3..0.4).contains(&watch.lately()), "{}", watch.lately());
        // Half of the time, in turns.
        for _ in 0..100 {
            watch.time(|| clock.advance(Duration::from_millis(100)));
            clock.advance(Duration::from_millis(100));
        }
        assert!((0.45..0.55).contains(&watch.lately()), "{}", watch.lately());
        assert_eq!(watch.micros(), 40_000_000);
    }
}
