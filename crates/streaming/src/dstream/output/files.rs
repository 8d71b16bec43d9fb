//! `save_as_text_files` and `save_as_object_files`: each batch as a directory of files.

use std::panic::Location;
use std::path::PathBuf;
use std::sync::Arc;

use waterclock_base::{BatchTime, Data, Record};
use waterclock_engine::{Engine, StagedFiles};

use super::Output;
use crate::dstream::DStream;
use crate::graph::{JobCx, Prepared};

/// # Outputs: files
///
/// Each batch is a directory `PREFIX-TIME.SUFFIX`, with the batch time in milliseconds; without the dash
/// for an empty prefix, without the point for an empty suffix. In it are one file `part-NNNNN` for each
/// partition, also for empty ones, and `_SUCCESS`; a batch in which the stream has no dataset makes no
/// directory. The prefix may begin with the path of other directories.
///
/// A directory appears with everything in it, by one renaming, once all outputs of the batch have succeeded;
/// one of that name that was there is replaced. Until then its files are in hidden directories beside it.
///
/// # Recovery
/// Exactly once: a batch that is run again after a crash, and whose files were shown already, leaves them as
/// they are (the hidden file `.batch` tells application, batch and the content's hash). Should they not be what the
/// batch makes now, a warning says so. With a checkpoint, files and names are synced
/// before they are shown.
impl<T: Data> DStream<T> {
    /// Writes each batch as text, one record a line.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::{Stop, testing::manual_context};
    /// # let dir = tempfile::tempdir().unwrap();
    /// let (ssc, clock) = manual_context("doc", Duration::from_secs(1))?;
    /// let prefix = format!("{}/counts", dir.path().display());
    /// ssc.queue_stream(vec![vec![("to", 2), ("be", 2)]])
    ///     .map(|(word, n)| (word.to_owned(), n))
    ///     .save_as_text_files(prefix, "txt");
    /// ssc.start()?;
    /// clock.advance_batches(1);
    /// ssc.stop(Stop::Now)?;
    /// let part = dir.path().join("counts-1000.txt/part-00001");
    /// assert_eq!(std::fs::read_to_string(part).unwrap(), "(be,2)\n");
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn save_as_text_files(&self, prefix: impl Into<String>, suffix: impl Into<String>) -> Output
    where
        T: Record,
    {
        let (operator, site) = ("save_as_text_files", Location::caller());
        let names = Names { prefix: prefix.into(), suffix: suffix.into() };
        self.output(operator, site, move |rdd, cx| {
            let (dir, durable) = place(&names, rdd.engine(), cx);
            publish_later(rdd.stage_text_file_at(operator, site, &dir, durable)?, cx);
            Ok(())
        })
    }

    /// Writes each batch in the binary format of
    /// [`Rdd::save_as_object_file`](waterclock_engine::Rdd::save_as_object_file), to be read with
    /// [`Engine::object_file`](waterclock_engine::Engine::object_file).
    #[track_caller]
    pub fn save_as_object_files(&self, prefix: impl Into<String>, suffix: impl Into<String>) -> Output
    where
        T: Record,
    {
        let (operator, site) = ("save_as_object_files", Location::caller());
        let names = Names { prefix: prefix.into(), suffix: suffix.into() };
        self.output(operator, site, move |rdd, cx| {
            let (dir, durable) = place(&names, rdd.engine(), cx);
            publish_later(rdd.stage_object_file_at(operator, site, &dir, durable)?, cx);
            Ok(())
        })
    }
}

/// The directory of a batch, and whether its files must survive a crash. What is only compared is written where
/// it is in nobody's way.
fn place(names: &Names, engine: &Engine, cx: &JobCx) -> (PathBuf, bool) {
    let dir = names.of(cx.time);
    if cx.replay.is_none() {
        return (dir, cx.application.is_some());
    }
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("waterclock-replay-{}-{}-{name}", std::process::id(), cx.output);
    (engine.settings().spill_dir.join(name.replace('/', "-")), false)
}

/// Leaves the files to be shown when the batch is over.
fn publish_later(staged: StagedFiles, cx: &JobCx) {
    // A batch that is run again after a crash finds its own mark, if it had come as far as showing them.
    let time = cx.time.as_millis();
    let mark = cx.application.map_or_else(String::new, |application| format!("{application:016x} {time}"));
    let (hash, staged) = (staged.content_hash(), Arc::new(staged));
    let (shown, compared, same_mark) = (staged.clone(), staged.clone(), mark.clone());
    cx.prepare(Prepared {
        hash,
        publish: Box::new(move || shown.publish(&mark)),
        is_as_published: Box::new(move || Ok(compared.is_as_published(&same_mark))),
        discard: Box::new(move || {
            if let Err(error) = staged.discard() {
                tracing::warn!(error = ?error, "can't delete what a failed batch left behind");
            }
        }),
    });
}

/// How the directories of an output are called.
struct Names {
    prefix: String,
    suffix: String,
}

impl Names {
    fn of(&self, time: BatchTime) -> PathBuf {
        let mut name = self.prefix.clone();
        if !name.is_empty() {
            name.push('-');
        }
        name.push_str(&time.as_millis().to_string());
        if !self.suffix.is_empty() {
            name.push('.');
            name.push_str(&self.suffix);
        }
        PathBuf::from(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_called_after_prefix_time_and_suffix() {
        let name = |prefix: &str, suffix: &str| {
            let names = Names { prefix: prefix.into(), suffix: suffix.into() };
            names.of(BatchTime::from_millis(2000)).display().to_string()
        };
        assert_eq!(name("p", "txt"), "p-2000.txt");
        assert_eq!(name("out/pre.fix", ""), "out/pre.fix-2000");
        assert_eq!(name("", ""), "2000");
    }
}
