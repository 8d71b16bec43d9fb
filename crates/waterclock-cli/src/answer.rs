//! How a command ends.

use serde::Serialize;
use waterclock::Error;

/// How a command ends other than well.
pub(crate) enum Failure {
    /// It did not succeed; the answer is no.
    No(String),
    /// It was not called as it has to be.
    Usage(String),
    /// The program that it ran did not come to its start.
    NoStart(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::No(error.full_text())
    }
}

/// Whether an argument is no option.
pub(crate) fn is_path(arg: &str) -> bool {
    !arg.starts_with("--")
}

/// For scripts.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::No(error.to_string()))
}
