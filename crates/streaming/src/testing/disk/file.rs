//! An open file of the simulated disk.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use waterclock_base::world::{DiskFile, lock};

use super::SimDisk;
use super::plan::Kind;

/// An open file. It stays the same file when it loses its name.
pub(super) struct SimFile {
    disk: SimDisk,
    inode: u64,
    /// The name that it was opened by, for the trace.
    path: PathBuf,
    at: u64,
}

impl SimFile {
    pub(super) fn new(disk: SimDisk, inode: u64, path: PathBuf) -> Self {
        SimFile { disk, inode, path, at: 0 }
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut shared = lock(&self.disk.shared);
        // The locks of a dead process are gone already.
        if shared.alive && shared.process == self.disk.process {
            shared.content.unlock(self.inode);
        }
    }
}

impl Read for SimFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let (inode, at) = (self.inode, self.at);
        let count = self.disk.read(|content| Ok(content.read(inode, at, out)))?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (inode, at) = (self.inode, self.at);
        let what = || format!("write into {} at {at}", self.path.display());
        self.disk.write(Kind::Write, what, |content, now| {
            content.write(inode, at, bytes, now);
            Ok(())
        })?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for SimFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let inode = self.inode;
        let len = self.disk.read(|content| Ok(content.len(inode)))?;
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl DiskFile for SimFile {
    fn sync(&self) -> io::Result<()> {
        let what = || format!("sync {}", self.path.display());
        self.disk.write(Kind::Sync, what, |content, _| {
            content.sync(self.inode);
            Ok(())
        })
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.disk.read(|content| Ok(content.try_lock(self.inode)))
    }
}
