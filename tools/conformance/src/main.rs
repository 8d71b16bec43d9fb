//! Runs the recorded cases of real Spark Streaming (`golden/*.jsonl`, format: `golden/GOLDEN.md`) through
//! Waterclock's public API and tells where the two differ.
//!
//! `waterclock-conformance DIR [--threads N] [--only SUBSTRING] [--family F] [--killed]`
//!
//! With `--killed` the context of each case is stopped after every batch, without finishing anything, and made
//! again from its checkpoint: the results must be the same.
//!
//! The interpreter knows the vocabulary of the cases, never a case. It runs with all of `SparkRules`, with
//! two partitions where none are given, and in virtual time. Cases that differ on purpose are listed in
//! `quirks.rs`. The exit code is 1 when a case differs that is not listed, or passes though it is.

#![expect(clippy::disallowed_methods, reason = "a tool reads files and starts threads directly")]

mod case; // the file format
mod compare; // what was expected against what was observed
mod functions; // what map, filter, reductions apply
mod join_steps; // the steps that bring two streams together
mod quirks; // what differs on purpose
mod run; // cases of batches
mod scene; // a context with its sources
mod script; // cases of a context's life
mod state_functions; // what state operations apply
mod state_steps; // the steps that keep state
mod steps; // the steps of a pipeline
mod stream; // where a pipeline is
mod transforms; // functions of whole datasets
mod value; // the record
mod window_steps; // the steps that look at several batches

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use case::Case;
use compare::Verdict;

/// No case takes a second; one that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

const USAGE: &str =
    "usage: waterclock-conformance DIR [--threads N] [--only SUBSTRING] [--family F] [--killed]";

/// What the command line asks for.
struct Options {
    dir: PathBuf,
    threads: usize,
    only: Option<String>,
    family: Option<String>,
    /// Whether contexts are made again from their checkpoints after every batch.
    killed: bool,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => return fail(&format!("{why}\n{USAGE}")),
    };
    let cases = match case::load(&options.dir) {
        Ok(cases) => cases,
        Err(error) => return fail(&format!("{}: {error}", options.dir.display())),
    };
    let cases: Vec<Case> = cases.into_iter().filter(|case| wanted(case, &options)).collect();
    if cases.is_empty() {
        return fail("there is no such case");
    }
    quiet_expected_panics();
    let mut tally = Tally::default();
    for case in cases {
        tally.take(case, &options);
    }
    tally.close()
}

fn fail(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(2)
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { dir: PathBuf::new(), threads: 2, only: None, family: None, killed: false };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--threads" => {
                let given = value()?;
                let threads = given.parse().ok().filter(|threads| *threads > 0);
                options.threads = threads.ok_or_else(|| format!("--threads {given}: give at least one"))?;
            }
            "--only" => options.only = Some(value()?),
            "--family" => options.family = Some(value()?),
            "--killed" => options.killed = true,
            _ if arg.starts_with("--") => return Err(format!("unknown option {arg}")),
            _ => options.dir = PathBuf::from(arg),
        }
    }
    if options.dir.as_os_str().is_empty() { Err("no directory was given".into()) } else { Ok(options) }
}

fn wanted(case: &Case, options: &Options) -> bool {
    options.only.as_ref().is_none_or(|part| case.id.contains(part.as_str()))
        && options.family.as_ref().is_none_or(|family| case.family == *family)
}

/// Cases fail tasks on purpose; what those say belongs in no log.
fn quiet_expected_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let message = info.payload().downcast_ref::<&str>();
        if message != Some(&"13 was met") {
            before(info);
        }
    }));
}

/// What came of the cases.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    listed: usize,
}

impl Tally {
    fn take(&mut self, case: Case, options: &Options) {
        let case = Arc::new(case);
        let listed = quirks::reason(&case.id).is_some();
        match observe(&case, options) {
            Verdict::Agrees if listed => {
                self.failed += 1;
                println!("{}: listed in quirks.rs but passes; take it off the list", case.id);
            }
            Verdict::Agrees => self.passed += 1,
            Verdict::Differs(_) if listed => self.listed += 1,
            Verdict::Differs(lines) => self.fail(&case, &lines),
            Verdict::Broken(why) => self.fail(&case, &[why]),
        }
    }

    fn fail(&mut self, case: &Case, lines: &[String]) {
        self.failed += 1;
        println!("{}{}: {}", case.id, tags(case), pipeline(case));
        for line in lines {
            println!("    {}", line.replace('\n', "\n    "));
        }
    }

    fn close(&self) -> ExitCode {
        if self.listed > 0 {
            println!("{} differ on purpose, as listed in tools/conformance/src/quirks.rs", self.listed);
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn tags(case: &Case) -> String {
    if case.tags.is_empty() { String::new() } else { format!(" ({})", case.tags.join(", ")) }
}

fn pipeline(case: &Case) -> String {
    match &case.script {
        Some(script) => serde_json::json!(script).to_string(),
        None => serde_json::json!(case.pipeline).to_string(),
    }
}

/// Runs a case on a thread of its own, so that one that hangs can be told.
fn observe(case: &Arc<Case>, options: &Options) -> Verdict {
    let (threads, killed) = (options.threads, options.killed);
    let (sender, receiver) = channel();
    let running = case.clone();
    let thread = std::thread::spawn(move || {
        let actual = match &running.script {
            Some(script) => Ok(script::run(&running, script, threads)),
            None => run::run(&running, threads, killed),
        };
        let verdict = match actual {
            Ok(actual) => compare::verdict(&running, &actual),
            Err(error) => Verdict::Broken(format!("it could not be run: {error:?}")),
        };
        // The receiver is gone only when the whole tool is.
        let _ = sender.send(verdict);
    });
    match receiver.recv_timeout(PATIENCE) {
        Ok(_) if thread.join().is_err() => Verdict::Broken("it panicked at its end".into()),
        Ok(verdict) => verdict,
        Err(RecvTimeoutError::Disconnected) => Verdict::Broken("it panicked".into()),
        Err(RecvTimeoutError::Timeout) => {
            println!("{}: hangs; giving up", case.id);
            std::process::exit(1);
        }
    }
}
