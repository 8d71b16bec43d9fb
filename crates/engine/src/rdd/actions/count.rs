//! `count`: how many records.

use waterclock_base::{Data, Result};

use crate::chunk::{Sink, Step};
use crate::job::{note, run_action};
use crate::rdd::Rdd;

/// # Counting
impl<T: Data> Rdd<T> {
    /// How many records there are.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert_eq!(Engine::local(2).parallelize(vec!['a'; 10], 3).count()?, 10);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn count(&self) -> Result<u64> {
        let counts = run_action("count", self, (0..self.partitions()).collect(), |partition, rdd, cx| {
            let mut counter = Counter(0);
            rdd.compute(partition, cx, &mut counter)?;
            Ok(counter.0)
        })?;
        let count = counts.into_iter().sum();
        note(&[count]);
        Ok(count)
    }
}

/// Counts records without looking at them.
pub(crate) struct Counter(pub(crate) u64);

impl<T: Data> Sink<T> for Counter {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.0 += chunk.len() as u64;
        chunk.clear();
        Ok(())
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        self.0 += records.len() as u64;
        Ok(())
    }
}
