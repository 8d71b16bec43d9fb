//! What `map_with_state` is told: a function, where state begins, when idle keys time out.

use std::time::Duration;

use waterclock_base::{BatchTime, Data, Error, Key, Record};
use waterclock_engine::{Partitioner, Rdd};

use super::StateOptions;

/// The state of one key, in the hands of the function of [`map_with_state`](crate::DStream::map_with_state).
///
/// ```
/// use waterclock_streaming::State;
/// fn count(state: &mut State<'_, u64>) -> u64 {
///     let seen = state.get().copied().unwrap_or(0) + 1;
///     state.update(seen);
///     seen
/// }
/// ```
pub struct State<'a, S> {
    before: Option<&'a S>,
    now: Now<S>,
    timing_out: bool,
    misuse: Option<&'static str>,
}

/// What the function did.
pub(super) enum Now<S> {
    AsBefore,
    Updated(S),
    Removed,
}

impl<'a, S> State<'a, S> {
    pub(super) fn new(before: Option<&'a S>, timing_out: bool) -> Self {
        State { before, now: Now::AsBefore, timing_out, misuse: None }
    }

    /// Whether the key has a state.
    pub fn exists(&self) -> bool {
        self.get().is_some()
    }

    /// The state, if the key has one.
    pub fn get(&self) -> Option<&S> {
        match &self.now {
            Now::AsBefore => self.before,
            Now::Updated(state) => Some(state),
            Now::Removed => None,
        }
    }

    /// Gives the key a state.
    ///
    /// Not after [`remove`](State::remove) in the same call, nor while the key times out: that fails the
    /// task with an error that says so.
    pub fn update(&mut self, state: S) {
        match (&self.now, self.timing_out) {
            (_, true) => self.misuse = Some("the state of a key that is timing out can't be updated"),
            (Now::Removed, _) => self.misuse = Some("a state can't be updated after it was removed"),
            _ => self.now = Now::Updated(state),
        }
    }

    /// Takes the key's state away.
    ///
    /// Not twice in the same call, nor while the key times out: that fails the task with an error that
    /// says so.
    pub fn remove(&mut self) {
        match (&self.now, self.timing_out) {
            (_, true) => self.misuse = Some("the state of a key that is timing out can't be removed"),
            (Now::Removed, _) => self.misuse = Some("a state can't be removed twice"),
            _ => self.now = Now::Removed,
        }
    }

    /// Whether this is the last call for a key that was idle for too long: there is no value, and the state
    /// goes after the call.
    pub fn is_timing_out(&self) -> bool {
        self.timing_out
    }

    /// What the function did, or what it did wrong.
    pub(super) fn into_now(self) -> Result<Now<S>, Error> {
        match self.misuse {
            Some(why) => Err(Error::Action { call: "map_with_state", why: why.into() }),
            None => Ok(self.now),
        }
    }
}

/// What [`map_with_state`](crate::DStream::map_with_state) does.
///
/// ```
/// use std::time::Duration;
/// use waterclock_streaming::{State, StateSpec};
/// // Emits the running total of each key; a key that is idle for a minute is forgotten.
/// let spec = StateSpec::function(|_time, key: &String, value: Option<u64>, state: &mut State<'_, u64>| {
///     let total = state.get().copied().unwrap_or(0) + value?;
///     state.update(total);
///     Some((key.clone(), total))
/// })
/// .timeout(Duration::from_secs(60));
/// ```
pub struct StateSpec<K: Key, S: Record, F> {
    pub(super) function: F,
    pub(super) options: StateOptions<K, S>,
    pub(super) timeout: Option<Duration>,
}

impl<K: Key, S: Record, F> StateSpec<K, S, F> {
    /// Calls `function(batch time, key, value, state)` for each record of a batch, and without a value for
    /// each key that times out. What it answers is the mapped stream's; `None` gives nothing.
    pub fn function<V, M>(function: F) -> Self
    where
        V: Data,
        M: Data,
        F: Fn(BatchTime, &K, Option<V>, &mut State<'_, S>) -> Option<M> + Send + Sync + 'static,
    {
        StateSpec { function, options: StateOptions::new(), timeout: None }
    }

    /// The state before the first batch. Its keys count as touched in the first batch.
    pub fn initial_state(mut self, initial: Rdd<(K, S)>) -> Self {
        self.options = self.options.initial(initial);
        self
    }

    /// Spreads keys by key group over this many partitions.
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.options = self.options.partitions(partitions);
        self
    }

    /// Spreads keys by a partitioner of the program's own.
    pub fn partitioner(mut self, partitioner: Partitioner<K>) -> Self {
        self.options = self.options.partitioner(partitioner);
        self
    }

    /// Forgets keys for which no record came for longer than this: at the first batch whose time is more
    /// than `idle` after the last touch. (Spark looks only every ten slides:
    /// `SparkRules::timeout_at_checkpoint`.)
    pub fn timeout(mut self, idle: Duration) -> Self {
        self.timeout = Some(idle);
        self
    }
}
