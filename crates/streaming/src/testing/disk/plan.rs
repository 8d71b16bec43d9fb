//! What goes wrong, and when. Pure.

use std::io;

/// How a process ends that does not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Crash {
    /// The process is killed. What it wrote is in the operating system's hands and stays.
    Kill,
    /// The machine loses its power: what was not synced may be lost, whole or in part.
    PowerCut,
}

/// What fails without a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// One sync, of a file or of names.
    Sync,
    /// Every write that needs room, until the process ends.
    FullDisk,
}

/// What an operation is, as far as it matters for what can go wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Write,
    Sync,
    Remove,
    /// Not an operation of the disk at all.
    Outside,
}

/// What is planned for a process.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) crash: Option<(u64, Crash)>,
    pub(super) failure: Option<(u64, Failure)>,
    pub(super) has_failed: bool,
}

/// What becomes of an operation.
pub(super) enum Verdict {
    Do,
    Fail(io::Error),
    Crash(Crash),
}

impl Plan {
    /// Judges the process's `operation`-th operation.
    pub(super) fn verdict(&mut self, operation: u64, kind: Kind) -> Verdict {
        if let Some((at, crash)) = self.crash
            && operation >= at
        {
            return Verdict::Crash(crash);
        }
        let Some((at, failure)) = self.failure.filter(|(at, _)| operation >= *at) else { return Verdict::Do };
        let error = match (failure, kind) {
            (Failure::FullDisk, Kind::Write) => io::Error::from(io::ErrorKind::StorageFull),
            (Failure::Sync, Kind::Sync) => {
                // It is not so at every sync from now on.
                self.failure = self.failure.filter(|_| operation < at);
                io::Error::other("the simulated disk could not write")
            }
            _ => return Verdict::Do,
        };
        self.has_failed = true;
        Verdict::Fail(error)
    }
}
