//! Telling listeners what happens, without ever holding up a batch.

mod bus; // one thread, one bounded queue
mod progress; // the running totals

pub(crate) use bus::{Bus, on_listener_thread};
pub(crate) use progress::Progress;
