//! What all streams with state share: the store, its versions, how data is spread to meet it, and how it
//! outlives the process.

use std::any::Any;
use std::ops::Range;
use std::panic::Location;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use waterclock_base::world::{in_parallel, lock};
use waterclock_base::{
    BatchInterval, BatchTime, Bytes, Data, Error, Key, Record, Result, Schema, SchemaChange, decode,
    group_of_hash, key_hash, read_as,
};
use waterclock_engine::{Define, Engine, Keyed, Partitioner, PartitionerId, Rdd, StageOutput};

use crate::checkpoint::{Change, PinnedState, StateSchema};
use crate::graph::{Restored, Settled, StreamState, Takeover};
use crate::state::{
    Emitted, Migration, Snapshot, StateStage, StateStore, Update, Versions, read_head, read_row, write_saved,
    write_view,
};

/// Makes a migration of the state out of one of what the program calls the state; none where that is something
/// else.
type Lift<S> = fn(Box<dyn Any>) -> Option<Migration<S>>;

/// How many rows are put into the state together.
const TOGETHER: usize = 64;

/// The state of one stream and the versions that it is at.
pub(crate) struct StateStream<K: Key, S: Record, M: Data> {
    pub(crate) operator: &'static str,
    pub(crate) site: &'static Location<'static>,
    partitioner: Partitioner<K>,
    key_groups: u32,
    /// What the program calls the present form of types that can't be traced.
    version: OnceLock<u32>,
    migrations: Mutex<Vec<Arc<Migration<S>>>>,
    /// How a migration of what the program calls the state is one of `S`.
    lift: Lift<S>,
    pub(crate) versions: Versions<K, S, M>,
}

impl<K: Key, S: Record, M: Data> StateStream<K, S, M> {
    pub(crate) fn new(
        operator: &'static str,
        site: &'static Location<'static>,
        partitioner: Partitioner<K>,
        engine: &Engine,
        with_timeouts: bool,
    ) -> Self {
        let store = StateStore::new(partitioner.partitions(), engine.seed(), with_timeouts);
        let key_groups = engine.settings().key_groups;
        let (version, migrations, versions) = (OnceLock::new(), Mutex::default(), Versions::new(store));
        let lift: Lift<S> = |migration| migration.downcast().ok().map(|migration| *migration);
        StateStream { operator, site, partitioner, key_groups, version, migrations, lift, versions }
    }

    /// The program calls something else the state than what is kept.
    pub(crate) fn lifting(self, lift: Lift<S>) -> Self {
        StateStream { lift, ..self }
    }

    /// The dataset spread as the state is.
    pub(crate) fn spread<V: Record>(&self, rdd: &Rdd<(K, V)>) -> Rdd<(K, V)> {
        let options = Keyed::new().partitioner(self.partitioner.clone());
        rdd.partition_by_at(self.operator, self.site, &options)
    }

    /// The stage that makes the version of `time`.
    pub(crate) fn stage(
        &self,
        time: BatchTime,
        before: Option<Arc<StateStage<K, S, M>>>,
        engine: &Engine,
        update: impl Update<K, S, M>,
    ) -> Arc<StateStage<K, S, M>> {
        let store = self.versions.store().clone();
        StateStage::new(engine, self.operator, self.site, time, store, before, update)
    }

    fn define(&self, stage: &Arc<StateStage<K, S, M>>) -> Define {
        Define::new(self.operator, self.partitioner.partitions()).at(self.site).after(stage.clone())
    }

    fn own_partitioner(&self) -> bool {
        matches!(self.partitioner.id(), PartitionerId::Own { .. })
    }

    /// A change of a partition, with the key groups that it owns.
    fn change(&self, state: &str, version: BatchTime, partition: usize, rows: Vec<u8>) -> Change {
        let (groups, partitions) = (self.groups(partition), self.partitioner.partitions() as u32);
        let partition = partition as u32;
        Change { state: state.to_owned(), version, partition, partitions, groups, rows: Bytes(rows) }
    }

    /// The key groups that a partition owns.
    fn groups(&self, partition: usize) -> Range<u32> {
        let (partitions, groups) = (self.partitioner.partitions(), self.key_groups);
        let edge = |p: usize| (p as u64 * u64::from(groups) / partitions.max(1) as u64) as u32;
        if self.own_partitioner() { 0..groups } else { edge(partition)..edge(partition + 1) }
    }

    /// Fills a partition with its part of the changes, oldest first.
    fn fill(&self, partition: usize, changes: &[(&Reading<S>, &Change)]) -> Result<()> {
        let (groups, own) = (self.groups(partition), self.own_partitioner());
        let concerns = |change: &Change| match change.partitions as usize == self.partitioner.partitions() {
            // Partitions that are as they were are only concerned by their own changes.
            true => change.partition as usize == partition,
            false => change.groups.start < groups.end && groups.start < change.groups.end,
        };
        let due: Vec<_> = changes.iter().filter(|(_, change)| concerns(change)).collect();
        // How much the oldest version has, which most keys come with.
        let oldest = due.iter().take_while(|(_, change)| change.version == due[0].1.version);
        let mut ahead: usize = oldest.map(|(_, change)| change.rows.0.len()).sum();
        let (mut cleared, mut rows) = (None, Vec::with_capacity(TOGETHER));
        self.versions.store().fill(partition, |base| {
            for (reading, change) in due {
                let (mut bytes, before) = (&change.rows.0[..], base.keys());
                let head = read_head(&mut bytes)?;
                // A version begins from scratch once, however many partitions it was written by.
                if head.from_scratch && cleared.replace(change.version) != Some(change.version) {
                    base.clear();
                }
                head.expired.into_iter().for_each(|before| base.expire(before));
                while !bytes.is_empty() {
                    let (key, row) =
                        read_row(&mut bytes, |bytes| reading.key(bytes), |bytes| reading.value(bytes))?;
                    let group = group_of_hash(key_hash(&key), self.key_groups);
                    if !change.groups.contains(&group) {
                        return Err(self.strayed(change));
                    }
                    let is_ours = match own {
                        true => self.partitioner.partition(&key) == partition,
                        false => groups.contains(&group),
                    };
                    if is_ours {
                        rows.push((key, row));
                    }
                    if rows.len() == TOGETHER || bytes.is_empty() {
                        base.put_all(&mut rows);
                    }
                }
                let read = change.rows.0.len();
                ahead = ahead.saturating_sub(read);
                base.reserve(
                    (base.keys().saturating_sub(before) as u64 * ahead as u64 / read.max(1) as u64) as usize,
                );
            }
            Ok(())
        })
    }

    /// How what was written under a schema is read today.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] naming what does not fit.
    fn reading(&self, schema: StateSchema) -> Result<Reading<S>> {
        let now = self.schema(&schema.name);
        let refuse = |what: &str, why: String| Error::Checkpoint {
            dir: format!("state {}", schema.name),
            why: format!("its {what} changed since it was saved: {why}"),
            hint: "make the new type read the old one (added fields need `#[serde(default)]`), convert it with \
                   `.migrate::<Old>(..)`, or begin the state anew under another name and drop this one with \
                   `forget_state`",
        };
        let same = |what: &str, old: &Schema, new: &Schema| match old.change_to(new) {
            Ok(change) => Ok(change == SchemaChange::Same),
            Err(why) => Err(refuse(what, why.to_string())),
        };
        if schema.own_partitioner != now.own_partitioner {
            let why = "keys were spread by key group and are spread by a partitioner of the program's own now, \
                       or the other way round";
            return Err(refuse("partitioner", why.into()));
        }
        let same_key = same("key", &schema.key, &now.key)?;
        let migration = lock(&self.migrations).iter().find(|known| known.old == schema.value).cloned();
        let value = match migration {
            Some(migration) if schema.value != now.value => ReadValue::Migrates(migration),
            _ if same("value", &schema.value, &now.value)? => ReadValue::Same,
            _ => ReadValue::Converts,
        };
        let told = |what: &str, old: &Schema, how: &str, new: &Schema| {
            format!("its {what} was {old}, {how} {new} now")
        };
        let by_names = "and is read by its names as";
        let key = (!same_key).then(|| told("key", &schema.key, by_names, &now.key));
        let how = match &value {
            ReadValue::Same => None,
            ReadValue::Converts => Some(by_names),
            ReadValue::Migrates(_) => Some("and `migrate` makes it"),
        };
        let value_told = how.map(|how| told("value", &schema.value, how, &now.value));
        let change = key.into_iter().chain(value_told).collect::<Vec<_>>().join("; ");
        Ok(Reading { schema, same_key, value, change })
    }

    fn strayed(&self, change: &Change) -> Error {
        Error::Checkpoint {
            dir: format!("state {}", change.state),
            why: format!(
                "a key of type {} does not belong to the key groups {:?} that it was saved with",
                std::any::type_name::<K>(),
                change.groups
            ),
            hint: "the key's `Serialize` must write equal keys as it did when they were saved; undo its change, \
                   or give the state another name and begin it anew",
        }
    }

    fn respread(&self, change: &Change) -> Error {
        let (then, now) = (change.partitions, self.partitioner.partitions());
        Error::Checkpoint {
            dir: format!("state {}", change.state),
            why: format!(
                "the program's own partitioner spread it over {then} partitions, and over {now} now"
            ),
            hint: "a partitioner of the program's own fixes the number of partitions for as long as the state lives",
        }
    }
}

impl<K: Key, S: Record, M: Data> StreamState for StateStream<K, S, M> {
    fn complete(&self, t: BatchTime, engine: &Engine) -> Result<()> {
        for stage in self.versions.open(t) {
            if !stage.missing().is_empty() {
                emitted(self, stage, engine).for_each_partition(drop)?;
            }
        }
        Ok(())
    }

    fn settle(&self, t: BatchTime, how: Settled) {
        self.versions.settle(t, how);
    }

    fn pass_over(&self, long: BatchInterval) {
        self.versions.pass_over(long);
    }

    fn forget(&self) {
        self.versions.forget();
    }

    fn keys(&self) -> u64 {
        self.versions.store().keys()
    }

    fn bytes(&self) -> u64 {
        self.versions.store().bytes()
    }

    fn schema(&self, name: &str) -> StateSchema {
        let version = self.version.get().copied().unwrap_or_default();
        let versioned = |schema| match schema {
            Schema::Opaque { .. } => Schema::Opaque { version },
            traced => traced,
        };
        StateSchema {
            name: name.to_owned(),
            key: versioned(Schema::of::<K>()),
            value: versioned(Schema::of::<S>()),
            own_partitioner: self.own_partitioner(),
        }
    }

    fn set_version(&self, version: u32) {
        // The first one stays.
        self.version.get_or_init(|| version);
    }

    fn migrate(&self, migration: Box<dyn Any>) -> Result<(), String> {
        let migration = (self.lift)(migration).ok_or("it keeps state of another type")?;
        if !matches!(migration.old, Schema::Opaque { .. }) && migration.old == Schema::of::<S>() {
            return Err(
                "the old type looks in bytes as today's does, so that what was converted could not be \
                        told from what was not"
                    .into(),
            );
        }
        lock(&self.migrations).push(Arc::new(migration));
        Ok(())
    }

    fn save(&self, lookback: Duration) {
        self.versions.store().save(lookback);
    }

    fn changes(&self, name: &str, t: BatchTime) -> Vec<Change> {
        let mut changes = Vec::new();
        for stage in self.versions.open(t) {
            for (partition, rows) in stage.take_saved() {
                changes.push(self.change(name, stage.time(), partition, rows));
            }
        }
        changes
    }

    fn pin(&self, name: &str, oldest: BatchTime) -> PinnedState {
        let store = self.versions.store();
        let version = store.committed().map(|newest| newest.min(oldest));
        let Some(at) = version else {
            return PinnedState { schema: self.schema(name), version, rows: Box::new(|_| Ok(())) };
        };
        let pin = store.pin(at);
        let newer: Vec<_> = (0..store.partitions()).map(|partition| store.newer(partition, at)).collect();
        // Everything that it takes to say whose rows these are, without the stream itself.
        let blank: Vec<Change> =
            (0..store.partitions()).map(|partition| self.change(name, at, partition, Vec::new())).collect();
        let rows = Box::new(move |put: &mut dyn FnMut(Change) -> Result<()>| {
            for (partition, blank) in blank.iter().enumerate() {
                let view = pin.view(partition);
                write_view(&view, |rows| put(Change { rows: Bytes(rows), ..blank.clone() }))?;
            }
            for (deltas, blank) in newer.iter().zip(&blank) {
                for delta in deltas {
                    let rows = Bytes(write_saved(delta)?);
                    put(Change { version: delta.time, rows, ..blank.clone() })?;
                }
            }
            Ok(())
        });
        PinnedState { schema: self.schema(name), version, rows }
    }

    fn restore(&self, restored: Restored<'_>) -> Result<Takeover> {
        let Restored { saved, changes, upto, skipped, long, threads } = restored;
        let is_new = saved.is_none() && changes.is_empty();
        let mut version = saved.and_then(|saved| saved.version);
        // A program that looks back further than the one that saved begins with what there is.
        let upto = version.map_or(upto, |version| version.max(upto));
        let rows = saved.into_iter().flat_map(|saved| saved.rows.iter().map(|rows| (&saved.schema, rows)));
        let changes = changes.into_iter().map(|(schema, change)| (schema, change));
        let due = rows.chain(changes).filter(|(_, change)| change.version <= upto);
        let due: Vec<_> = due.collect();
        let mut readings: Vec<Reading<S>> = Vec::new();
        for (schema, change) in &due {
            version = version.max(Some(change.version));
            if self.own_partitioner() && change.partitions as usize != self.partitioner.partitions() {
                return Err(self.respread(change));
            }
            if !readings.iter().any(|reading| reading.schema == **schema) {
                readings.push(self.reading((*schema).clone())?);
            }
        }
        let of = |schema: &StateSchema| readings.iter().find(|reading| reading.schema == *schema);
        let due: Vec<_> =
            due.into_iter().filter_map(|(schema, change)| Some((of(schema)?, change))).collect();
        let filled =
            in_parallel(threads, self.partitioner.partitions(), |partition| self.fill(partition, &due));
        filled.into_iter().collect::<Result<()>>()?;
        if let Some(version) = version {
            self.versions.store().filled(version);
        }
        self.versions.resume(upto, skipped);
        long.into_iter().for_each(|long| self.versions.pass_over(long));
        let changed = readings.into_iter().map(|reading| reading.change);
        let changed: Vec<String> = changed.filter(|change| !change.is_empty()).collect();
        Ok(match (is_new, changed.is_empty()) {
            (true, _) => Takeover::New,
            (false, true) => Takeover::Kept,
            (false, false) => Takeover::Migrated(changed.join("; ")),
        })
    }
}

/// What rows were written as, and how they are read today.
struct Reading<S> {
    schema: StateSchema,
    same_key: bool,
    value: ReadValue<S>,
    /// What is another type today, for people.
    change: String,
}

enum ReadValue<S> {
    Same,
    Converts,
    Migrates(Arc<Migration<S>>),
}

impl<S: Record> Reading<S> {
    fn key<K: Key>(&self, bytes: &mut &[u8]) -> Result<K> {
        if self.same_key { decode(bytes) } else { read_as(&self.schema.key, bytes) }
    }

    fn value(&self, bytes: &mut &[u8]) -> Result<S> {
        match &self.value {
            ReadValue::Same => decode(bytes),
            ReadValue::Converts => read_as(&self.schema.value, bytes),
            ReadValue::Migrates(migration) => (migration.read)(bytes)
                .map_err(|error| Error::user(format!("migrate (state {})", self.schema.name), None, error)),
        }
    }
}

/// The whole state of time `t`, of each key what `show` makes of it.
pub(crate) fn snapshot<K: Key, S: Record, M: Data, O: Data>(
    stream: &StateStream<K, S, M>,
    stage: Arc<StateStage<K, S, M>>,
    t: BatchTime,
    engine: &Engine,
    show: impl Fn(&K, &S) -> Option<(K, O)> + Send + Sync + 'static,
) -> Rdd<(K, O)> {
    let define = stream.define(&stage).partitioned(Some(stream.partitioner.id()));
    let pin = stream.versions.store().pin(t);
    define.build(engine, Snapshot { pin, stage, show })
}

/// The records that the tasks of the stage emitted.
pub(crate) fn emitted<K: Key, S: Record, M: Data>(
    stream: &StateStream<K, S, M>,
    stage: Arc<StateStage<K, S, M>>,
    engine: &Engine,
) -> Rdd<M> {
    stream.define(&stage).build(engine, Emitted(stage))
}
