//! A recurring timer: calls back at every multiple of a period.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::world::{Clock, JoinHandle, Signal, lock, spawn};
use waterclock_base::{BatchTime, Result, millis};

/// Which tick comes next: pure.
#[derive(Debug)]
struct Ticks {
    next: BatchTime,
    period: Duration,
}

/// How a timer was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// It was not.
    No,
    /// After one more tick.
    Gently,
    /// At once.
    AtOnce,
}

/// What a timer does next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Wait for a time and fire.
    Fire { at: BatchTime, last: bool },
    /// Nothing more.
    End,
}

impl Ticks {
    /// What to do, given how the timer was asked to stop before the wait for the next tick begins. A tick
    /// that is already being waited for does not know of the request: it is fired, and one more after it.
    fn next(&mut self, asked: Asked) -> Next {
        if asked == Asked::AtOnce {
            return Next::End;
        }
        let at = self.next;
        // None is skipped: those that were missed come one after the other.
        self.next = at + self.period;
        Next::Fire { at, last: asked == Asked::Gently }
    }
}

/// Calls back at every tick of a grid of times, on a thread of its own.
///
/// Late ticks are not skipped: after a long callback the missed ones are fired one after the other. Like
/// Spark's `RecurringTimer`.
///
/// ```
/// use std::time::Duration;
/// use waterclock_base::world::{Clock, ManualClock};
/// use waterclock_streaming::RecurringTimer;
/// let clock = ManualClock::new();
/// let start = RecurringTimer::start_time(clock.now(), Duration::from_millis(100));
/// assert_eq!(start.as_millis(), 100);
/// let timer = RecurringTimer::start(clock, "ticks", start, Duration::from_millis(100), |_time| {})?;
/// assert_eq!(timer.stop(true), None); // it never fired
/// # Ok::<(), waterclock_base::Error>(())
/// ```
pub struct RecurringTimer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    asked: AtomicU8,
    signal: Arc<Signal>,
    last: Mutex<Option<BatchTime>>,
}

impl RecurringTimer {
    /// The first tick of a new timer: the next multiple of `period` after `now`.
    pub fn start_time(now: BatchTime, period: Duration) -> BatchTime {
        now.next_multiple(period, BatchTime::ZERO)
    }

    /// The first tick of a timer that goes on with the grid of an earlier one that began at `original`: the
    /// next point after `now`.
    pub fn restart_time(now: BatchTime, period: Duration, original: BatchTime) -> BatchTime {
        now.next_multiple(period, original)
    }

    /// Starts to call `callback` at `first` and every `period` after it.
    ///
    /// # Errors
    /// [`Error::Duration`](waterclock_base::Error::Duration) when the period is not a positive number of
    /// whole milliseconds.
    pub fn start(
        clock: Arc<dyn Clock>,
        name: &str,
        first: BatchTime,
        period: Duration,
        mut callback: impl FnMut(BatchTime) + Send + 'static,
    ) -> Result<Self> {
        let mut ticks = Ticks { next: first, period: millis("RecurringTimer::start", period)? };
        let shared = Arc::new(Shared {
            clock,
            asked: AtomicU8::new(Asked::No as u8),
            signal: Signal::new(),
            last: Mutex::new(None),
        });
        let timer = shared.clone();
        let thread = spawn(name, move || {
            while let Next::Fire { at, last } = ticks.next(timer.asked()) {
                if timer.clock.wait(Some(at.as_millis().saturating_mul(1000)), &timer.signal) {
                    return;
                }
                callback(at);
                *lock(&timer.last) = Some(at);
                if last {
                    return;
                }
            }
        });
        Ok(RecurringTimer { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Stops the timer, waits for a callback in progress, and returns the last time that was fired.
    ///
    /// With `interrupt` no further tick is fired. Without, the tick that is being waited for is fired and one
    /// more after it, so that nothing that came in before the call is without a tick. A second call only
    /// returns the time again.
    pub fn stop(&self, interrupt: bool) -> Option<BatchTime> {
        let asked = if interrupt { Asked::AtOnce } else { Asked::Gently };
        self.shared.asked.fetch_max(asked as u8, Ordering::SeqCst);
        if interrupt {
            self.shared.signal.raise();
        }
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // A callback that panicked has ended the thread, which is what was asked for.
            let _ = thread.join();
        }
        *lock(&self.shared.last)
    }
}

impl Shared {
    fn asked(&self) -> Asked {
        match self.asked.load(Ordering::SeqCst) {
            0 => Asked::No,
            1 => Asked::Gently,
            _ => Asked::AtOnce,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use waterclock_base::world::ManualClock;

    use super::*;

    const PERIOD: Duration = Duration::from_millis(100);

    fn at(ms: i64) -> BatchTime {
        BatchTime::from_millis(ms)
    }

    fn timer(clock: &Arc<ManualClock>) -> (RecurringTimer, Receiver<i64>) {
        let (ticked, ticks) = channel();
        let callback = move |time: BatchTime| ticked.send(time.as_millis()).unwrap();
        (RecurringTimer::start(clock.clone(), "test", at(0), PERIOD, callback).unwrap(), ticks)
    }

    /// T-227: ticks come as the clock advances, missed ones one after the other; stop returns the last.
    #[test]
    fn ticks_follow_the_clock() {
        let clock = ManualClock::new();
        let (timer, ticks) = timer(&clock);
        assert_eq!(ticks.recv(), Ok(0));
        clock.advance(PERIOD);
        assert_eq!(ticks.recv(), Ok(100));
        clock.advance(PERIOD * 2);
        assert_eq!((ticks.recv(), ticks.recv()), (Ok(200), Ok(300)));
        assert_eq!(timer.stop(true), Some(at(300)));
        assert_eq!(timer.stop(false), Some(at(300)));
        assert!(ticks.recv().is_err());
    }

    /// T-228: a stop that does not interrupt delivers one more tick.
    #[test]
    fn a_gentle_stop_delivers_one_more_tick() {
        let clock = ManualClock::new();
        let (timer, ticks) = timer(&clock);
        assert_eq!(ticks.recv(), Ok(0));
        let timer = Arc::new(timer);
        let stopping = {
            let timer = timer.clone();
            spawn("stop", move || timer.stop(false))
        };
        while timer.shared.asked() == Asked::No {
            std::thread::yield_now();
        }
        clock.advance(PERIOD * 2);
        let last = stopping.join().unwrap().unwrap();
        let fired: Vec<i64> = ticks.iter().collect();
        // The request may come just before or just after the wait for 100 began.
        assert!(fired == [100, 200] || fired == [100], "{fired:?}");
        assert_eq!(Some(&last.as_millis()), fired.last());
    }

    /// T-228: the decision alone, with the stop while 100 is being waited for.
    #[test]
    fn the_tick_that_is_waited_for_does_not_know_of_the_stop() {
        let mut ticks = Ticks { next: at(0), period: PERIOD };
        assert_eq!(ticks.next(Asked::No), Next::Fire { at: at(0), last: false });
        assert_eq!(ticks.next(Asked::No), Next::Fire { at: at(100), last: false });
        assert_eq!(ticks.next(Asked::Gently), Next::Fire { at: at(200), last: true });
        assert_eq!(ticks.next(Asked::AtOnce), Next::End);
    }

    #[test]
    fn the_grid_is_kept_and_the_period_checked() {
        assert_eq!(RecurringTimer::start_time(at(100), PERIOD), at(200));
        assert_eq!(RecurringTimer::restart_time(at(250), PERIOD, at(30)), at(330));
        let timer = RecurringTimer::start(ManualClock::new(), "zero", at(0), Duration::ZERO, |_| {});
        assert!(timer.is_err());
    }
}
