//! A sink outside: what it has survives the process.

use std::fmt::Debug;
use std::sync::Arc;

use waterclock_base::world::lock;
use waterclock_base::{BoxError, Record};

use super::super::SimDisk;
use super::job::Outside;
use super::seen::Batches;
use crate::dstream::{BatchMark, BatchSink, SinkClass};

/// Keeps each batch once, all of it or nothing.
pub(super) struct SimSink<T> {
    pub(super) label: String,
    pub(super) outside: Arc<Outside>,
    pub(super) disk: Arc<SimDisk>,
    pub(super) shown: Batches<T>,
}

impl<T: Record + Debug> BatchSink<T> for SimSink<T> {
    type Part = Vec<T>;

    fn class(&self) -> SinkClass {
        SinkClass::Transactional
    }

    fn stage(&self, _: &BatchMark, _: usize, records: Vec<T>) -> Result<Vec<T>, BoxError> {
        Ok(records)
    }

    fn publish(&self, batch: &BatchMark, parts: &[Vec<T>]) -> Result<(), BoxError> {
        let (label, records) = (&self.label, parts.concat());
        // The process may end before it knows, as with any transaction.
        self.disk.outside(
            || format!("{label} of {}: {records:?}", batch.time),
            // What is there already must be the same: so no mark is needed here.
            || lock(&self.outside.seen).published(label, batch.time, records.clone(), &self.shown),
        )?;
        Ok(())
    }
}
