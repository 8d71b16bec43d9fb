//! Receivers: sources that push, each on a thread of its own.

mod rate; // how fast processing lets a receiver go
mod timer; // a recurring tick

pub use rate::PidEstimator;
pub use timer::RecurringTimer;
