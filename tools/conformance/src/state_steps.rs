//! The steps that keep state from batch to batch (GOLDEN.md, section 3).

use std::time::Duration;

use serde_json::Value as Json;
use waterclock::{MapWithState, Rdd, StateOptions, StateSpec};

use crate::scene::Scene;
use crate::state_functions::{track, update};
use crate::steps::{Step, unsigned};
use crate::stream::{Stream, Trouble};
use crate::value::Value;

/// The stream after a step that keeps state; none for another step.
pub(crate) fn step(scene: &Scene, stream: &Stream, step: &Step<'_>) -> Result<Option<Stream>, Trouble> {
    Ok(Some(match step.name {
        "updateStateByKey" => {
            let f = step.function(0, update)?;
            let mut options = StateOptions::new();
            if let Some(initial) = initial(scene, step) {
                options = options.initial(initial);
            }
            if let Some(partitions) = option(step, "partitions")? {
                options = options.partitions(partitions as usize);
            }
            Stream::Pairs(stream.pairs().update_state_by_key_with(f, options))
        }
        "mapWithState" => Stream::Rows(map_with_state(scene, stream, step)?.stream()),
        "mapWithStateSnapshots" => Stream::Pairs(map_with_state(scene, stream, step)?.state_snapshots()),
        _ => return Ok(None),
    }))
}

fn map_with_state(
    scene: &Scene,
    stream: &Stream,
    step: &Step<'_>,
) -> Result<MapWithState<Value, Value, Value>, Trouble> {
    let mut spec = StateSpec::function(step.function(0, track)?);
    if let Some(initial) = initial(scene, step) {
        spec = spec.initial_state(initial);
    }
    if let Some(partitions) = option(step, "partitions")? {
        spec = spec.partitions(partitions as usize);
    }
    if let Some(idle) = option(step, "timeout_ms")? {
        spec = spec.timeout(Duration::from_millis(idle));
    }
    let mapped = stream.pairs().map_with_state(spec);
    Ok(match option(step, "checkpoint_ms")? {
        Some(interval) => mapped.checkpoint(Duration::from_millis(interval)),
        None => mapped,
    }
    .checked()?)
}

/// A number of the options, which are the second argument.
fn option(step: &Step<'_>, name: &str) -> Result<Option<u64>, Trouble> {
    step.arg(1).and_then(|options| options.get(name)).map(unsigned).transpose()
}

/// The state to begin with.
fn initial(scene: &Scene, step: &Step<'_>) -> Option<Rdd<(Value, Value)>> {
    let rows = step.arg(1)?.get("initial").and_then(Json::as_array)?;
    let pairs = rows.iter().map(|row| Value::from_json(row).into_pair()).collect();
    let engine = scene.ssc.engine();
    Some(engine.parallelize(pairs, engine.settings().default_parallelism))
}
