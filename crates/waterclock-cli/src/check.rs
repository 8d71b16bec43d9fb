//! `check`: a program is run up to its start, which says what it would do.

use std::io::Write;

use waterclock::StartReport;

use crate::answer::{Failure, is_path, to_json};
use crate::ask::{ask, directory, other};

/// `DIR [--json] -- PROGRAM [ARGS..]`
pub(super) fn check(args: &[&str]) -> Result<String, Failure> {
    let usage =
        || Failure::Usage("`check` takes a directory, perhaps `--json`, then `--` and a program".into());
    let end = args.iter().position(|arg| *arg == "--").ok_or_else(usage)?;
    let (ours, command) = (&args[..end], &args[end + 1..]);
    let (dir, json) = match ours {
        [dir] => (dir, false),
        [dir, "--json"] | ["--json", dir] => (dir, true),
        _ => return Err(usage()),
    };
    let [program, rest @ ..] = command else { return Err(usage()) };
    if !is_path(dir) {
        return Err(usage());
    }
    let answer = ask(program, rest, &[("WATERCLOCK_CHECK", directory(dir)?.as_os_str())])?;
    let report: StartReport =
        serde_json::from_value(answer.clone()).map_err(|error| other(program, &error))?;
    let text = if json { to_json(&answer)? } else { report.to_string() };
    if report.would_start() && !report.dir.is_empty() {
        return Ok(text);
    }
    // The answer is there also when it is no.
    let _ = writeln!(std::io::stdout(), "{text}");
    Err(Failure::No(match report.dir.is_empty() {
        true => format!("{program} keeps no checkpoint, so it would not go on from {dir}"),
        false => "the start would be refused".into(),
    }))
}
