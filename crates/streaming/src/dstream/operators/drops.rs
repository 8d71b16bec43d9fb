//! Records that were left out by a documented rule, each counted once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Event, StreamId};
use waterclock_engine::Engine;

/// Counts the records that one stream leaves out.
///
/// Which records those are is a function of batch and partition. A partition that is computed again (by a
/// second attempt, a copy, another output, or because what was kept is gone) therefore adds only what
/// nobody had reached before. An accumulator would not do: it forgets with a failed attempt what that
/// attempt noted, while the partition that it computed may be kept.
#[derive(Clone)]
pub(super) struct Drops {
    inner: Arc<Inner>,
}

struct Inner {
    stream: OnceLock<StreamId>,
    why: &'static str,
    engine: Engine,
    counted: Mutex<BTreeMap<BatchTime, BTreeMap<usize, u64>>>,
}

impl Drops {
    /// A count of nothing yet; `why` says in a word or two why records are left out.
    pub(super) fn new(engine: &Engine, why: &'static str) -> Self {
        let (stream, counted) = (OnceLock::new(), Mutex::default());
        Drops { inner: Arc::new(Inner { stream, why, engine: engine.clone(), counted }) }
    }

    /// Says which stream it is.
    pub(super) fn belong_to(&self, stream: StreamId) {
        // Set once, by the operation that defines the stream.
        let _ = self.inner.stream.set(stream);
    }

    /// Notes how many records of a partition were left out, from its beginning on.
    pub(super) fn note(&self, time: BatchTime, partition: usize, records: u64) {
        if records == 0 {
            return;
        }
        let new = {
            let mut counted = lock(&self.inner.counted);
            let known = counted.entry(time).or_default().entry(partition).or_default();
            let new = records.saturating_sub(*known);
            *known += new;
            new
        };
        if let (Some(&stream), 1..) = (self.inner.stream.get(), new) {
            self.inner.engine.tell(Event::RecordsDropped { stream, why: self.inner.why, records: new });
        }
    }

    /// Batches up to this time are not computed again.
    pub(super) fn forget(&self, upto: BatchTime) {
        let mut counted = lock(&self.inner.counted);
        *counted = counted.split_off(&BatchTime::from_millis(upto.as_millis() + 1));
    }
}
