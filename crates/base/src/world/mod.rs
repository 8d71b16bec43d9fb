//! The seams to the world. Nothing in base, engine and streaming reaches the operating system but
//! through these, so that tests and replays can decide what happens.

mod clock;
mod disk;
mod net;
mod points;
mod rng;
mod threads;
#[cfg(feature = "kill-points")]
mod unsynced;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use clock::{Clock, ManualClock, Signal, SystemClock};
pub use disk::{Disk, DiskEntry, DiskFile, DiskName, RealDisk, above};
pub use net::{Connection, Net, RealNet};
pub use points::at_point;
pub use rng::{Rng, random_seed};
pub use threads::{JoinHandle, in_parallel, memory_bytes, spawn};
#[cfg(feature = "kill-points")]
pub use unsynced::UnsyncedDisk;

/// The seams of one context.
#[derive(Clone)]
pub struct World {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Files and directories.
    pub disk: Arc<dyn Disk>,
    /// Outgoing connections.
    pub net: Arc<dyn Net>,
}

impl World {
    /// The real world.
    pub fn real() -> Self {
        World { clock: Arc::new(SystemClock::new()), disk: real_disk(), net: Arc::new(RealNet) }
    }

    /// The real world under a clock of the caller's.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        World { clock, ..World::real() }
    }
}

#[cfg(not(feature = "kill-points"))]
fn real_disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

/// With `WATERCLOCK_UNSYNCED` in the environment, what is not synced is lost with the process.
#[cfg(feature = "kill-points")]
fn real_disk() -> Arc<dyn Disk> {
    match std::env::var_os("WATERCLOCK_UNSYNCED") {
        Some(_) => Arc::new(UnsyncedDisk::new()),
        None => Arc::new(RealDisk),
    }
}

/// Locks a mutex whose guarded value is whole between any two statements, so that a thread that
/// panicked while holding it left nothing half done.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
