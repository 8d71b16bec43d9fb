//! Waiting for a change on the clock seam: a condition variable that a manual clock can advance.

use std::sync::{Arc, Mutex};
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

#[derive(Default)]
struct Times {
    waiting: u32,
    since: i64,
    total: i64,
}

impl Stopwatch {
    /// Shows zero.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Stopwatch { clock, times: Mutex::default() }
    }

    /// Runs `wait` and counts the time; threads that wait at the same time count once.
    pub(crate) fn time<R>(&self, wait: impl FnOnce() -> R) -> R {
        {
            let mut times = lock(&self.times);
            if times.waiting == 0 {
                times.since = self.clock.now_micros();
            }
            times.waiting += 1;
        }
        let answer = wait();
        let mut times = lock(&self.times);
        times.waiting -= 1;
        if times.waiting == 0 {
            times.total += self.clock.now_micros() - times.since;
        }
        answer
    }

    /// Microseconds so far.
    pub(crate) fn micros(&self) -> u64 {
        let times = lock(&self.times);
        let running = if times.waiting > 0 { self.clock.now_micros() - times.since } else { 0 };
        u64::try_from(times.total + running).unwrap_or(0)
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
}
