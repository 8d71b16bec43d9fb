//! Streams from streams, one operation a file.

// Record by record.
mod filter;
mod flat_map;
mod map;
mod words;

// Record by record, where a closure may refuse one.
mod drops; // what was left out, counted once
mod map_blocking; // several at a time, on threads of its own
mod rejected;
mod try_map;

// Partition by partition.
mod map_partitions;

// Batch by batch.
mod count;
mod reduce;
mod repartition;
mod top;
mod transform;
mod union;

// Kept and asked for later.
mod persist;
mod slice;

pub(crate) use count::Count;
pub use rejected::Rejected;
pub use try_map::OnBadRecord;
