//! The life of a receiver as named states: a pure decider, which the supervisor obeys.
//!
//! ```text
//! Initialized ──start──▶ Running ──failed, restarted, stopped itself──▶ Pausing ──time──▶ Running
//!      │                    │ finished                                     │
//!      └──────stop──────────┴───────────────▶ Stopping ──thread ends──▶ Stopped
//! ```

use std::time::Duration;

use waterclock_base::{Settings, SharedError};

/// The pause before a restart does not grow beyond this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where a receiver is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not started.
    Initialized,
    /// Its code runs.
    Running,
    /// It will be started again at a time, in microseconds.
    Pausing { until: i64 },
    /// It was told to stop, or came to its end; its thread is about to end.
    Stopping,
    /// Its thread has ended, or there never was one.
    Stopped,
}

/// What a receiver asks of its supervisor.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// End this run and begin another after a pause (none: as long as after a failure).
    Restart { message: String, error: Option<SharedError>, pause: Option<Duration> },
    /// End this run.
    Stop { message: String, error: Option<SharedError> },
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct RunEnd {
    /// What was asked for during the run, if anything.
    pub(crate) request: Option<Request>,
    /// What `run` returned, or that it panicked.
    pub(crate) result: Result<(), Failure>,
    /// Whether it stored anything.
    pub(crate) stored: bool,
    /// How long it took.
    pub(crate) lasted: Duration,
}

/// Why a run failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// What it said.
    pub(crate) message: String,
    /// Its error, if it gave one.
    pub(crate) error: Option<SharedError>,
}

/// What becomes of a receiver whose run ended.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The error to tell, if there was one.
    pub(crate) failure: Option<Failure>,
    /// Whether listeners are told that it stopped, which will not be all the same if it is started again.
    pub(crate) stopped: bool,
    /// When it begins again; none: never.
    pub(crate) again: Option<i64>,
}

/// Decides what a receiver does next. It is told the time.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    state: State,
    runs: u32,
    first_pause: Duration,
    /// The pause after the next failure.
    pause: Duration,
}

impl Lifecycle {
    /// Not started.
    pub(crate) fn new(settings: &Settings) -> Self {
        let first_pause = settings.receiver_restart_delay.min(LONGEST_PAUSE);
        Lifecycle { state: State::Initialized, runs: 0, first_pause, pause: first_pause }
    }

    /// Where it is.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// How often it was started.
    pub(crate) fn runs(&self) -> u32 {
        self.runs
    }

    /// Begins a run, unless it is stopping.
    pub(crate) fn begin(&mut self) -> Option<u32> {
        match self.state {
            State::Initialized | State::Running | State::Pausing { .. } => {
                self.state = State::Running;
                self.runs += 1;
                Some(self.runs)
            }
            State::Stopping | State::Stopped => None,
        }
    }

    /// A run ended at `now`.
    ///
    /// A run that returned an error, panicked or asked for a restart counts as failed; each failure in a row
    /// doubles the pause. One that stored something, or held out for a minute, starts the count anew.
    pub(crate) fn ended(&mut self, end: RunEnd, now: i64) -> Verdict {
        if self.state == State::Stopping {
            // It was told to end; whatever it says now is about being interrupted.
            return Verdict { failure: None, stopped: true, again: None };
        }
        if end.stored || end.lasted >= LONGEST_PAUSE {
            self.pause = self.first_pause;
        }
        let (failure, stopped, pause) = match (end.request, end.result) {
            (Some(Request::Restart { message, error, pause }), _) => {
                (Some(Failure { message, error }), false, Some(pause.unwrap_or_else(|| self.next_pause())))
            }
            (Some(Request::Stop { message, error }), _) => {
                (Some(Failure { message, error }), true, Some(self.next_pause()))
            }
            (None, Err(failure)) => (Some(failure), false, Some(self.next_pause())),
            (None, Ok(())) => (None, true, None),
        };
        let again =
            pause.map(|pause| now.saturating_add(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX)));
        self.state = again.map_or(State::Stopping, |until| State::Pausing { until });
        Verdict { failure, stopped, again }
    }

    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    /// It is to stop. True when a thread has to end for that.
    pub(crate) fn stop(&mut self) -> bool {
        match self.state {
            State::Initialized => {
                self.state = State::Stopped;
                false
            }
            State::Running | State::Pausing { .. } => {
                self.state = State::Stopping;
                true
            }
            State::Stopping => true,
            State::Stopped => false,
        }
    }

    /// Its thread has nothing more to do.
    pub(crate) fn gone(&mut self) {
        self.state = State::Stopped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::default()
    }

    fn failed() -> RunEnd {
        let failure = Failure { message: "no".into(), error: None };
        RunEnd { request: None, result: Err(failure), stored: false, lasted: Duration::ZERO }
    }

    fn pause(life: &mut Lifecycle, end: RunEnd) -> i64 {
        life.begin().unwrap();
        life.ended(end, 0).again.unwrap() / 1_000_000
    }

    #[test]
    fn the_pause_doubles_up_to_a_minute_and_is_reset_by_a_success() {
        let mut life = Lifecycle::new(&settings());
        let pauses: Vec<i64> = (0..7).map(|_| pause(&mut life, failed())).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(&mut life, RunEnd { stored: true, ..failed() }), 2);
        assert_eq!(pause(&mut life, failed()), 4);
        assert_eq!(pause(&mut life, RunEnd { lasted: LONGEST_PAUSE, ..failed() }), 2);
        assert_eq!(life.runs(), 10);
    }

    #[test]
    fn requests_decide_over_results() {
        let mut life = Lifecycle::new(&settings());
        let asked = |request| RunEnd { request: Some(request), result: Ok(()), ..failed() };
        let restart = |pause| Request::Restart { message: "again".into(), error: None, pause };
        assert_eq!(pause(&mut life, asked(restart(Some(Duration::from_secs(7))))), 7);
        assert_eq!(pause(&mut life, asked(restart(None))), 2);
        life.begin();
        let verdict = life.ended(asked(Request::Stop { message: "enough".into(), error: None }), 0);
        assert!(verdict.stopped && verdict.again.is_some());
        life.begin();
        let verdict = life.ended(RunEnd { result: Ok(()), ..failed() }, 0);
        assert!(verdict.stopped && verdict.failure.is_none() && verdict.again.is_none());
        assert_eq!(life.begin(), None);
    }

    #[test]
    fn a_stop_holds_in_every_state() {
        let mut life = Lifecycle::new(&settings());
        assert!(!life.stop());
        assert_eq!((life.state(), life.begin()), (State::Stopped, None));

        let mut life = Lifecycle::new(&settings());
        life.begin();
        assert!(life.stop() && life.stop());
        let verdict = life.ended(failed(), 0);
        assert!(verdict.failure.is_none() && verdict.again.is_none());
        life.gone();
        assert_eq!(life.state(), State::Stopped);

        let mut life = Lifecycle::new(&settings());
        life.begin();
        assert!(matches!(life.ended(failed(), 5), Verdict { again: Some(2_000_005), .. }));
        assert_eq!(life.state(), State::Pausing { until: 2_000_005 });
        assert!(life.stop());
        assert_eq!(life.begin(), None);
    }
}
