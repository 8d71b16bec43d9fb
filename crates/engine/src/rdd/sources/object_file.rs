//! `object_file`: what `save_as_object_file` wrote.

use std::path::{Path, PathBuf};

use waterclock_base::{Codec, Record};

use super::files::{FileReader, ReadFile, asked, files};
use crate::chunk::{Halt, Sink, Step, push_all};
use crate::context::Engine;
use crate::rdd::object::{FrameHeader, HEADER};
use crate::rdd::{Asked, Rdd};
use crate::task::TaskCx;

impl Engine {
    /// The records of an object file, or of the object files in a directory, one partition a file, in the
    /// order of the files' names. The type must be the one that was saved: of another type it can't be
    /// told from the bytes in every case.
    ///
    /// Actions fail with [`Error::Outside`](waterclock_base::Error::Outside) where the path can't be read,
    /// with [`Error::Encoding`](waterclock_base::Error::Encoding) where a file is damaged or no object file.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let dir = tempfile::tempdir().unwrap();
    /// let engine = Engine::local(2);
    /// engine.parallelize(vec![1u64, 2, 3], 2).save_as_object_file(dir.path().join("numbers"))?;
    /// assert_eq!(engine.object_file::<u64>(dir.path().join("numbers")).collect()?, [1, 2, 3]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn object_file<T: Record>(&self, path: impl Into<PathBuf>) -> Rdd<T> {
        files(self, asked("object_file"), vec![path.into()], Objects)
    }
}

/// The records that were saved in a directory for good: read again under the name of another operation.
pub(crate) fn parts<T: Record>(engine: &Engine, by: Asked, dir: &Path) -> Rdd<T> {
    files(engine, by, vec![dir.to_owned()], Objects)
}

struct Objects;

impl<T: Record> ReadFile<T> for Objects {
    fn read(&self, file: &mut FileReader<'_>, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        let mut bytes = Vec::new();
        file.append(&mut bytes, HEADER.len() as u64)?;
        if bytes != HEADER {
            return Err(file.damaged("it does not begin like an object file of version 1").into());
        }
        loop {
            cx.check()?;
            let records = frame(file, &mut bytes)?;
            if records.is_empty() {
                break;
            }
            push_all(records, out)?;
        }
        bytes.clear();
        match file.append(&mut bytes, 1)? {
            0 => Ok(()),
            _ => Err(file.damaged("bytes follow after its end").into()),
        }
    }
}

/// The records of the next frame.
fn frame<T: Record>(file: &mut FileReader<'_>, bytes: &mut Vec<u8>) -> Step<Vec<T>> {
    let cut = |file: &FileReader<'_>| Halt::from(file.damaged("it ends in the middle: it was cut off"));
    bytes.clear();
    file.append(bytes, FrameHeader::BYTES as u64)?;
    let header = bytes.as_slice().try_into().map(FrameHeader::new).map_err(|_| cut(file))?;
    bytes.clear();
    if file.append(bytes, u64::from(header.length()))? < header.length() as usize {
        return Err(cut(file));
    }
    header.records(bytes, Codec::of()).map_err(|why| file.damaged(why).into())
}
