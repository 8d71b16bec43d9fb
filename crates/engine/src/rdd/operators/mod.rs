//! Datasets from datasets, one operation a file.

// Element by element.
mod filter;
mod flat_map;
mod map;
mod words;

// Partition by partition.
mod map_partitions;

// Several datasets.
mod union;

// One record from all.
mod fold_all;

// Kept.
mod persist;

pub use fold_all::FoldAll;

// By key.
pub(crate) mod keyed;
