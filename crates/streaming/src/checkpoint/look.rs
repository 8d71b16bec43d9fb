//! A checkpoint for a dry run: looked at, and left as it is.

use std::path::Path;
use std::sync::Arc;

use waterclock_base::world::World;
use waterclock_base::{Error, Result, Settings};

use super::{Checkpoint, Purpose, facts, header, owner};

impl Checkpoint {
    /// Looks at the checkpoint in `dir`: nothing in it is changed or made.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when it can't be trusted.
    pub(crate) fn look(world: &World, dir: &Path, settings: &Settings) -> Result<Arc<Self>> {
        let disk = &*world.disk;
        let (owner, taken) = match owner::hold(world, dir) {
            Ok(owner) => (owner, None),
            Err(error) => (None, Some(error)),
        };
        // What is missing, a start makes.
        let read = || if disk.entry(dir).is_ok() { facts::read(disk, dir) } else { Ok(None) };
        let facts = match (read(), &taken) {
            // Its owner may have cleaned up between two files: once more.
            (Err(_), Some(_)) => read()?,
            (found, _) => found?,
        };
        let header = header(facts.as_ref(), settings);
        Ok(Self::of(world, dir, header, facts, owner, Purpose::Look(taken)))
    }

    /// Whether this is a dry run, and then why a start could not have the checkpoint now, if so.
    pub(crate) fn dry(&self) -> Option<Option<&Error>> {
        match &self.purpose {
            Purpose::Look(taken) => Some(taken.as_ref()),
            Purpose::Run | Purpose::Replay(_) => None,
        }
    }
}
