//! `check`: a program is run up to its start, which says what it would do.

use std::io::{Read, Write};
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, Stdio};

use serde_json::Value;
use waterclock::StartReport;
use waterclock::world::{Disk, RealDisk, random_seed};

use crate::answer::{Failure, is_path, to_json};

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
    let failed = |error: std::io::Error| Failure::No(format!("can't read {dir}: {error}"));
    if !RealDisk.entry(Path::new(dir)).map_err(failed)?.is_dir {
        return Err(Failure::No(format!("{dir} is not a directory")));
    }
    // The program may work elsewhere.
    let place = absolute(dir).map_err(failed)?;
    let (answer, report) = answer(program, rest, &place)?;
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

/// Runs the program until it has said what it would do.
fn answer(program: &str, args: &[&str], dir: &Path) -> Result<(Value, StartReport), Failure> {
    let file = Answer(std::env::temp_dir().join(format!("waterclock-check-{:016x}", random_seed())));
    let status = Command::new(program)
        .args(args)
        .env("WATERCLOCK_CHECK", dir)
        .env("WATERCLOCK_REPORT", &file.0)
        .stdin(Stdio::null())
        // Standard output is for our own answer.
        .stdout(std::io::stderr())
        .status()
        .map_err(|error| Failure::NoStart(format!("can't run {program}: {error}")))?;
    let mut text = Vec::new();
    let read = RealDisk.open(&file.0).and_then(|mut file| file.read_to_end(&mut text));
    read.map_err(|_| {
        let why = "without starting a streaming context: it has nothing to say about the checkpoint";
        Failure::NoStart(format!("{program} ended ({status}) {why}"))
    })?;
    let other = |error: serde_json::Error| {
        Failure::NoStart(format!("what {program} says is of another release of Waterclock: {error}"))
    };
    let answer: Value = serde_json::from_slice(&text).map_err(other)?;
    let report = serde_json::from_value(answer.clone()).map_err(other)?;
    Ok((answer, report))
}

/// The file that the program writes its answer into.
struct Answer(PathBuf);

impl Drop for Answer {
    fn drop(&mut self) {
        // There is none where the program did not come so far.
        let _ = RealDisk.remove_file(&self.0);
    }
}
