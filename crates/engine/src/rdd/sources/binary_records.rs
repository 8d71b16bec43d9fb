//! `binary_records`: files of records of a fixed length.

use std::path::PathBuf;

use waterclock_base::Error;

use super::files::{FileReader, ReadFile, asked, files};
use crate::chunk::{CHUNK, Sink, Step};
use crate::context::Engine;
use crate::rdd::Rdd;
use crate::task::TaskCx;

impl Engine {
    /// The records of files that consist of records of `length` bytes, one partition a file; for which files
    /// a path means see [`text_files`](Engine::text_files).
    ///
    /// Actions fail with [`Error::Encoding`](waterclock_base::Error::Encoding) where a file ends in the middle
    /// of a record, with [`Error::Definition`](waterclock_base::Error::Definition) where the length is 0.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let dir = tempfile::tempdir().unwrap();
    /// # #[expect(clippy::disallowed_methods, reason = "an example")]
    /// std::fs::write(dir.path().join("bytes"), [1, 2, 3, 4]).unwrap();
    /// let records = Engine::local(2).binary_records(dir.path().join("bytes"), 2);
    /// assert_eq!(records.collect()?, [[1, 2], [3, 4]]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn binary_records(&self, path: impl Into<PathBuf>, length: usize) -> Rdd<Vec<u8>> {
        let by = asked("binary_records");
        if length == 0 {
            let why = "records of 0 bytes can't be told from each other".to_owned();
            let error = Error::Definition { call: by.operator, site: by.site, why };
            return self.failing_at(by.operator, by.site, error);
        }
        files(self, by, vec![path.into()], Fixed { length })
    }
}

struct Fixed {
    length: usize,
}

impl ReadFile<Vec<u8>> for Fixed {
    fn read(&self, file: &mut FileReader<'_>, cx: &TaskCx, out: &mut dyn Sink<Vec<u8>>) -> Step {
        let mut bytes = Vec::new();
        loop {
            cx.check()?;
            bytes.clear();
            let read = file.append(&mut bytes, (self.length as u64).saturating_mul(CHUNK as u64))?;
            if read == 0 {
                return Ok(());
            }
            let (records, left) = (bytes.chunks_exact(self.length), read % self.length);
            if left > 0 {
                let why = format!("{left} bytes at its end are no record of {} bytes", self.length);
                return Err(file.damaged(why).into());
            }
            out.push(&mut records.map(<[u8]>::to_vec).collect())?;
        }
    }
}
