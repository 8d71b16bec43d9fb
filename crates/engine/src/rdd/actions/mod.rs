//! What brings a result to the driver: each action is a job.

// Records.
mod by_value; // count_by_value, count_by_key, collect_as_map, lookup
mod collect;
mod local_iterator; // to_local_iterator
mod take; // take, first, is_empty
mod top; // top, take_ordered, top_by, max, min

// One value.
mod count;
mod numbers; // sum, mean, stats, histogram
mod reduce; // reduce, fold, aggregate

// Effects.
mod each; // for_each, for_each_partition
mod save; // text files, object files

pub(crate) use each::Each;
pub use local_iterator::LocalIterator;
pub use numbers::{Number, Stats};
pub use save::{Save, StagedFiles};
