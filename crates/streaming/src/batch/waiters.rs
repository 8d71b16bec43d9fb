//! Who waits: for a batch to be done, for the context to stop, for an error.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Error, Result};

#[derive(Default)]
struct State {
    ticked: Option<BatchTime>,
    unfinished: BTreeSet<BatchTime>,
    error: Option<Error>,
    /// No batch is begun any more.
    halted: bool,
    stopping: bool,
    stopped: bool,
}

/// What happened so far, for those who wait for it.
#[derive(Default)]
pub(crate) struct Waiters {
    state: Mutex<State>,
    changed: Condvar,
}

impl Waiters {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }

    /// A batch was formed.
    pub(crate) fn formed(&self, t: BatchTime) {
        lock(&self.state).unfinished.insert(t);
    }

    /// The tick of `t` was dealt with, whether or not it formed a batch.
    pub(crate) fn ticked(&self, t: BatchTime) {
        self.change(|state| state.ticked = Some(t));
    }

    /// A batch was committed, or failed.
    pub(crate) fn finished(&self, t: BatchTime) {
        self.change(|state| {
            state.unfinished.remove(&t);
        });
    }

    /// Something failed; the first failure is the one that waiters are told.
    pub(crate) fn failed(&self, error: Error) {
        self.change(|state| {
            state.error.get_or_insert(error);
        });
    }

    /// The context stopped.
    pub(crate) fn stopped(&self) {
        self.change(|state| state.stopped = true);
    }

    /// Batches that were formed and are not done.
    pub(crate) fn unfinished(&self) -> usize {
        lock(&self.state).unfinished.len()
    }

    /// The oldest batch that was formed and is not done, `t` left out.
    pub(crate) fn first_unfinished_but(&self, t: BatchTime) -> Option<BatchTime> {
        lock(&self.state).unfinished.iter().find(|unfinished| **unfinished != t).copied()
    }

    /// Waits until fewer than `most` batches are unfinished; false when there is no time left for that.
    pub(crate) fn wait_for_room(&self, most: usize) -> bool {
        self.wait_until(None, |state| state.stopping || state.unfinished.len() < most);
        !lock(&self.state).stopping
    }

    /// No batch is begun any more: those that wait are left to the next start.
    pub(crate) fn halted(&self) {
        self.change(|state| state.halted = true);
    }

    /// The context is about to stop.
    pub(crate) fn stopping(&self) {
        self.change(|state| state.stopping = true);
    }

    /// Waits until the tick of `t` and all batches up to it are done, or the context stopped.
    #[cfg(feature = "testing")]
    pub(crate) fn wait_for_batch(&self, t: BatchTime) {
        let mut state = lock(&self.state);
        while !state.stopped
            && (state.ticked.is_none_or(|ticked| ticked < t)
                || state.unfinished.first().is_some_and(|u| *u <= t))
        {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until the tick of `t` was dealt with, or the context is about to stop.
    #[cfg(feature = "testing")]
    pub(crate) fn wait_for_tick(&self, t: BatchTime) {
        let dealt_with = |state: &State| state.ticked.is_some_and(|ticked| ticked >= t);
        self.wait_until(None, |state| state.stopped || state.stopping || dealt_with(state));
    }

    /// The last time that was ticked, if everything up to it succeeded.
    pub(crate) fn nothing_left(&self) -> Option<BatchTime> {
        let state = lock(&self.state);
        state.ticked.filter(|_| state.unfinished.is_empty() && state.error.is_none())
    }

    /// Waits until the context stopped.
    pub(crate) fn wait_for_stop(&self) {
        self.wait_until(None, |state| state.stopped);
    }

    /// Waits, in real time, until no batch is unfinished that will still be run; false when it took too long.
    pub(crate) fn wait_for_all(&self, timeout: Duration) -> bool {
        self.wait_until(Some(timeout), |state| state.unfinished.is_empty() || state.halted)
    }

    /// Waits, in real time, for the end or an error; false when neither came in time.
    pub(crate) fn wait_for_end(&self, timeout: Option<Duration>) -> Result<bool> {
        let ended = self.wait_until(timeout, |state| state.stopped || state.error.is_some());
        match &lock(&self.state).error {
            Some(error) => Err(error.clone()),
            None => Ok(ended),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a caller's patience is real time, whatever the clock shows"
    )]
    fn wait_until(&self, timeout: Option<Duration>, holds: impl Fn(&State) -> bool) -> bool {
        let began = Instant::now();
        let mut state = lock(&self.state);
        while !holds(&state) {
            state = match timeout {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(timeout) => match timeout.checked_sub(began.elapsed()) {
                    Some(left) if !left.is_zero() => {
                        self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                    }
                    _ => return false,
                },
            };
        }
        true
    }
}
