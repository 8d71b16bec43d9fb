//! The files of a checkpoint one by one: how large they are, and whether every frame of them is whole.

use std::io::Read;
use std::path::Path;

use serde::Serialize;
use waterclock_base::world::Disk;
use waterclock_base::{Error, Result, decode};

use super::layout::{self, Named};
use super::record::Record;
use super::{frame, snapshot};

/// Whether a file is what was written.
///
/// ```
/// assert_eq!(waterclock_streaming::FileState::Whole.to_string(), "whole");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileState {
    /// Every frame of it was read, and has its checksum.
    Whole,
    /// A crash interrupted the writing: so many bytes are good, and nothing behind them was safe.
    Torn(u64),
    /// It can't be read, or is not what was written; says why.
    Damaged(String),
    /// A file that is never read: the lock, what was not finished, what does not belong here.
    Unread,
}

impl std::fmt::Display for FileState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FileState::Whole => f.write_str("whole"),
            FileState::Torn(good) => write!(f, "whole up to byte {good}, where a crash interrupted it"),
            FileState::Damaged(why) => write!(f, "damaged: {why}"),
            FileState::Unread => f.write_str("not read"),
        }
    }
}

/// A file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedFile {
    /// Its name in the directory.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// How many frames of it are whole.
    pub frames: u64,
    /// Whether it is what was written.
    pub state: FileState,
}

/// Reads every file of a checkpoint, in the order of their names.
///
/// # Errors
/// [`Error::Outside`] where the directory can't be read.
pub(super) fn scan(disk: &dyn Disk, dir: &Path) -> Result<Vec<InspectedFile>> {
    let found = disk.list(dir);
    let found = found.map_err(|error| Error::outside("can't read the checkpoint", dir.display(), error))?;
    let mut files: Vec<InspectedFile> = found
        .into_iter()
        .map(|entry| {
            let name = entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let (frames, state) = match layout::named(&entry.path) {
                Named::Log(..) => log(disk, &entry.path),
                Named::Snapshot(..) => whole_snapshot(disk, &entry.path),
                Named::Unfinished | Named::Other => (0, FileState::Unread),
            };
            InspectedFile { name, bytes: entry.len, frames, state }
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, FileState> {
    let mut bytes = Vec::new();
    let read = disk.open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| FileState::Damaged(error.to_string()))
}

fn whole_snapshot(disk: &dyn Disk, path: &Path) -> (u64, FileState) {
    let bytes = match read(disk, path) {
        Ok(bytes) => bytes,
        Err(state) => return (0, state),
    };
    let mut rest = bytes.strip_prefix(layout::SNAPSHOT_MAGIC).unwrap_or_default();
    let frames = std::iter::from_fn(|| frame::read(&mut rest)).count() as u64;
    let state = snapshot::read(disk, path).map_or_else(FileState::Damaged, |_| FileState::Whole);
    (frames, state)
}

fn log(disk: &dyn Disk, path: &Path) -> (u64, FileState) {
    let bytes = match read(disk, path) {
        Ok(bytes) => bytes,
        Err(state) => return (0, state),
    };
    let body = bytes.strip_prefix(layout::LOG_MAGIC);
    let (mut rest, mut frames, mut last) = (body.unwrap_or_default(), 0, 0);
    while let Some(frame) = frame::read(&mut rest) {
        let mut records = frame.payload;
        while !records.is_empty() {
            if let Err(error) = decode::<Record>(&mut records) {
                let why = format!("frame {} has a record of another release: {error}", frame.number);
                return (frames, FileState::Damaged(why));
            }
        }
        (frames, last) = (frames + 1, frame.number);
    }
    if body.is_some() && rest.is_empty() {
        return (frames, FileState::Whole);
    }
    let good = if body.is_some() { bytes.len() - rest.len() } else { 0 };
    // A later frame that is whole says how far all before it was safe.
    let state = match frame::synced_later(&bytes[good..]) {
        Some(synced) if synced > last => FileState::Damaged(format!("at byte {good}, which was safe")),
        _ => FileState::Torn(good as u64),
    };
    (frames, state)
}
