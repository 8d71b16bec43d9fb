//! `checkpoint`: the records written down, and the lineage cut off.

use std::panic::Location;
use std::path::Path;

use waterclock_base::{Data, Record, Result};

use crate::rdd::actions::Save;
use crate::rdd::sources::parts;
use crate::rdd::{Asked, Rdd};

impl<T: Data> Rdd<T> {
    /// Writes the records below `dir` by a job that runs now, and gives a dataset that reads them from there
    /// and depends on nothing else: what was above is forgotten when the last handle of this dataset goes.
    ///
    /// The new dataset has the same partitions and, if this one is spread by key, is so in the same way. The
    /// files stay until somebody deletes them; they are the object files of docs/format.md. The dataset is
    /// computed once more for it, unless it is [`persist`](Rdd::persist)ed.
    ///
    /// # Errors
    /// [`Error::Action`](waterclock_base::Error::Action) when `dir` exists;
    /// [`Error::Outside`](waterclock_base::Error::Outside) when it can't be written; the error of the task
    /// that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let dir = tempfile::tempdir().unwrap();
    /// let rdd = Engine::local(2).parallelize(vec![1, 2, 3], 2).map(|n| n * n);
    /// let cut = rdd.checkpoint(dir.path().join("squares"))?;
    /// assert_eq!(cut.collect_partitions()?, [vec![1], vec![4, 9]]);
    /// assert!(!cut.to_debug_string().contains("map"));
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn checkpoint(&self, dir: impl AsRef<Path>) -> Result<Rdd<T>>
    where
        T: Record,
    {
        let by = Asked { operator: "checkpoint", site: Location::caller() };
        self.save_as_object_file_at(by.operator, by.site, dir.as_ref(), &Save::new())?;
        Ok(parts(self.engine(), by, dir.as_ref()).keeping_partitioner_of(self))
    }
}
