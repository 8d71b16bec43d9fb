//! `text_files` and `whole_text_files`: text, line by line or file by file.

use std::path::PathBuf;

use waterclock_base::Text;

use super::files::{FileReader, ReadFile, asked, files};
use crate::chunk::{Emit, Sink, Step};
use crate::context::Engine;
use crate::lines::hand_lines;
use crate::rdd::Rdd;
use crate::task::TaskCx;

/// # Datasets from files
///
/// A path means a file, or the files directly in a directory in the order of their names; those whose name
/// begins with a dot or an underscore are left out. Which files there are is looked up at the definition,
/// what is in them when they are read. Where a path can't be looked at or read, actions fail with
/// [`Error::Outside`](waterclock_base::Error::Outside).
impl Engine {
    /// The lines of text files, one partition a file. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// Lines end with a line feed, or a carriage return and a line feed, which are not part of them; the last
    /// one may end with the file.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let dir = tempfile::tempdir().unwrap();
    /// # #[expect(clippy::disallowed_methods, reason = "an example")]
    /// std::fs::write(dir.path().join("a.txt"), "to be\nor not").unwrap();
    /// let lines = Engine::local(2).text_files([dir.path()]);
    /// assert_eq!(lines.map(|line| line.len()).collect()?, [5, 6]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn text_files<P: Into<PathBuf>>(&self, paths: impl IntoIterator<Item = P>) -> Rdd<Text> {
        let paths = paths.into_iter().map(Into::into).collect();
        files(self, asked("text_files"), paths, Lines { block: BLOCK_BYTES })
    }

    /// Whole text files, each a pair of its path and its content, one partition a file. Bytes that are not
    /// UTF-8 become U+FFFD.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let dir = tempfile::tempdir().unwrap();
    /// # #[expect(clippy::disallowed_methods, reason = "an example")]
    /// std::fs::write(dir.path().join("a.txt"), "to be\nor not").unwrap();
    /// let pairs = Engine::local(2).whole_text_files([dir.path()]).collect()?;
    /// assert!(pairs[0].0.ends_with("a.txt"));
    /// assert_eq!(&*pairs[0].1, "to be\nor not");
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn whole_text_files<P: Into<PathBuf>>(
        &self,
        paths: impl IntoIterator<Item = P>,
    ) -> Rdd<(String, Text)> {
        files(self, asked("whole_text_files"), paths.into_iter().map(Into::into).collect(), Whole)
    }
}

/// Bytes that are read at a time.
const BLOCK_BYTES: usize = 256 * 1024;

struct Lines {
    block: usize,
}

impl ReadFile<Text> for Lines {
    fn read(&self, file: &mut FileReader<'_>, cx: &TaskCx, out: &mut dyn Sink<Text>) -> Step {
        let mut bytes = Vec::with_capacity(self.block);
        loop {
            cx.check()?;
            let before = bytes.len();
            let read = file.append(&mut bytes, self.block as u64)?;
            // Only what was just read can hold a new end of a line.
            let whole = match bytes[before..].iter().rposition(|byte| *byte == b'\n') {
                _ if read == 0 => bytes.len(),
                Some(last) => before + last + 1,
                None => continue,
            };
            hand_lines(&String::from_utf8_lossy(&bytes[..whole]), cx, out)?;
            bytes.drain(..whole);
            if read == 0 {
                return Ok(());
            }
        }
    }
}

struct Whole;

impl ReadFile<(String, Text)> for Whole {
    fn read(&self, file: &mut FileReader<'_>, _: &TaskCx, out: &mut dyn Sink<(String, Text)>) -> Step {
        let mut bytes = Vec::new();
        file.append(&mut bytes, u64::MAX)?;
        let content = Text::from(&*String::from_utf8_lossy(&bytes));
        let mut emit = Emit::new(out);
        emit.push((file.path.display().to_string(), content))?;
        emit.flush()
    }
}
