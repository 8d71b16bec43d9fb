//! Datasets from datasets, one operation a file.

// Element by element.
mod filter;
mod flat_map;
mod map;
mod words;

// Partition by partition.
mod map_partitions;
mod repartition; // repartition, coalesce

// Several datasets.
mod cartesian;
mod union;
mod zip; // zip, zip_partitions, zip_partitions3, ...

// As sets.
mod distinct;
mod intersection; // intersection, subtract

// In order.
mod sort; // sort, sort_by
mod zip_with_index; // zip_with_index, zip_with_unique_id

// By chance.
mod sample; // sample, random_split

// One record from all.
mod fold_all;

// Kept.
mod checkpoint;
mod local_checkpoint;
mod persist;

pub use fold_all::FoldAll;

// By key.
pub(crate) mod keyed;

pub(crate) use sample::Draw;
