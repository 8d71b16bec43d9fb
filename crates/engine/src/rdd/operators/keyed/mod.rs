//! Datasets of pairs, by key.

mod options; // how many partitions, which partitioner

// Pairs out of records.
mod group_by; // key_by, group_by

// The values of each key.
mod combine; // combine_by_key, reduce_by_key, group_by_key, ...
mod map_values; // the values alone

// Several datasets.
mod cogroup; // value lists side by side
mod expand; // rows out of value lists
mod join; // inner and outer joins
mod matching; // the pairs whose key another dataset has, or has not

// Where and in which order keys are.
mod partition_by;
mod sort_by_key; // sort_by_key, filter_by_range, ...

// By chance.
mod sample_by_key;

pub use combine::{CombineValues, GroupValues, ReduceValues};
pub(crate) use matching::{Keep, Once, matching};
pub use options::Keyed;
pub(crate) use options::KeyedInput;
