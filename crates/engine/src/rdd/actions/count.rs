//! `count`: how many records.

use waterclock_base::{Data, Result};

use crate::job::{Counter, note, run_action};
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
