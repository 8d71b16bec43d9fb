//! Datasets from the world.

// From memory.
mod parallelize;
mod range;
mod text;

// From files.
mod binary_records;
mod files; // which files, and how one is read
mod object_file;
mod text_files; // text_files, whole_text_files

pub(crate) use object_file::parts;
