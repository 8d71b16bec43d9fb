//! The partitions of a persisted dataset.

use std::sync::{Arc, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{Codec, Data, Result};

use super::held::{Held, Placement};
use super::level::StorageLevel;
use super::memory::{Memory, Share};
use crate::chunk::{Collect, Sink, Step, push_all};
use crate::context::Engine;
use crate::rdd::Compute;
use crate::task::{Checked, TaskCx};

/// How a dataset is to be kept.
pub(crate) struct Store<T> {
    /// Where.
    pub level: StorageLevel,
    /// How its records become bytes.
    pub codec: Codec<T>,
}

impl<T: Data> Store<T> {
    /// Keeps records.
    ///
    /// # Errors
    /// Gives the records back when there is no place; fails when they can't be encoded or written.
    pub(crate) fn hold(&self, records: Vec<T>, memory: &Memory) -> Result<Result<Held<T>, Vec<T>>> {
        let rule = Placement {
            share: Share::Cached,
            serialize: self.level.is_serialized(),
            memory: self.level.uses_memory(),
            disk: self.level.uses_disk(),
        };
        Held::place(records, self.codec, memory, rule)
    }
}

/// The kept partitions of one dataset.
pub(crate) struct Keep<T: Data> {
    store: Store<T>,
    engine: Engine,
    partitions: Vec<Mutex<Option<Arc<Held<T>>>>>,
}

impl<T: Data> Keep<T> {
    pub(crate) fn new(store: Store<T>, partitions: usize, engine: Engine) -> Self {
        Keep { store, engine, partitions: (0..partitions).map(|_| Mutex::default()).collect() }
    }

    pub(crate) fn level(&self) -> StorageLevel {
        self.store.level
    }

    /// Whether every partition is kept.
    pub(crate) fn is_whole(&self) -> bool {
        self.partitions.iter().all(|partition| lock(partition).is_some())
    }

    /// Bytes of all partitions, about; none as long as one of them is not kept.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.partitions.iter().try_fold(0, |sum, partition| Some(sum + lock(partition).as_ref()?.bytes()))
    }

    /// Lets go of everything; partitions are computed and kept again when asked for.
    pub(crate) fn clear(&self) {
        for partition in &self.partitions {
            // Dropped outside the lock: records are the program's.
            let kept = lock(partition).take();
            drop(kept);
        }
    }

    /// Reads a kept partition, or computes it and keeps it if there is a place.
    pub(crate) fn compute(
        &self,
        partition: usize,
        body: &dyn Compute<T>,
        cx: &TaskCx,
        out: &mut dyn Sink<T>,
    ) -> Step {
        let out = &mut Checked::new(cx, out);
        let kept = lock(&self.partitions[partition]).clone();
        if let Some(held) = kept {
            return held.read(out);
        }
        if cx.is_rehearsal() {
            return body.compute(partition, cx, out);
        }
        let mut records = Collect(Vec::new());
        body.compute(partition, cx, &mut records)?;
        match self.store.hold(records.0, self.engine.memory())? {
            Ok(held) => {
                let held = Arc::new(held);
                // Another task may have been faster; both hold the same records.
                let held = lock(&self.partitions[partition]).get_or_insert(held).clone();
                held.read(out)
            }
            Err(records) => push_all(records, out),
        }
    }
}
