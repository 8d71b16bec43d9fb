//! Records change their partition: each task of one stage sorts its records into buckets, one for each
//! task of the next.
//!
//! Buckets stay typed and in memory where the account allows it, else they are written to disk. A reader
//! takes them in the order of the map partitions, so that results do not depend on who finished first.

mod combine; // buckets of combined values
mod route; // buckets of records as they are
mod stage; // the stage that fills buckets

pub use combine::{Combine, ExpectedKeys, Merge};
pub(crate) use combine::{combined, warn_if_crowded};
pub(crate) use route::{routed, routed_by};
