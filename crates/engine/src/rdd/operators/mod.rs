//! Datasets from datasets, one operation a file.

// Element by element.
mod filter;
mod flat_map;
mod map;

// Partition by partition.
mod map_partitions;

// Several datasets.
mod union;

// Kept.
mod persist;

// By key.
pub(crate) mod keyed;
