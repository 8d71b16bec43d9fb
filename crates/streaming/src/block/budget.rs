//! The limit on received bytes that wait in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use waterclock_base::world::Clock;
use waterclock_engine::{Memory, Reservation, Share};

use super::waiters::Waiters;

/// How many bytes of received records all receivers of a context may hold in memory together.
///
/// A byte counts from the moment its record is stored until the block that holds it goes to disk or is dropped: when
/// its batch is forgotten and no task reads it any more. At the limit receivers are held back: their `store`
/// waits. One `store` that was let in may exceed the limit by its own size, so that no record is too
/// large for ever.
///
/// In a context they are a share of [`Memory`]: what state and other data take leaves less for them, but not less than
/// a quarter of their share, so that something always comes in.
///
/// ```
/// use std::sync::Arc;
/// use waterclock_base::world::SystemClock;
/// use waterclock_streaming::ReceivedBytes;
/// let bytes = ReceivedBytes::new(1 << 20, Arc::new(SystemClock::new()));
/// assert_eq!((bytes.used(), bytes.limit()), (0, 1 << 20));
/// ```
pub struct ReceivedBytes {
    limit: u64,
    used: AtomicU64,
    /// The account that they are a share of, and how many bytes of blocks may be on disk.
    shared: Option<(Memory, u64)>,
    waiters: Waiters,
}

impl ReceivedBytes {
    /// A budget of `limit` bytes, of which none is used. A limit of 0 lets one `store` in at a time.
    pub fn new(limit: u64, clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::of(limit, None, clock)
    }

    /// The share of received bytes in `memory`, of which so many may go to disk.
    pub(crate) fn sharing(memory: &Memory, on_disk: u64, clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::of(memory.share(), Some((memory.clone(), on_disk)), clock)
    }

    fn of(limit: u64, shared: Option<(Memory, u64)>, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (limit, used, waiters) = (limit.max(1), AtomicU64::new(0), Waiters::new(clock));
        Arc::new(ReceivedBytes { limit, used, shared, waiters })
    }

    /// The limit.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that are held now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether another record may be taken in.
    pub(crate) fn has_room(&self) -> bool {
        let left = |(memory, _): &(Memory, u64)| memory.has_room(Share::Received);
        let used = self.used();
        used < self.limit && (used < self.limit / 4 || self.shared.as_ref().is_none_or(left))
    }

    /// The account, where the next block is to go to disk: before memory is so short that receivers have to wait.
    pub(crate) fn wants_disk(&self) -> Option<&Memory> {
        let (memory, on_disk) = self.shared.as_ref()?;
        let short = self.used() >= self.limit / 2 || !self.has_room();
        (short && memory.on_disk() < *on_disk).then_some(memory)
    }

    /// Waits for room, or until `hurry` holds.
    pub(crate) fn wait_for_room(&self, hurry: impl Fn() -> bool) {
        self.waiters.wait(None, || self.has_room() || hurry());
    }

    /// Makes receivers that wait for room look at their `hurry` again.
    pub(crate) fn wake(&self) {
        self.waiters.wake();
    }
}

/// Bytes that count against a budget until this is dropped.
pub(crate) struct Charge {
    budget: Arc<ReceivedBytes>,
    bytes: u64,
    shared: Option<Reservation>,
}

impl Charge {
    /// No bytes yet.
    pub(crate) fn none(budget: &Arc<ReceivedBytes>) -> Self {
        let shared = budget.shared.as_ref().map(|(memory, _)| memory.take(Share::Received, 0));
        Charge { budget: budget.clone(), bytes: 0, shared }
    }

    /// Counts more bytes.
    pub(crate) fn grow(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        if let Some(shared) = &mut self.shared {
            shared.grow(bytes);
        }
    }

    /// The budget that it counts against.
    pub(crate) fn budget(&self) -> &Arc<ReceivedBytes> {
        &self.budget
    }

    /// The bytes that it counts.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let before = self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
        debug_assert!(before >= self.bytes, "more bytes released than were charged");
        drop(self.shared.take());
        // Nobody waits below the limit, unless others have what would be left.
        if before >= self.budget.limit || self.budget.shared.is_some() {
            self.budget.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use waterclock_base::Settings;
    use waterclock_base::world::{ManualClock, World, spawn};
    use waterclock_engine::Engine;

    use super::*;

    #[test]
    fn a_full_budget_holds_back_until_bytes_are_released() {
        let budget = ReceivedBytes::new(100, ManualClock::new());
        let mut charge = Charge::none(&budget);
        charge.grow(60);
        assert!(budget.has_room());
        charge.grow(60);
        assert!(!budget.has_room());
        let held = {
            let budget = budget.clone();
            spawn("held", move || budget.wait_for_room(|| false))
        };
        drop(charge);
        held.join().unwrap();
        assert_eq!(budget.used(), 0);
    }

    /// What others take leaves less, but never nothing; blocks go to disk where there is little.
    #[test]
    fn what_state_takes_is_not_there_for_receivers() {
        let mut settings = Settings::default();
        settings.memory_budget = 800;
        let engine = Engine::new(settings, World::real());
        let memory = engine.memory();
        let budget = ReceivedBytes::sharing(memory, 1000, ManualClock::new());
        let mut charge = Charge::none(&budget);
        memory.note(Share::State, 800);
        charge.grow(99);
        assert!(budget.has_room() && budget.wants_disk().is_none());
        charge.grow(1);
        assert!(!budget.has_room() && budget.wants_disk().is_some());
        memory.note(Share::State, 500);
        assert!(budget.has_room() && budget.wants_disk().is_none());
        charge.grow(200);
        assert_eq!(memory.used(), 800);
        assert!(!budget.has_room());
        memory.note(Share::State, 0);
        assert!(budget.has_room());
    }

    #[test]
    fn whoever_is_in_a_hurry_does_not_wait() {
        let budget = ReceivedBytes::new(0, ManualClock::new());
        let mut charge = Charge::none(&budget);
        charge.grow(1);
        budget.wait_for_room(|| true);
        assert_eq!(charge.bytes(), 1);
    }
}
