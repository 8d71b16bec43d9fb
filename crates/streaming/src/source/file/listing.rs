//! Looks at the directories for each batch: finds the files that it takes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use waterclock_base::world::{Disk, DiskName};
use waterclock_base::{BatchTime, Result};
use waterclock_engine::panic_message;

use super::glob::Glob;
use super::select::{Selector, Verdict};

/// Names that a warning or a description shows at most.
const SHOWN: usize = 10;

/// Whether a file may be taken, by its path.
pub(super) type PathFilter = Arc<dyn Fn(&Path) -> bool + Send + Sync>;

/// A file that a batch takes, as it was when it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FoundFile {
    pub(super) path: PathBuf,
    /// The number under which its directory had it.
    pub(super) id: u64,
    pub(super) modified: BatchTime,
    pub(super) len: u64,
}

/// What was found for a batch.
#[derive(Default)]
pub(super) struct Batch {
    /// The oldest first, and among those of the same age in the order of their paths. None is empty.
    pub(super) files: Vec<FoundFile>,
    /// What people should know.
    pub(super) warnings: Vec<String>,
}

/// Looks at directories. What is known to be old, or was taken, is not looked at again until something else
/// has its name: so a look costs little more than reading the names, however many old files there are.
pub(super) struct Listing {
    disk: Arc<dyn Disk>,
    glob: Glob,
    filter: Option<PathFilter>,
    selector: Selector,
    /// Whether files that are too old at the first look are expected.
    expects_old: bool,
    looked: bool,
    /// What need not be looked at again, by directory.
    known: HashMap<PathBuf, HashMap<OsString, u64>>,
    /// What was wrong at the last look: it is told once.
    troubles: BTreeSet<String>,
}

/// What one look finds.
#[derive(Default)]
struct Look {
    files: Vec<FoundFile>,
    too_old: Vec<PathBuf>,
    empty: Vec<PathBuf>,
    troubles: BTreeSet<String>,
}

impl Listing {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        glob: Glob,
        filter: Option<PathFilter>,
        selector: Selector,
        expects_old: bool,
    ) -> Self {
        Listing {
            disk,
            glob,
            filter,
            selector,
            expects_old,
            looked: false,
            known: HashMap::new(),
            troubles: BTreeSet::new(),
        }
    }

    /// The files of the batch of `t`.
    pub(super) fn look(&mut self, t: BatchTime) -> Batch {
        let batch = self.look_everywhere(t);
        let known = &self.known;
        // A directory that could not be looked at is not known, or is known as it was.
        self.selector.forget_gone(|path| {
            let names = path.parent().and_then(|dir| known.get(dir));
            names.zip(path.file_name()).is_some_and(|(names, name)| !names.contains_key(name))
        });
        batch
    }

    /// Where it has come to, for a new process.
    pub(super) fn position(&self) -> Result<Vec<u8>> {
        self.selector.position()
    }

    /// Goes on from there.
    pub(super) fn resume(&mut self, position: &[u8]) -> Result<()> {
        self.selector.resume(position)
    }

    /// The batch of `t` took the file.
    pub(super) fn took(&mut self, file: &FoundFile, t: BatchTime) {
        self.selector.take(&file.path, file.id, file.modified, t);
    }

    fn look_everywhere(&mut self, t: BatchTime) -> Batch {
        self.selector.forget(t);
        let found = self.glob.find(&*self.disk);
        let mut look = Look::default();
        for (dir, error) in found.failed {
            look.troubles.insert(cannot_look(&dir, &error));
        }
        if found.dirs.is_empty() && look.troubles.is_empty() {
            look.troubles.insert(format!("no directory matches {}", self.glob.given().display()));
        }
        let mut before = std::mem::take(&mut self.known);
        for dir in found.dirs {
            let known = before.remove(&dir);
            if let Some(known) = self.look_at(&dir, known, t, &mut look) {
                self.known.insert(dir, known);
            }
        }
        self.conclude(look)
    }

    /// Looks at one directory; gives what need not be looked at again there.
    fn look_at(
        &mut self,
        dir: &Path,
        known: Option<HashMap<OsString, u64>>,
        t: BatchTime,
        look: &mut Look,
    ) -> Option<HashMap<OsString, u64>> {
        let names = match self.disk.names(dir) {
            Ok(names) => names,
            Err(error) => {
                look.troubles.insert(cannot_look(dir, &error));
                return known;
            }
        };
        let mut known = known.unwrap_or_default();
        let is_known = |name: &DiskName| known.get(&name.name) == Some(&name.id);
        let fresh: Vec<bool> = names.iter().map(|name| !is_known(name)).collect();
        let seen = fresh.iter().filter(|fresh| !**fresh).count();
        if seen < known.len() {
            let present: HashSet<&OsStr> = names.iter().map(|name| &*name.name).collect();
            known.retain(|name, _| present.contains(&**name));
        }
        for (name, _) in names.into_iter().zip(fresh).filter(|(_, fresh)| *fresh) {
            if self.judge(dir, &name, t, look) {
                known.insert(name.name, name.id);
            }
        }
        Some(known)
    }

    /// Judges one name; true if it need not be looked at again.
    fn judge(&mut self, dir: &Path, name: &DiskName, t: BatchTime, look: &mut Look) -> bool {
        let path = dir.join(&name.name);
        match self.passes(&path, &name.name) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(trouble) => {
                look.troubles.insert(trouble);
                return false;
            }
        }
        let entry = match self.disk.entry(&path) {
            Ok(entry) => entry,
            // It vanished before it was taken: it was never there.
            Err(error) if error.kind() == ErrorKind::NotFound => return false,
            Err(error) => {
                look.troubles.insert(cannot_look(&path, &error));
                return false;
            }
        };
        if entry.is_dir {
            return true;
        }
        match self.selector.judge(&entry, name.id, t) {
            Verdict::Wait => return false,
            Verdict::Taken => {}
            Verdict::TooOld => look.too_old.push(path),
            Verdict::Take => {
                self.selector.take(&path, name.id, entry.modified, t);
                if entry.len == 0 {
                    look.empty.push(path);
                } else {
                    let (id, modified, len) = (name.id, entry.modified, entry.len);
                    look.files.push(FoundFile { path, id, modified, len });
                }
            }
        }
        true
    }

    /// Whether the program wants the file.
    fn passes(&self, path: &Path, name: &OsStr) -> Result<bool, String> {
        match &self.filter {
            None => Ok(!name.as_encoded_bytes().starts_with(b".")),
            // The thread that forms batches must not end with the program's closure.
            Some(filter) => catch_unwind(AssertUnwindSafe(|| filter(path))).map_err(|panic| {
                let (path, panic) = (path.display(), panic_message(panic));
                format!("the filter panicked; files that it is shown wait: {path}: {panic}")
            }),
        }
    }

    /// Puts the files in order and words the warnings.
    fn conclude(&mut self, look: Look) -> Batch {
        let Look { mut files, too_old, empty, troubles } = look;
        files.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
        let mut warnings: Vec<String> = troubles.difference(&self.troubles).cloned().collect();
        self.troubles = troubles;
        let is_expected = self.expects_old && !std::mem::replace(&mut self.looked, true);
        if !too_old.is_empty() && !is_expected {
            let window = self.selector.window();
            warnings.push(told(
                &too_old,
                &format!(
                    "not read: last changed before the stream was defined, or longer ago than {window:?} \
                     (`file_min_remember`)"
                ),
            ));
        }
        if !empty.is_empty() {
            let hint = "empty and skipped; write elsewhere and move here what is whole";
            warnings.push(told(&empty, hint));
        }
        Batch { files, warnings }
    }
}

fn cannot_look(path: &Path, error: &std::io::Error) -> String {
    format!("can't look at {}: {error}; no files of it are read meanwhile", path.display())
}

/// What is to be told of files, how many they are, and the first of them.
fn told(paths: &[PathBuf], what: &str) -> String {
    let names: Vec<String> = paths.iter().take(SHOWN).map(|path| path.display().to_string()).collect();
    let more = if paths.len() > SHOWN { ", ..." } else { "" };
    let files = if paths.len() == 1 { "file is" } else { "files are" };
    format!("{} {files} {what}: {}{more}", paths.len(), names.join(", "))
}

/// The names of files, one a line.
pub(super) fn described(files: &[FoundFile]) -> String {
    let mut text = String::new();
    for file in files.iter().take(SHOWN * 10) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&file.path.to_string_lossy());
    }
    if files.len() > SHOWN * 10 {
        text.push_str(&format!("\nand {} more", files.len() - SHOWN * 10));
    }
    text
}
