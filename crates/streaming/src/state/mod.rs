//! Keyed state across batches.
