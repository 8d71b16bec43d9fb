//! Values shared by all tasks: read-only ones and ones that are only added to.

mod accumulator;
mod broadcast;

pub use accumulator::{Accumulator, Updates};
pub use broadcast::Broadcast;
