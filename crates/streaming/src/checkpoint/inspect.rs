//! What a checkpoint holds, for people and their scripts.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use waterclock_base::world::World;
use waterclock_base::{BatchTime, Result};

use super::facts::{self, Facts};
use super::record::{Block, Content, Counted, Descriptor, Ending, Input};
use super::rows::Weigh;
use super::scan::{InspectedFile, scan};
use super::unfinished::{blocks_of, exactly, is_empty};
use super::{layout, owner};

/// What a checkpoint holds; see [`inspect_checkpoint`].
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The directory.
    pub dir: String,
    /// The process that has it now, if one has: what is said here may have changed meanwhile.
    pub owner: Option<String>,
    /// Why a start would refuse it, or that there is nothing.
    pub problem: Option<String>,
    /// What it says, as a start would read it; none where there is a problem.
    pub content: Option<InspectedContent>,
    /// Its files, by name.
    pub files: Vec<InspectedFile>,
}

/// What a start would read.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct InspectedContent {
    /// The version of the format.
    pub format_version: u32,
    /// The application, as sinks write it beside their batches: 16 hexadecimal digits.
    pub application: String,
    /// The program's name when the snapshot was taken.
    pub app_name: String,
    /// The batch interval when the snapshot was taken.
    pub batch_interval_ms: u64,
    /// The time before the first batch ever.
    pub zero: BatchTime,
    /// In how many groups keys are divided.
    pub key_groups: u32,
    /// The seed of hash maps and samples, in hexadecimal digits.
    pub seed: String,
    /// How many processes have written.
    pub epoch: u32,
    /// The batch after which the snapshot was taken that a start reads.
    pub snapshot: BatchTime,
    /// The newest batch that counts; none before the first.
    pub last_committed: Option<BatchTime>,
    /// The last time that was ticked, where the program stopped with nothing left to do.
    pub stopped: Option<BatchTime>,
    /// Batches that were begun and are not over: a start runs them again with the same input.
    pub pending: Vec<InspectedBatch>,
    /// Batches that are over and whose input may be asked for again.
    pub retained: Vec<InspectedBatch>,
    /// Where sources are.
    pub sources: Vec<InspectedSource>,
    /// What streams keep from batch to batch.
    pub states: Vec<InspectedState>,
    /// What tasks added to.
    pub accumulators: Vec<InspectedAccumulator>,
    /// The outputs that told what they wrote for a batch that is still known.
    pub outputs: Vec<String>,
}

/// What is written down of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedBatch {
    /// Its time.
    pub time: BatchTime,
    /// The time before it, which it does not include.
    pub after: BatchTime,
    /// Whether its results count; none while it is not over.
    pub committed: Option<bool>,
    /// Partitions where the program gives none.
    pub partitions: u32,
    /// A fingerprint of the program that began it, in hexadecimal digits.
    pub program: String,
    /// What it reads of each source.
    pub inputs: Vec<InspectedInput>,
    /// The content hash of each output, in hexadecimal digits.
    pub outputs: BTreeMap<String, String>,
}

/// What a batch reads of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedInput {
    /// The source's name.
    pub source: String,
    /// How many records, as far as the source knew.
    pub records: u64,
    /// Which.
    pub range: InspectedRange,
}

/// A range of a source as what it looks like: each kind of source has a form of its own, and only the program
/// knows which kind a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InspectedRange {
    /// Nothing.
    Nothing,
    /// Blocks of a receiver.
    Blocks(Vec<InspectedBlock>),
    /// Files.
    Files(Vec<InspectedFound>),
    /// Offsets of topics.
    Offsets(Vec<InspectedOffsets>),
    /// Two numbers: of a queue how many datasets were taken before and how many it takes, of a generator from and
    /// to.
    Numbers(u64, u64),
    /// A form that only the program knows, in hexadecimal digits.
    Bytes(String),
}

/// A block that a receiver stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedBlock {
    /// Its number.
    pub number: u64,
    /// Its bytes, where the checkpoint still has them.
    pub bytes: Option<u64>,
}

/// A file that a batch takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedFound {
    /// Its path.
    pub path: String,
    /// Its bytes.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: BatchTime,
}

/// A part of a partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedOffsets {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub from: i64,
    /// The offset after the last.
    pub to: i64,
}

/// A source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedSource {
    /// Its name.
    pub name: String,
    /// How many bytes there are of where it had come to at the snapshot, or where it began later; none where only
    /// batches know it.
    pub position_bytes: Option<u64>,
    /// Blocks that its receiver stored since the snapshot.
    pub blocks: u64,
    /// Their bytes.
    pub block_bytes: u64,
}

/// The state of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedState {
    /// Its name.
    pub name: String,
    /// The schema of its keys.
    pub key: String,
    /// The schema of its values.
    pub value: String,
    /// Whether the program spreads keys by a partitioner of its own.
    pub own_partitioner: bool,
    /// Its newest version; none where it has none yet.
    pub version: Option<BatchTime>,
    /// How many keys there are; none where their types don't tell what they are made of, or changed.
    pub keys: Option<u64>,
    /// The bytes of keys and values; none where the number of keys is none.
    pub bytes: Option<u64>,
    /// The bytes of its rows in the snapshot and in the log behind it.
    pub stored_bytes: u64,
}

/// An accumulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InspectedAccumulator {
    /// Its name.
    pub name: String,
    /// The schema of its value.
    pub value: String,
    /// The bytes of its value.
    pub bytes: u64,
}

/// Reads the checkpoint in a directory, every frame of every file of it, and says what is in it. Nothing is
/// changed, also where a process has it or where it is damaged, which is then said.
///
/// # Errors
/// [`Error::Outside`](waterclock_base::Error::Outside) where the directory can't be read.
///
/// ```
/// # use std::time::Duration;
/// # use waterclock_base::{BatchTime, BoxError};
/// # use waterclock_streaming::{Builder, Stop, StreamingContext, testing};
/// # let dir = tempfile::tempdir()?;
/// # let program = |builder: Builder| -> Result<StreamingContext, BoxError> {
/// #     let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
/// #     let pairs = ssc.queue_stream(vec![vec![(1u32, 7u64)]]).named("in");
/// #     pairs.update_state_by_key(|new, old| old.or(new.first().copied())).named("first").print();
/// #     Ok(ssc)
/// # };
/// # let (ssc, clock) = testing::get_or_create(dir.path(), BatchTime::ZERO, program)?;
/// # ssc.start()?;
/// # clock.advance_batches(1);
/// # ssc.stop(Stop::Now)?;
/// let inspection = waterclock_streaming::inspect_checkpoint(dir.path())?;
/// let content = inspection.content.ok_or("it does not load")?;
/// assert_eq!(content.states[0].name, "first");
/// assert_eq!((content.states[0].key.as_str(), content.states[0].keys), ("u32", Some(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn inspect_checkpoint(dir: impl AsRef<Path>) -> Result<Inspection> {
    let (world, dir) = (World::real(), dir.as_ref());
    let files = scan(&*world.disk, dir)?;
    // Held while it is read, so that no start changes it meanwhile.
    let (_held, owner) = match owner::hold(&world, dir) {
        Ok(held) => (held, None),
        Err(error) => (None, Some(error.full_text())),
    };
    let (content, problem) = match facts::read(&*world.disk, dir) {
        Ok(Some(facts)) => (Some(content(&facts)), None),
        Ok(None) => (None, Some("there is no checkpoint in it".to_owned())),
        Err(error) => (None, Some(error.full_text())),
    };
    Ok(Inspection { dir: dir.display().to_string(), owner, problem, content, files })
}

fn content(facts: &Facts) -> InspectedContent {
    let header = &facts.snapshot.header;
    let blocks = blocks(facts);
    let batches = || facts.batches.values().map(|(cut, ending)| batch(cut, ending.as_ref(), &blocks));
    let committed = facts.batches.values().rev();
    let committed = committed.flat_map(|(_, ending)| ending).find(|ending| ending.committed);
    let before = Some(header.time).filter(|time| *time > header.zero);
    let endings = facts.batches.values().flat_map(|(_, ending)| ending);
    let mut outputs: Vec<String> =
        endings.flat_map(|ending| ending.outputs.iter().map(|(name, _)| name.clone())).collect();
    outputs.sort();
    outputs.dedup();
    InspectedContent {
        format_version: u32::from(layout::SNAPSHOT_MAGIC[5]),
        application: format!("{:016x}", header.application),
        app_name: header.app_name.clone(),
        batch_interval_ms: header.interval_ms,
        zero: header.zero,
        key_groups: header.key_groups,
        seed: format!("{:016x}", header.seed),
        epoch: facts.epoch,
        snapshot: header.time,
        last_committed: committed.map(|ending| ending.time).max(before),
        stopped: facts.stopped,
        pending: batches().filter(|batch| batch.committed.is_none()).collect(),
        retained: batches().filter(|batch| batch.committed.is_some()).collect(),
        sources: sources(facts),
        states: states(facts),
        accumulators: facts.counted.values().map(accumulator).collect(),
        outputs,
    }
}

fn accumulator(counted: &Counted) -> InspectedAccumulator {
    let (name, value) = (counted.name.clone(), counted.schema.to_string());
    InspectedAccumulator { name, value, bytes: counted.value.0.len() as u64 }
}

fn batch(cut: &Descriptor, ending: Option<&Ending>, blocks: &Blocks) -> InspectedBatch {
    let input = |input: &Input| InspectedInput {
        source: input.source.clone(),
        records: input.records,
        range: range(input, blocks),
    };
    let outputs = ending.into_iter().flat_map(|ending| &ending.outputs);
    InspectedBatch {
        time: cut.interval.to,
        after: cut.interval.from,
        committed: ending.map(|ending| ending.committed),
        partitions: cut.partitions,
        program: format!("{:016x}", cut.program),
        inputs: cut.inputs.iter().map(input).collect(),
        outputs: outputs.map(|(name, hash)| (name.clone(), format!("{hash:016x}"))).collect(),
    }
}

/// How large the blocks are, by source and number.
type Blocks = BTreeMap<(String, u64), u64>;

fn blocks(facts: &Facts) -> Blocks {
    let mut sizes = Blocks::new();
    let mut add = |name: &str, block: &Block| {
        sizes.insert((name.to_owned(), block.number), size(block));
    };
    for (name, position) in &facts.snapshot.sources {
        let (waiting, held) = blocks_of(position);
        waiting.iter().chain(&held).for_each(|block| add(name, block));
    }
    facts.blocks.iter().for_each(|block| add(&block.source, block));
    sizes
}

fn size(block: &Block) -> u64 {
    let (Content::Records(_, bytes) | Content::Lines(_, bytes)) = &block.content;
    bytes.0.len() as u64
}

fn range(input: &Input, blocks: &Blocks) -> InspectedRange {
    let bytes = &input.range.0[..];
    if is_empty(bytes) {
        return InspectedRange::Nothing;
    }
    if let Some(references) = exactly::<Vec<(u64, u32)>>(bytes) {
        let of_source = |number| blocks.get(&(input.source.clone(), number)).copied();
        let block = |(number, _)| InspectedBlock { number, bytes: of_source(number) };
        return InspectedRange::Blocks(references.into_iter().map(block).collect());
    }
    if let Some((first, second)) = exactly::<(u64, u64)>(bytes) {
        return InspectedRange::Numbers(first, second);
    }
    // A topic has no slash in its name.
    let is_path = |path: &str| path.contains(['/', '\\']);
    if let Some(files) = exactly::<Vec<(String, u64, BatchTime, u64)>>(bytes)
        && files.iter().all(|(path, ..)| is_path(path))
    {
        let found = |(path, _, modified, bytes)| InspectedFound { path, bytes, modified };
        return InspectedRange::Files(files.into_iter().map(found).collect());
    }
    if let Some(offsets) = exactly::<Vec<(String, i32, i64, i64)>>(bytes) {
        let offsets = offsets.into_iter();
        let offsets =
            offsets.map(|(topic, partition, from, to)| InspectedOffsets { topic, partition, from, to });
        return InspectedRange::Offsets(offsets.collect());
    }
    InspectedRange::Bytes(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn sources(facts: &Facts) -> Vec<InspectedSource> {
    let source = |name: &String| {
        let position = facts.snapshot.sources.iter().find(|(of, _)| of == name);
        let stored = || facts.blocks.iter().filter(|block| block.source == *name);
        InspectedSource {
            name: name.clone(),
            position_bytes: position.map(|(_, position)| position.len() as u64),
            blocks: stored().count() as u64,
            block_bytes: stored().map(size).sum(),
        }
    };
    facts.sources().into_iter().map(source).collect()
}

fn states(facts: &Facts) -> Vec<InspectedState> {
    let mut states = Vec::new();
    let saved = facts.snapshot.states.iter().map(|state| &state.schema);
    for schema in saved.chain(facts.changes.iter().map(|(schema, _)| schema)) {
        if states.iter().any(|state: &InspectedState| state.name == schema.name) {
            continue;
        }
        let name = &schema.name;
        let saved = facts.snapshot.states.iter().find(|state| state.schema.name == *name);
        let rows = saved.into_iter().flat_map(|state| state.rows.iter().map(|rows| (&state.schema, rows)));
        let changes = facts.changes.iter().filter(|(schema, _)| schema.name == *name);
        let all: Vec<_> = rows.chain(changes.map(|(schema, change)| (schema, change))).collect();
        let mut weigh = Weigh::default();
        // Where types changed, the bytes of a key that was written twice need not be the same.
        let same = all.iter().all(|(of, _)| of.key == schema.key);
        let weighed = same && all.iter().all(|(schema, change)| weigh.apply(schema, change).is_ok());
        let newest = all.last().map_or(schema, |(schema, _)| schema);
        states.push(InspectedState {
            name: name.clone(),
            key: newest.key.to_string(),
            value: newest.value.to_string(),
            own_partitioner: newest.own_partitioner,
            version: all.iter().map(|(_, change)| change.version).max().max(saved.and_then(|s| s.version)),
            keys: weighed.then(|| weigh.keys()),
            bytes: weighed.then(|| weigh.bytes()),
            stored_bytes: all.iter().map(|(_, change)| change.rows.0.len() as u64).sum(),
        });
    }
    states
}
