//! One budget of bytes for everything that is kept, with a share for each use.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use waterclock_base::Result;
use waterclock_base::world::Disk;

use super::spill::{SpillFile, Spills};

/// What memory is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Blocks that receivers took in.
    Received,
    /// Buckets between stages.
    Shuffled,
    /// Persisted datasets.
    Cached,
    /// Keyed state.
    State,
}

const SHARES: usize = 4;

/// The account of memory: who holds how much of the budget.
///
/// A share may take up to half of the budget as long as the whole is not used up, so that no use starves
/// the others and none wastes what the others leave.
#[derive(Clone)]
pub struct Memory {
    inner: Arc<Account>,
}

struct Account {
    budget: u64,
    used: [AtomicU64; SHARES],
    spills: Spills,
}

/// Bytes taken from the budget, given back when dropped.
pub struct Reservation {
    account: Arc<Account>,
    share: Share,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.used[self.share as usize].fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Memory {
    pub(crate) fn new(budget: u64, spill_dir: PathBuf, disk: Arc<dyn Disk>) -> Self {
        let used = [const { AtomicU64::new(0) }; SHARES];
        Memory { inner: Arc::new(Account { budget, used, spills: Spills::new(spill_dir, disk) }) }
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

    /// Writes bytes to a file that is deleted when the answer is dropped.
    pub(crate) fn spill(&self, bytes: &[u8]) -> Result<SpillFile> {
        self.inner.spills.write(bytes)
    }
}
