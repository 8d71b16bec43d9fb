//! Which kept partitions make room for others.
//!
//! A dataset is let go of when nobody has asked for it for so many jobs that nobody seems to need it: longer than for
//! [`IDLE`] jobs, and than twice its longest pause so far. Of these the one goes first that was asked for longest ago.
//! What is read again and again, as the batches of a window, so stays where it is, also where not all of it has room:
//! there, letting go of what was read longest ago would always let go of what is read next.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use waterclock_base::world::lock;

/// Jobs for which a dataset must have been left alone at least.
const IDLE: u64 = 16;

/// A dataset that keeps partitions in memory.
pub(crate) trait Evict: Send + Sync {
    /// When it was asked for.
    fn used(&self) -> &Used;
    /// Takes partitions out of memory, until there is room.
    fn evict(&self, has_room: &dyn Fn() -> bool);
}

/// When a dataset was asked for, in jobs that the engine has begun.
pub(crate) struct Used {
    last: AtomicU64,
    longest_pause: AtomicU64,
}

impl Used {
    pub(crate) fn at(now: u64) -> Self {
        Used { last: AtomicU64::new(now), longest_pause: AtomicU64::new(0) }
    }

    pub(crate) fn again(&self, now: u64) {
        let pause = now.saturating_sub(self.last.fetch_max(now, Ordering::Relaxed));
        self.longest_pause.fetch_max(pause, Ordering::Relaxed);
    }

    fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    fn is_idle(&self, now: u64) -> bool {
        let pause = now.saturating_sub(self.last());
        pause > IDLE.max(self.longest_pause.load(Ordering::Relaxed) * 2)
    }
}

/// The datasets of an engine that keep partitions in memory.
#[derive(Default)]
pub(crate) struct Keeping {
    jobs: AtomicU64,
    all: Mutex<Vec<Weak<dyn Evict>>>,
}

impl Keeping {
    /// A job begins.
    pub(crate) fn job(&self) {
        self.jobs.fetch_add(1, Ordering::Relaxed);
    }

    /// Jobs that have begun.
    pub(crate) fn now(&self) -> u64 {
        self.jobs.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, dataset: Weak<dyn Evict>) {
        let mut all = lock(&self.all);
        // Where looking makes room for as many again, each dataset is looked at a few times only.
        if all.len() == all.capacity() {
            all.retain(|other| other.strong_count() > 0);
            let living = all.len();
            all.reserve(living.max(32));
        }
        all.push(dataset);
    }

    /// Lets go of what nobody seems to need, until there is room.
    pub(crate) fn make_room(&self, has_room: &dyn Fn() -> bool) {
        let now = self.now();
        // Let go of outside of the lock: records are the program's.
        let all: Vec<Arc<dyn Evict>> = { lock(&self.all).iter().filter_map(Weak::upgrade).collect() };
        let mut idle: Vec<_> = all.iter().filter(|dataset| dataset.used().is_idle(now)).collect();
        idle.sort_by_key(|dataset| dataset.used().last());
        for dataset in idle {
            if has_room() {
                return;
            }
            dataset.evict(has_room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dataset(Used);

    impl Evict for Dataset {
        fn used(&self) -> &Used {
            &self.0
        }

        fn evict(&self, _: &dyn Fn() -> bool) {}
    }

    #[test]
    fn datasets_that_are_gone_are_forgotten() {
        let keeping = Keeping::default();
        let kept: Vec<Arc<dyn Evict>> = (0..10).map(|_| Arc::new(Dataset(Used::at(0))) as _).collect();
        kept.iter().for_each(|dataset| keeping.add(Arc::downgrade(dataset)));
        for _ in 0..10_000 {
            let gone: Arc<dyn Evict> = Arc::new(Dataset(Used::at(0)));
            keeping.add(Arc::downgrade(&gone));
        }
        let all = lock(&keeping.all);
        assert!(all.capacity() < 200, "{}", all.capacity());
        assert_eq!(all.iter().filter_map(Weak::upgrade).count(), 10);
    }

    #[test]
    fn idle_is_what_was_left_alone_for_longer_than_ever() {
        let used = Used::at(100);
        assert!(!used.is_idle(116) && used.is_idle(117));
        // Asked for twice in one job, then after thirty.
        used.again(100);
        used.again(130);
        assert!(!used.is_idle(190) && used.is_idle(191));
        // A job that began earlier asks later.
        used.again(120);
        assert!(!used.is_idle(190));
    }
}
