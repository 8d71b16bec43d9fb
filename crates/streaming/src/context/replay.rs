//! Replay: one batch is run again as it was, and what comes of it is compared with what its log says.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, BoxError, Error, Result, key_hash};
use waterclock_engine::noting;

use super::builder::Builder;
use super::resume::{self, HandedOver};
use super::start::stopped;
use super::{ContextState, Inner, Stop, StreamingContext};
use crate::checkpoint::{Change, Checkpoint, Counted, Recorded};
use crate::graph::{AnyNode, BatchCx, Begun, Graph, JobCx, OutputNode, Replaying};
use crate::job::call;

/// Names the checkpoint to look at in place of the program's, if that is another.
const DIR: &str = "WATERCLOCK_REPLAY_DIR";
/// Names the batch, in milliseconds.
const BATCH: &str = "WATERCLOCK_REPLAY";
/// Names the file for what comes of it.
pub(super) const REPORT: &str = "WATERCLOCK_REPORT";

/// Why a closure's doings are not compared.
const NOT_CALLED: &str = "its closure is called by a replay only with `replay_closures(true)`";

/// What came of running a batch again; see [`StreamingContext::replay`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replay {
    /// The batch.
    pub batch: BatchTime,
    /// Whether the graph of the program is another than when the batch was first run.
    pub program_changed: bool,
    /// Streams with state, each behind those that it reads, then the outputs in the order of their definition, then
    /// the accumulators that the batch changed.
    pub parts: Vec<Replayed>,
}

/// A stream with state, an output or an accumulator of a batch that was run again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// The name under which the checkpoint knows it.
    pub name: String,
    /// The operation and where the program calls it.
    pub operator: String,
    /// What came of it.
    pub outcome: ReplayOutcome,
}

/// How what an operation made compares with the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayOutcome {
    /// The same.
    Same,
    /// Something else: the hashes of both.
    Differs {
        /// What the log says.
        recorded: u64,
        /// What it made now.
        again: u64,
    },
    /// Nothing can be said, for this reason.
    NotCompared(&'static str),
}

impl Replay {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.first_difference().is_none()
    }

    /// The operation to blame: the first whose result differs, while what it reads was the same as far as that was
    /// compared.
    pub fn first_difference(&self) -> Option<&Replayed> {
        self.parts.iter().find(|part| matches!(part.outcome, ReplayOutcome::Differs { .. }))
    }

    /// The same for programs, as JSON.
    pub fn to_json(&self) -> String {
        let part = |part: &Replayed| {
            let outcome = match part.outcome {
                ReplayOutcome::Same => "\"outcome\":\"same\"".to_owned(),
                ReplayOutcome::Differs { recorded, again } => format!(
                    "\"outcome\":\"differs\",\"recorded\":\"{recorded:016x}\",\"again\":\"{again:016x}\""
                ),
                ReplayOutcome::NotCompared(why) => {
                    format!("\"outcome\":\"not compared\",\"why\":{}", quoted(why))
                }
            };
            format!("{{\"name\":{},\"operator\":{},{outcome}}}", quoted(&part.name), quoted(&part.operator))
        };
        let parts: Vec<String> = self.parts.iter().map(part).collect();
        format!(
            "{{\"batch\":{},\"same\":{},\"program_changed\":{},\"parts\":[{}]}}",
            self.batch.as_millis(),
            self.is_same(),
            self.program_changed,
            parts.join(",")
        )
    }
}

/// A text as JSON has it.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first_difference() {
            None => writeln!(f, "batch {}: nothing differs", self.batch)?,
            Some(first) => {
                writeln!(
                    f,
                    "batch {}: {} ({}) makes something else",
                    self.batch, first.name, first.operator
                )?;
            }
        }
        if self.program_changed {
            writeln!(f, "  the graph of the program is another than when the batch was first run")?;
        }
        for Replayed { name, operator, outcome } in &self.parts {
            match outcome {
                ReplayOutcome::Same => writeln!(f, "  same          {name} ({operator})")?,
                ReplayOutcome::Differs { recorded, again } => {
                    writeln!(f, "  differs       {name} ({operator}): was {recorded:016x}, is {again:016x}")?;
                }
                ReplayOutcome::NotCompared(why) => writeln!(f, "  not compared  {name} ({operator}): {why}")?,
            }
        }
        Ok(())
    }
}

/// # Replay
impl StreamingContext {
    /// Runs one batch again that was committed, with the input that it had and the state before it, and compares what
    /// it changes and what its outputs make with the hashes in its commit record.
    ///
    /// `create` is the program, as for [`get_or_create`](Self::get_or_create), with
    /// [`checkpoint`](Self::checkpoint)s left alone. Nothing is changed: neither the checkpoint, which is not locked
    /// and may belong to a running program, nor what outputs write to. Sinks are asked to
    /// [`stage`](crate::BatchSink::stage) and not to publish, files are written into the `spill_dir` and deleted,
    /// `print` prints nothing. The closures of `foreach_rdd` are called only with
    /// [`replay_closures`](Builder::replay_closures), those of `foreach_partition` too, though nothing can be
    /// compared there. No source is started: receivers, for instance, receive nothing, their blocks come from the
    /// log.
    ///
    /// Which batches can be run again: those after the oldest snapshot whose end the log has, usually the last
    /// few thousand; [`keep_snapshots`](Builder::keep_snapshots) keeps more. What a batch read of files or of Kafka
    /// must still be there.
    ///
    /// To find the closure that is to blame for a difference, run it with
    /// [`check_determinism(true)`](Builder::check_determinism): an operation that does not do the same every time is
    /// then an error of the replay that names it.
    ///
    /// A program that uses `get_or_create` can be asked for the same from outside: with the batch time in milliseconds
    /// in the environment variable `WATERCLOCK_REPLAY`, its `start` replays the batch, writes
    /// [`to_json`](Replay::to_json) into the file that `WATERCLOCK_REPORT` names, starts nothing and returns an
    /// [`Error::Lifecycle`] that says so. A directory in `WATERCLOCK_REPLAY_DIR` takes the place of the program's own.
    /// The command `waterclock replay` is made of this.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where the batch can't be run again, with the range of those that can;
    /// what `create` returns, what makes the program unable to start, and what fails in the batch.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_base::{BatchTime, BoxError};
    /// # use waterclock_streaming::{Builder, Stop, testing};
    /// use waterclock_streaming::StreamingContext;
    /// fn program(builder: Builder) -> Result<StreamingContext, BoxError> {
    ///     let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
    ///     let words = ssc.queue_stream(vec![vec!["to", "be"], vec!["or"]]).named("words");
    ///     words.map(|word| (word.len() as u64, 1u64)).reduce_by_key(|a, b| a + b).print();
    ///     Ok(ssc)
    /// }
    /// # let dir = tempfile::tempdir()?;
    /// # let (ssc, clock) = testing::get_or_create(dir.path(), BatchTime::from_millis(0), program)?;
    /// # ssc.start()?;
    /// # clock.advance_batches(2);
    /// # ssc.stop(Stop::Now)?;
    /// let replay = StreamingContext::replay(dir.path(), BatchTime::from_millis(1000), program)?;
    /// assert!(replay.is_same(), "{replay}");
    /// # Ok::<(), BoxError>(())
    /// ```
    pub fn replay(
        dir: impl Into<PathBuf>,
        batch: BatchTime,
        create: impl FnOnce(Builder) -> Result<Self, BoxError>,
    ) -> Result<Replay> {
        created("replay", Builder::replaying(dir.into(), batch), create)?.run_again()
    }

    /// Runs the batch again that the checkpoint was opened for. The context is over then.
    pub(super) fn run_again(&self) -> Result<Replay> {
        {
            let mut life = lock(&self.inner.life);
            if life.state != ContextState::Initialized {
                return Err(stopped("replay"));
            }
            life.state = ContextState::Active;
        }
        let replay = self.inner.run_again();
        self.inner.halt(Stop::Now);
        replay
    }

    /// Whether it is only there to run a batch again.
    pub(super) fn is_for_replay(&self) -> bool {
        self.inner.graph.checkpoint().is_some_and(|checkpoint| checkpoint.recorded().is_some())
    }

    /// What `start` does in a program that is asked for a replay.
    pub(super) fn replay_instead(&self) -> Result<()> {
        let replay = self.run_again()?;
        tracing::info!("{replay}");
        if let Some(path) = std::env::var_os(REPORT) {
            let cannot = |error| Error::outside("can't write the report", Path::new(&path).display(), error);
            let mut file = self.engine().world().disk.create(Path::new(&path)).map_err(cannot)?;
            file.write_all(replay.to_json().as_bytes()).map_err(cannot)?;
        }
        Err(Error::Lifecycle {
            call: "start",
            state: "there for a replay only",
            hint: "the batch was run again, and nothing was started, because WATERCLOCK_REPLAY is set",
        })
    }
}

/// The program, made by `create` with the builder.
pub(super) fn created(
    call: &'static str,
    builder: Builder,
    create: impl FnOnce(Builder) -> Result<StreamingContext, BoxError>,
) -> Result<StreamingContext> {
    create(builder).map_err(|error| match error.downcast::<Error>() {
        Ok(ours) => *ours,
        Err(other) => Error::user(call, None, other),
    })
}

/// The batch that the environment asks to replay, if it does, and the checkpoint if that is not the program's own.
///
/// # Errors
/// [`Error::Setting`] where it names none.
pub(super) fn asked_for() -> Result<Option<(BatchTime, Option<PathBuf>)>> {
    let Ok(batch) = std::env::var(BATCH) else { return Ok(None) };
    let why = || format!("it is {batch:?}, and must be a batch time in milliseconds");
    let millis = batch.parse().map_err(|_| Error::Setting { setting: BATCH, why: why() })?;
    let dir = std::env::var_os(DIR).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    Ok(Some((BatchTime::from_millis(millis), dir)))
}

impl Inner {
    fn run_again(&self) -> Result<Replay> {
        let nothing = || Error::Internal { what: "a replay without a checkpoint".into() };
        let checkpoint = self.graph.checkpoint().ok_or_else(nothing)?;
        let recorded = checkpoint.recorded().ok_or_else(nothing)?;
        let beginning = resume::decide(&self.graph, &checkpoint, BatchTime::ZERO)?;
        self.graph.start(beginning.zero)?;
        let HandedOver { names, .. } = resume::hand_over(&self.graph, &checkpoint, &beginning)?;
        let again = Again { graph: &self.graph, recorded, zero: beginning.zero, checkpoint: &checkpoint };
        let outputs = again.outputs()?;
        let mut parts = Vec::new();
        for (name, node) in &names.states {
            parts.push(again.state(name, node, beginning.ended)?);
        }
        let uncalled = outputs.iter().any(|part| part.outcome == ReplayOutcome::NotCompared(NOT_CALLED));
        parts.extend(outputs);
        parts.extend(again.accumulators(uncalled)?);
        let program_changed = recorded.program != names.program;
        Ok(Replay { batch: recorded.ending.time, program_changed, parts })
    }
}

/// A batch that is run again.
struct Again<'a> {
    graph: &'a Arc<Graph>,
    checkpoint: &'a Checkpoint,
    recorded: &'a Recorded,
    zero: BatchTime,
}

impl Again<'_> {
    fn time(&self) -> BatchTime {
        self.recorded.ending.time
    }

    /// Runs the outputs.
    fn outputs(&self) -> Result<Vec<Replayed>> {
        let graph = self.graph;
        let cx = BatchCx { zero: self.zero, engine: &graph.engine, settings: &graph.settings };
        let mut jobs = Vec::new();
        for output in graph.outputs() {
            let job = call(&output.label(), self.time(), || output.job(self.time(), &cx))?;
            jobs.push((output, job));
        }
        let mut known: VecDeque<(String, u64)> = self.recorded.ending.outputs.iter().cloned().collect();
        let mut take = |name: &str| {
            let at = known.iter().position(|(other, _)| other == name)?;
            known.remove(at).map(|(_, hash)| hash)
        };
        let mut parts = Vec::new();
        for (output, job) in jobs {
            let (name, operator) = (output.lasting_name(), output.operation());
            let again = match job {
                Some(job) => self.output(&output, &job)?,
                None => Err("its stream has no dataset at this time"),
            };
            let outcome = match (again, take(&name)) {
                (Err(why), _) => ReplayOutcome::NotCompared(why),
                (Ok(_), None) => ReplayOutcome::NotCompared("the log has nothing of it"),
                (Ok(again), Some(recorded)) => compared(recorded, again),
            };
            parts.push(Replayed { name, operator, outcome });
        }
        for (name, _) in known {
            let outcome = ReplayOutcome::NotCompared("the program does not have it");
            parts.push(Replayed { name, operator: "output".into(), outcome });
        }
        Ok(parts)
    }

    /// Runs an output: the hash of what it makes, or why there is none.
    fn output(
        &self,
        output: &OutputNode,
        job: &crate::graph::OutputJob,
    ) -> Result<Result<u64, &'static str>> {
        let calls_closures = self.graph.settings.replay_closures;
        let replay = Some(Replaying { calls_closures, ..Replaying::default() });
        let (application, prepared) = (Some(self.checkpoint.application()), Mutex::default());
        let (time, name, begun) = (self.time(), output.lasting_name(), Begun::Here);
        let cx = JobCx { time, output: name, application, begun, replay, prepared };
        let (outcome, noted) = noting(|| call(&output.label(), self.time(), || job(&cx)));
        let failed =
            |source| Error::Batch { time: self.time(), output: output.label(), source: Box::new(source) };
        outcome.map_err(failed)?;
        if cx.replay.is_some_and(|replay| replay.did_nothing.load(Ordering::Relaxed)) {
            return Ok(Err(NOT_CALLED));
        }
        let prepared = cx.prepared.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Ok(prepared.map_or(noted, |prepared| {
            (prepared.discard)();
            prepared.hash
        })))
    }

    /// Compares the accumulators that the batch changed. `uncalled`: not every closure was called that may add to
    /// them.
    fn accumulators(&self, uncalled: bool) -> Result<Vec<Replayed>> {
        let again = self.graph.accumulators.commit()?;
        let value = |all: &[Counted], name: &str| {
            let counted = all.iter().find(|counted| counted.name == name);
            counted.map_or(0, |counted| key_hash(&counted.value.0))
        };
        let all = self.recorded.counted.iter().chain(&again);
        let names: BTreeSet<&String> = all.map(|counted| &counted.name).collect();
        let part = |name: &String| {
            let outcome = match uncalled {
                true => ReplayOutcome::NotCompared("closures that may add to it were not called"),
                false => compared(value(&self.recorded.counted, name), value(&again, name)),
            };
            Replayed { name: name.clone(), operator: "accumulator".into(), outcome }
        };
        Ok(names.into_iter().map(part).collect())
    }

    /// Compares what the batch changed of a state. What is older than the batch before was only made again.
    fn state(&self, name: &str, node: &Arc<dyn AnyNode>, before: BatchTime) -> Result<Replayed> {
        let mut again = Vec::new();
        if let Some(state) = node.state() {
            state.complete(self.time(), &self.graph.engine)?;
            again = state.changes(name, self.time());
        }
        again.retain(|change| change.version > before);
        let recorded = self.recorded.changes.iter();
        let recorded: Vec<&Change> =
            recorded.filter(|change| change.state == name && change.version > before).collect();
        let spread =
            |changes: &mut dyn Iterator<Item = &Change>| changes.map(|change| change.partitions).max();
        let (then, now) = (spread(&mut recorded.iter().copied()), spread(&mut again.iter()));
        let hash = |changes: &mut dyn Iterator<Item = &Change>| {
            let parts = changes.map(|change| key_hash(&(change.version, change.partition, &change.rows.0)));
            parts.fold(0, u64::wrapping_add)
        };
        let outcome = match then.zip(now) {
            Some((then, now)) if then != now => {
                ReplayOutcome::NotCompared("it was spread over another number of partitions")
            }
            _ => compared(hash(&mut recorded.into_iter()), hash(&mut again.iter())),
        };
        Ok(Replayed { name: name.to_owned(), operator: node.operation(), outcome })
    }
}

fn compared(recorded: u64, again: u64) -> ReplayOutcome {
    if recorded == again { ReplayOutcome::Same } else { ReplayOutcome::Differs { recorded, again } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_by_people_and_programs() {
        let part = |name: &str, outcome| Replayed {
            name: name.into(),
            operator: "print at x.rs:1:2".into(),
            outcome,
        };
        let parts = vec![
            part("a", ReplayOutcome::Same),
            part("b\"\n", ReplayOutcome::Differs { recorded: 1, again: 255 }),
            part("c", ReplayOutcome::NotCompared("why")),
        ];
        let mut replay = Replay { batch: BatchTime::from_millis(1000), program_changed: true, parts };
        assert_eq!(
            replay.to_json(),
            "{\"batch\":1000,\"same\":false,\"program_changed\":true,\"parts\":[\
             {\"name\":\"a\",\"operator\":\"print at x.rs:1:2\",\"outcome\":\"same\"},\
             {\"name\":\"b\\\"\\u000a\",\"operator\":\"print at x.rs:1:2\",\"outcome\":\"differs\",\
             \"recorded\":\"0000000000000001\",\"again\":\"00000000000000ff\"},\
             {\"name\":\"c\",\"operator\":\"print at x.rs:1:2\",\"outcome\":\"not compared\",\"why\":\"why\"}]}"
        );
        replay.parts.remove(1);
        assert_eq!(
            replay.to_string(),
            "batch 1000 ms: nothing differs\n  \
             the graph of the program is another than when the batch was first run\n  \
             same          a (print at x.rs:1:2)\n  \
             not compared  c (print at x.rs:1:2): why\n"
        );
    }
}
