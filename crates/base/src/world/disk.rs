//! Files and directories.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::time::BatchTime;

/// A file or directory as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskEntry {
    /// Where it is.
    pub path: PathBuf,
    /// When its content was last changed.
    pub modified: BatchTime,
    /// Its size in bytes.
    pub len: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskName {
    /// The name.
    pub name: OsString,
    /// Which file or directory has the name: another number when another one has taken it. Always 0 where
    /// that can't be known cheaply.
    pub id: u64,
}

/// An open file.
pub trait DiskFile: Read + Write + Seek + Send {
    /// Makes everything written so far survive a crash of the machine.
    fn sync(&self) -> io::Result<()>;
    /// Takes the file for this process until it is closed. False when another process has it.
    fn try_lock(&self) -> io::Result<bool>;
}

/// What files are read from and written to.
pub trait Disk: Send + Sync + 'static {
    /// The entries of a directory, in no order. An entry that vanishes meanwhile is left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>>;
    /// The names in a directory, in no order, without a look at what has them: much cheaper than `list`.
    fn names(&self, dir: &Path) -> io::Result<Vec<DiskName>> {
        let entries = self.list(dir)?.into_iter();
        let names = entries.filter_map(|entry| entry.path.file_name().map(OsString::from));
        Ok(names.map(|name| DiskName { name, id: 0 }).collect())
    }
    /// One file or directory.
    fn entry(&self, path: &Path) -> io::Result<DiskEntry>;
    /// Opens a file to read.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Makes a file, empty, to write and read; one that is there is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, replacing what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Opens a file to read and write, making it where it is missing; what is in it stays.
    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Makes the names in a directory (files made, renamed, deleted) survive a crash of the machine.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes a directory and those above it.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// The same, so that they survive a crash of the machine.
    fn create_dir_all_synced(&self, dir: &Path) -> io::Result<()> {
        // A root is always there, whether or not it can be looked at.
        let has_name = |dir: &Path| dir.parent().is_some();
        let is_missing = |dir: &&Path| has_name(dir) && self.entry(dir).is_err();
        let mut made: Vec<&Path> = dir.ancestors().take_while(is_missing).collect();
        if made.is_empty() {
            // Whoever made it may have ended before its name was safe.
            made.push(dir);
        }
        self.create_dir_all(dir)?;
        made.into_iter().rev().try_for_each(|made| self.sync_dir(above(made)))
    }
    /// Deletes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Deletes a directory and what is in it.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;
}

/// The directory that a file or directory has its name in.
///
/// ```
/// use std::path::Path;
/// use waterclock_base::world::above;
/// assert_eq!(above(Path::new("counts/part")), Path::new("counts"));
/// assert_eq!(above(Path::new("counts")), Path::new("."));
/// ```
pub fn above(path: &Path) -> &Path {
    path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The machine's file systems.
pub struct RealDisk;

impl DiskFile for fs::File {
    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }

    fn try_lock(&self) -> io::Result<bool> {
        match fs::File::try_lock(self) {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

fn entry(path: PathBuf, meta: &fs::Metadata) -> io::Result<DiskEntry> {
    let modified = meta.modified()?;
    let millis = match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    Ok(DiskEntry { path, modified: BatchTime::from_millis(millis), len: meta.len(), is_dir: meta.is_dir() })
}

#[expect(clippy::disallowed_methods, reason = "this is the seam")]
impl Disk for RealDisk {
    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        let mut entries = Vec::new();
        for found in fs::read_dir(dir)? {
            let path = found?.path();
            match fs::metadata(&path).and_then(|meta| entry(path, &meta)) {
                Ok(entry) => entries.push(entry),
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    fn names(&self, dir: &Path) -> io::Result<Vec<DiskName>> {
        let name = |found: io::Result<fs::DirEntry>| {
            let found = found?;
            #[cfg(unix)]
            let id = std::os::unix::fs::DirEntryExt::ino(&found);
            #[cfg(not(unix))]
            let id = 0;
            Ok(DiskName { name: found.file_name(), id })
        };
        fs::read_dir(dir)?.map(name).collect()
    }

    fn entry(&self, path: &Path) -> io::Result<DiskEntry> {
        entry(path.to_owned(), &fs::metadata(path)?)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(fs::File::open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = fs::File::options();
        Ok(Box::new(options.read(true).write(true).create(true).truncate(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = fs::File::options();
        Ok(Box::new(options.read(true).write(true).create(true).truncate(false).open(path)?))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // Only Unix lets a directory be opened; elsewhere the file system keeps its names by itself.
        #[cfg(unix)]
        fs::File::open(dir)?.sync_all()?;
        #[cfg(not(unix))]
        let _ = dir;
        Ok(())
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }
}
