//! Where the partitions of a persisted dataset may be kept.

use serde::{Deserialize, Serialize};

/// Where a persisted dataset is kept. Spark's levels without the replicated ones: there is one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StorageLevel {
    /// As records in memory; a partition that does not fit is computed again each time.
    #[default]
    MemoryOnly,
    /// As bytes in memory, smaller and slower; a partition that does not fit is computed again each time.
    MemoryOnlySer,
    /// As records in memory; a partition that does not fit goes to disk.
    MemoryAndDisk,
    /// As bytes in memory; a partition that does not fit goes to disk.
    MemoryAndDiskSer,
    /// On disk.
    DiskOnly,
}

impl StorageLevel {
    /// Whether memory is used at all.
    pub fn uses_memory(self) -> bool {
        self != StorageLevel::DiskOnly
    }

    /// Whether disk is used for what does not fit in memory.
    pub fn uses_disk(self) -> bool {
        matches!(self, StorageLevel::DiskOnly | StorageLevel::MemoryAndDisk | StorageLevel::MemoryAndDiskSer)
    }

    /// Whether memory holds bytes instead of records.
    pub fn is_serialized(self) -> bool {
        matches!(self, StorageLevel::MemoryOnlySer | StorageLevel::MemoryAndDiskSer)
    }
}
