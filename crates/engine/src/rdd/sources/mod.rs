//! Datasets from the world.

mod parallelize;
