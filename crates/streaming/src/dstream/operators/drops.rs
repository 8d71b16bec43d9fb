//! Records that were left out by a documented rule, each counted once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Event, StreamId};
use waterclock_engine::{Accumulator, Engine};

/// Counts the records that one stream leaves out.
///
/// Tasks only note what they left out; it arrives with the result of the attempt that counts. A partition
/// that is computed again, for another output or because what was kept is gone, adds only what it had
/// not reached the first time.
#[derive(Clone)]
pub(super) struct Drops {
    counted: Arc<Counted>,
    noted: Accumulator<(), Note>,
}

struct Note {
    time: BatchTime,
    partition: usize,
    records: u64,
}

#[derive(Default)]
struct Counted {
    stream: OnceLock<StreamId>,
    by_batch: Mutex<BTreeMap<BatchTime, BTreeMap<usize, u64>>>,
}

impl Counted {
    /// How many of these were not counted before.
    fn take_in(&self, note: &Note) -> u64 {
        let mut by_batch = lock(&self.by_batch);
        let known = by_batch.entry(note.time).or_default().entry(note.partition).or_default();
        let new = note.records.saturating_sub(*known);
        *known += new;
        new
    }
}

impl Drops {
    /// A count of nothing yet; `why` says in a word or two why records are left out.
    pub(super) fn new(engine: &Engine, why: &'static str) -> Self {
        let counted = Arc::<Counted>::default();
        let (count, teller) = (counted.clone(), engine.clone());
        let noted = engine.accumulator("left out", (), move |(), note: Note| {
            let records = count.take_in(&note);
            if let (Some(&stream), 1..) = (count.stream.get(), records) {
                teller.tell(Event::RecordsDropped { stream, why, records });
            }
        });
        Drops { counted, noted }
    }

    /// Says which stream it is.
    pub(super) fn belong_to(&self, stream: StreamId) {
        // Set once, by the operation that defines the stream.
        let _ = self.counted.stream.set(stream);
    }

    /// Notes in a task how many records of a partition were left out, from its beginning on.
    pub(super) fn add(&self, time: BatchTime, partition: usize, records: u64) {
        if records > 0 {
            self.noted.add(Note { time, partition, records });
        }
    }

    /// Batches up to this time are not computed again.
    pub(super) fn forget(&self, upto: BatchTime) {
        let mut by_batch = lock(&self.counted.by_batch);
        *by_batch = by_batch.split_off(&BatchTime::from_millis(upto.as_millis() + 1));
    }
}
