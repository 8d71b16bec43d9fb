//! One budget of bytes for everything that is kept, with a share for each use.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use waterclock_base::Result;
use waterclock_base::world::Disk;

use super::evict::Keeping;
use super::spill::{SpillFile, Spills};

/// What memory is used for, and what happens where there is none left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Blocks that receivers took in: newer ones go to disk, then receivers are held back.
    Received,
    /// Buckets between stages: they go to disk.
    Shuffled,
    /// Persisted datasets: those that were not asked for for long make room for others; what has none goes to disk or
    /// is computed again, as its level says.
    Cached,
    /// Keyed state: it stays, the others get less, and listeners are warned.
    State,
}

const SHARES: usize = 4;

/// The account of memory: who holds how much of the budget.
///
/// A share may take up to half of the budget as long as the whole is not used up, so that no use starves
/// the others and none wastes what the others leave.
///
/// ```
/// use waterclock_engine::{Engine, Share};
/// let memory = Engine::local(1).memory().clone();
/// let mut block = memory.take(Share::Received, 100);
/// block.grow(20);
/// assert_eq!(memory.used_by(Share::Received), 120);
/// drop(block);
/// assert_eq!(memory.used(), 0);
/// ```
#[derive(Clone)]
pub struct Memory {
    inner: Arc<Account>,
}

struct Account {
    budget: u64,
    used: [AtomicU64; SHARES],
    spills: Spills,
    keeping: Keeping,
}

/// Bytes taken from the budget, given back when dropped.
pub struct Reservation {
    account: Arc<Account>,
    share: Share,
    bytes: u64,
}

impl Reservation {
    /// Takes more bytes, whatever the account says.
    pub fn grow(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.account.used[self.share as usize].fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.used[self.share as usize].fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Memory {
    pub(crate) fn new(budget: u64, spill_dir: PathBuf, disk: Arc<dyn Disk>) -> Self {
        let used = [const { AtomicU64::new(0) }; SHARES];
        let (spills, keeping) = (Spills::new(spill_dir, disk), Keeping::default());
        Memory { inner: Arc::new(Account { budget, used, spills, keeping }) }
    }

    /// The whole budget in bytes.
    pub fn budget(&self) -> u64 {
        self.inner.budget
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.inner.used.iter().map(|used| used.load(Ordering::Relaxed)).sum()
    }

    /// Bytes in use for one thing.
    pub fn used_by(&self, share: Share) -> u64 {
        self.inner.used[share as usize].load(Ordering::Relaxed)
    }

    /// Bytes that were written to disk so far, because memory was short.
    pub fn spilled(&self) -> u64 {
        self.inner.spills.written()
    }

    /// Takes bytes; none when they are not there.
    pub fn reserve(&self, share: Share, bytes: u64) -> Option<Reservation> {
        let used = &self.inner.used[share as usize];
        let mine = used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let reservation = Reservation { account: self.inner.clone(), share, bytes };
        let fits = mine <= self.inner.budget / 2 && self.used() <= self.inner.budget;
        fits.then_some(reservation)
    }

    /// The datasets that are kept.
    pub(crate) fn keeping(&self) -> &Keeping {
        &self.inner.keeping
    }

    /// Takes kept data that nobody seems to need out of memory, until so many more bytes may be kept; whether they may.
    pub(crate) fn make_room(&self, bytes: u64) -> bool {
        let fits = |used: u64, most: u64| used.saturating_add(bytes) <= most;
        if bytes > self.share() {
            return false;
        }
        let has_room = || fits(self.used_by(Share::Cached), self.share()) && fits(self.used(), self.budget());
        self.keeping().make_room(&has_room);
        has_room()
    }

    /// Whether a share may take more.
    pub fn has_room(&self, share: Share) -> bool {
        self.used_by(share) < self.share() && self.used() < self.inner.budget
    }

    /// What each share may take, as long as the whole is not used up.
    pub fn share(&self) -> u64 {
        self.inner.budget / 2
    }

    /// Takes bytes, whatever the account says: for what is held back before it comes so far.
    pub fn take(&self, share: Share, bytes: u64) -> Reservation {
        let mut taken = Reservation { account: self.inner.clone(), share, bytes: 0 };
        taken.grow(bytes);
        taken
    }

    /// Notes how much is used in a share whose parts are not reserved one by one, as state is.
    pub fn note(&self, share: Share, bytes: u64) {
        self.inner.used[share as usize].store(bytes, Ordering::Relaxed);
    }

    /// Bytes that are on disk now, because memory was short.
    pub fn on_disk(&self) -> u64 {
        self.inner.spills.held()
    }

    /// Writes bytes to a file that is deleted when the answer is dropped.
    ///
    /// # Errors
    /// [`Error::Outside`](waterclock_base::Error::Outside) when the file can't be written.
    pub fn spill(&self, bytes: &[u8]) -> Result<SpillFile> {
        self.inner.spills.write(bytes)
    }
}
