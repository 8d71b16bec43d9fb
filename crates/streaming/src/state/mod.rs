//! Keyed state across batches.
//!
//! A partition's state is a *base* table and a short chain of *deltas*, one for each batch that is not yet
//! folded into the base: key → new value or removal. A task of batch T reads base and deltas and writes only
//! its own delta, which the scheduler installs when the task is the first to finish; so a retried or
//! speculative task needs no undo, and a failed batch only drops its delta. Cost follows the keys that a
//! batch touches.
//!
//! Whoever still reads an older version *pins* it; deltas up to the oldest pin are folded into the base in
//! place, in the usual case right after their batch.

mod migrate; // state of an old type
mod rows; // keyed rows that can be removed
mod saved; // changes as bytes
mod stage; // the tasks that change state
mod store; // base, deltas, pins
mod version; // the versions that a stream makes, batch by batch

pub(crate) use migrate::Migration;
pub(crate) use rows::Rows;
pub(crate) use saved::{read_head, read_row, write as write_saved, write_view};
pub(crate) use stage::{Emitted, Snapshot, StateStage, Update, Updated};
pub(crate) use store::{Change, Changed, Delta, Entry, Pin, StateStore, View};
pub(crate) use version::Versions;
