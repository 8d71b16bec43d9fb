//! Soon replaced.
use crate::rdd::Rdd;
use waterclock_base::{Record, Result};
impl<T: Record> Rdd<T> {
    /// Take.
    ///
    /// # Errors
    /// Task.
    #[track_caller]
    pub fn take(&self, n: usize) -> Result<Vec<T>> {
        let mut all = self.collect()?;
        all.truncate(n);
        Ok(all)
    }
}
