//! Streams from streams, one operation a file.

// Record by record.
mod filter;
mod flat_map;
mod map;

// Partition by partition.
mod map_partitions;

// Batch by batch.
mod count;
mod reduce;
mod transform;
mod union;

// Kept and asked for later.
mod persist;
mod slice;

pub(crate) use count::Count;
