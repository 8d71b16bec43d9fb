//! The partitions of a persisted dataset.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Weak};

use waterclock_base::world::lock;
use waterclock_base::{Codec, Data, Result};

use super::evict::{Evict, Used};
use super::held::{Held, Placement};
use super::level::StorageLevel;
use super::memory::{Memory, Share};
use crate::chunk::{Collect, Sink, Step, push_all};
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
pub(crate) struct Keep<T: Data>(Arc<Partitions<T>>);

struct Partitions<T: Data> {
    store: Store<T>,
    memory: Memory,
    used: Used,
    held: Vec<Mutex<Option<Arc<Held<T>>>>>,
}

impl<T: Data> Keep<T> {
    pub(crate) fn new(store: Store<T>, partitions: usize, memory: &Memory) -> Self {
        let (memory, used) = (memory.clone(), Used::at(memory.keeping().now()));
        let held = (0..partitions).map(|_| Mutex::default()).collect();
        let partitions = Arc::new(Partitions { store, memory, used, held });
        if partitions.store.level.uses_memory() {
            let weak: Weak<Partitions<T>> = Arc::downgrade(&partitions);
            partitions.memory.keeping().add(weak);
        }
        Keep(partitions)
    }

    pub(crate) fn level(&self) -> StorageLevel {
        self.0.store.level
    }

    /// Whether every partition is kept. Whoever asks is about to read them.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.used.again(self.0.memory.keeping().now());
        self.0.held.iter().all(|partition| lock(partition).is_some())
    }

    /// Bytes of all partitions, about; none as long as one of them is not kept.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.0.held.iter().try_fold(0, |sum, partition| Some(sum + lock(partition).as_ref()?.bytes()))
    }

    /// Lets go of everything; partitions are computed and kept again when asked for.
    pub(crate) fn clear(&self) {
        for partition in &self.0.held {
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
        let Partitions { store, memory, used, held } = &*self.0;
        let out = &mut Checked::new(cx, out);
        used.again(memory.keeping().now());
        let kept = lock(&held[partition]).clone();
        if let Some(held) = kept {
            return held.read(out);
        }
        if cx.is_rehearsal() {
            return body.compute(partition, cx, out);
        }
        let mut records = Collect(Vec::new());
        body.compute(partition, cx, &mut records)?;
        match store.hold(records.0, memory)? {
            Ok(new) => {
                let new = Arc::new(new);
                // Another task may have been faster; both hold the same records.
                let kept = lock(&held[partition]).get_or_insert(new).clone();
                kept.read(out)
            }
            Err(records) => push_all(records, out),
        }
    }
}

impl<T: Data> Evict for Partitions<T> {
    fn used(&self) -> &Used {
        &self.used
    }

    fn evict(&self, has_room: &dyn Fn() -> bool) {
        for partition in &self.held {
            if has_room() {
                return;
            }
            let Some(old) = lock(partition).clone().filter(|held| held.is_in_memory()) else { continue };
            // The program's code runs for a task that has nothing to do with it: what it does wrong stays here.
            let on_disk = || old.on_disk(self.store.codec, &self.memory);
            let new = match self.store.level.uses_disk().then(|| catch_unwind(AssertUnwindSafe(on_disk))) {
                None => None,
                Some(Ok(Ok(new))) => Some(Arc::new(new)),
                Some(Ok(Err(error))) => {
                    tracing::warn!(?error, "a kept partition can't go to disk and stays in memory");
                    continue;
                }
                Some(Err(_)) => continue,
            };
            let replaced = {
                let mut held = lock(partition);
                match &*held {
                    Some(now) if Arc::ptr_eq(now, &old) => std::mem::replace(&mut *held, new),
                    _ => new,
                }
            };
            drop((replaced, old));
        }
    }
}
