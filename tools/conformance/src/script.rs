//! Lifecycle cases: scripts of actions on contexts (GOLDEN.md, section 7).

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use waterclock::{ContextState, Error, Result};

use crate::case::Case;
use crate::run::{Log, shown};
use crate::scene::Scene;
use crate::steps::build;
use crate::stream::Trouble;

/// What the actions of a script gave, and what all outputs wrote.
pub(crate) fn run(case: &Case, script: &[Vec<Json>], threads: usize) -> Json {
    let mut stage = Stage { case, threads, scenes: HashMap::new(), log: Log::default() };
    let mut actions = Vec::new();
    for action in script {
        actions.push(match stage.act(action) {
            Ok(answer) => answer,
            Err(Trouble::Refused(error)) => json!({"error": true, "why": error.full_text()}),
            Err(Trouble::DoesNotCompile(why)) => json!({"error": true, "why": why}),
            Err(Trouble::Unsupported(what)) => json!({"unsupported": what}),
        });
    }
    json!({"expected": {"actions": actions, "outputs": stage.log.entries()}})
}

/// The contexts of a script.
struct Stage<'a> {
    case: &'a Case,
    threads: usize,
    scenes: HashMap<String, Scene>,
    log: Log,
}

impl Stage<'_> {
    fn act(&mut self, action: &[Json]) -> Result<Json, Trouble> {
        let unsupported = || Trouble::Unsupported(format!("action {}", Json::from(action)));
        let [Json::String(name), Json::String(context), args @ ..] = action else {
            return Err(unsupported());
        };
        if name == "new" {
            let batch_ms = args.first().and_then(Json::as_u64).ok_or_else(unsupported)?;
            let scene = Scene::new(batch_ms, &self.case.inputs, self.threads, |builder| builder)?;
            self.scenes.insert(context.clone(), scene);
            return Ok(json!("ok"));
        }
        let scene = self.scenes.get_mut(context).ok_or_else(unsupported)?;
        match (name.as_str(), args) {
            ("op", [Json::Array(pipeline)]) => build(scene, pipeline).map(drop)?,
            ("output", [Json::Array(pipeline)]) => {
                let stream = build(scene, pipeline)?;
                self.log.collect(&stream, false)?;
            }
            ("start", []) => scene.ssc.start()?,
            ("advance", [batches]) => {
                let batches = batches.as_u64().and_then(|n| u32::try_from(n).ok());
                self.log.advance(scene, batches.ok_or_else(unsupported)?);
            }
            ("stop", []) => scene.stop()?,
            ("stop_graceful", []) => scene.clock.stop_gracefully()?,
            ("state", []) => return Ok(json!(state(scene.ssc.state()))),
            ("await", [millis]) => return Ok(json!(scene.ssc.await_termination_for(duration(millis)?)?)),
            ("checkpoint", []) => scene.checkpoint()?,
            ("remember", [millis]) => scene.ssc.remember(duration(millis)?)?,
            ("slice", [Json::Array(pipeline), from, to]) => return slice(scene, pipeline, from, to),
            _ => return Err(unsupported()),
        }
        Ok(json!("ok"))
    }
}

fn slice(scene: &mut Scene, pipeline: &[Json], from: &Json, to: &Json) -> Result<Json, Trouble> {
    let stream = build(scene, pipeline)?;
    let datasets = stream.slice(from.as_i64().unwrap_or_default(), to.as_i64().unwrap_or_default())?;
    let datasets: Vec<_> = datasets.into_iter().map(|rows| shown(rows, false)).collect();
    Ok(json!(datasets))
}

fn duration(millis: &Json) -> Result<Duration, Error> {
    let why = || Error::Setting { setting: "duration", why: format!("{millis} is no duration") };
    Ok(Duration::from_millis(millis.as_u64().ok_or_else(why)?))
}

fn state(state: ContextState) -> &'static str {
    match state {
        ContextState::Initialized => "INITIALIZED",
        ContextState::Active => "ACTIVE",
        ContextState::Stopped => "STOPPED",
    }
}
