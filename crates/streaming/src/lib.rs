//! Soon.

mod receiver; // sources that push, each on a thread of its own

pub use receiver::{PidEstimator, RecurringTimer};
