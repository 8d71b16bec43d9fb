//! One error type for everything: what was wrong, where, who is to blame, what to do.

use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{JobId, PartitionIndex};
use crate::time::BatchTime;

/// What our functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the user's own closures return, so that `?` takes any error.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// A user's error, shared: the same failure is told to every waiter.
pub type SharedError = Arc<dyn StdError + Send + Sync + 'static>;

/// Who can do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The program: its graph, its settings or one of its closures.
    User,
    /// The world: a file, a peer, the network.
    Outside,
    /// A limit that was set or that the machine has.
    Resource,
    /// Waterclock itself.
    Bug,
}

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The same again may succeed.
    Retry,
    /// Stop, mend what is outside, start again.
    Restart,
    /// The program or its settings must change.
    FixProgram,
    /// Please report it.
    Report,
}

/// Everything that can go wrong, told for a person: what, where, and what to do.
///
/// `Debug` prints the same text as `Display` followed by the causes, because `fn main() ->
/// waterclock::Result<()>` shows the former.
///
/// ```
/// use waterclock_base::{Error, Fault, Remedy};
/// let error = Error::Start { why: "no output operation was defined".into(), hint: "add `.print()`" };
/// assert_eq!(error.fault(), Fault::User);
/// assert_eq!(error.remedy(), Remedy::FixProgram);
/// assert!(format!("{error:?}").contains("add `.print()`"));
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A duration that is zero or not a whole number of milliseconds.
    #[error("{call}: a duration of {given:?} was given, but {why}")]
    Duration {
        /// The operation it was given to.
        call: &'static str,
        /// The duration.
        given: Duration,
        /// What is wrong with it.
        why: &'static str,
    },

    /// An operation that can't be part of any graph, refused when it is defined.
    #[error("{call} at {site}: {why}")]
    Definition {
        /// The operation.
        call: &'static str,
        /// Where the program calls it.
        site: &'static Location<'static>,
        /// What is wrong, with the numbers.
        why: String,
    },

    /// A setting that can't be used.
    #[error("setting {setting}: {why}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with its value.
        why: String,
    },

    /// A graph that can't be started as it is.
    #[error("the streaming context can't start: {why}; {hint}")]
    Start {
        /// What is missing or wrong.
        why: String,
        /// What to do.
        hint: &'static str,
    },

    /// A call that the context's state does not allow.
    #[error("{call}: the streaming context is {state}; {hint}")]
    Lifecycle {
        /// The call.
        call: &'static str,
        /// The state.
        state: &'static str,
        /// What to do.
        hint: &'static str,
    },

    /// A batch whose datasets could not be made.
    #[error("batch {time}: {operator} could not make its dataset: {why}")]
    Generate {
        /// The batch.
        time: BatchTime,
        /// The stream.
        operator: String,
        /// Why not.
        why: String,
    },

    /// An output of a batch that failed.
    #[error("batch {time}: output {output} failed")]
    Batch {
        /// The batch.
        time: BatchTime,
        /// The output's name.
        output: String,
        /// What failed.
        source: Box<Error>,
    },

    /// A task that failed as often as it may.
    #[error("{operator} at {site} failed in {partition}, {}", tries(*attempts))]
    Task {
        /// The operator that was running.
        operator: String,
        /// Where the program calls it.
        site: &'static Location<'static>,
        /// The partition.
        partition: PartitionIndex,
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        source: Box<Error>,
    },

    /// A task that does not do the same every time, where the program asked for that to be checked.
    #[error("{operator} at {site} is not deterministic in {partition}: {why}")]
    Determinism {
        /// The operator whose result differs.
        operator: String,
        /// Where the program calls it.
        site: &'static Location<'static>,
        /// The partition.
        partition: PartitionIndex,
        /// How it differs.
        why: &'static str,
    },

    /// A closure that panicked.
    #[error("a closure panicked: {message}")]
    Panic {
        /// What it said.
        message: String,
    },

    /// An error that the program's own closure returned.
    #[error("the closure of {operator} returned an error{}", in_batch(batch))]
    User {
        /// The operator.
        operator: String,
        /// The batch, if it happened in one.
        batch: Option<BatchTime>,
        /// The closure's error.
        #[source]
        source: SharedError,
    },

    /// An action on a dataset that can't be answered.
    #[error("{call}: {why}")]
    Action {
        /// The action.
        call: &'static str,
        /// Why not.
        why: String,
    },

    /// A file, directory, socket or peer that does not do what was asked.
    #[error("{what} {target}")]
    Outside {
        /// What was tried, as "can't read".
        what: &'static str,
        /// The path or address.
        target: String,
        /// What the system said.
        #[source]
        source: SharedError,
    },

    /// Bytes or records that can't be turned into each other.
    #[error("{what}: {why}")]
    Encoding {
        /// What was being written or read.
        what: String,
        /// Why it could not.
        why: String,
    },

    /// A limit that was reached.
    #[error("{operator} needs {needed} bytes, but {limit} of {available} bytes is used up; {hint}")]
    Limit {
        /// Who asked.
        operator: String,
        /// How much.
        needed: u64,
        /// Which limit.
        limit: &'static str,
        /// How large it is.
        available: u64,
        /// What to do.
        hint: &'static str,
    },

    /// Something that took longer than it may.
    #[error("{call}: {what} after {waited:?}; {hint}")]
    Timeout {
        /// The call that waited.
        call: &'static str,
        /// What was not done.
        what: String,
        /// How long it waited.
        waited: Duration,
        /// What to do.
        hint: &'static str,
    },

    /// Work that was called off.
    #[error("{job} was cancelled")]
    Cancelled {
        /// The job.
        job: JobId,
    },

    /// A receiver that failed.
    #[error("receiver {name}: {message}")]
    Receiver {
        /// The stream's name.
        name: String,
        /// What it said.
        message: String,
        /// Its error, if it gave one.
        #[source]
        source: Option<SharedError>,
    },

    /// A checkpoint that the program can't go on from.
    #[error("checkpoint {dir}: {why}; {hint}")]
    Checkpoint {
        /// Its directory.
        dir: String,
        /// What is wrong with it, or does not fit.
        why: String,
        /// What to do.
        hint: &'static str,
    },

    /// A start that was a dry run: a report was asked for in place of it.
    #[error("this was a dry run: nothing was started; a start would {}", outcome(*.would_start))]
    DryRun {
        /// Whether a start would go through.
        would_start: bool,
    },

    /// Something that must not happen.
    #[error("internal error: {what}; please report it")]
    Internal {
        /// The broken invariant.
        what: String,
    },
}

fn tries(n: u32) -> String {
    if n == 1 { "at the first attempt".into() } else { format!("{n} attempts") }
}

fn outcome(would_start: bool) -> &'static str {
    if would_start { "go through" } else { "be refused" }
}

fn in_batch(batch: &Option<BatchTime>) -> String {
    batch.map_or_else(String::new, |time| format!(" in batch {time}"))
}

impl Error {
    /// Who can do something about it.
    pub fn fault(&self) -> Fault {
        match self {
            Error::Batch { source, .. } | Error::Task { source, .. } => source.fault(),
            Error::Outside { .. } | Error::Receiver { .. } | Error::Checkpoint { .. } => Fault::Outside,
            Error::Limit { .. } | Error::Timeout { .. } => Fault::Resource,
            Error::Internal { .. } => Fault::Bug,
            Error::Duration { .. }
            | Error::Definition { .. }
            | Error::Setting { .. }
            | Error::Start { .. }
            | Error::Lifecycle { .. }
            | Error::Generate { .. }
            | Error::Determinism { .. }
            | Error::Panic { .. }
            | Error::User { .. }
            | Error::Action { .. }
            | Error::Encoding { .. }
            | Error::Cancelled { .. }
            | Error::DryRun { .. } => Fault::User,
        }
    }

    /// What helps against it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Error::Batch { source, .. } | Error::Task { source, .. } => source.remedy(),
            Error::Outside { .. } | Error::Receiver { .. } | Error::User { .. } | Error::Cancelled { .. } => {
                Remedy::Retry
            }
            Error::Lifecycle { .. } | Error::Checkpoint { .. } | Error::DryRun { .. } => Remedy::Restart,
            Error::Internal { .. } => Remedy::Report,
            Error::Duration { .. }
            | Error::Definition { .. }
            | Error::Setting { .. }
            | Error::Start { .. }
            | Error::Generate { .. }
            | Error::Determinism { .. }
            | Error::Panic { .. }
            | Error::Action { .. }
            | Error::Encoding { .. }
            | Error::Limit { .. }
            | Error::Timeout { .. } => Remedy::FixProgram,
        }
    }

    /// An error of the outside world, with what was tried and on what.
    pub fn outside(
        what: &'static str,
        target: impl fmt::Display,
        source: impl StdError + Send + Sync + 'static,
    ) -> Self {
        Error::Outside { what, target: target.to_string(), source: Arc::new(source) }
    }

    /// An error that a closure of the program returned.
    pub fn user(operator: impl Into<String>, batch: Option<BatchTime>, source: BoxError) -> Self {
        Error::User { operator: operator.into(), batch, source: source.into() }
    }

    /// The [text](full_text) of the error and of all its causes.
    pub fn full_text(&self) -> String {
        full_text(self)
    }
}

/// The text of an error and of all its causes, one after the other.
///
/// ```
/// use waterclock_base::{Error, full_text};
/// let error = Error::outside("can't read", "numbers.txt", std::io::Error::other("it is a directory"));
/// assert_eq!(full_text(&error), "can't read numbers.txt: it is a directory");
/// ```
pub fn full_text(error: &(dyn StdError + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |error| StdError::source(*error));
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_the_whole_story() {
        let inner = Error::user("foreach_rdd", Some(BatchTime::from_millis(1000)), "no such table".into());
        let error =
            Error::Batch { time: BatchTime::from_millis(1000), output: "0".into(), source: Box::new(inner) };
        assert_eq!(
            format!("{error:?}"),
            "batch 1000 ms: output 0 failed: the closure of foreach_rdd returned an error in batch 1000 ms: \
             no such table"
        );
        assert_eq!(error.fault(), Fault::User);
        assert_eq!(error.remedy(), Remedy::Retry);
    }

    #[test]
    fn a_missing_file_is_the_worlds_fault() {
        let error = Error::outside("can't read", "/x", std::io::Error::from(std::io::ErrorKind::NotFound));
        assert_eq!(error.fault(), Fault::Outside);
        assert_eq!(format!("{error:?}"), "can't read /x: entity not found");
    }
}
