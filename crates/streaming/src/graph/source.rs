//! Where batches get their input.

use waterclock_base::{BatchInfo, BatchInterval, BatchTime, InputInfo, Result, StreamId};

use crate::block::BlockLog;
use crate::checkpoint::Block;

/// What a batch reads of a source.
pub(crate) struct Cut {
    /// For people.
    pub(crate) info: InputInfo,
    /// For the log: enough to read the same again.
    pub(crate) range: Vec<u8>,
}

/// What a source has that no batch has taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// It gives whatever there is at the time of a batch, however much that is.
    Unlimited,
    /// It can be limited, and does not know what there is.
    Unknown,
    /// It can be limited, and has so many records.
    Records(u64),
}

/// How long a source was held back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeldBack {
    /// Microseconds since its start.
    pub(crate) micros: u64,
    /// The share of the last few seconds, from 0 to 1.
    pub(crate) lately: f64,
}

/// What a checkpoint has of a source.
pub(crate) struct SavedInput<'a> {
    /// Where it had come to, if it was there before.
    pub(crate) position: Option<&'a [u8]>,
    /// The batches since, oldest first, and those before that may be asked for again. The position may know
    /// them already.
    pub(crate) batches: Vec<SavedBatch<'a>>,
    /// What it stored since. The position may know it already.
    pub(crate) blocks: Vec<&'a Block>,
}

/// What a batch read of a source.
pub(crate) struct SavedBatch<'a> {
    pub(crate) time: BatchTime,
    pub(crate) range: &'a [u8],
    /// Whether it is still to be run.
    pub(crate) redo: bool,
}

/// An input of the graph, as the generator and the context see it.
///
/// # Contract
/// 1. `cut` is called once for each batch, in order of time, by the generator: what the batch will read is
///    fixed then and can be asked for until it is forgotten.
/// 2. `start` and `ask_to_stop` are called once each; afterwards nothing more is pushed into the source, but
///    `cut` still hands out what was, and what a source finds by looking (files).
pub(crate) trait Source: Send + Sync + 'static {
    /// The stream that it feeds.
    fn stream(&self) -> StreamId;

    /// Begins to take in data.
    fn start(&self, zero: BatchTime) -> Result<()>;

    /// Tells it to take in no more data; gracefully: after what is on its way was stored. Returns at once,
    /// so that all sources stop at the same time.
    fn ask_to_stop(&self, _graceful: bool) {}

    /// Waits until it takes in no more. False when it did not end in time and was left behind.
    fn await_stopped(&self, _graceful: bool) -> bool {
        true
    }

    /// Fixes what the batch reads: about `most` records at most, where it can be limited.
    fn cut(&self, interval: BatchInterval, most: Option<u64>) -> Cut;

    /// What no batch has taken yet.
    fn waiting(&self) -> Waiting {
        Waiting::Unlimited
    }

    /// From now on, whoever stores records has to wait where so many wait for a batch.
    fn hold_back(&self, _at: u64) {}

    /// How long whoever stores records had to wait, but for the rate limit.
    fn held_back(&self) -> HeldBack {
        HeldBack::default()
    }

    /// Where it has come to, in its own form, for a new process. Every batch that was cut is noted beside it:
    /// what such a one reads, it need not say.
    fn position(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Goes on from where another process was. Called before `start`.
    fn resume(&self, saved: &SavedInput<'_>) -> Result<()>;

    /// What it stores from now on is to be logged. Called before `start`.
    fn log_to(&self, _log: BlockLog) {}

    /// What batches up to this one read will never be asked for again by any process.
    fn acknowledge(&self, _batch: BatchTime) {}

    /// What was fixed for this time and before is no longer needed.
    fn forget(&self, upto: BatchTime);

    /// A batch ended. Called where back-pressure is on only.
    fn batch_completed(&self, _batch: &BatchInfo) {}
}

/// Stops sources, all at the same time, and waits until they have.
pub(crate) fn stop_all<'a>(sources: impl Iterator<Item = &'a dyn Source> + Clone, graceful: bool) {
    sources.clone().for_each(|source| source.ask_to_stop(graceful));
    // All were told at the same time: when one has used up the patience, so have the others.
    let mut patient = graceful;
    for source in sources {
        patient &= source.await_stopped(patient);
    }
}
