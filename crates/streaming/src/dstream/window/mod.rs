//! Windows: at each slide, what several batches held.

pub(crate) mod bounds; // which times a window covers: pure

// Kept up to date by what enters and what leaves.
mod inverse;
mod inverse_count;
