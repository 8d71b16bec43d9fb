//! Windows: at each slide, what several batches held.

pub(crate) mod bounds; // which times a window covers: pure

mod sliding; // the records themselves

// Reduced; merged so that a slide costs a few merges, however long the window is.
mod fold;
mod group_by_key;
mod pieces; // which merged pieces a window is made of: pure
mod reduce;
mod reduce_by_key;

// Kept up to date by what enters and what leaves.
mod inverse;
mod inverse_count;
