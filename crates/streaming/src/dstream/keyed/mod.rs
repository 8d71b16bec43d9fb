//! Streams of pairs, by key: each batch on its own, or with state across batches.

// Each batch on its own.
mod combine;
mod map_values;
