//! One process at a time: a locked file that says whose the checkpoint is.
//!
//! The operating system gives the lock back when its process ends, however that happens, so nobody has to
//! clean up after a crash.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use waterclock_base::world::{DiskFile, World};
use waterclock_base::{Error, Result};

use super::layout;

/// Takes the checkpoint for this process, until the file is dropped.
///
/// # Errors
/// [`Error::Checkpoint`] when another process has it, naming host, process and since when.
pub(crate) fn take(world: &World, dir: &Path) -> Result<Box<dyn DiskFile>> {
    let path = layout::lock_file(dir);
    let cannot = |error| Error::outside("can't lock the checkpoint", path.display(), error);
    let mut file = world.disk.open_or_create(&path).map_err(cannot)?;
    let now = world.clock.now_micros();
    if !file.try_lock().map_err(cannot)? {
        return Err(owned(dir, &mut *file, now));
    }
    let text = format!("{} {} {now}\n", host(), std::process::id());
    let written = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(text.as_bytes()));
    written.and_then(|()| file.flush()).map_err(cannot)?;
    Ok(file)
}

/// Keeps other processes from taking the checkpoint until the file is dropped, without a change of it; none where
/// no process has ever owned it.
///
/// # Errors
/// As [`take`].
pub(crate) fn hold(world: &World, dir: &Path) -> Result<Option<Box<dyn DiskFile>>> {
    let path = layout::lock_file(dir);
    let cannot = |error| Error::outside("can't lock the checkpoint", path.display(), error);
    if world.disk.entry(&path).is_err() {
        return Ok(None);
    }
    // Some file systems lock only what may be written to; some directories may only be read.
    let file = world.disk.open_or_create(&path).or_else(|_| world.disk.open(&path));
    let mut file = file.map_err(cannot)?;
    if file.try_lock().map_err(cannot)? {
        return Ok(Some(file));
    }
    Err(owned(dir, &mut *file, world.clock.now_micros()))
}

/// The error of a checkpoint that another process has.
fn owned(dir: &Path, file: &mut dyn DiskFile, now: i64) -> Error {
    let mut text = String::new();
    // Who has it may be writing its name just now: what can be read is all there is to say.
    let _ = file.read_to_string(&mut text);
    Error::Checkpoint {
        dir: dir.display().to_string(),
        why: format!("it belongs to {}", describe(&text, now)),
        hint: "stop that process first, or use another directory",
    }
}

/// The machine's name, for people.
pub(crate) fn host() -> String {
    let name = std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME"));
    name.unwrap_or_else(|_| "this host".into()).replace(' ', "-")
}

fn describe(text: &str, now: i64) -> String {
    let mut words = text.lines().next().unwrap_or_default().split(' ');
    match (words.next(), words.next(), words.next().and_then(|at| at.parse::<i64>().ok())) {
        (Some(host), Some(pid), Some(at)) => {
            let seconds = (now - at).max(0) / 1_000_000;
            format!("process {pid} on {host}, which took it {seconds} s ago")
        }
        _ => "another process".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_named() {
        assert_eq!(describe("box 42 1000000\nrest", 61_000_000), "process 42 on box, which took it 60 s ago");
        assert_eq!(describe("", 0), "another process");
    }
}
