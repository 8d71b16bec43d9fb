//! Files that are written first and seen later, all at once: the halves of a save that belongs to a larger
//! whole.

use std::io::{ErrorKind, Read, Write};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use waterclock_base::world::{Disk, above, at_point};
use waterclock_base::{Error, Record, Result, key_hash};

use super::text::Lines;
use super::{Format, PART, Part, SUCCESS, write_parts};
use crate::job::refuse_in_task;
use crate::rdd::object::Frames;
use crate::rdd::{Asked, Rdd};

/// The hidden file with the mark.
const MARK: &str = ".batch";

/// A dataset that is written, one file a partition, into a hidden directory beside the one in which it will
/// be seen.
///
/// Dropping it leaves hidden directories behind, which the next attempt replaces;
/// [`discard`](StagedFiles::discard) deletes them.
pub struct StagedFiles {
    disk: Arc<dyn Disk>,
    /// Where every attempt of a task has a file, and where those that count are put together. Apart, so that
    /// an attempt that comes late finds nothing to add to.
    attempts: PathBuf,
    staging: PathBuf,
    dir: PathBuf,
    parts: Vec<Part>,
    sync: bool,
}

impl<T: Record> Rdd<T> {
    /// Writes the records as [`save_as_text_file`](Rdd::save_as_text_file) does, to be seen in `dir` once they
    /// are published. `sync`: they are to survive a crash of the machine.
    ///
    /// # Errors
    /// [`Error::Outside`](waterclock_base::Error::Outside) when they can't be written; the error of the task
    /// that failed.
    pub fn stage_text_file_at(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        dir: &Path,
        sync: bool,
    ) -> Result<StagedFiles> {
        stage::<T, Lines>(self, Asked { operator, site }, dir, sync)
    }

    /// The same in the format of [`save_as_object_file`](Rdd::save_as_object_file).
    ///
    /// # Errors
    /// As [`stage_text_file_at`](Rdd::stage_text_file_at).
    pub fn stage_object_file_at(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        dir: &Path,
        sync: bool,
    ) -> Result<StagedFiles> {
        stage::<T, Frames>(self, Asked { operator, site }, dir, sync)
    }
}

fn stage<T: Record, F: Format<T>>(rdd: &Rdd<T>, by: Asked, dir: &Path, sync: bool) -> Result<StagedFiles> {
    refuse_in_task(by.operator)?;
    let disk = rdd.engine().world().disk.clone();
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let attempts = dir.with_file_name(format!(".{name}.attempts"));
    let staging = dir.with_file_name(format!(".{name}.staged"));
    remove(&*disk, &attempts)?;
    remove(&*disk, &staging)?;
    let place = above(dir);
    let made = if sync { disk.create_dir_all_synced(place) } else { disk.create_dir_all(place) };
    let made =
        made.and_then(|()| disk.create_dir_all(&attempts)).and_then(|()| disk.create_dir_all(&staging));
    made.map_err(|error| Error::outside("can't make the directories for", dir.display(), error))?;
    let parts = write_parts::<T, F>(rdd, by, attempts.clone(), sync);
    let staged = StagedFiles { disk, attempts, staging, dir: dir.to_owned(), parts: Vec::new(), sync };
    match parts {
        Ok(parts) => Ok(StagedFiles { parts, ..staged }),
        Err(error) => {
            if let Err(left) = staged.discard() {
                tracing::warn!(error = ?left, "can't delete what a failed save left behind");
            }
            Err(error)
        }
    }
}

impl StagedFiles {
    /// A number that another content would hardly have; the order of the partitions does not matter.
    pub fn content_hash(&self) -> u64 {
        let hashes = self.parts.iter().map(|part| key_hash(&(part.len, part.checksum)));
        hashes.fold(0, u64::wrapping_add)
    }

    /// Shows the files, all at once, in place of what was there. `mark`, without a line break in it, is written into
    /// a hidden file beside them, with the [content's hash](Self::content_hash): where the same mark is found already,
    /// the same was published before, and nothing is changed.
    ///
    /// # Errors
    /// [`Error::Outside`](waterclock_base::Error::Outside) when that can't be done; it may be tried again.
    pub fn publish(&self, mark: &str) -> Result<()> {
        let disk = &*self.disk;
        let cannot = |error| Error::outside("can't rename to", self.dir.display(), error);
        if mark.is_empty() || self.published(mark).is_none() {
            self.complete(mark)?;
            remove(disk, &self.dir)?;
            at_point("mid-publish");
            disk.rename(&self.staging, &self.dir).map_err(cannot)?;
            at_point("publish-renamed");
        }
        // Also where it was there: whoever renamed it may have ended before this.
        if self.sync {
            disk.sync_dir(above(&self.dir)).map_err(cannot)?;
        }
        self.discard()
    }

    /// Whether what is seen under this mark is what was written here; none where that is not known.
    pub fn is_as_published(&self, mark: &str) -> Option<bool> {
        self.published(mark)?.map(|hash| hash == self.content_hash())
    }

    /// The hash of what was published under this mark, if anything was: the first files had none.
    fn published(&self, mark: &str) -> Option<Option<u64>> {
        let found = read_mark(&*self.disk, &self.dir).ok()?;
        match found.trim_end().strip_prefix(mark)? {
            "" => Some(None),
            rest => Some(Some(u64::from_str_radix(rest.strip_prefix(' ')?, 16).ok()?)),
        }
    }

    /// Puts the files that count together, under their names.
    fn complete(&self, mark: &str) -> Result<()> {
        let disk = &*self.disk;
        let cannot = |error| Error::outside("can't complete", self.staging.display(), error);
        for (partition, part) in self.parts.iter().enumerate() {
            let path = self.staging.join(format!("{PART}{partition:05}"));
            // An earlier try may have come as far as this.
            if let Err(error) = disk.rename(&part.path, &path)
                && (error.kind() != ErrorKind::NotFound || disk.entry(&path).is_err())
            {
                return Err(cannot(error));
            }
        }
        disk.create(&self.staging.join(SUCCESS)).map_err(cannot)?;
        if !mark.is_empty() {
            let mut file = disk.create(&self.staging.join(MARK)).map_err(cannot)?;
            let mark = format!("{mark} {:016x}\n", self.content_hash());
            file.write_all(mark.as_bytes()).and_then(|()| file.sync()).map_err(cannot)?;
        }
        if self.sync {
            disk.sync_dir(&self.staging).map_err(cannot)?;
        }
        Ok(())
    }

    /// Deletes what was written.
    ///
    /// # Errors
    /// [`Error::Outside`](waterclock_base::Error::Outside) when that can't be done.
    pub fn discard(&self) -> Result<()> {
        remove(&*self.disk, &self.attempts)?;
        remove(&*self.disk, &self.staging)
    }
}

/// Deletes a directory, if it is there.
fn remove(disk: &dyn Disk, dir: &Path) -> Result<()> {
    match disk.remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::outside("can't delete", dir.display(), error))
        }
        _ => Ok(()),
    }
}

fn read_mark(disk: &dyn Disk, dir: &Path) -> std::io::Result<String> {
    let mut mark = String::new();
    disk.open(&dir.join(MARK))?.read_to_string(&mut mark)?;
    Ok(mark)
}
