//! How a run ends early.

use std::fmt;

use serde::de;

/// Why a run ended early: the error of the tracing deserializer.
#[derive(Debug)]
pub(super) enum Stop {
    /// What there was to see has been noted.
    Again,
    /// The type's own code refused what it was given.
    Refused,
    /// A field was given a second time, by another of its names; this is its main one.
    Duplicate(&'static str),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the type is being traced")
    }
}
impl std::error::Error for Stop {}
impl de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Stop::Refused
    }
    fn duplicate_field(field: &'static str) -> Self {
        Stop::Duplicate(field)
    }
}
