//! A checkpoint as it was before one of its batches, to run that batch again and compare. Nothing is written, and
//! no lock is taken: the program that it belongs to may be running.

use std::path::Path;
use std::sync::Arc;

use waterclock_base::world::World;
use waterclock_base::{BatchTime, Error, Result};

use super::facts::{self, Before};
use super::{Change, Checkpoint, Counted, Ending, Purpose, snapshot};

/// What the log says of a batch that was committed.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// Name and content hash of each output.
    pub(crate) ending: Ending,
    /// What it changed.
    pub(crate) changes: Vec<Change>,
    pub(crate) counted: Vec<Counted>,
    /// The fingerprint of the program.
    pub(crate) program: u64,
}

impl Checkpoint {
    /// Reads the checkpoint in `dir` as it was before the batch of `time`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where it is not known any more what was before the batch, or what came of it.
    pub(crate) fn before(world: &World, dir: &Path, time: BatchTime) -> Result<Arc<Self>> {
        let disk = &*world.disk;
        let Before { mut facts, changes, counted } = match facts::read_before(disk, dir, time)? {
            Some(before) => before,
            None => {
                return Err(refuse(
                    dir,
                    time,
                    "what was before it is not there any more",
                    retained(world, dir),
                ));
            }
        };
        let batch = facts.batches.get_mut(&time).map(|(cut, ending)| (cut.clone(), ending.take()));
        let (cut, ending) = match batch {
            Some((cut, Some(ending))) if ending.committed => (cut, ending),
            Some((_, Some(_))) => return Err(refuse(dir, time, "it failed and was skipped", None)),
            Some((_, None)) => {
                return Err(refuse(dir, time, "it was not finished yet", retained(world, dir)));
            }
            None => return Err(refuse(dir, time, "there was no such batch", retained(world, dir))),
        };
        // With several jobs at once an earlier batch may have been at work: what it did is none of this one's.
        facts.batches.retain(|t, (_, ending)| *t == time || *t < time && ending.is_some());
        let recorded = Recorded { ending, changes, counted, program: cut.program };
        let header = facts.snapshot.header.clone();
        Ok(Self::of(world, dir, header, Some(facts), None, Purpose::Replay(recorded)))
    }

    /// What came of the batch that is to be run again; none where the program goes on as usual.
    pub(crate) fn recorded(&self) -> Option<&Recorded> {
        match &self.purpose {
            Purpose::Replay(recorded) => Some(recorded),
            Purpose::Run | Purpose::Look(_) => None,
        }
    }
}

fn refuse(dir: &Path, time: BatchTime, what: &str, range: Option<(BatchTime, BatchTime)>) -> Error {
    let range = range.map_or_else(String::new, |(after, upto)| {
        format!("; those after {after}, up to {upto}, can be, as far as there was a batch")
    });
    Error::Checkpoint {
        dir: dir.display().to_string(),
        why: format!("the batch {time} can't be run again: {what}{range}"),
        hint: "what is needed is kept for as long as the snapshot before the batch: `keep_snapshots` keeps more",
    }
}

/// The batches that can be run again: those after the first time, up to the second.
fn retained(world: &World, dir: &Path) -> Option<(BatchTime, BatchTime)> {
    let disk = &*world.disk;
    let newest = facts::read(disk, dir).ok()??;
    let ended = newest.batches.values().rev().find(|(_, ending)| ending.is_some());
    let upto = ended.map_or(newest.snapshot.header.time, |(cut, _)| cut.time());
    let snapshots = facts::snapshots(disk, dir).ok()?;
    let after = snapshots.iter().find_map(|(.., path)| Some(snapshot::read_header(disk, path).ok()?.time))?;
    (after < upto).then_some((after, upto))
}
