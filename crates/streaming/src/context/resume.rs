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
use crate::graph::{
    AnyNode, BatchCx, Graph, Names, Restored, SavedBatch, SavedInput, Source, Takeover, lookbacks,
};

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

    /// The times of the batches that are still to be run.
    pub(super) fn pending(&self) -> Vec<BatchTime> {
        self.redo.iter().map(Descriptor::time).collect()
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
    let HandedOver { names, lookbacks, schemas, facts, migrated } = hand_over(graph, &checkpoint, beginning)?;
    let is_known = |name: &String| {
        facts.as_ref().is_some_and(|facts| facts.snapshot.sources.iter().any(|(known, _)| known == name))
    };
    let new = names.sources.iter().filter(|(name, _)| !is_known(name));
    let positions = new.map(|(name, source)| (name.clone(), source.position())).collect();
    checkpoint.begin(&graph.settings, beginning.zero, schemas, facts, positions)?;
    if migrated {
        // From then on, the program can do without the old types.
        checkpoint.snapshot_soon();
    }
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
    /// Whether some state was written as other types.
    migrated: bool,
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
    let mut migrated = false;
    if let Some(facts) = &facts {
        refuse_losses(graph, &names, facts, checkpoint)?;
        for (name, source) in &names.sources {
            restore_source(graph, name, &**source, facts, beginning)?;
        }
        migrated = restore_states(graph, &names, facts, beginning, &lookbacks)?;
        graph.accumulators.restore(facts.counted.values())?;
        at_point("state-restored");
    }
    Ok(HandedOver { names, lookbacks, schemas, facts, migrated })
}

/// What the states are made of.
///
/// # Errors
/// [`Error::Start`] for a type that can't be traced and has no version.
pub(super) fn schemas(names: &Names) -> Result<Vec<StateSchema>> {
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

/// The names of states that the program no longer has.
pub(super) fn lost_states(names: &Names, facts: &Facts) -> Vec<String> {
    let saved = facts.snapshot.states.iter().map(|state| &state.schema.name);
    let saved = saved.chain(facts.changes.iter().map(|(schema, _)| &schema.name));
    let lost = saved.filter(|name| !names.states.iter().any(|(known, _)| known == *name));
    let mut lost: Vec<String> = lost.cloned().collect();
    lost.sort();
    lost.dedup();
    lost
}

/// What would be lost with a source that the program no longer has, if it does not say that it may be.
fn lost_inputs(graph: &Graph, names: &Names, facts: &Facts) -> Vec<(String, String)> {
    let is_gone = |name: &&String| !names.sources.iter().any(|(known, _)| known == *name);
    let may_go = |name: &String| graph.settings.forget_state.contains(name) || Names::is_unread(name);
    let gone = facts.sources().into_iter().filter(is_gone).filter(|name| !may_go(name));
    gone.filter_map(|name| Some((name.clone(), facts.unfinished(name)?))).collect()
}

/// State that the program no longer has is only dropped when it says so, and so is what its sources took in.
pub(super) fn refuse_losses(
    graph: &Graph,
    names: &Names,
    facts: &Facts,
    checkpoint: &Checkpoint,
) -> Result<()> {
    let lost = lost_states(names, facts).into_iter();
    let lost: Vec<String> = lost.filter(|name| !graph.settings.forget_state.contains(name)).collect();
    if lost.is_empty() {
        return match lost_inputs(graph, names, facts).into_iter().next() {
            None => Ok(()),
            Some((name, what)) => Err(Error::Checkpoint {
                dir: checkpoint.dir().display().to_string(),
                why: format!("the program does not have the source {name}, and {what} would be lost with it"),
                hint: "name the source as before; or let the program that has it run until it is stopped \
                       gracefully; or give the input up with `forget_state(\"..\")`",
            }),
        };
    }
    Err(Error::Checkpoint {
        dir: checkpoint.dir().display().to_string(),
        why: format!("it has state that the program does not have: {}", lost.join(", ")),
        hint: "name the stream as before, or drop its state with `forget_state(\"..\")`",
    })
}

/// Tells a source where it was.
pub(super) fn restore_source(
    graph: &Graph,
    name: &str,
    source: &dyn Source,
    facts: &Facts,
    beginning: &Beginning,
) -> Result<()> {
    let interval = graph.settings.batch_interval;
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
    source.resume(&saved)
}

/// What else is to be known of the batches before a state can be taken over.
pub(super) struct Around<'a> {
    graph: &'a Graph,
    facts: &'a Facts,
    beginning: &'a Beginning,
    /// Batches that failed.
    skipped: Vec<BatchTime>,
    /// Batches that cover several times.
    long: Vec<BatchInterval>,
}

impl<'a> Around<'a> {
    pub(super) fn of(graph: &'a Graph, facts: &'a Facts, beginning: &'a Beginning) -> Self {
        let batches = facts.batches.values();
        let failed = batches.filter(|(_, end)| end.as_ref().is_some_and(|ending| !ending.committed));
        let skipped = failed.map(|(cut, _)| cut.time()).collect();
        let step = graph.settings.batch_interval;
        let long = facts.batches.values().map(|(cut, _)| cut.interval);
        let long = long.filter(|interval| interval.from + step < interval.to).collect();
        Around { graph, facts, beginning, skipped, long }
    }

    /// Takes over the state of a stream: what became of it, and its newest version.
    pub(super) fn restore(
        &self,
        name: &str,
        node: &Arc<dyn AnyNode>,
        lookback: Duration,
    ) -> Result<(Takeover, BatchTime)> {
        let (facts, Beginning { ended, zero, .. }) = (self.facts, self.beginning);
        let upto = (*ended - lookback).max(*zero).floor(node.slide(), *zero);
        let Some(state) = node.state() else { return Ok((Takeover::New, upto)) };
        let taken = state.restore(Restored {
            saved: facts.snapshot.states.iter().find(|state| state.schema.name == *name),
            changes: facts.changes.iter().filter(|(schema, _)| schema.name == *name).collect(),
            upto,
            skipped: self.skipped.clone(),
            long: self.long.clone(),
            threads: self.graph.settings.threads,
        })?;
        Ok((taken, upto))
    }
}

/// Takes over all state; whether some of it was written as other types.
fn restore_states(
    graph: &Graph,
    names: &Names,
    facts: &Facts,
    beginning: &Beginning,
    lookbacks: &HashMap<StreamId, Duration>,
) -> Result<bool> {
    let around = Around::of(graph, facts, beginning);
    let (mut migrated, mut recalled) = (false, Vec::new());
    for (name, node) in &names.states {
        let lookback = lookbacks.get(&node.id()).copied().unwrap_or_default();
        let (taken, upto) = around.restore(name, node, lookback)?;
        migrated |= matches!(taken, Takeover::Migrated(_));
        if !lookback.is_zero() {
            let times: Vec<_> = (upto + node.slide()).to(beginning.ended, node.slide()).collect();
            recalled.push((node, times));
        }
    }
    // Versions between are made again from the batches' input, and kept for whoever looks back at them.
    let cx = BatchCx { zero: beginning.zero, engine: &graph.engine, settings: &graph.settings };
    recalled.into_iter().try_for_each(|(node, times)| node.recall(&times, &cx))?;
    Ok(migrated)
}
