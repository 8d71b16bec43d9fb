//! The names of a checkpoint's files. Pure.

use std::path::{Path, PathBuf};

use waterclock_base::BatchTime;

/// What log files begin with.
pub(crate) const LOG_MAGIC: &[u8; 8] = b"WCLOG\x01\0\0";
/// What snapshots begin with.
pub(crate) const SNAPSHOT_MAGIC: &[u8; 8] = b"WCSNP\x01\0\0";

/// The file that the owner holds locked.
pub(crate) fn lock_file(dir: &Path) -> PathBuf {
    dir.join("owner.lock")
}

/// A log file: of which process, and which of its files.
pub(crate) fn log_file(dir: &Path, (epoch, number): (u32, u32)) -> PathBuf {
    dir.join(format!("log-{epoch:08}-{number:08}"))
}

/// The snapshot after the batch of `time`, taken by a process.
pub(crate) fn snapshot_file(dir: &Path, time: BatchTime, epoch: u32) -> PathBuf {
    dir.join(format!("snapshot-{:013}-{epoch:08}", time.as_millis()))
}

/// A snapshot that is being written.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

/// What a file of a checkpoint is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Log(u32, u32),
    Snapshot(BatchTime, u32),
    Unfinished,
    /// Not ours, or not of interest.
    Other,
}

pub(crate) fn named(path: &Path) -> Named {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Named::Other };
    if name.starts_with("snapshot-") && name.ends_with(".tmp") {
        return Named::Unfinished;
    }
    let numbers = |rest: &str| -> Option<(i64, u32)> {
        let (first, second) = rest.rsplit_once('-')?;
        Some((first.parse().ok()?, second.parse().ok()?))
    };
    if let Some((epoch, number)) = name.strip_prefix("log-").and_then(numbers) {
        return u32::try_from(epoch).map_or(Named::Other, |epoch| Named::Log(epoch, number));
    }
    match name.strip_prefix("snapshot-").and_then(numbers) {
        Some((time, epoch)) => Named::Snapshot(BatchTime::from_millis(time), epoch),
        None => Named::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        let dir = Path::new("d");
        let time = BatchTime::from_millis(1_700_000_000_000);
        assert_eq!(named(&log_file(dir, (3, 12))), Named::Log(3, 12));
        assert_eq!(named(&snapshot_file(dir, time, 3)), Named::Snapshot(time, 3));
        assert_eq!(named(&unfinished(&snapshot_file(dir, time, 3))), Named::Unfinished);
        assert_eq!(named(&lock_file(dir)), Named::Other);
        assert_eq!(named(Path::new("d/log-1")), Named::Other);
    }
}
