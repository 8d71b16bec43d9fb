//! Options that decide how a program runs and not what it does.

use waterclock::Builder;

use crate::Args;

/// `--threads` and `--snapshot-bytes`.
///
/// ```
/// use waterclock_examples::{Args, Tuning};
/// let mut args = Args::new(["--threads", "3"]);
/// let tuning = Tuning::of(&mut args);
/// let ssc = tuning.apply(waterclock::StreamingContext::builder("tuned")).build()?;
/// # Ok::<(), waterclock::Error>(())
/// ```
pub struct Tuning {
    threads: Option<usize>,
    snapshot_bytes: Option<u64>,
}

impl Tuning {
    /// What the command line says.
    pub fn of(args: &mut Args) -> Self {
        Tuning { threads: args.number_of("--threads"), snapshot_bytes: args.number_of("--snapshot-bytes") }
    }

    /// A builder that has been told.
    pub fn apply(&self, builder: Builder) -> Builder {
        let builder = self.threads.into_iter().fold(builder, Builder::threads);
        self.snapshot_bytes.into_iter().fold(builder, Builder::snapshot_after_bytes)
    }
}
