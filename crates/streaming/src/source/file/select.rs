//! Which files a batch takes: a pure rule.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use waterclock_base::world::DiskEntry;
use waterclock_base::{BatchTime, Result, decode, encode};

/// Decides which files belong to a batch.
///
/// A file belongs to the batch of `t` if it was last changed after [`threshold`](Selector::threshold)`(t)`, not
/// after `t`, and is not one that a remembered batch took.
pub(super) struct Selector {
    /// Files that were not changed after this are never taken.
    initial: BatchTime,
    /// How far it looks back, and how long it remembers what was taken.
    window: Duration,
    /// Whether it takes files of any age, and remembers what was taken for as long as it is there.
    any_age: bool,
    taken: HashMap<PathBuf, Taken>,
}

/// A file that was taken.
#[derive(Clone, Serialize, Deserialize)]
struct Taken {
    id: u64,
    modified: BatchTime,
    batch: BatchTime,
}

/// What another process needs to go on.
#[derive(Serialize, Deserialize)]
struct Position {
    initial: BatchTime,
    taken: Vec<(PathBuf, Taken)>,
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It belongs to this batch.
    Take,
    /// It is from the future: a later batch may take it.
    Wait,
    /// It is too old, and will always be.
    TooOld,
    /// A batch took it already.
    Taken,
}

impl Selector {
    /// Looks back for at least `least`, in whole slides; never beyond `initial`.
    pub(super) fn new(initial: BatchTime, least: Duration, slide: Duration, any_age: bool) -> Self {
        let slides = least.as_millis().div_ceil(slide.as_millis().max(1));
        let window = slide * u32::try_from(slides).unwrap_or(u32::MAX);
        Selector { initial, window, any_age, taken: HashMap::new() }
    }

    /// What another process needs to go on.
    pub(super) fn position(&self) -> Result<Vec<u8>> {
        let mut taken: Vec<_> =
            self.taken.iter().map(|(path, taken)| (path.clone(), taken.clone())).collect();
        taken.sort_by(|a, b| a.0.cmp(&b.0));
        let mut bytes = Vec::new();
        encode(&Position { initial: self.initial, taken }, &mut bytes)?;
        Ok(bytes)
    }

    /// Goes on from there.
    pub(super) fn resume(&mut self, mut position: &[u8]) -> Result<()> {
        let Position { initial, taken } = decode(&mut position)?;
        self.initial = initial;
        self.taken.extend(taken);
        Ok(())
    }

    /// Forgets taken files for which `is_gone` holds, where it does not forget them by their age.
    pub(super) fn forget_gone(&mut self, is_gone: impl Fn(&Path) -> bool) {
        if self.any_age {
            self.taken.retain(|path, _| !is_gone(path));
        }
    }

    /// How far it looks back.
    pub(super) fn window(&self) -> Duration {
        self.window
    }

    /// Files that were last changed at this time or before are too old for the batch of `t`.
    pub(super) fn threshold(&self, t: BatchTime) -> BatchTime {
        self.initial.max(t - self.window)
    }

    /// Judges a file for the batch of `t`; `id` is the number under which its directory has it.
    ///
    /// A file that has taken the name of one that was taken is another file, if both its number and its time
    /// are others; one that was changed in place is not.
    pub(super) fn judge(&self, entry: &DiskEntry, id: u64, t: BatchTime) -> Verdict {
        if !self.any_age && entry.modified > t {
            Verdict::Wait
        } else if !self.any_age && entry.modified <= self.threshold(t) {
            Verdict::TooOld
        } else {
            match self.taken.get(&entry.path) {
                Some(taken) if taken.id == id || taken.modified == entry.modified => Verdict::Taken,
                _ => Verdict::Take,
            }
        }
    }

    /// The batch of `t` takes the file.
    pub(super) fn take(&mut self, path: &Path, id: u64, modified: BatchTime, t: BatchTime) {
        self.taken.insert(path.to_owned(), Taken { id, modified, batch: t });
    }

    /// Forgets what was taken so long before `t` that it is too old now.
    pub(super) fn forget(&mut self, t: BatchTime) {
        let oldest = t - self.window;
        self.taken.retain(|_, taken| self.any_age || taken.batch >= oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> BatchTime {
        BatchTime::from_millis(ms)
    }

    fn file(path: &str, modified: i64) -> DiskEntry {
        DiskEntry { path: path.into(), modified: at(modified), len: 1, is_dir: false }
    }

    fn selector(initial: i64) -> Selector {
        Selector::new(at(initial), Duration::from_millis(2500), Duration::from_secs(1), false)
    }

    #[test]
    fn the_window_is_whole_slides_and_its_begin_not_part_of_it() {
        let s = selector(0);
        assert_eq!((s.window(), s.threshold(at(10_000))), (Duration::from_secs(3), at(7000)));
        assert_eq!(selector(8000).threshold(at(10_000)), at(8000));
        let judge = |modified| s.judge(&file("a", modified), 1, at(10_000));
        assert_eq!(judge(7000), Verdict::TooOld);
        assert_eq!(judge(7001), Verdict::Take);
        assert_eq!(judge(10_000), Verdict::Take);
        assert_eq!(judge(10_001), Verdict::Wait);
        assert_eq!(selector(0).judge(&file("a", 0), 1, at(1000)), Verdict::TooOld);
    }

    #[test]
    fn a_file_is_taken_once_while_it_is_not_too_old() {
        let mut s = selector(0);
        s.take(Path::new("a"), 1, at(9500), at(10_000));
        for t in [10_000, 11_000, 12_000] {
            s.forget(at(t));
            assert_eq!(s.judge(&file("a", 9500), 1, at(t)), Verdict::Taken);
        }
        s.forget(at(13_000));
        assert_eq!(s.taken.len(), 1);
        s.forget(at(13_001));
        assert!(s.taken.is_empty());
        assert_eq!(s.judge(&file("a", 9500), 1, at(13_000)), Verdict::TooOld);
    }

    #[test]
    fn a_file_that_was_replaced_is_another_and_one_that_grew_is_not() {
        let mut s = selector(0);
        s.take(Path::new("a"), 1, at(9500), at(10_000));
        assert_eq!(s.judge(&file("a", 10_500), 1, at(11_000)), Verdict::Taken);
        assert_eq!(s.judge(&file("a", 10_500), 2, at(11_000)), Verdict::Take);
        // A file system whose numbers change at every look.
        assert_eq!(s.judge(&file("a", 9500), 2, at(11_000)), Verdict::Taken);
    }
}
