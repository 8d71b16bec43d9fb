//! A dry run: what a start would do with a checkpoint, without starting anything or changing a byte.
//!
//! It is a start up to where that begins to write: the graph is validated, state is read, with all its
//! conversions, and sources are told where they were. So it finds what a start would find.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use waterclock_base::world::{World, lock};
use waterclock_base::{BatchTime, BoxError, Error, Result};

use super::replay::{REPORT, created};
use super::resume::{self, Beginning};
use super::start_report::{Fate, PartKind, StartReport};
use super::{Builder, ContextState, Inner, Stop, StreamingContext};
use crate::checkpoint::{Checkpoint, Facts};
use crate::graph::{Graph, Names, Takeover};

/// Names the checkpoint that a program is to be compared with.
const CHECK: &str = "WATERCLOCK_CHECK";

/// A dry run that whoever started the process asks for in its environment.
pub(super) struct Asked {
    /// The checkpoint to look at in place of the program's.
    pub(super) dir: PathBuf,
    /// The file that the report goes into, if it is wanted.
    report: Option<PathBuf>,
}

/// What the environment asks for.
pub(super) fn asked() -> Option<Asked> {
    let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    Some(Asked { dir: path(CHECK)?, report: path(REPORT) })
}

impl Asked {
    /// Hands in what was found.
    fn answer(&self, report: &StartReport) -> Result<()> {
        tracing::info!("{report}");
        let Some(path) = &self.report else { return Ok(()) };
        let cannot = |error| Error::outside("can't write the report", path.display(), error);
        // The world of the program may be one of a test.
        let mut file = World::real().disk.create(path).map_err(cannot)?;
        file.write_all(report.to_json().as_bytes()).and_then(|()| file.flush()).map_err(cannot)
    }
}

/// Hands in that the program did not even come to its start, if a dry run was asked for.
pub(super) fn failed(error: &Error) {
    if let Some(asked) = asked()
        && !matches!(error, Error::DryRun { .. })
    {
        let mut report = StartReport::of(&asked.dir);
        report.refuse(error);
        if let Err(error) = asked.answer(&report) {
            tracing::error!(error = ?error, "the dry run has no answer");
        }
    }
}

impl StreamingContext {
    /// What [`get_or_create`](Self::get_or_create) and [`start`](Self::start) would do with the checkpoint in `dir`
    /// and this program: for each name of a source, state or output whether it is kept, migrated, dropped or new,
    /// and why the start would be refused, if it would.
    ///
    /// Nothing is started or connected, and nothing in `dir` is changed. `create` is called, and state is read and
    /// converted as for a start, so that this takes as long and as much memory. What only a start can find out,
    /// such as a server that does not answer, stays unknown.
    ///
    /// Another process may have the checkpoint, such as the release that is to be replaced. The report then says
    /// what a start would do with what is there by now if that process ended, and
    /// [notes](StartReport::notes) that it has not.
    ///
    /// A program needs no such call of its own: with the directory of a checkpoint in the environment variable
    /// `WATERCLOCK_CHECK`, which takes the place of the program's own, every `start` is a dry run. It writes
    /// [`to_json`](StartReport::to_json) into the file that `WATERCLOCK_REPORT` names, and fails with
    /// [`Error::DryRun`]. The command `waterclock check` is made of this.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_base::{BatchTime, BoxError};
    /// # use waterclock_streaming::{Builder, Stop, testing};
    /// use waterclock_streaming::{Fate, PartKind, StreamingContext};
    /// # let dir = tempfile::tempdir()?;
    /// # fn program(builder: Builder, name: &str) -> Result<StreamingContext, BoxError> {
    /// #     let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
    /// #     let pairs = ssc.queue_stream(vec![vec![(1u32, 7u64)]]).named("in");
    /// #     pairs.update_state_by_key(|new, old| old.or(new.first().copied())).named(name).print();
    /// #     Ok(ssc)
    /// # }
    /// # let (ssc, clock) = testing::get_or_create(dir.path(), BatchTime::ZERO, |b| program(b, "first"))?;
    /// # ssc.start()?;
    /// # clock.advance_batches(1);
    /// # ssc.stop(Stop::Now)?;
    /// let report = StreamingContext::dry_run(dir.path(), |builder| program(builder, "renamed"));
    /// assert_eq!(report.fate(PartKind::Source, "in"), Some(Fate::Kept));
    /// assert_eq!(report.fate(PartKind::State, "renamed"), Some(Fate::New));
    /// assert!(!report.would_start(), "the state of `first` would be lost");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dry_run(
        dir: impl Into<PathBuf>,
        create: impl FnOnce(Builder) -> Result<Self, BoxError>,
    ) -> StartReport {
        let dir = dir.into();
        match created("dry_run", Builder::looking(dir.clone()), create) {
            Ok(ssc) => ssc.inner.compare(),
            Err(error) => {
                let mut report = StartReport::of(&dir);
                report.refuse(&error);
                report
            }
        }
    }

    /// The start of a dry run, if this is one: what was asked for is handed in, and nothing is started.
    pub(super) fn start_dry(&self) -> Result<()> {
        let (asked, checkpoint) = (asked(), self.inner.graph.checkpoint());
        if asked.is_none() && checkpoint.is_none_or(|checkpoint| checkpoint.dry().is_none()) {
            return Ok(());
        }
        let report = self.inner.compare();
        // A program that goes on to wait must not wait for ever.
        self.inner.halt(Stop::Now);
        asked.map_or(Ok(()), |asked| asked.answer(&report))?;
        Err(Error::DryRun { would_start: report.would_start() })
    }
}

impl Inner {
    /// What a start would do.
    fn compare(&self) -> StartReport {
        let graph = &self.graph;
        let app_name = graph.settings.app_name.clone();
        let mut report = StartReport { app_name, ..StartReport::default() };
        if lock(&self.life).state != ContextState::Initialized {
            report.refuse(&super::start::stopped("dry_run"));
            return report;
        }
        let Some(checkpoint) = graph.checkpoint() else {
            if let Err(error) = graph.start(BatchTime::ZERO) {
                report.refuse(&error);
            }
            return report;
        };
        report.dir = checkpoint.dir().display().to_string();
        report.resumes = !checkpoint.is_fresh();
        match checkpoint.dry().flatten() {
            Some(Error::Checkpoint { why, .. }) => report.notes.push(format!(
                "the checkpoint is in use: {why}; this is what a start would do once that has ended"
            )),
            Some(error) => report.refuse(error),
            None => {}
        }
        report.notes.extend(graph.notes());
        let fresh = Beginning::fresh(BatchTime::ZERO);
        let beginning = resume::decide(graph, &checkpoint, BatchTime::ZERO).unwrap_or_else(|error| {
            report.refuse(&error);
            fresh
        });
        report.redo = beginning.pending();
        match graph.start(beginning.zero) {
            Ok(()) => compare_names(graph, &checkpoint, &beginning, &mut report),
            Err(error) => report.refuse(&error),
        }
        graph.reopen();
        report
    }
}

fn compare_names(graph: &Graph, checkpoint: &Checkpoint, beginning: &Beginning, report: &mut StartReport) {
    let names = match Names::of(graph) {
        Ok(names) => names,
        Err(error) => return report.refuse(&error),
    };
    if let Err(error) = resume::schemas(&names) {
        report.refuse(&error);
    }
    let facts = match checkpoint.take_facts() {
        Ok(facts) => facts,
        Err(error) => return report.refuse(&error),
    };
    compare_sources(graph, &names, facts.as_ref(), beginning, report);
    compare_states(graph, &names, facts.as_ref(), beginning, report);
    if let Some(facts) = &facts
        && let Err(error) = resume::refuse_losses(graph, &names, facts, checkpoint)
    {
        report.refuse(&error);
    }
    compare_outputs(graph, facts.as_ref(), report);
    compare_accumulators(graph, facts.as_ref(), report);
}

fn compare_sources(
    graph: &Graph,
    names: &Names,
    facts: Option<&Facts>,
    beginning: &Beginning,
    report: &mut StartReport,
) {
    let mut known = facts.map(Facts::sources).unwrap_or_default();
    known.retain(|name| !Names::is_unread(name));
    for (name, source) in names.sources.iter().filter(|(name, _)| !Names::is_unread(name)) {
        let was_known = known.remove(name);
        let restored =
            facts.map_or(Ok(()), |facts| resume::restore_source(graph, name, &**source, facts, beginning));
        match restored {
            Ok(()) => {
                let fate = if was_known { Fate::Kept } else { Fate::New };
                report.put(PartKind::Source, name, fate, None);
            }
            Err(error) => {
                report.put(PartKind::Source, name, Fate::Refused, None);
                report.refuse(&error);
            }
        }
    }
    let Some(facts) = facts else { return };
    for name in known {
        let may_go = graph.settings.forget_state.contains(name);
        let (fate, detail) = match facts.unfinished(name) {
            None => (Fate::Dropped, None),
            Some(what) if may_go => (Fate::Dropped, Some(format!("with {what}, as `forget_state` says"))),
            Some(what) => (Fate::Refused, Some(format!("{what} would be lost"))),
        };
        report.put(PartKind::Source, name, fate, detail);
    }
}

fn compare_states(
    graph: &Graph,
    names: &Names,
    facts: Option<&Facts>,
    beginning: &Beginning,
    report: &mut StartReport,
) {
    let lookbacks = crate::graph::lookbacks(graph);
    let around = facts.map(|facts| resume::Around::of(graph, facts, beginning));
    for (name, node) in &names.states {
        let lookback = lookbacks.get(&node.id()).copied().unwrap_or_default();
        let restored = match &around {
            Some(around) => around.restore(name, node, lookback).map(|(taken, _)| taken),
            None => Ok(Takeover::New),
        };
        let (fate, detail) = match restored {
            Ok(Takeover::New) => (Fate::New, None),
            Ok(Takeover::Kept) => (Fate::Kept, None),
            Ok(Takeover::Migrated(how)) => (Fate::Migrated, Some(how)),
            Err(error) => {
                report.refuse(&error);
                (Fate::Refused, None)
            }
        };
        report.put(PartKind::State, name, fate, detail);
    }
    for name in facts.map(|facts| resume::lost_states(names, facts)).unwrap_or_default() {
        let (fate, detail) = match graph.settings.forget_state.contains(&name) {
            true => (Fate::Dropped, "as `forget_state` says"),
            false => (Fate::Refused, "the program does not have it"),
        };
        report.put(PartKind::State, &name, fate, Some(detail.into()));
    }
}

fn compare_outputs(graph: &Graph, facts: Option<&Facts>, report: &mut StartReport) {
    let endings = facts.into_iter().flat_map(|facts| facts.batches.values().flat_map(|(_, ending)| ending));
    let mut known: BTreeSet<&String> =
        endings.flat_map(|ending| ending.outputs.iter().map(|(name, _)| name)).collect();
    for output in graph.outputs() {
        let name = output.lasting_name();
        let fate = if known.remove(&name) { Fate::Kept } else { Fate::New };
        report.put(PartKind::Output, &name, fate, None);
    }
    known.into_iter().for_each(|name| report.put(PartKind::Output, name, Fate::Dropped, None));
}

fn compare_accumulators(graph: &Graph, facts: Option<&Facts>, report: &mut StartReport) {
    let program = graph.accumulators.committed();
    for ours in &program {
        let (mut fate, mut detail) = (Fate::New, None);
        if let Some(then) = facts.and_then(|facts| facts.counted.get(&ours.name)) {
            fate = Fate::Kept;
            if then.schema != ours.schema {
                fate = Fate::Migrated;
                detail =
                    Some(format!("it was {}, and is read by its names as {} now", then.schema, ours.schema));
            }
            if let Err(error) = graph.accumulators.restore([then]) {
                (fate, detail) = (Fate::Refused, None);
                report.refuse(&error);
            }
        }
        report.put(PartKind::Accumulator, &ours.name, fate, detail);
    }
    let known = facts.into_iter().flat_map(|facts| facts.counted.keys());
    for name in known.filter(|name| !program.iter().any(|ours| ours.name == **name)) {
        report.put(PartKind::Accumulator, name, Fate::Dropped, None);
    }
}
