//! What brings a result to the driver: each action is a job.

mod collect;
mod count;
