//! One context under virtual time, with the sources and named streams of a case.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;
use tempfile::TempDir;
use waterclock::testing::{TestClock, get_or_create, manual, scripted};
use waterclock::{
    BatchTime, DStream, Durability, Engine, Error, FailurePolicy, Rdd, Result, SparkRules, Stop,
    StreamingContext,
};

use crate::case::{Case, Input};
use crate::stream::{Stream, Trouble};
use crate::value::Value;

/// Partitions where a case gives none.
const PARALLELISM: usize = 2;

/// A context of a case, and what its pipelines have named so far.
pub(crate) struct Scene {
    pub(crate) ssc: StreamingContext,
    pub(crate) clock: TestClock,
    inputs: BTreeMap<String, Input>,
    sources: HashMap<String, Stream>,
    pub(crate) named: HashMap<String, Stream>,
    /// Where checkpoints would go; removed with the scene.
    checkpoints: Vec<TempDir>,
    /// Steps of pipelines so far.
    steps: usize,
}

impl Scene {
    /// A context with Spark's rules and so many threads; `set` tells the builder what else there is.
    pub(crate) fn new(
        batch_ms: u64,
        inputs: &BTreeMap<String, Input>,
        threads: usize,
        set: impl FnOnce(waterclock::Builder) -> waterclock::Builder,
    ) -> Result<Self> {
        let builder = StreamingContext::builder("conformance")
            .batch_interval(Duration::from_millis(batch_ms))
            .threads(threads)
            .default_parallelism(PARALLELISM)
            .on_failure(FailurePolicy::Skip)
            .allow_derived_names(true)
            .spark_rules(SparkRules::all());
        let (ssc, clock) = manual(set(builder))?;
        Ok(Scene {
            ssc,
            clock,
            inputs: inputs.clone(),
            sources: HashMap::new(),
            named: HashMap::new(),
            checkpoints: Vec::new(),
            steps: 0,
        })
    }

    /// A context that goes on from the checkpoint in `dir`, or begins one there, at a time.
    pub(crate) fn resumed(
        case: &Case,
        dir: &Path,
        now_ms: i64,
        threads: usize,
        set: impl FnOnce(waterclock::Builder) -> waterclock::Builder,
    ) -> Result<Self> {
        let now = BatchTime::from_millis(now_ms);
        let (ssc, clock) = get_or_create(dir, now, |builder| {
            let builder = builder
                .batch_interval(Duration::from_millis(case.batch_ms))
                .threads(threads)
                .default_parallelism(PARALLELISM)
                .on_failure(FailurePolicy::Skip)
                // The machine does not crash; only the context ends.
                .durability(Durability::OsBuffered)
                .allow_derived_names(true)
                .spark_rules(SparkRules::all());
            Ok(set(builder).build()?)
        })?;
        let (sources, named, checkpoints) = Default::default();
        Ok(Scene { ssc, clock, inputs: case.inputs.clone(), sources, named, checkpoints, steps: 0 })
    }

    /// A name for the next stream with state, the same in every run of the program.
    pub(crate) fn next_name(&mut self) -> String {
        self.steps += 1;
        format!("step {}", self.steps)
    }

    /// Sets a new directory for checkpoints.
    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        let dir = tempfile::tempdir().map_err(|error| Error::outside("can't make", "a directory", error))?;
        self.ssc.checkpoint(dir.path())?;
        self.checkpoints.push(dir);
        Ok(())
    }

    /// The stream of an input: the same each time it is named.
    pub(crate) fn source(&mut self, name: &str) -> Result<Stream, Trouble> {
        if let Some(known) = self.sources.get(name) {
            return Ok(known.clone());
        }
        let input = self.inputs.get(name).cloned().unwrap_or_else(Input::nothing);
        let stream = if input.kind == "kv" {
            Stream::Pairs(self.scripted(input, |row| Value::from_json(row).into_pair()))
        } else {
            Stream::Rows(self.scripted(input, Value::from_json))
        };
        let stream = stream.checked()?;
        self.sources.insert(name.to_owned(), stream.clone());
        Ok(stream)
    }

    fn scripted<T: waterclock::Data>(
        &self,
        input: Input,
        read: impl Fn(&Json) -> T + Send + Sync + 'static,
    ) -> DStream<T> {
        let interval = self.ssc.settings().batch_interval;
        scripted(&self.ssc, move |time, engine| batch(&input, time, interval, engine, &read))
    }

    /// Ends the context at once.
    pub(crate) fn stop(&self) -> Result<()> {
        self.ssc.stop(Stop::Now)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A context that can't be stopped is found out by the next case, which can't start.
        let _ = self.stop();
    }
}

/// What an input gives at a time: the batch with this number, or an empty one after the last.
fn batch<T: waterclock::Data>(
    input: &Input,
    time: BatchTime,
    interval: Duration,
    engine: &Engine,
    read: impl Fn(&Json) -> T,
) -> Option<Rdd<T>> {
    let number = time.since(BatchTime::ZERO).as_millis() / interval.as_millis();
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    let rows: Vec<T> = match input.batches.get(index) {
        Some(None) => return None,
        Some(Some(rows)) => rows.iter().map(read).collect(),
        None => Vec::new(),
    };
    let none = rows.is_empty() && input.empty_has_no_partitions();
    Some(if none { engine.empty() } else { engine.parallelize(rows, input.partitions) })
}
