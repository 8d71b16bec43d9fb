//! Saving a dataset as a directory of files, one a partition.
//!
//! 1. Each attempt of a task writes a file of its own below `_temporary`;
//! 2. when all tasks have succeeded, the driver renames the file of the attempt that counts in each
//!    partition to `part-NNNNN`, in the order of the partitions;
//! 3. it deletes `_temporary`, with what failed and losing attempts left there;
//! 4. it makes the empty file `_SUCCESS`, so that a reader knows that nothing is missing.
//!
//! A file named `part-NNNNN` is therefore always whole.

mod object;
mod staged;
mod text;

use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use waterclock_base::world::Disk;
use waterclock_base::{Error, Record, Result, checksum_on};

use crate::chunk::{Sink, Step};
use crate::job::{hash_records, refuse_in_task, run_action_hashed};
use crate::rdd::{Asked, Rdd};
use crate::task::TaskCx;

pub use staged::StagedFiles;

/// Options of saving.
///
/// ```
/// use waterclock_engine::Save;
/// let options = Save::new().overwrite(true);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Save {
    overwrite: bool,
}

impl Save {
    /// The defaults.
    pub fn new() -> Self {
        Save::default()
    }

    /// Whether an existing directory is written into, its earlier `part-` files being deleted once the new
    /// ones are complete (default no: it is an error).
    pub fn overwrite(mut self, yes: bool) -> Self {
        self.overwrite = yes;
        self
    }
}

const TEMPORARY: &str = "_temporary";
const SUCCESS: &str = "_SUCCESS";
const PART: &str = "part-";

/// How the records of one file become its bytes.
trait Format<T: Record>: Default {
    /// What each file begins with.
    const HEADER: &'static [u8] = &[];
    /// Writes some records.
    fn write<'r>(&mut self, records: impl Iterator<Item = &'r T>, file: &mut PartFile) -> Result<()>;
    /// Writes what is left after the last one.
    fn end(&mut self, _file: &mut PartFile) -> Result<()> {
        Ok(())
    }
}

struct Writing<'a, F> {
    cx: &'a TaskCx,
    file: PartFile,
    format: F,
}

impl<T: Record, F: Format<T>> Sink<T> for Writing<'_, F> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.cx.check()?;
        self.format.write(chunk.iter(), &mut self.file)?;
        chunk.clear();
        Ok(())
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        self.cx.check()?;
        Ok(self.format.write(records.iter().copied(), &mut self.file)?)
    }
}

/// Writes each partition into a file of the directory.
fn save<T: Record, F: Format<T>>(rdd: &Rdd<T>, by: Asked, dir: &Path, options: &Save) -> Result<()> {
    refuse_in_task(by.operator)?;
    let disk = &*rdd.engine().world().disk;
    let existed = prepare(disk, by, dir, options)?;
    let temporary = dir.join(TEMPORARY);
    let staged = disk
        .create_dir_all(&temporary)
        .map_err(|error| Error::outside("can't make the directory", temporary.display(), error))
        .and_then(|()| {
            let temporary = temporary.clone();
            write_parts::<T, F>(rdd, by, temporary, false)
        });
    let done = staged.and_then(|parts| publish(disk, dir, parts));
    // After a failure nothing of ours stays; a copy of a task that is still running finds no directory.
    let leftover = if done.is_err() && !existed { dir } else { &temporary };
    if let Err(error) = disk.remove_dir_all(leftover) {
        tracing::warn!(path = %leftover.display(), %error, "can't delete what saving left behind");
    }
    done?;
    let success = dir.join(SUCCESS);
    disk.create(&success).map_err(|error| Error::outside("can't write", success.display(), error))?;
    Ok(())
}

/// Writes each partition into a file below `dir`, each attempt its own; the files that count.
fn write_parts<T: Record, F: Format<T>>(
    rdd: &Rdd<T>,
    by: Asked,
    dir: PathBuf,
    sync: bool,
) -> Result<Vec<Part>> {
    let write = move |partition, rdd: &Rdd<T>, cx: &TaskCx| {
        let path = dir.join(attempt_name(partition, cx));
        let file = PartFile::create(&*cx.engine().world().disk, path)?;
        let mut writing = Writing { cx, file, format: F::default() };
        writing.file.write(F::HEADER)?;
        rdd.compute(partition, cx, &mut writing)?;
        writing.format.end(&mut writing.file)?;
        Ok(writing.file.finish(sync)?)
    };
    run_action_hashed(by, rdd, rdd.all_partitions(), write, hash_records)
}

/// Whether the directory was there; an error if it must not be.
fn prepare(disk: &dyn Disk, by: Asked, dir: &Path, options: &Save) -> Result<bool> {
    match disk.entry(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::outside("can't look at", dir.display(), error)),
        Ok(entry) if entry.is_dir && options.overwrite => Ok(true),
        Ok(_) => {
            let path = dir.display();
            let why = format!("{path} exists already; save elsewhere, or with `Save::new().overwrite(true)`");
            Err(Error::Action { call: by.operator, why })
        }
    }
}

/// A name that no other attempt of any job has.
fn attempt_name(partition: usize, cx: &TaskCx) -> String {
    format!("{PART}{partition:05}-{}-{}-{}", std::process::id(), cx.id.job.0, cx.id.attempt.0)
}

fn publish(disk: &dyn Disk, dir: &Path, parts: Vec<Part>) -> Result<()> {
    let entries =
        disk.list(dir).map_err(|error| Error::outside("can't list the directory", dir.display(), error))?;
    for entry in entries {
        let name = entry.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let old = name.is_some_and(|name| name == SUCCESS || name.starts_with(PART));
        if old && !entry.is_dir {
            disk.remove_file(&entry.path)
                .map_err(|error| Error::outside("can't delete", entry.path.display(), error))?;
        }
    }
    for (partition, part) in parts.iter().enumerate() {
        let path = dir.join(format!("{PART}{partition:05}"));
        disk.rename(&part.path, &path)
            .map_err(|error| Error::outside("can't rename to", path.display(), error))?;
    }
    Ok(())
}

/// A file that was written whole.
struct Part {
    path: PathBuf,
    len: u64,
    checksum: u32,
}

/// A file that one attempt writes.
struct PartFile {
    path: PathBuf,
    len: u64,
    checksum: u32,
    file: BufWriter<Box<dyn waterclock_base::world::DiskFile>>,
}

impl PartFile {
    fn create(disk: &dyn Disk, path: PathBuf) -> Result<Self> {
        match disk.create(&path) {
            Ok(file) => Ok(PartFile { path, len: 0, checksum: 0, file: BufWriter::new(file) }),
            Err(error) => Err(Error::outside("can't make the file", path.display(), error)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.len += bytes.len() as u64;
        self.checksum = checksum_on(self.checksum, bytes);
        self.file
            .write_all(bytes)
            .map_err(|error| Error::outside("can't write to", self.path.display(), error))
    }

    fn finish(mut self, sync: bool) -> Result<Part> {
        let synced = self.file.flush().and_then(|()| if sync { self.file.get_ref().sync() } else { Ok(()) });
        synced.map_err(|error| Error::outside("can't write to", self.path.display(), error))?;
        Ok(Part { path: self.path, len: self.len, checksum: self.checksum })
    }
}
