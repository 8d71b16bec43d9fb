//! `persist`: what was computed is kept.

use waterclock_base::{Codec, Data, Record, Result};

use crate::block::{StorageLevel, Store};
use crate::rdd::Rdd;

/// # Kept datasets
impl<T: Data> Rdd<T> {
    /// Keeps the partitions of this dataset once they are computed, so that later actions do not compute
    /// them again. Applies to every handle of the dataset; nothing is computed now.
    ///
    /// # Errors
    /// [`Error::Action`](waterclock_base::Error::Action) when it is kept at another level already.
    ///
    /// ```
    /// # use waterclock_engine::{Engine, StorageLevel};
    /// let engine = Engine::local(2);
    /// let calls = engine.accumulator("calls", 0u64, |sum, n: u64| *sum += n);
    /// let counter = calls.clone();
    /// let rdd = engine.parallelize(vec![1, 2, 3], 2).map(move |n| { counter.add(1); n });
    /// rdd.persist(StorageLevel::MemoryOnly)?;
    /// rdd.count()?;
    /// rdd.count()?;
    /// assert_eq!(calls.value(), 3);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    pub fn persist(&self, level: StorageLevel) -> Result<Rdd<T>>
    where
        T: Record,
    {
        self.keep_in(Store { level, codec: Codec::of() })?;
        Ok(self.clone())
    }

    /// [`persist`](Rdd::persist) in memory, as records.
    ///
    /// # Errors
    /// As `persist`.
    pub fn cache(&self) -> Result<Rdd<T>>
    where
        T: Record,
    {
        self.persist(StorageLevel::MemoryOnly)
    }

    /// Lets go of what is kept. It is computed, and kept, again when it is asked for.
    pub fn unpersist(&self) {
        if let Some(keep) = self.keep().get() {
            keep.clear();
        }
    }

    /// Where this dataset is kept, if it is.
    pub fn storage_level(&self) -> Option<StorageLevel> {
        self.keep().get().map(|keep| keep.level())
    }
}
