//! `save_as_text_file`: a line for each record.

use std::panic::Location;
use std::path::Path;

use waterclock_base::{Data, Record, Result, write_text_form};

use super::{Format, PartFile, Save, save};
use crate::rdd::{Asked, Rdd};

/// # Into files
///
/// A directory gets one file a partition, `part-00000` and so on, empty ones for empty partitions, and at
/// last an empty file `_SUCCESS`. Attempts of tasks write below `_temporary` and are renamed when all have
/// succeeded, so that failed and repeated attempts leave nothing behind.
impl<T: Data> Rdd<T> {
    /// Saves the records as text, each in its text form on a line, in UTF-8.
    ///
    /// # Errors
    /// [`Error::Action`](waterclock_base::Error::Action) when `dir` exists;
    /// [`Error::Outside`](waterclock_base::Error::Outside) when it can't be written; the error of the task
    /// that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let dir = tempfile::tempdir().unwrap();
    /// let engine = Engine::local(2);
    /// engine.parallelize(vec!["one".to_owned(), "two".into()], 2).save_as_text_file(dir.path().join("out"))?;
    /// assert!(dir.path().join("out/part-00001").exists());
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn save_as_text_file(&self, dir: impl AsRef<Path>) -> Result<()>
    where
        T: Record,
    {
        self.save_as_text_file_at("save_as_text_file", Location::caller(), dir.as_ref(), &Save::new())
    }

    /// [`save_as_text_file`](Rdd::save_as_text_file) with options.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn save_as_text_file_with(&self, dir: impl AsRef<Path>, options: Save) -> Result<()>
    where
        T: Record,
    {
        self.save_as_text_file_at("save_as_text_file", Location::caller(), dir.as_ref(), &options)
    }

    /// [`save_as_text_file`](Rdd::save_as_text_file) under another name and place, for operations made of it.
    ///
    /// # Errors
    /// As there.
    pub fn save_as_text_file_at(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        dir: &Path,
        options: &Save,
    ) -> Result<()>
    where
        T: Record,
    {
        save::<T, Lines>(self, Asked { operator, site }, dir, options)
    }
}

#[derive(Default)]
pub(super) struct Lines {
    text: String,
}

impl<T: Record> Format<T> for Lines {
    fn write<'r>(&mut self, records: impl Iterator<Item = &'r T>, file: &mut PartFile) -> Result<()> {
        self.text.clear();
        for record in records {
            write_text_form(record, &mut self.text);
            self.text.push('\n');
        }
        file.write(self.text.as_bytes())
    }
}
