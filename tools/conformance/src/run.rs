//! Cases that run a pipeline over batches (GOLDEN.md, sections 1, 2 and 5).

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};
use waterclock::{Builder, Error, Result};

use crate::case::Case;
use crate::scene::Scene;
use crate::steps::{build, unsigned};
use crate::stream::{Stream, Trouble};
use crate::value::{Value, canonical};

/// What outputs wrote, in the order in which they did.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Json>>>);

impl Log {
    fn push(&self, entry: Json) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// All of it.
    pub(crate) fn entries(&self) -> Json {
        Json::Array(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Registers an output that writes the rows of each batch, or that they could not be computed.
    pub(crate) fn collect(&self, stream: &Stream, ordered: bool) -> Result<()> {
        let log = self.clone();
        stream.for_each_batch(move |outcome, time| {
            let time = time.as_millis();
            match outcome {
                Ok(rows) => log.push(json!({"time_ms": time, "rows": shown(rows, ordered)})),
                Err(error) => {
                    log.push(failed(time, "job", &error.full_text()));
                    return Err(error);
                }
            }
            Ok(())
        })
    }

    /// Runs so many batches, noting those whose datasets could not be made.
    pub(crate) fn advance(&self, scene: &Scene, batches: u32) {
        for _ in 0..batches {
            scene.clock.advance_batches(1);
            let Some(batch) = scene.ssc.status().last_completed else { continue };
            if batch.time() != scene.clock.now() {
                continue;
            }
            // An output that failed without having begun stands for the jobs that could not be made.
            let unmade = batch.outputs.iter().find(|output| output.started_micros.is_none());
            if let Some(why) = unmade.and_then(|output| output.failure.as_deref()) {
                self.push(failed(batch.time().as_millis(), "generate", why));
            }
        }
    }
}

fn failed(time_ms: i64, phase: &str, why: &str) -> Json {
    json!({"time_ms": time_ms, "error": true, "phase": phase, "why": why})
}

/// Rows as expectations have them.
pub(crate) fn shown(rows: Vec<Value>, ordered: bool) -> Vec<Value> {
    if ordered { rows } else { canonical(rows) }
}

/// What is printed, kept.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a case gave: the fields of its expectations, with what was observed. `killed`: the context is made
/// again from its checkpoint after every batch.
pub(crate) fn run(case: &Case, threads: usize, killed: bool) -> Result<Json> {
    let (printed, log) = (Printed::default(), Log::default());
    let (files, checkpoint) = (made(tempfile::tempdir())?, made(tempfile::tempdir())?);
    let runs = case.runs(killed);
    let mut slices = Vec::new();
    for (n, (batches, now)) in runs.iter().enumerate() {
        let printer = printed.clone();
        let set = |builder: Builder| builder.print_to(printer);
        let mut scene = match runs.len() {
            1 => Scene::new(case.batch_ms, &case.inputs, threads, set)?,
            _ => Scene::resumed(case, checkpoint.path(), *now, threads, set)?,
        };
        if case.checkpoint && runs.len() == 1 {
            scene.checkpoint()?;
        }
        if let Some(millis) = case.remember_ms {
            scene.ssc.remember(Duration::from_millis(millis))?;
        }
        let stream = match build(&mut scene, &case.pipeline) {
            Ok(stream) => stream,
            Err(trouble) => return Ok(json!({"expected": setup_error("build", &trouble)})),
        };
        if let Err(trouble) = register(case, &stream, &log, files.path()) {
            return Ok(json!({"expected": setup_error("build", &trouble)}));
        }
        if let Err(error) = scene.ssc.start() {
            return Ok(json!({"expected": setup_error("start", &Trouble::Refused(error))}));
        }
        log.advance(&scene, *batches);
        for (from, to) in case.slices.iter().filter(|_| n + 1 == runs.len()) {
            let rdds = stream.slice(*from, *to)?.into_iter().map(|rows| shown(rows, case.ordered));
            slices.push(json!({"from_ms": from, "to_ms": to, "rdds": rdds.collect::<Vec<_>>()}));
        }
        scene.stop()?;
    }
    Ok(match case.output.as_ref().and_then(|output| output.first()).and_then(Json::as_str) {
        Some("print") => {
            let bytes = printed.0.lock().unwrap_or_else(PoisonError::into_inner);
            json!({"expected_stdout": String::from_utf8_lossy(&bytes)})
        }
        Some("saveAsTextFiles") => json!({"expected_files": made(tree(files.path()))?}),
        _ if case.slices.is_empty() => json!({"expected": log.entries()}),
        _ => json!({"expected": log.entries(), "expected_slices": slices}),
    })
}

/// A directory or file of ours that could not be made or read.
fn made<T>(outcome: io::Result<T>) -> Result<T> {
    outcome.map_err(|error| Error::outside("can't use", "a temporary directory", error))
}

/// How a program was refused.
fn setup_error(phase: &str, trouble: &Trouble) -> Json {
    match trouble {
        Trouble::Refused(error) => json!({"setup_error": {"phase": phase, "why": error.full_text()}}),
        Trouble::DoesNotCompile(why) => {
            json!({"setup_error": {"phase": phase, "why": format!("does not compile: {why}")}})
        }
        Trouble::Unsupported(what) => json!({"unsupported": what}),
    }
}

/// Registers the output of a case.
fn register(case: &Case, stream: &Stream, log: &Log, dir: &Path) -> Result<(), Trouble> {
    let Some(output) = &case.output else { return Ok(log.collect(stream, case.ordered)?) };
    let unsupported = || Trouble::Unsupported(format!("output {}", Json::from(output.clone())));
    match &output[..] {
        [Json::String(name)] if name == "none" => Ok(()),
        [Json::String(name)] if name == "print" => Ok(stream.print(None)?),
        [Json::String(name), most] if name == "print" => {
            let most = usize::try_from(unsigned(most)?).unwrap_or(usize::MAX);
            Ok(stream.print(Some(most))?)
        }
        [Json::String(name), Json::String(prefix), Json::String(suffix)] if name == "saveAsTextFiles" => {
            let prefix = dir.join(prefix);
            Ok(stream.save_as_text_files(&prefix.to_string_lossy(), suffix)?)
        }
        _ => Err(unsupported()),
    }
}

/// Directories, their files and what is in them; hidden ones left out.
fn tree(dir: &Path) -> io::Result<BTreeMap<String, BTreeMap<String, String>>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let mut files = BTreeMap::new();
        for file in std::fs::read_dir(entry.path())? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                files.insert(name, std::fs::read_to_string(file.path())?);
            }
        }
        all.insert(entry.file_name().to_string_lossy().into_owned(), files);
    }
    Ok(all)
}
