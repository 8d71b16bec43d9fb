//! `replay`: a program runs one batch again, and what comes of it is compared with its log.

use std::ffi::OsStr;
use std::io::Write;

use serde::Deserialize;

use crate::answer::{Failure, is_path, to_json};
use crate::ask::{ask, directory, other};

/// What the program says.
#[derive(Deserialize)]
struct Replay {
    batch: i64,
    same: bool,
    program_changed: bool,
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    name: String,
    operator: String,
    outcome: String,
    /// The hashes of both, where they differ.
    recorded: Option<String>,
    again: Option<String>,
    /// Why it was not compared.
    why: Option<String>,
}

/// `DIR TIME [--json] -- PROGRAM [ARGS..]`
pub(crate) fn replay(args: &[&str]) -> Result<String, Failure> {
    let usage = || {
        let how = "`replay` takes a directory and a batch time in milliseconds, perhaps `--json`, then `--` and a \
                   program";
        Failure::Usage(how.into())
    };
    let end = args.iter().position(|arg| *arg == "--").ok_or_else(usage)?;
    let (dir, time, json) = match &args[..end] {
        [dir, time] => (dir, time, false),
        [dir, time, "--json"] | ["--json", dir, time] => (dir, time, true),
        _ => return Err(usage()),
    };
    let [program, rest @ ..] = &args[end + 1..] else { return Err(usage()) };
    if !is_path(dir) || time.parse::<i64>().is_err() {
        return Err(usage());
    }
    let place = directory(dir)?;
    let question = [("WATERCLOCK_REPLAY", OsStr::new(time)), ("WATERCLOCK_REPLAY_DIR", place.as_os_str())];
    let answer = ask(program, rest, &question)?;
    let replay: Replay = serde_json::from_value(answer.clone()).map_err(|error| other(program, &error))?;
    let text = if json { to_json(&answer)? } else { shown(&replay) };
    if replay.same {
        return Ok(text);
    }
    // The answer is there also when it is no.
    let _ = writeln!(std::io::stdout(), "{text}");
    let first = replay.parts.iter().find(|part| part.outcome == "differs");
    let named =
        first.map_or_else(String::new, |part| format!(": first in {} ({})", part.name, part.operator));
    Err(Failure::No(format!("the batch {} ms makes something else than before{named}", replay.batch)))
}

fn shown(replay: &Replay) -> String {
    let how = if replay.same { "nothing differs" } else { "something differs" };
    let mut lines = vec![format!("batch {} ms: {how}", replay.batch)];
    if replay.program_changed {
        lines.push("  the graph of the program is another than when the batch was first run".into());
    }
    for Part { name, operator, outcome, recorded, again, why } in &replay.parts {
        let detail = match (recorded, again, why) {
            (Some(recorded), Some(again), _) => format!(": was {recorded}, is {again}"),
            (_, _, Some(why)) => format!(": {why}"),
            _ => String::new(),
        };
        lines.push(format!("  {outcome:12}  {name} ({operator}){detail}"));
    }
    lines.join("\n")
}
