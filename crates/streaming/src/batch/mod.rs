//! Batches: when one is cut, and what becomes of it.

mod account; // what state takes of the memory
mod generator; // the tick
mod keeper; // what writes batches down
mod pace; // when a batch is cut under a latency target: pure
mod pacer; // what that is decided from
mod run; // the threads that do it
mod scheduler; // whose turn it is: pure
mod waiters; // who waits for batches, or for the end

pub(crate) use generator::{Drain, Generator};
pub(crate) use keeper::Keeper;
pub(crate) use pacer::Pacer;
pub(crate) use run::{Runner, on_job_thread};
pub(crate) use waiters::Waiters;
