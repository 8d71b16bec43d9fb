//! What is tortured: a program between its input and its output.

use std::path::Path;
use std::time::Duration;

use super::found::Found;
use super::plan::Target;
use super::program::Programs;

/// A kind of program, with what it needs.
pub(super) trait Kind {
    /// What its counts are called; those of a disk that forgets are another matter.
    fn mode(&self, unsynced: bool) -> String;

    /// Everything that may be killed.
    fn targets(&self) -> Vec<Target>;

    /// After so many kills the program may finish, and its output is compared.
    fn kills_of_a_check(&self) -> u64;

    /// After so many comparisons everything begins anew, as they take longer with everything that is there.
    fn checks_of_a_life(&self) -> u64;

    /// Input and output of a new life, in an empty directory.
    fn begin(&mut self, place: &Path, seed: u64) -> Result<Box<dyn Pipeline + '_>, String>;
}

/// The world of a program, from its first start on. What it has to say about the output it knows from the input alone.
pub(super) trait Pipeline {
    /// The program.
    fn programs(&self) -> &Programs;

    /// How it is started, but for threads, checkpoint and snapshots.
    fn args(&self) -> Vec<String>;

    /// What may be killed.
    fn targets(&self) -> Vec<Target>;

    /// A kill at any moment comes before this: starts are when most can go wrong.
    fn longest(&self) -> Duration {
        Duration::from_millis(950)
    }

    /// Time passes, in which input comes.
    fn pass(&mut self, time: Duration) -> Result<(), String>;

    /// Looks at the output after a kill; how many batches are new.
    ///
    /// # Errors
    /// What was there has gone or has changed, or a batch is not complete.
    fn look(&mut self) -> Result<u64, String> {
        Ok(0)
    }

    /// No input comes any more, until time passes again.
    fn rest(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Whether the program may stop: a batch that it began later is there, or everything is.
    fn has_caught_up(&mut self) -> Result<bool, String>;

    /// Compares the output with the input.
    fn compare(&mut self) -> Result<Found, String>;
}
