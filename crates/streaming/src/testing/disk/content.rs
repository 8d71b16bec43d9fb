//! Files and names, as processes see them and as the platter has them. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use waterclock_base::BatchTime;
use waterclock_base::world::{DiskEntry, DiskName, Rng};

/// What a disk writes at once.
const SECTOR: usize = 512;

#[derive(Default)]
struct Inode {
    /// As processes see it.
    seen: Vec<u8>,
    /// As the platter has it.
    durable: Vec<u8>,
    modified: BatchTime,
    locked: bool,
}

/// Names that change at once: what has them from now on, if anything.
pub(super) struct NameChange(pub(super) Vec<(PathBuf, Option<u64>)>);

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        for (path, inode) in &self.0 {
            match inode {
                Some(inode) => names.insert(path.clone(), *inode),
                None => names.remove(path),
            };
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        self.0.iter().any(|(path, _)| path.parent() == Some(dir))
    }
}

/// A file that somebody else will move in.
struct Arrival {
    at: BatchTime,
    path: PathBuf,
    content: Vec<u8>,
    modified: BatchTime,
}

/// Everything on the disk.
#[derive(Default)]
pub(super) struct Content {
    inodes: BTreeMap<u64, Inode>,
    last_inode: u64,
    dirs: BTreeSet<PathBuf>,
    seen: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    /// Changes of names that are not durable, oldest first.
    pending: Vec<NameChange>,
    arrivals: Vec<Arrival>,
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// # What a crash does
impl Content {
    /// Leaves what is durable, and any part of the rest.
    pub(super) fn cut_power(&mut self, rng: &mut Rng) {
        for inode in self.inodes.values_mut() {
            inode.tear(rng);
        }
        for change in self.pending.drain(..).filter(|_| rng.below(2) == 0) {
            change.apply(&mut self.durable);
        }
        self.seen = self.durable.clone();
        let named: BTreeSet<u64> = self.seen.values().copied().collect();
        self.inodes.retain(|inode, _| named.contains(inode));
    }

    pub(super) fn unlock_all(&mut self) {
        self.inodes.values_mut().for_each(|inode| inode.locked = false);
    }

    pub(super) fn flip_bit(&mut self, path: &Path, bit: u64) -> bool {
        let inode = self.seen.get(path).and_then(|inode| self.inodes.get_mut(inode));
        let Some(inode) = inode else { return false };
        let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
        let mut found = false;
        for byte in [inode.seen.get_mut(byte), inode.durable.get_mut(byte)].into_iter().flatten() {
            *byte ^= mask;
            found = true;
        }
        found
    }
}

impl Inode {
    /// What a power cut leaves: of each sector what is durable or what was seen last; of the length too.
    fn tear(&mut self, rng: &mut Rng) {
        if self.seen == self.durable {
            return;
        }
        let (mut torn, mut least) = (self.durable.clone(), 0);
        torn.resize(self.durable.len().max(self.seen.len()), 0);
        for (n, sector) in torn.chunks_mut(SECTOR).enumerate() {
            let begin = n * SECTOR;
            let seen = self.seen.get(begin..self.seen.len().min(begin + sector.len())).unwrap_or_default();
            if rng.below(2) == 0 && !seen.is_empty() {
                sector.fill(0);
                sector[..seen.len()].copy_from_slice(seen);
                least = begin + seen.len();
            }
        }
        let len = if rng.below(2) == 0 { self.seen.len() } else { self.durable.len() };
        torn.truncate(len.max(least));
        self.seen.clone_from(&torn);
        self.durable = torn;
    }
}

/// # Files
impl Content {
    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        self.seen.get(path).copied().ok_or_else(missing)
    }

    /// The name of a file, if it has one.
    pub(super) fn name_of(&self, inode: u64) -> PathBuf {
        let named = self.seen.iter().find(|(_, of)| **of == inode);
        named.map(|(path, _)| path.clone()).unwrap_or_default()
    }

    pub(super) fn create(&mut self, path: &Path, empty: bool, now: BatchTime) -> io::Result<u64> {
        if !path.parent().is_some_and(|dir| self.dirs.contains(dir)) {
            return Err(missing());
        }
        if let Some(inode) = self.seen.get(path).copied() {
            if let Some(inode) = self.inodes.get_mut(&inode).filter(|_| empty) {
                inode.seen.clear();
                inode.modified = now;
            }
            return Ok(inode);
        }
        let inode = self.add(Inode { modified: now, ..Inode::default() });
        self.change(NameChange(vec![(path.to_owned(), Some(inode))]));
        Ok(inode)
    }

    fn add(&mut self, inode: Inode) -> u64 {
        self.last_inode += 1;
        self.inodes.insert(self.last_inode, inode);
        self.last_inode
    }

    pub(super) fn read(&self, inode: u64, at: u64, out: &mut [u8]) -> usize {
        let bytes = self.inodes.get(&inode).map(|inode| &inode.seen[..]).unwrap_or_default();
        let bytes = bytes.get(at as usize..).unwrap_or_default();
        let count = bytes.len().min(out.len());
        out[..count].copy_from_slice(&bytes[..count]);
        count
    }

    pub(super) fn write(&mut self, inode: u64, at: u64, bytes: &[u8], now: BatchTime) {
        let Some(inode) = self.inodes.get_mut(&inode) else { return };
        let (begin, end) = (at as usize, at as usize + bytes.len());
        if inode.seen.len() < end {
            inode.seen.resize(end, 0);
        }
        inode.seen[begin..end].copy_from_slice(bytes);
        inode.modified = now;
    }

    pub(super) fn len(&self, inode: u64) -> u64 {
        self.inodes.get(&inode).map_or(0, |inode| inode.seen.len() as u64)
    }

    pub(super) fn sync(&mut self, inode: u64) {
        if let Some(inode) = self.inodes.get_mut(&inode) {
            inode.durable.clone_from(&inode.seen);
        }
    }

    pub(super) fn try_lock(&mut self, inode: u64) -> bool {
        self.inodes.get_mut(&inode).is_some_and(|inode| !std::mem::replace(&mut inode.locked, true))
    }

    pub(super) fn unlock(&mut self, inode: u64) {
        if let Some(inode) = self.inodes.get_mut(&inode) {
            inode.locked = false;
        }
    }

    pub(super) fn put_at(&mut self, at: BatchTime, path: &Path, content: Vec<u8>, modified: BatchTime) {
        self.arrivals.push(Arrival { at, path: path.to_owned(), content, modified });
    }

    /// Moves in what others moved in up to now.
    pub(super) fn arrive(&mut self, now: BatchTime) {
        let (due, later) = std::mem::take(&mut self.arrivals).into_iter().partition(|file| file.at <= now);
        self.arrivals = later;
        let due: Vec<Arrival> = due;
        for Arrival { path, content, modified, .. } in due {
            let inode = self.add(Inode { seen: content.clone(), durable: content, modified, locked: false });
            self.dirs.extend(path.parent().map(Path::to_owned));
            self.seen.insert(path.clone(), inode);
            self.durable.insert(path, inode);
        }
    }
}

/// # Names
impl Content {
    pub(super) fn change(&mut self, change: NameChange) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        if !self.dirs.contains(dir) {
            return Err(missing());
        }
        let (due, later) =
            std::mem::take(&mut self.pending).into_iter().partition(|change| change.is_in(dir));
        self.pending = later;
        let due: Vec<NameChange> = due;
        due.iter().for_each(|change| change.apply(&mut self.durable));
        Ok(())
    }

    pub(super) fn create_dir_all(&mut self, dir: &Path) -> io::Result<()> {
        if dir.ancestors().any(|dir| self.seen.contains_key(dir)) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.dirs.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    pub(super) fn remove_dir_all(&mut self, dir: &Path) -> io::Result<()> {
        if !self.dirs.contains(dir) {
            return Err(missing());
        }
        let gone: Vec<PathBuf> = self.seen.keys().filter(|path| path.starts_with(dir)).cloned().collect();
        gone.into_iter().for_each(|path| self.change(NameChange(vec![(path, None)])));
        self.dirs.retain(|other| !other.starts_with(dir));
        Ok(())
    }

    /// The paths directly in a directory, with the number of each; 0 for directories.
    fn children(&self, dir: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        if !self.dirs.contains(dir) {
            return Err(missing());
        }
        let files = self.seen.iter().map(|(path, inode)| (path, *inode));
        let dirs = self.dirs.iter().map(|path| (path, 0));
        let inside = files.chain(dirs).filter(|(path, _)| path.parent() == Some(dir));
        Ok(inside.map(|(path, inode)| (path.clone(), inode)).collect())
    }

    pub(super) fn names(&self, dir: &Path) -> io::Result<Vec<DiskName>> {
        let children = self.children(dir)?.into_iter();
        Ok(children
            .filter_map(|(path, id)| Some(DiskName { name: path.file_name()?.to_owned(), id }))
            .collect())
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        self.children(dir)?.iter().map(|(path, _)| self.entry(path)).collect()
    }

    pub(super) fn entry(&self, path: &Path) -> io::Result<DiskEntry> {
        let found = self.seen.get(path).and_then(|inode| self.inodes.get(inode));
        let (modified, len, is_dir) = match found {
            Some(inode) => (inode.modified, inode.seen.len() as u64, false),
            None if self.dirs.contains(path) => (BatchTime::ZERO, 0, true),
            None => return Err(missing()),
        };
        Ok(DiskEntry { path: path.to_owned(), modified, len, is_dir })
    }
}
