//! Datasets from the world.

mod files; // which files, and how one is read
mod object_file;
mod parallelize;
