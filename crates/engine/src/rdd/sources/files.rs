//! Files as datasets: which files a path means, and how one is read.

use std::io::Read;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use waterclock_base::world::{DiskEntry, DiskFile};
use waterclock_base::{Data, Error, RddId, Result};

use crate::chunk::{Sink, Step};
use crate::context::Engine;
use crate::rdd::{Asked, Compute, Define, Rdd};
use crate::task::TaskCx;

/// How the records of a file are read.
pub(super) trait ReadFile<T: Data>: Send + Sync + 'static {
    /// Hands the records of the file to `out`.
    fn read(&self, file: &mut FileReader<'_>, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step;
}

/// A file that a task reads. Its failures are blamed on the source, not on who was at work last.
pub(super) struct FileReader<'a> {
    pub(super) path: &'a Path,
    file: Box<dyn DiskFile>,
    cx: &'a TaskCx,
    operator: RddId,
}

impl<'a> FileReader<'a> {
    fn open(cx: &'a TaskCx, operator: RddId, path: &'a Path) -> Result<Self> {
        match cx.engine().world().disk.open(path) {
            Ok(file) => Ok(FileReader { path, file, cx, operator }),
            Err(error) => {
                cx.enter(operator);
                Err(Error::outside("can't open", path.display(), error))
            }
        }
    }

    /// Appends at most `count` bytes; fewer only at the end of the file.
    pub(super) fn append(&mut self, bytes: &mut Vec<u8>, count: u64) -> Result<usize> {
        let mut part = (&mut self.file).take(count);
        part.read_to_end(bytes).map_err(|error| {
            self.cx.enter(self.operator);
            Error::outside("can't read", self.path.display(), error)
        })
    }

    /// An error about what is in the file.
    pub(super) fn damaged(&self, why: impl Into<String>) -> Error {
        self.cx.enter(self.operator);
        Error::Encoding { what: format!("can't use the file {}", self.path.display()), why: why.into() }
    }
}

/// A dataset of the files that the paths mean, one partition each.
pub(super) fn files<T: Data>(
    engine: &Engine,
    by: Asked,
    paths: Vec<PathBuf>,
    read: impl ReadFile<T>,
) -> Rdd<T> {
    let found: Result<Vec<Vec<DiskEntry>>> = paths.iter().map(|path| files_of(engine, path)).collect();
    let found: Vec<DiskEntry> = match found {
        Ok(found) => found.into_iter().flatten().collect(),
        Err(error) => return engine.failing_at(by.operator, by.site, error),
    };
    let bytes = found.iter().map(|entry| entry.len).sum();
    let paths: Arc<[PathBuf]> = found.into_iter().map(|entry| entry.path).collect();
    let define = Define::new(by.operator, paths.len()).at(by.site).bytes(bytes);
    let id = engine.next_rdd_id();
    define.build_with(engine, id, Files { id, paths, read })
}

/// The file itself, or what is in the directory: its files in the order of their names, without those whose
/// name begins with a dot or an underscore.
fn files_of(engine: &Engine, path: &Path) -> Result<Vec<DiskEntry>> {
    let disk = &engine.world().disk;
    let entry = disk.entry(path).map_err(|error| Error::outside("can't look at", path.display(), error))?;
    if !entry.is_dir {
        return Ok(vec![entry]);
    }
    let mut entries =
        disk.list(path).map_err(|error| Error::outside("can't list the directory", path.display(), error))?;
    entries.retain(|entry| {
        let name = entry.path.file_name().map(|name| name.to_string_lossy());
        !entry.is_dir && name.is_some_and(|name| !name.starts_with(['.', '_']))
    });
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

struct Files<R> {
    id: RddId,
    paths: Arc<[PathBuf]>,
    read: R,
}

impl<T: Data, R: ReadFile<T>> Compute<T> for Files<R> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        let mut file = FileReader::open(cx, self.id, &self.paths[partition])?;
        self.read.read(&mut file, cx, out)
    }
}

/// Where the program calls a source.
#[track_caller]
pub(super) fn asked(operator: &'static str) -> Asked {
    Asked { operator, site: Location::caller() }
}
