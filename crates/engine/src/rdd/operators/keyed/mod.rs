//! Datasets of pairs, by key.

mod combine; // combine_by_key, reduce_by_key, group_by_key, ...
mod map_values; // the values alone
mod options; // how many partitions, which partitioner

pub use combine::{CombineValues, GroupValues, ReduceValues};
pub use options::Keyed;
