//! Streams from files that appear in directories.
//!
//! The way of a file: `listing.rs` finds it when a batch is cut and `select.rs` judges it; `pieces.rs` cuts it
//! into pieces and gathers those into partitions; `text.rs`, `binary.rs` and `custom.rs` read a piece.

mod glob; // which directories
mod listing; // which files are there
mod select; // which of them a batch takes: pure

mod pieces; // files into partitions: pure

mod binary; // records of a fixed length
mod custom; // a format of the program's own
#[cfg(test)]
mod tests;
mod text; // lines

use std::collections::BTreeMap;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use waterclock_base::world::{Clock, lock};
use waterclock_base::{
    BatchInterval, BatchTime, BoxError, Data, Error, Event, InputInfo, RddId, Result, StreamId, Text, decode,
    encode,
};
use waterclock_engine::{Compute, Define, Rdd, Sink, Step, TaskCx};

use self::glob::Glob;
use self::listing::{Batch, FoundFile, Listing, PathFilter, described};
use self::pieces::{Piece, partitions};
use self::select::Selector;
use super::Input;
use crate::context::StreamingContext;
use crate::dstream::DStream;
use crate::graph::{BatchCx, Cut, SavedBatch, SavedInput, Source};
use crate::listen::Bus;

pub use custom::FileReader;

/// Which files of a watched directory are read. By default those that appear after the stream was defined
/// and whose names do not begin with a dot.
///
/// ```
/// use waterclock_streaming::FileOptions;
/// let options = FileOptions::new()
///     .new_files_only(false)
///     .filter(|path| path.extension().is_some_and(|extension| extension == "log"));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct FileOptions {
    new_files_only: bool,
    any_age: bool,
    on_lost: OnLost,
    filter: Option<PathFilter>,
}

impl Default for FileOptions {
    fn default() -> Self {
        FileOptions { new_files_only: true, any_age: false, on_lost: OnLost::Fail, filter: None }
    }
}

/// What a batch does when input that it was cut for is gone or changed before it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLost {
    /// The batch fails with an error that names what is lost.
    Fail,
    /// It goes on without it; listeners see [`Event::RecordsDropped`](waterclock_base::Event).
    SkipAndCount,
}

impl FileOptions {
    /// The defaults.
    pub fn new() -> Self {
        FileOptions::default()
    }

    /// Whether files that were last changed before the stream was defined are left out (default yes). With
    /// `false` they are read too, as far back as `file_min_remember` (a minute by default) before the first
    /// batch.
    pub fn new_files_only(mut self, yes: bool) -> Self {
        self.new_files_only = yes;
        self
    }

    /// Reads every file that is in the directory, once, however old it is: also those that are there at the
    /// first start, and those that are moved in long after they were written. What was read is remembered by
    /// name for as long as it stays in the directory, so memory follows the number of files there.
    ///
    /// (Spark has no such rule: a file that is older than the window when it appears is never read.)
    pub fn any_age(mut self) -> Self {
        self.any_age = true;
        self.new_files_only = false;
        self
    }

    /// What happens when a file is gone, or is another one, when it is read (default: the batch fails).
    pub fn on_lost(mut self, what: OnLost) -> Self {
        self.on_lost = what;
        self
    }

    /// Reads only the files for whose paths `keep` is true, instead of those whose names do not begin with
    /// a dot.
    ///
    /// It is asked for every file that is not known yet, by the thread that forms batches: it should be
    /// quick. A file for which it panics waits, with a warning.
    pub fn filter(mut self, keep: impl Fn(&Path) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Arc::new(keep));
        self
    }
}

/// # Sources: files
///
/// All of them watch a directory, or all directories that match a pattern: `*`, `?`, `[a-z]`, `{a,b}` stand
/// for parts of a name; a name that begins with a dot is matched only by a pattern that does; `\` takes the
/// meaning from the character behind it. The files directly in them are read, not those further down.
///
/// * **Files must appear whole**: write them elsewhere on the same disk, or under a name that begins with a
///   dot, and rename them into place. A file is read once, as long as it is when it is found; what is
///   appended later is ignored. A file that takes the name of another one is a new file.
/// * A batch takes the files that were last changed after its *threshold* and not after its own time, and that
///   no batch took before. The threshold is `file_min_remember` (rounded up to whole batch intervals) before
///   the batch, but not before the stream was defined (see [`FileOptions::new_files_only`]). A file that is
///   moved in counts by the time when it was written, not when it was moved: one that is older than the
///   threshold is not read, and a warning names it. One from the future waits.
/// * The files of a batch are read in the order of their times, then of their paths. They are cut into
///   pieces (text at line ends) and gathered into at most `default_parallelism` partitions
///   (`SparkRules::one_partition_per_block`: one for each file and 32 MiB).
/// * A directory that is missing or can't be looked at gives empty batches and one warning; it may appear
///   later. Empty files are skipped with a warning. Warnings are events
///   ([`Event::Warning`](waterclock_base::Event)).
/// * A file that vanishes or shrinks between being found and being read, or can't be read, fails its batch
///   with [`Error::Outside`], which names it.
///
/// The number of records is not known before they are read: a batch's
/// [`InputInfo`](waterclock_base::InputInfo) has none of them, but the names of the files.
impl StreamingContext {
    /// A stream of the lines of files that appear in `dir`, without their ends (`\n` or `\r\n`).
    ///
    /// Lines that are not UTF-8 and lines of more than `max_line_bytes` are dropped and counted (listeners
    /// see [`Event::RecordsDropped`](waterclock_base::Event), `status` the sum).
    ///
    /// # Errors
    /// [`Error::Definition`] for a pattern that can't be read; [`Error::Lifecycle`] after `start`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::testing::manual_context;
    /// let (ssc, _clock) = manual_context("files", Duration::from_secs(1))?;
    /// ssc.text_file_stream("/var/spool/messages/*")?.words().count_by_value().print();
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// # Recovery
    /// With a checkpoint, each batch's files are written down before it runs, and read again where a batch
    /// must be run again or a window looks back: keep files for as long. What was read is not read twice.
    #[track_caller]
    pub fn text_file_stream(&self, dir: impl AsRef<Path>) -> Result<DStream<Text>> {
        let lines = text::Lines::new(self.settings().max_line_bytes);
        self.files(("text_file_stream", Location::caller()), dir.as_ref(), FileOptions::new(), lines)
    }

    /// [`text_file_stream`](Self::text_file_stream) with options.
    ///
    /// # Errors
    /// As `text_file_stream`.
    #[track_caller]
    pub fn text_file_stream_with(
        &self,
        dir: impl AsRef<Path>,
        options: FileOptions,
    ) -> Result<DStream<Text>> {
        let lines = text::Lines::new(self.settings().max_line_bytes);
        self.files(("text_file_stream", Location::caller()), dir.as_ref(), options, lines)
    }

    /// A stream of the records of files that appear in `dir`, each of `record_length` bytes.
    ///
    /// A file whose length is not a multiple of that fails its batch with [`Error::Encoding`].
    ///
    /// # Errors
    /// As [`text_file_stream`](Self::text_file_stream), and [`Error::Definition`] for a length of 0.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::testing::manual_context;
    /// let (ssc, _clock) = manual_context("samples", Duration::from_secs(1))?;
    /// let samples = ssc.binary_records_stream("/var/spool/samples", 8)?;
    /// samples.map(|bytes| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>()).print();
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// # Recovery
    /// As [`text_file_stream`](Self::text_file_stream).
    #[track_caller]
    pub fn binary_records_stream(
        &self,
        dir: impl AsRef<Path>,
        record_length: usize,
    ) -> Result<DStream<Vec<u8>>> {
        self.binary_records_stream_with(dir, record_length, FileOptions::new())
    }

    /// [`binary_records_stream`](Self::binary_records_stream) with options.
    ///
    /// # Errors
    /// As `binary_records_stream`.
    #[track_caller]
    pub fn binary_records_stream_with(
        &self,
        dir: impl AsRef<Path>,
        record_length: usize,
        options: FileOptions,
    ) -> Result<DStream<Vec<u8>>> {
        let (call, site) = ("binary_records_stream", Location::caller());
        if record_length == 0 {
            let why = "a record length of 0 bytes was given; it must be at least 1".into();
            return Err(Error::Definition { call, site, why });
        }
        self.files((call, site), dir.as_ref(), options, binary::FixedRecords { length: record_length })
    }

    /// A stream of the records that `read` makes of files that appear in `dir`: for formats of the program's
    /// own, and for whole files.
    ///
    /// `read` is called by a task with each file, and a function to be called with each record. It must make
    /// the same of the same file each time. An error fails the batch, as
    /// [`Error::User`](waterclock_base::Error).
    ///
    /// # Errors
    /// As [`text_file_stream`](Self::text_file_stream).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::{FileOptions, testing::manual_context};
    /// use std::io::Read;
    /// let (ssc, _clock) = manual_context("whole files", Duration::from_secs(1))?;
    /// let files = ssc.file_stream("/var/spool/pages", FileOptions::new(), |file, record| {
    ///     let mut content = String::new();
    ///     file.read_to_string(&mut content)?;
    ///     record((file.path().display().to_string(), content));
    ///     Ok(())
    /// })?;
    /// files.map(|(name, content)| (name, content.len())).print();
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// # Recovery
    /// As [`text_file_stream`](Self::text_file_stream).
    #[track_caller]
    pub fn file_stream<T: Data>(
        &self,
        dir: impl AsRef<Path>,
        options: FileOptions,
        read: impl Fn(&mut FileReader, &mut dyn FnMut(T)) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Result<DStream<T>> {
        let call = ("file_stream", Location::caller());
        self.files(call, dir.as_ref(), options, custom::Custom { read })
    }

    fn files<T: Data>(
        &self,
        (operator, site): (&'static str, &'static Location<'static>),
        dir: &Path,
        options: FileOptions,
        format: impl Format<T>,
    ) -> Result<DStream<T>> {
        let glob = Glob::new(dir).map_err(|why| Error::Definition { call: operator, site, why })?;
        let (settings, world) = (self.settings(), self.engine().world());
        let initial = if options.new_files_only { world.clock.now() } else { BatchTime::ZERO };
        let selector =
            Selector::new(initial, settings.file_min_remember, settings.batch_interval, options.any_age);
        let expects_old = options.new_files_only;
        let listing = Listing::new(world.disk.clone(), glob, options.filter, selector, expects_old);
        let source = |stream| {
            Ok(Files {
                stream,
                operator,
                site,
                clock: world.clock.clone(),
                bus: self.inner.graph.bus.clone(),
                slow_micros: i64::try_from(settings.batch_interval.as_micros()).unwrap_or(i64::MAX),
                listing: Mutex::new(listing),
                cut: Mutex::default(),
                on_lost: options.on_lost,
                format: Arc::new(format),
            })
        };
        self.input(operator, site, source).checked()
    }
}

/// How files become records.
trait Format<T: Data>: Send + Sync + 'static {
    /// The places where a file may be cut, beside its ends: multiples of this; none: it may not.
    fn grain(&self) -> Option<u64>;

    /// Hands on the records that begin in the piece.
    fn read(&self, piece: &Piece, stream: StreamId, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step;
}

/// A source that watches directories.
struct Files<F> {
    stream: StreamId,
    operator: &'static str,
    site: &'static Location<'static>,
    clock: Arc<dyn Clock>,
    bus: Bus,
    /// A look that takes longer is worth a warning.
    slow_micros: i64,
    listing: Mutex<Listing>,
    cut: Mutex<BTreeMap<BatchTime, Arc<[FoundFile]>>>,
    on_lost: OnLost,
    format: Arc<F>,
}

impl<F: Send + Sync + 'static> Files<F> {
    fn look(&self, t: BatchTime) -> Batch {
        let began = self.clock.now_micros();
        let mut batch = lock(&self.listing).look(t);
        let micros = self.clock.now_micros() - began;
        if micros > self.slow_micros {
            let text = format!("looking for files took {micros} microseconds, longer than a batch interval");
            batch.warnings.push(text);
        }
        batch
    }
}

impl<F: Send + Sync + 'static> Source for Files<F> {
    fn stream(&self) -> StreamId {
        self.stream
    }

    fn start(&self, _zero: BatchTime) -> Result<()> {
        Ok(())
    }

    fn cut(&self, interval: BatchInterval, _most: Option<u64>) -> Cut {
        let batch = self.look(interval.to);
        for text in batch.warnings {
            let text = format!("{} at {}: {text}", self.operator, self.site);
            self.bus.post(Event::Warning { text });
        }
        let info = InputInfo { stream: self.stream, records: 0, description: described(&batch.files) };
        let mut range = Vec::new();
        // Names, numbers and times can always be written.
        let _ = encode(&batch.files, &mut range);
        lock(&self.cut).insert(interval.to, batch.files.into());
        Cut { info, range }
    }

    fn position(&self) -> Vec<u8> {
        // Names, numbers and times can always be written.
        lock(&self.listing).position().unwrap_or_default()
    }

    fn resume(&self, saved: &SavedInput<'_>) -> Result<()> {
        let mut listing = lock(&self.listing);
        if let Some(position) = saved.position {
            listing.resume(position)?;
        }
        let mut cut = lock(&self.cut);
        for SavedBatch { time, range, .. } in &saved.batches {
            let mut range = *range;
            let files: Vec<FoundFile> = decode(&mut range)?;
            files.iter().for_each(|file| listing.took(file, *time));
            let before = cut.remove(time);
            cut.insert(*time, before.iter().flat_map(|files| files.iter()).chain(&files).cloned().collect());
        }
        Ok(())
    }

    fn forget(&self, upto: BatchTime) {
        let mut cut = lock(&self.cut);
        *cut = cut.split_off(&BatchTime::from_millis(upto.as_millis().saturating_add(1)));
    }
}

impl<T: Data, F: Format<T>> Input<T> for Files<F> {
    /// A batch without files has a dataset without partitions.
    fn rdd(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        let files = lock(&self.cut).get(&t).cloned();
        if files.is_none() && cx.is_paced() {
            return Ok(None);
        }
        let files = files.as_deref().unwrap_or_default();
        let bytes = files.iter().map(|file| file.len).sum();
        let most = (!cx.rules().one_partition_per_block).then_some(cx.settings.default_parallelism);
        let partitions = partitions(files, self.format.grain(), most);
        let define = Define::new(self.operator, partitions.len()).at(self.site).bytes(bytes);
        let id = cx.engine.next_rdd_id();
        let body = FilesOfBatch {
            id,
            stream: self.stream,
            partitions,
            on_lost: self.on_lost,
            format: self.format.clone(),
        };
        Ok(Some(define.build_with(cx.engine, id, body)))
    }
}

/// The dataset of a batch.
struct FilesOfBatch<F> {
    id: RddId,
    stream: StreamId,
    partitions: Vec<Vec<Piece>>,
    on_lost: OnLost,
    format: Arc<F>,
}

impl<F> FilesOfBatch<F> {
    /// Whether to go on without the piece, because its file is gone or became shorter. Where that fails the
    /// batch, reading will find out.
    fn is_lost(&self, piece: &Piece, cx: &TaskCx) -> bool {
        if self.on_lost == OnLost::Fail {
            return false;
        }
        let file = &piece.file;
        let why = match cx.engine().world().disk.entry(&file.path) {
            Ok(now) if now.len >= file.len => return false,
            Ok(now) => shrunk(piece, now.len),
            Err(error) => cannot_read(&file.path, error),
        };
        tracing::warn!(error = ?why, "a file is lost");
        if piece.range.start == 0 && !cx.is_rehearsal() {
            let (stream, why) = (self.stream, "file gone or changed");
            cx.engine().tell(Event::RecordsDropped { stream, why, records: 1 });
        }
        true
    }
}

impl<T: Data, F: Format<T>> Compute<T> for FilesOfBatch<F> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        let pieces = self.partitions.get(partition).into_iter().flatten();
        let before = cx.enter(self.id);
        let mut behind = Behind { id: self.id, cx, before, failed: false, out };
        let step = pieces
            .into_iter()
            .filter(|piece| !self.is_lost(piece, cx))
            .try_for_each(|piece| self.format.read(piece, self.stream, cx, &mut behind));
        if step.is_ok() || behind.failed {
            cx.leave(before);
        }
        step
    }
}

/// Notes who is at work, so that a file that can't be read is blamed on this source, and what goes wrong
/// behind it is not.
struct Behind<'a, T: Data> {
    id: RddId,
    cx: &'a TaskCx,
    before: Option<RddId>,
    failed: bool,
    out: &'a mut dyn Sink<T>,
}

impl<T: Data> Behind<'_, T> {
    fn call(&mut self, call: impl FnOnce(&mut dyn Sink<T>) -> Step) -> Step {
        self.cx.leave(self.before);
        let step = call(self.out);
        self.cx.enter(self.id);
        self.failed |= step.is_err();
        step
    }
}

impl<T: Data> Sink<T> for Behind<'_, T> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.call(|out| out.push(chunk))
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        self.call(|out| out.lend(records))
    }

    fn wants_blocks(&self) -> bool {
        self.out.wants_blocks()
    }

    fn block(&mut self, lines: &str) -> Step {
        self.call(|out| out.block(lines))
    }
}

/// An error that names the file.
fn cannot_read(path: &Path, error: std::io::Error) -> Error {
    Error::outside("can't read", PathBuf::from(path).display(), error)
}

/// The error of a file that ends before it should.
fn shrunk(piece: &Piece, at: u64) -> Error {
    let why = format!("it had {} bytes when it was found, and ends at {at} now", piece.file.len);
    cannot_read(&piece.file.path, std::io::Error::new(std::io::ErrorKind::UnexpectedEof, why))
}
