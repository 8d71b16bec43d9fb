//! A disk that forgets: what was not synced is lost with the process, as it may be lost with a machine.
//!
//! What this process writes is in its memory only, where it alone sees it. Syncing a file makes its content
//! safe, syncing a directory makes the names in it safe; what is safe and has safe names all the way up is in
//! the real files. A directory in which this process never changed a name is the real one.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Clock, Disk, DiskEntry, DiskFile, DiskName, RealDisk, SystemClock, lock};
use crate::time::BatchTime;

type Names = BTreeMap<OsString, usize>;

/// A file or directory.
struct Node {
    /// Where the real disk has it.
    homes: Vec<PathBuf>,
    kind: Kind,
}

enum Kind {
    /// As the real disk has it.
    Untouched,
    File {
        now: Vec<u8>,
        safe: Vec<u8>,
        modified: BatchTime,
    },
    Dir {
        now: Names,
        safe: Names,
    },
}

/// Where a path leads.
enum Found {
    /// To the real disk.
    Real,
    Node(usize),
}

fn not_found() -> io::Error {
    ErrorKind::NotFound.into()
}

/// A path's directory, and its name there.
fn split(path: &Path) -> io::Result<(&Path, OsString)> {
    match (path.parent(), path.file_name()) {
        (Some(dir), Some(name)) => Ok((dir, name.to_owned())),
        _ => Err(ErrorKind::InvalidInput.into()),
    }
}

struct Tree {
    clock: SystemClock,
    nodes: Vec<Node>,
    /// Directories in which names were changed, and which no other one of them leads to.
    entrances: HashMap<PathBuf, usize>,
    /// Counts the names under which real files are made.
    temporaries: u64,
}

#[expect(clippy::disallowed_methods, reason = "this is the seam")]
impl Tree {
    fn add(&mut self, homes: Vec<PathBuf>, kind: Kind) -> usize {
        self.nodes.push(Node { homes, kind });
        self.nodes.len() - 1
    }

    fn find(&self, path: &Path) -> io::Result<Found> {
        let mut at: Option<usize> = None;
        let mut prefix = PathBuf::new();
        for part in path.components() {
            prefix.push(part);
            at = match at.map(|id| &self.nodes[id].kind) {
                Some(Kind::Dir { now, .. }) => Some(*now.get(part.as_os_str()).ok_or_else(not_found)?),
                Some(Kind::File { .. }) => return Err(not_found()),
                Some(Kind::Untouched) | None => self.entrances.get(&prefix).copied(),
            };
        }
        Ok(match at {
            Some(id) if !matches!(self.nodes[id].kind, Kind::Untouched) => Found::Node(id),
            _ => Found::Real,
        })
    }

    /// The names of a directory, to be changed.
    fn names_mut(&mut self, dir: &Path) -> io::Result<&mut Names> {
        let id = match self.find(dir)? {
            Found::Node(id) => id,
            Found::Real => self.enter(dir)?,
        };
        match &mut self.nodes[id].kind {
            Kind::Dir { now, .. } => Ok(now),
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// Reads the names of a real directory.
    fn enter(&mut self, dir: &Path) -> io::Result<usize> {
        let known = dir.parent().zip(dir.file_name()).and_then(|(above, name)| match self.find(above) {
            Ok(Found::Node(above)) => match &self.nodes[above].kind {
                Kind::Dir { now, .. } => now.get(name).copied(),
                _ => None,
            },
            _ => None,
        });
        let mut names = Names::new();
        for found in fs::read_dir(dir)? {
            let path = found?.path();
            let name = path.file_name().unwrap_or_default().to_owned();
            let id = match self.entrances.remove(&path) {
                Some(id) => id,
                None => self.add(vec![path], Kind::Untouched),
            };
            names.insert(name, id);
        }
        let kind = Kind::Dir { safe: names.clone(), now: names };
        match known {
            Some(id) => {
                self.nodes[id].kind = kind;
                Ok(id)
            }
            None => {
                let id = self.add(vec![dir.to_owned()], kind);
                self.entrances.insert(dir.to_owned(), id);
                Ok(id)
            }
        }
    }

    /// Reads a real file, so that it can be changed.
    fn take_in(&mut self, id: usize) -> io::Result<()> {
        if let (Kind::Untouched, Some(home)) = (&self.nodes[id].kind, self.nodes[id].homes.first()) {
            let now = fs::read(home)?;
            let modified = self.clock.now();
            self.nodes[id].kind = Kind::File { safe: now.clone(), now, modified };
        }
        Ok(())
    }

    /// The same for everything below: it is about to have another name.
    fn take_in_all(&mut self, id: usize, path: &Path) -> io::Result<()> {
        if matches!(self.nodes[id].kind, Kind::Untouched) {
            if !fs::metadata(path)?.is_dir() {
                return self.take_in(id);
            }
            self.enter(path)?;
        }
        let Kind::Dir { now, .. } = &self.nodes[id].kind else { return Ok(()) };
        let below = now.clone();
        below.into_iter().try_for_each(|(name, child)| self.take_in_all(child, &path.join(name)))
    }

    /// The file of this name, made where it is missing.
    fn file(&mut self, path: &Path, empty: bool) -> io::Result<usize> {
        let (dir, name) = split(path)?;
        let known = self.names_mut(dir)?.get(&name).copied();
        let modified = self.clock.now();
        let id = match known {
            Some(id) => id,
            None => {
                let kind = Kind::File { now: Vec::new(), safe: Vec::new(), modified };
                let id = self.add(Vec::new(), kind);
                self.names_mut(dir)?.insert(name, id);
                id
            }
        };
        self.take_in(id)?;
        match &mut self.nodes[id].kind {
            Kind::File { now, .. } if empty => now.clear(),
            Kind::File { .. } => {}
            _ => return Err(ErrorKind::IsADirectory.into()),
        }
        Ok(id)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (dir, name) = split(path)?;
        self.names_mut(dir)?.remove(&name).ok_or_else(not_found)?;
        self.entrances.retain(|entrance, _| !entrance.starts_with(path));
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let ((dir, name), (new_dir, new_name)) = (split(from)?, split(to)?);
        let id = *self.names_mut(dir)?.get(&name).ok_or_else(not_found)?;
        self.take_in_all(id, from)?;
        if let Some(there) = self.names_mut(new_dir)?.get(&new_name).copied() {
            self.take_in_all(there, to)?;
            if matches!(&self.nodes[there].kind, Kind::Dir { now, .. } if !now.is_empty()) {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
        }
        self.names_mut(dir)?.remove(&name);
        self.names_mut(new_dir)?.insert(new_name, id);
        self.entrances.retain(|entrance, _| !entrance.starts_with(from) && !entrance.starts_with(to));
        Ok(())
    }

    fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut dirs: Vec<&Path> = path.ancestors().collect();
        dirs.reverse();
        for dir in dirs {
            let there = match self.find(dir) {
                Ok(Found::Node(_)) => true,
                Ok(Found::Real) => dir.is_dir(),
                Err(_) => false,
            };
            if !there {
                let (above, name) = split(dir)?;
                let id = self.add(Vec::new(), Kind::Dir { now: Names::new(), safe: Names::new() });
                self.names_mut(above)?.insert(name, id);
            }
        }
        Ok(())
    }

    /// The content of a file is safe now.
    fn sync(&mut self, id: usize) -> io::Result<()> {
        let Node { homes, kind: Kind::File { now, safe, .. } } = &mut self.nodes[id] else { return Ok(()) };
        let before = std::mem::replace(safe, now.clone());
        let (homes, now) = (homes.clone(), now.clone());
        for home in homes {
            match now.strip_prefix(&before[..]) {
                // As a file grows, so does the real one: what was safe stays so whenever this is cut short.
                Some(more) => fs::File::options().append(true).open(&home)?.write_all(more)?,
                None => self.show(id, &home)?,
            }
        }
        Ok(())
    }

    /// The names in a directory are safe now.
    fn sync_dir(&mut self, id: usize) -> io::Result<()> {
        let Node { homes, kind: Kind::Dir { now, safe } } = &mut self.nodes[id] else { return Ok(()) };
        let before = std::mem::replace(safe, now.clone());
        let (homes, now) = (homes.clone(), now.clone());
        for home in homes {
            for (name, id) in now.iter().filter(|(name, id)| before.get(*name) != Some(id)) {
                let path = home.join(name);
                before.get(name).into_iter().for_each(|old| self.lose(*old, &path));
                self.show(*id, &path)?;
                self.gain(*id, &path);
            }
            for (name, id) in before.iter().filter(|(name, _)| !now.contains_key(*name)) {
                let path = home.join(name);
                self.lose(*id, &path);
                remove_real(&path)?;
            }
        }
        Ok(())
    }

    /// The real disk has it here.
    fn gain(&mut self, id: usize, path: &Path) {
        self.nodes[id].homes.push(path.to_owned());
        for (name, child) in self.safe_names(id) {
            self.gain(child, &path.join(name));
        }
    }

    /// The real disk has it no longer here.
    fn lose(&mut self, id: usize, path: &Path) {
        self.nodes[id].homes.retain(|home| home != path);
        for (name, child) in self.safe_names(id) {
            self.lose(child, &path.join(name));
        }
    }

    fn safe_names(&self, id: usize) -> Names {
        match &self.nodes[id].kind {
            Kind::Dir { safe, .. } => safe.clone(),
            _ => Names::new(),
        }
    }

    /// Makes what is safe of it real, all at once.
    fn show(&mut self, id: usize, path: &Path) -> io::Result<()> {
        self.temporaries += 1;
        let name = format!(".unsynced-{}-{}", std::process::id(), self.temporaries);
        let temporary = path.with_file_name(name);
        self.build(id, &temporary)?;
        if path.is_dir() {
            remove_real(path)?;
        }
        fs::rename(&temporary, path)
    }

    fn build(&self, id: usize, path: &Path) -> io::Result<()> {
        match &self.nodes[id].kind {
            Kind::Untouched => Ok(()),
            Kind::File { safe, .. } => fs::write(path, safe),
            Kind::Dir { safe, .. } => {
                fs::create_dir(path)?;
                safe.iter().try_for_each(|(name, child)| self.build(*child, &path.join(name)))
            }
        }
    }

    fn entry(&self, path: &Path) -> io::Result<DiskEntry> {
        let Found::Node(id) = self.find(path)? else { return RealDisk.entry(path) };
        let (modified, len, is_dir) = match &self.nodes[id].kind {
            Kind::File { now, modified, .. } => (*modified, now.len() as u64, false),
            Kind::Dir { .. } | Kind::Untouched => (BatchTime::ZERO, 0, true),
        };
        Ok(DiskEntry { path: path.to_owned(), modified, len, is_dir })
    }
}

fn remove_real(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// The machine's file systems, as they are found after a crash: what is written and not synced is lost when the
/// process ends, however it ends.
///
/// Names count too: a file that was made, renamed or removed is only so after
/// [`sync_dir`](Disk::sync_dir) of its directory. Locks are granted without asking, as a lock's file is not
/// there until it is synced.
///
/// ```
/// use waterclock_base::world::{Disk, RealDisk, UnsyncedDisk};
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("note");
/// let disk = UnsyncedDisk::new();
/// disk.create(&path)?;
/// assert!(disk.entry(&path).is_ok() && RealDisk.entry(&path).is_err());
/// disk.sync_dir(dir.path())?;
/// assert!(RealDisk.entry(&path).is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnsyncedDisk {
    tree: Arc<Mutex<Tree>>,
}

impl UnsyncedDisk {
    /// The disk as it is.
    #[expect(clippy::new_without_default, reason = "a disk is no value that a program begins with")]
    pub fn new() -> Self {
        let tree =
            Tree { clock: SystemClock::new(), nodes: Vec::new(), entrances: HashMap::new(), temporaries: 0 };
        UnsyncedDisk { tree: Arc::new(Mutex::new(tree)) }
    }

    fn opened(&self, id: usize) -> Box<dyn DiskFile> {
        Box::new(OpenFile { tree: self.tree.clone(), id, at: 0 })
    }
}

impl Disk for UnsyncedDisk {
    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        let dir = std::path::absolute(dir)?;
        let tree = lock(&self.tree);
        let Found::Node(id) = tree.find(&dir)? else { return RealDisk.list(&dir) };
        let Kind::Dir { now, .. } = &tree.nodes[id].kind else { return Err(ErrorKind::NotADirectory.into()) };
        now.keys().map(|name| tree.entry(&dir.join(name))).collect()
    }

    fn names(&self, dir: &Path) -> io::Result<Vec<DiskName>> {
        let dir = std::path::absolute(dir)?;
        let tree = lock(&self.tree);
        let Found::Node(id) = tree.find(&dir)? else { return RealDisk.names(&dir) };
        let Kind::Dir { now, .. } = &tree.nodes[id].kind else { return Err(ErrorKind::NotADirectory.into()) };
        Ok(now.keys().map(|name| DiskName { name: name.clone(), id: 0 }).collect())
    }

    fn entry(&self, path: &Path) -> io::Result<DiskEntry> {
        lock(&self.tree).entry(&std::path::absolute(path)?)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let path = std::path::absolute(path)?;
        match lock(&self.tree).find(&path)? {
            Found::Real => RealDisk.open(&path),
            Found::Node(id) => Ok(self.opened(id)),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let id = lock(&self.tree).file(&std::path::absolute(path)?, true)?;
        Ok(self.opened(id))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        lock(&self.tree).rename(&std::path::absolute(from)?, &std::path::absolute(to)?)
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let id = lock(&self.tree).file(&std::path::absolute(path)?, false)?;
        Ok(self.opened(id))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut tree = lock(&self.tree);
        match tree.find(&std::path::absolute(dir)?)? {
            Found::Real => Ok(()),
            Found::Node(id) => tree.sync_dir(id),
        }
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        lock(&self.tree).create_dir_all(&std::path::absolute(dir)?)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        lock(&self.tree).remove(&std::path::absolute(path)?)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        lock(&self.tree).remove(&std::path::absolute(dir)?)
    }
}

/// A file that is open, and the place in it.
struct OpenFile {
    tree: Arc<Mutex<Tree>>,
    id: usize,
    at: usize,
}

impl OpenFile {
    fn content<R>(&self, run: impl FnOnce(&mut Vec<u8>) -> R) -> io::Result<R> {
        match &mut lock(&self.tree).nodes[self.id].kind {
            Kind::File { now, .. } => Ok(run(now)),
            _ => Err(ErrorKind::IsADirectory.into()),
        }
    }
}

impl Read for OpenFile {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let at = self.at;
        let read = self.content(|now| (&now[at.min(now.len())..]).read(to))??;
        self.at += read;
        Ok(read)
    }
}

impl Write for OpenFile {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let (at, end) = (self.at, self.at + from.len());
        self.content(|now| {
            if now.len() < end {
                now.resize(end, 0);
            }
            now[at..end].copy_from_slice(from);
        })?;
        self.at = end;
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for OpenFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let len = self.content(|now| now.len())? as i64;
        let at = match to {
            SeekFrom::Start(at) => i64::try_from(at).unwrap_or(i64::MAX),
            SeekFrom::End(by) => len + by,
            SeekFrom::Current(by) => self.at as i64 + by,
        };
        self.at = usize::try_from(at).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        Ok(self.at as u64)
    }
}

impl DiskFile for OpenFile {
    fn sync(&self) -> io::Result<()> {
        lock(&self.tree).sync(self.id)
    }

    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test looks at the real disk")]
mod tests {
    use super::*;

    /// Does something on a disk; then what the real disk has, file by file.
    fn after(run: impl FnOnce(&UnsyncedDisk, &Path) -> io::Result<()>) -> Vec<(String, String)> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("old")).unwrap();
        fs::write(dir.path().join("old/file"), "old").unwrap();
        run(&UnsyncedDisk::new(), dir.path()).unwrap();
        let (mut found, mut open) = (Vec::new(), vec![dir.path().to_owned()]);
        while let Some(at) = open.pop() {
            for entry in fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(dir.path()).unwrap().display().to_string();
                match path.is_dir() {
                    true => open.push(path),
                    false => found.push((name, fs::read_to_string(&path).unwrap())),
                }
            }
        }
        found.sort();
        found
    }

    fn write(disk: &UnsyncedDisk, path: &Path, text: &str, sync: bool) -> io::Result<()> {
        let mut file = disk.create(path)?;
        file.write_all(text.as_bytes())?;
        if sync { file.sync() } else { Ok(()) }
    }

    fn files(found: &[(&str, &str)]) -> Vec<(String, String)> {
        found.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_file_needs_both_its_content_and_its_name_synced() {
        let made = |sync, sync_dir| {
            after(|disk, dir| {
                write(disk, &dir.join("new"), "new", sync)?;
                if sync_dir { disk.sync_dir(dir) } else { Ok(()) }
            })
        };
        assert_eq!(made(false, false), files(&[("old/file", "old")]));
        assert_eq!(made(true, false), files(&[("old/file", "old")]));
        assert_eq!(made(false, true), files(&[("new", ""), ("old/file", "old")]));
        assert_eq!(made(true, true), files(&[("new", "new"), ("old/file", "old")]));
    }

    #[test]
    fn the_process_sees_what_it_wrote() {
        after(|disk, dir| {
            let path = dir.join("old/file");
            let mut file = disk.open_or_create(&path)?;
            file.seek(SeekFrom::End(0))?;
            file.write_all(b" and new")?;
            let mut text = String::new();
            disk.open(&path)?.read_to_string(&mut text)?;
            assert_eq!(text, "old and new");
            disk.remove_dir_all(&dir.join("old"))?;
            assert_eq!(disk.open(&path).map(|_| ()).unwrap_err().kind(), ErrorKind::NotFound);
            assert_eq!(disk.list(dir)?, []);
            disk.create_dir_all(&dir.join("old/new"))?;
            assert_eq!(disk.list(dir)?.len(), 1);
            Ok(())
        });
    }

    #[test]
    fn what_is_safe_grows_shrinks_and_goes() {
        let changed = |sync_dir: bool| {
            after(|disk, dir| {
                let path = dir.join("old/file");
                let mut file = disk.open_or_create(&path)?;
                file.seek(SeekFrom::End(0))?;
                file.write_all(b"er")?;
                file.sync()?;
                write(disk, &dir.join("old/other"), "lost", true)?;
                disk.rename(&path, &dir.join("old/renamed"))?;
                if sync_dir { disk.sync_dir(&dir.join("old")) } else { Ok(()) }
            })
        };
        assert_eq!(changed(false), files(&[("old/file", "older")]));
        assert_eq!(changed(true), files(&[("old/other", "lost"), ("old/renamed", "older")]));
        assert_eq!(
            after(|disk, dir| write(disk, &dir.join("old/file"), "n", true)),
            files(&[("old/file", "n")])
        );
    }

    #[test]
    fn a_directory_moves_with_what_is_safe_in_it() {
        let moved = |sync_inner: bool, sync_outer: bool| {
            after(|disk, dir| {
                disk.create_dir_all(&dir.join(".staged"))?;
                write(disk, &dir.join(".staged/part"), "part", true)?;
                if sync_inner {
                    disk.sync_dir(&dir.join(".staged"))?;
                }
                disk.remove_dir_all(&dir.join("old"))?;
                disk.rename(&dir.join(".staged"), &dir.join("old"))?;
                if sync_outer { disk.sync_dir(dir) } else { Ok(()) }
            })
        };
        assert_eq!(moved(true, false), files(&[("old/file", "old")]));
        assert_eq!(moved(false, true), files(&[]));
        assert_eq!(moved(true, true), files(&[("old/part", "part")]));
    }
}
