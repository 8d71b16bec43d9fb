//! Files for what does not fit in memory. They belong to the process and are deleted when no longer needed.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use waterclock_base::world::Disk;
use waterclock_base::{Error, Result};

pub(crate) struct Spills {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    written: AtomicU64,
    held: Arc<AtomicU64>,
}

/// Bytes on disk; the file is deleted when this is dropped. Made by [`Memory::spill`](crate::Memory::spill).
pub struct SpillFile {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    bytes: u64,
    /// Of all files.
    held: Arc<AtomicU64>,
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
        // A file that can't be deleted is a nuisance, not an error of the job.
        if let Err(error) = self.disk.remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "can't delete a spill file");
        }
    }
}

impl SpillFile {
    /// The bytes.
    ///
    /// # Errors
    /// [`Error::Outside`] when they can't be read.
    pub fn read(&self) -> Result<Vec<u8>> {
        let failed = |error| Error::outside("can't read the spill file", self.path.display(), error);
        let mut bytes = Vec::new();
        self.disk.open(&self.path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(failed)?;
        Ok(bytes)
    }
}

impl Spills {
    pub(crate) fn new(dir: PathBuf, disk: Arc<dyn Disk>) -> Self {
        Spills { dir, disk, written: AtomicU64::new(0), held: Arc::default() }
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<SpillFile> {
        let path = self.free_path();
        let failed = |path: &Path, error| Error::outside("can't write the spill file", path.display(), error);
        let mut file = self.disk.create(&path).map_err(|error| failed(&path, error))?;
        let size = bytes.len() as u64;
        self.held.fetch_add(size, Ordering::Relaxed);
        let spilled = SpillFile { path, disk: self.disk.clone(), bytes: size, held: self.held.clone() };
        file.write_all(bytes).map_err(|error| failed(&spilled.path, error))?;
        self.written.fetch_add(size, Ordering::Relaxed);
        Ok(spilled)
    }

    /// A name that no other engine, in this process or another, uses.
    fn free_path(&self) -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("waterclock-{}-{number}.spill", std::process::id()))
    }
}
