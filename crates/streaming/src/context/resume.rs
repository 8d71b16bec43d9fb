//! Going on from a checkpoint: what a start finds becomes the state, the input of past batches, and the
//! batches that are still to be run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use waterclock_base::world::at_point;
use waterclock_base::{
    BatchInfo, BatchInterval, BatchOrigin, BatchPhases, BatchTime, Error, InputInfo, Result, Schema, StreamId,
};

use crate::batch::Keeper;
use crate::block::BlockLog;
use crate::checkpoint::{Checkpoint, Decision, Descriptor, Facts, StateSchema};
use crate::graph::{AnyNode, BatchCx, Graph, Names, Restored, SavedBatch, SavedInput, lookbacks};

/// Where a start begins.
pub(super) struct Beginning {
    /// The time before the first batch ever.
    pub(super) zero: BatchTime,
    /// The last time that was ticked.
    pub(super) from: BatchTime,
    /// Whether it goes on from another process, which may have left times between.
    pub(super) resumed: bool,
    /// The newest batch that is over.
    pub(super) ended: BatchTime,
    redo: Vec<Descriptor>,
}

impl Beginning {
    /// A beginning at `zero`.
    pub(super) fn fresh(zero: BatchTime) -> Self {
        Beginning { zero, from: zero, resumed: false, ended: zero, redo: Vec::new() }
    }

    /// How many batches are still to be run.
    pub(super) fn redo_count(&self) -> usize {
        self.redo.len()
    }

    /// The batches that are still to be run.
    pub(super) fn redo(&self, names: &Names, now_micros: i64) -> Vec<BatchInfo> {
        let info = |cut: &Descriptor| BatchInfo {
            interval: cut.interval,
            inputs: cut
                .inputs
                .iter()
                .filter_map(|input| {
                    let (_, source) = names.sources.iter().find(|(name, _)| *name == input.source)?;
                    let description = "as before the restart".into();
                    Some(InputInfo { stream: source.stream(), records: input.records, description })
                })
                .collect(),
            submitted_micros: now_micros,
            started_micros: None,
            ended_micros: None,
            outputs: Vec::new(),
            origin: BatchOrigin::Redone,
            phases: BatchPhases::default(),
        };
        self.redo.iter().map(info).collect()
    }
}

/// Decides where to begin.
///
/// # Errors
/// [`Error::Checkpoint`] where the program can't go on from what is there, or was not asked to.
pub(super) fn decide(graph: &Graph, checkpoint: &Checkpoint, fresh: BatchTime) -> Result<Beginning> {
    let refuse = |why, hint| {
        let dir = checkpoint.dir().display().to_string();
        Err(Error::Checkpoint { dir, why, hint })
    };
    match checkpoint.decide(&graph.settings) {
        Decision::Fresh => Ok(Beginning::fresh(fresh)),
        Decision::Refuse(why) => refuse(why, "nothing was changed"),
        Decision::Resume(_) if !graph.resumes() => refuse(
            "there is one of an earlier run".into(),
            "use `StreamingContext::get_or_create` to go on from it, or give an empty directory to begin anew",
        ),
        Decision::Resume(resume) => Ok(Beginning {
            zero: resume.zero,
            from: resume.from,
            resumed: true,
            ended: resume.ended,
            redo: resume.redo,
        }),
    }
}

/// Hands everything that was found to those whose it is, and begins to write.
pub(super) fn restore(
    graph: &Arc<Graph>,
    checkpoint: Arc<Checkpoint>,
    beginning: &Beginning,
) -> Result<Keeper> {
    let HandedOver { names, lookbacks, schemas, facts } = hand_over(graph, &checkpoint, beginning)?;
    // Where each source begins is remembered too: a process that ends before the first snapshot was there.
    let positions = || names.sources.iter().map(|(name, source)| (name.clone(), source.position())).collect();
    checkpoint.begin(&graph.settings, beginning.zero, schemas, facts, positions)?;
    for (name, source) in &names.sources {
        source.log_to(BlockLog::new(checkpoint.clone(), name.clone()));
    }
    Ok(Keeper::new(checkpoint, graph.clone(), names, beginning.zero, &lookbacks))
}

/// What was found, after it was handed to those whose it is.
pub(super) struct HandedOver {
    pub(super) names: Names,
    lookbacks: HashMap<StreamId, Duration>,
    schemas: Vec<StateSchema>,
    facts: Option<Facts>,
}

/// Hands everything that was found to those whose it is.
pub(super) fn hand_over(graph: &Graph, checkpoint: &Checkpoint, beginning: &Beginning) -> Result<HandedOver> {
    let names = Names::of(graph)?;
    let lookbacks = lookbacks(graph);
    for (_, node) in &names.states {
        let lookback = lookbacks.get(&node.id()).copied().unwrap_or_default();
        node.state().into_iter().for_each(|state| state.save(lookback));
    }
    let schemas = schemas(&names)?;
    let facts = checkpoint.take_facts()?;
    at_point("facts-read");
    if let Some(facts) = &facts {
        refuse_losses(graph, &names, facts, checkpoint)?;
        restore_sources(graph, &names, facts, beginning)?;
        restore_states(graph, &names, facts, beginning, &lookbacks)?;
        graph.accumulators.restore(facts.counted.values())?;
        at_point("state-restored");
    }
    Ok(HandedOver { names, lookbacks, schemas, facts })
}

/// What the states are made of.
///
/// # Errors
/// [`Error::Start`] for a type that can't be traced and has no version.
fn schemas(names: &Names) -> Result<Vec<StateSchema>> {
    let states = names.states.iter().filter_map(|(name, node)| Some(node.state()?.schema(name)));
    let schemas: Vec<StateSchema> = states.collect();
    let unknown = Schema::Opaque { version: 0 };
    match schemas.iter().find(|schema| schema.key == unknown || schema.value == unknown) {
        None => Ok(schemas),
        Some(schema) => Err(Error::Start {
            why: format!("the types of the state {} don't tell what they are made of", schema.name),
            hint: "derive their `Deserialize`, or add `.state_version(1)` to the stream and raise it with every \
                   change",
        }),
    }
}

/// State that the program no longer has is only dropped when it says so.
fn refuse_losses(graph: &Graph, names: &Names, facts: &Facts, checkpoint: &Checkpoint) -> Result<()> {
    let settings = &graph.settings;
    let saved = facts.snapshot.states.iter().map(|state| &state.schema.name);
    let saved = saved.chain(facts.changes.iter().map(|(schema, _)| &schema.name));
    let mut lost: Vec<&String> = saved
        .filter(|name| !names.states.iter().any(|(known, _)| known == *name))
        .filter(|name| !settings.forget_state.contains(name))
        .collect();
    lost.sort();
    lost.dedup();
    if lost.is_empty() {
        return Ok(());
    }
    let lost: Vec<&str> = lost.into_iter().map(String::as_str).collect();
    Err(Error::Checkpoint {
        dir: checkpoint.dir().display().to_string(),
        why: format!("it has state that the program does not have: {}", lost.join(", ")),
        hint: "name the stream as before, or drop its state with `forget_state(\"..\")`",
    })
}

fn restore_sources(graph: &Graph, names: &Names, facts: &Facts, beginning: &Beginning) -> Result<()> {
    let interval = graph.settings.batch_interval;
    for (name, source) in &names.sources {
        let position = facts.snapshot.sources.iter().find(|(of, _)| of == name);
        let batches = facts.batches.values().filter_map(|(cut, ending)| {
            let input = cut.inputs.iter().find(|input| input.source == *name)?;
            // With another interval, a batch counts to the first time of the new grid that has all of it.
            let floor = cut.time().floor(interval, beginning.zero);
            let time = if floor == cut.time() { floor } else { floor + interval };
            Some(SavedBatch { time, range: &input.range.0, redo: ending.is_none() })
        });
        let saved = SavedInput {
            position: position.map(|(_, position)| &position[..]),
            batches: batches.collect(),
            blocks: facts.blocks.iter().filter(|block| block.source == *name).collect(),
        };
        source.resume(&saved)?;
    }
    Ok(())
}

fn restore_states(
    graph: &Graph,
    names: &Names,
    facts: &Facts,
    beginning: &Beginning,
    lookbacks: &HashMap<StreamId, Duration>,
) -> Result<()> {
    let skipped: Vec<BatchTime> = facts
        .batches
        .values()
        .filter(|(_, ending)| ending.as_ref().is_some_and(|ending| !ending.committed))
        .map(|(cut, _)| cut.time())
        .collect();
    let long = facts.batches.values().map(|(cut, _)| cut.interval);
    let long: Vec<BatchInterval> =
        long.filter(|interval| interval.from + graph.settings.batch_interval < interval.to).collect();
    let mut recalled: Vec<(&Arc<dyn AnyNode>, Vec<BatchTime>)> = Vec::new();
    for (name, node) in &names.states {
        let Some(state) = node.state() else { continue };
        let lookback = lookbacks.get(&node.id()).copied().unwrap_or_default();
        let upto = (beginning.ended - lookback).max(beginning.zero).floor(node.slide(), beginning.zero);
        let saved = facts.snapshot.states.iter().find(|state| state.schema.name == *name);
        let changes = facts.changes.iter().filter(|(schema, _)| schema.name == *name);
        state.restore(Restored {
            saved,
            changes: changes.collect(),
            upto,
            skipped: skipped.clone(),
            long: long.clone(),
            threads: graph.settings.threads,
        })?;
        if !lookback.is_zero() {
            recalled.push((node, (upto + node.slide()).to(beginning.ended, node.slide()).collect()));
        }
    }
    // Versions between are made again from the batches' input, and kept for whoever looks back at them.
    let cx = BatchCx { zero: beginning.zero, engine: &graph.engine, settings: &graph.settings };
    recalled.into_iter().try_for_each(|(node, times)| node.recall(&times, &cx))
}
