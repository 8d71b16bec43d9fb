//! What happens in a life. From the seed alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use waterclock_base::world::{Disk, DiskName, Rng};

use super::super::{Crash, Failure, SimDisk};

/// One life of the program, and the time without one behind it.
pub(super) struct LifePlan {
    pub(super) parallelism: usize,
    pub(super) snapshot_after_bytes: u64,
    pub(super) max_catch_up: u32,
    pub(super) max_waiting: usize,
    /// In how many of a hundred outputs the time goes on while they run.
    pub(super) overlap: u64,
    pub(super) batches: u32,
    pub(super) crash: Option<(u64, Crash)>,
    pub(super) failure: Option<(u64, Failure)>,
    pub(super) ending: Ending,
    pub(super) down: Duration,
    /// Which bit flips before it, by a number that is reduced to what there is.
    flip: Option<u64>,
}

/// How a life ends that nothing ended before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Crash(Crash),
    Now,
    InOrder,
}

/// A bit of a file.
pub(super) struct Flip {
    path: PathBuf,
    id: u64,
    bit: u64,
}

impl LifePlan {
    /// A life in which all goes well.
    pub(super) fn calm() -> Self {
        LifePlan {
            parallelism: 2,
            snapshot_after_bytes: 1000,
            max_catch_up: 1000,
            max_waiting: 100,
            overlap: 0,
            batches: 2,
            crash: None,
            failure: None,
            ending: Ending::InOrder,
            down: Duration::ZERO,
            flip: None,
        }
    }

    pub(super) fn draw(rng: &mut Rng) -> Self {
        fn one<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
            of[rng.below(of.len() as u64) as usize]
        }
        let crash = one(rng, &[Crash::PowerCut, Crash::PowerCut, Crash::Kill]);
        // Few at the start, where everything is read and little is done.
        let most = 1 + 5 * rng.below(20);
        let operation = 1 + rng.below(most);
        let failure = one(rng, &[Failure::Sync, Failure::FullDisk]);
        let what = rng.below(10);
        let ending = match rng.below(4) {
            0 => Ending::Now,
            1 => Ending::InOrder,
            _ => Ending::Crash(crash),
        };
        let down = [0, rng.below(1500), rng.below(4000), rng.below(12_000)];
        LifePlan {
            parallelism: 1 + rng.below(5) as usize,
            snapshot_after_bytes: one(rng, &[1, 300, 2000, 64 << 20]),
            max_catch_up: one(rng, &[1, 2, 3, 5, 1000]),
            max_waiting: one(rng, &[100, 100, 100, 1]),
            overlap: one(rng, &[0, 0, 20, 60]),
            batches: rng.below(8) as u32,
            crash: (what < 6).then_some((operation, crash)),
            failure: (what == 6).then_some((operation, failure)),
            ending,
            down: Duration::from_millis(one(rng, &down)),
            flip: (rng.below(6) == 0).then(|| rng.next_u64()),
        }
    }

    /// Flips a bit of a snapshot or of a log, if the plan says so; of the last file of a process's log only if the
    /// next process has said, and that is durable, how far it had read it: else what is flipped at its very end can't
    /// always be told from what a crash tore.
    pub(super) fn flip(&self, disk: &SimDisk, dir: &Path) -> Option<Flip> {
        let number = self.flip?;
        let mut names = disk.names(dir).ok()?;
        names.sort_by(|a, b| a.name.cmp(&b.name));
        let process = |at: usize| names.get(at).and_then(log_of);
        let is_rolled = |at: usize| process(at).is_some() && process(at) == process(at + 1);
        let is_log = |at: usize| process(at).is_some() && (is_rolled(at) || is_rolled(at + 1));
        let damageable = names.iter().enumerate().filter(|(at, name)| is_snapshot(name) || is_log(*at));
        let damageable: Vec<&DiskName> = damageable.map(|(_, name)| name).collect();
        let name = damageable.get((number % damageable.len().max(1) as u64) as usize)?;
        let path = dir.join(&name.name);
        let bit = Rng::new(number).below(disk.entry(&path).ok()?.len * 8);
        disk.note(format!("bit {bit} of {} flips", path.display()));
        disk.flip_bit(&path, bit).then_some(Flip { path, id: name.id, bit })
    }
}

fn is_snapshot(file: &DiskName) -> bool {
    file.name.to_string_lossy().starts_with("snapshot-")
}

/// Which process's log the file is a part of, if it is one.
fn log_of(file: &DiskName) -> Option<String> {
    let name = file.name.to_string_lossy();
    name.strip_prefix("log-")?.split_once('-').map(|(process, _)| process.to_owned())
}

impl Flip {
    /// Puts it right, if it is still the same file.
    pub(super) fn undo(self, disk: &SimDisk) {
        let names = self.path.parent().and_then(|dir| disk.names(dir).ok()).unwrap_or_default();
        if names.iter().any(|name| name.id == self.id) {
            disk.flip_bit(self.path, self.bit);
        }
    }
}
