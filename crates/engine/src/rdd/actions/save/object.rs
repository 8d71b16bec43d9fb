//! `save_as_object_file`: records as bytes that [`Engine::object_file`](crate::Engine::object_file) reads.

use std::panic::Location;
use std::path::Path;

use waterclock_base::{Data, Record, Result};

use super::{Format, PartFile, Save, save};
use crate::rdd::object::{Frames, HEADER};
use crate::rdd::{Asked, Rdd};

impl<T: Data> Rdd<T> {
    /// Saves the records as bytes, to be read by [`Engine::object_file`](crate::Engine::object_file). The
    /// format is in docs/format.md.
    ///
    /// # Errors
    /// [`Error::Action`](waterclock_base::Error::Action) when `dir` exists;
    /// [`Error::Outside`](waterclock_base::Error::Outside) when it can't be written; the error of the task
    /// that failed, as when a record can't be encoded.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let dir = tempfile::tempdir().unwrap();
    /// let engine = Engine::local(2);
    /// engine.parallelize(vec![(1, 'a'), (2, 'b')], 2).save_as_object_file(dir.path().join("out"))?;
    /// let back = engine.object_file::<(i32, char)>(dir.path().join("out"));
    /// assert_eq!(back.collect_partitions()?, [[(1, 'a')], [(2, 'b')]]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn save_as_object_file(&self, dir: impl AsRef<Path>) -> Result<()>
    where
        T: Record,
    {
        self.save_as_object_file_at("save_as_object_file", Location::caller(), dir.as_ref(), &Save::new())
    }

    /// [`save_as_object_file`](Rdd::save_as_object_file) with options.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn save_as_object_file_with(&self, dir: impl AsRef<Path>, options: Save) -> Result<()>
    where
        T: Record,
    {
        self.save_as_object_file_at("save_as_object_file", Location::caller(), dir.as_ref(), &options)
    }

    /// [`save_as_object_file`](Rdd::save_as_object_file) under another name and place, for operations made
    /// of it.
    ///
    /// # Errors
    /// As there.
    pub fn save_as_object_file_at(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        dir: &Path,
        options: &Save,
    ) -> Result<()>
    where
        T: Record,
    {
        save::<T, Frames>(self, Asked { operator, site }, dir, options)
    }
}

impl<T: Record> Format<T> for Frames {
    const HEADER: &'static [u8] = &HEADER;

    fn write<'r>(&mut self, records: impl Iterator<Item = &'r T>, file: &mut PartFile) -> Result<()> {
        for record in records {
            if self.add(record)? {
                file.write(self.finish()?)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, file: &mut PartFile) -> Result<()> {
        if !self.is_empty() {
            file.write(self.finish()?)?;
        }
        file.write(self.finish()?)
    }
}
