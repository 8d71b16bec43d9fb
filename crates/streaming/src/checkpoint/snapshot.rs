//! Snapshots: everything that is needed to go on after one batch, in one file.

use std::io::{Read, Write};
use std::path::Path;

use waterclock_base::world::{Disk, at_point};
use waterclock_base::{BatchTime, Bytes, Error, Result, decode, encode};

use super::record::{Change, Counted, Descriptor, Ending, Entry, Header, StateSchema};
use super::{Fault, frame, layout, planted};

/// What is written into a snapshot.
pub(crate) struct Plan {
    pub(crate) header: Header,
    /// Name and position of each source.
    pub(crate) sources: Vec<(String, Vec<u8>)>,
    /// Batches whose input may be asked for again.
    pub(crate) batches: Vec<(Descriptor, Option<Ending>)>,
    pub(crate) states: Vec<PinnedState>,
    pub(crate) counted: Vec<Counted>,
}

/// The state of a stream, kept as it was until it is written.
pub(crate) struct PinnedState {
    pub(crate) schema: StateSchema,
    pub(crate) version: Option<BatchTime>,
    pub(crate) rows: Rows,
}

/// Hands out all rows in pieces of a bounded size.
pub(crate) type Rows = Box<dyn FnOnce(&mut dyn FnMut(Change) -> Result<()>) -> Result<()> + Send>;

/// A snapshot that was read.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) header: Header,
    pub(crate) sources: Vec<(String, Vec<u8>)>,
    pub(crate) batches: Vec<(Descriptor, Option<Ending>)>,
    pub(crate) states: Vec<SavedState>,
    pub(crate) counted: Vec<Counted>,
}

/// The state of a stream as it was written.
#[derive(Clone, Debug)]
pub(crate) struct SavedState {
    pub(crate) schema: StateSchema,
    pub(crate) version: Option<BatchTime>,
    pub(crate) rows: Vec<Change>,
}

/// Writes a snapshot; its bytes. It has its name only when all of it is durable.
pub(crate) fn write(disk: &dyn Disk, dir: &Path, epoch: u32, plan: Plan) -> Result<u64> {
    let path = layout::snapshot_file(dir, plan.header.time, epoch);
    let unfinished = layout::unfinished(&path);
    let cannot = |error| Error::outside("can't write the snapshot", path.display(), error);
    let file = disk.create(&unfinished).map_err(cannot)?;
    let mut writer =
        Writer { file: std::io::BufWriter::with_capacity(1 << 20, file), path: &path, frames: 0, bytes: 0 };
    writer.file.write_all(layout::SNAPSHOT_MAGIC).map_err(cannot)?;
    writer.put(&Entry::Header(plan.header))?;
    for (name, position) in plan.sources {
        writer.put(&Entry::Source { name, position: Bytes(position) })?;
    }
    for (cut, ending) in plan.batches {
        writer.put(&Entry::Cut(cut))?;
        if let Some(ending) = ending {
            writer.put(&Entry::Ended(ending))?;
        }
    }
    for state in plan.states {
        writer.put(&Entry::State { schema: state.schema, version: state.version })?;
        (state.rows)(&mut |rows| writer.put(&Entry::Rows(rows)))?;
    }
    for counted in plan.counted {
        writer.put(&Entry::Counted(counted))?;
    }
    at_point("mid-snapshot");
    writer.put(&Entry::End)?;
    let bytes = writer.bytes;
    let file = writer.file.into_inner().map_err(|error| cannot(error.into_error()))?;
    at_point("snapshot-written");
    file.sync().map_err(cannot)?;
    drop(file);
    at_point("before-snapshot-rename");
    disk.rename(&unfinished, &path).map_err(cannot)?;
    at_point("after-snapshot-rename");
    if !planted(Fault::SkippedNameSync) {
        disk.sync_dir(dir).map_err(cannot)?;
    }
    Ok(bytes)
}

struct Writer<'a, W: Write> {
    file: std::io::BufWriter<W>,
    path: &'a Path,
    frames: u32,
    bytes: u64,
}

impl<W: Write> Writer<'_, W> {
    fn put(&mut self, entry: &Entry) -> Result<()> {
        let (mut payload, mut bytes) = (Vec::new(), Vec::new());
        encode(entry, &mut payload)?;
        self.frames += 1;
        frame::write(&mut bytes, self.frames, 0, &payload);
        self.bytes += bytes.len() as u64;
        self.file
            .write_all(&bytes)
            .map_err(|error| Error::outside("can't write the snapshot", self.path.display(), error))
    }
}

/// Reads a snapshot whole.
///
/// # Errors
/// Says what is wrong with the file.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Snapshot, String> {
    let mut bytes = Vec::new();
    disk.open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|error| error.to_string())?;
    let mut rest =
        bytes.strip_prefix(layout::SNAPSHOT_MAGIC).ok_or("it is not a snapshot of this version")?;
    let mut snapshot: Option<Snapshot> = None;
    for number in 1.. {
        let at = bytes.len() - rest.len();
        let frame = frame::read(&mut rest).filter(|frame| frame.number == number);
        let frame = frame.ok_or_else(|| format!("damaged at byte {at}"))?;
        let entry: Entry = decode(&mut &frame.payload[..]).map_err(|error| error.full_text())?;
        match (entry, &mut snapshot) {
            (Entry::Header(header), None) => {
                let (sources, batches, states, counted) = Default::default();
                snapshot = Some(Snapshot { header, sources, batches, states, counted });
            }
            (Entry::End, Some(_)) => break,
            (Entry::Source { name, position }, Some(s)) => s.sources.push((name, position.0)),
            (Entry::Cut(cut), Some(s)) => s.batches.push((cut, None)),
            (Entry::Ended(ending), Some(s)) => {
                let batch = s.batches.last_mut().filter(|(cut, _)| cut.time() == ending.time);
                batch.ok_or("an ending without its batch")?.1 = Some(ending);
            }
            (Entry::State { schema, version }, Some(s)) => {
                s.states.push(SavedState { schema, version, rows: Vec::new() });
            }
            (Entry::Rows(rows), Some(s)) => {
                s.states.last_mut().ok_or("rows without a state")?.rows.push(rows)
            }
            (Entry::Counted(counted), Some(s)) => s.counted.push(counted),
            (Entry::Header(_), Some(_)) | (_, None) => return Err(format!("out of order at byte {at}")),
        }
    }
    snapshot.ok_or_else(|| "it is empty".into())
}

/// Reads only what a snapshot begins with.
pub(crate) fn read_header(disk: &dyn Disk, path: &Path) -> Result<Header, String> {
    let mut bytes = Vec::new();
    let file = disk.open(path).map_err(|error| error.to_string())?;
    file.take(64 << 10).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let mut rest = bytes.strip_prefix(layout::SNAPSHOT_MAGIC).ok_or("it is not a snapshot")?;
    let frame = frame::read(&mut rest).ok_or("it is damaged")?;
    match decode(&mut &frame.payload[..]).map_err(|error| error.full_text())? {
        Entry::Header(header) => Ok(header),
        _ => Err("it begins with something else".into()),
    }
}
