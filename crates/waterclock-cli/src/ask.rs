//! Asking a program: it is run up to its start, which answers in place of starting.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, Stdio};

use serde_json::Value;
use waterclock::world::{Disk, RealDisk, random_seed};

use crate::answer::Failure;

/// Runs the program with a question in its environment; what it answers.
pub(crate) fn ask(program: &str, args: &[&str], question: &[(&str, &OsStr)]) -> Result<Value, Failure> {
    let file = Answer(std::env::temp_dir().join(format!("waterclock-{:016x}", random_seed())));
    let status = Command::new(program)
        .args(args)
        .envs(question.iter().copied())
        .env("WATERCLOCK_REPORT", &file.0)
        .stdin(Stdio::null())
        // Standard output is for our own answer.
        .stdout(std::io::stderr())
        .status()
        .map_err(|error| Failure::NoStart(format!("can't run {program}: {error}")))?;
    let mut text = Vec::new();
    let read = RealDisk.open(&file.0).and_then(|mut file| file.read_to_end(&mut text));
    read.map_err(|_| {
        Failure::NoStart(format!("{program} ended ({status}) without an answer of its `start`"))
    })?;
    serde_json::from_slice(&text).map_err(|error| other(program, &error))
}

/// The directory of a checkpoint, for a program that may work elsewhere.
pub(crate) fn directory(dir: &str) -> Result<PathBuf, Failure> {
    let failed = |error: std::io::Error| Failure::No(format!("can't read {dir}: {error}"));
    if !RealDisk.entry(Path::new(dir)).map_err(failed)?.is_dir {
        return Err(Failure::No(format!("{dir} is not a directory")));
    }
    absolute(dir).map_err(failed)
}

/// Why an answer can't be understood.
pub(crate) fn other(program: &str, error: &serde_json::Error) -> Failure {
    Failure::NoStart(format!("what {program} says is of another release of Waterclock: {error}"))
}

/// The file that the program writes its answer into.
struct Answer(PathBuf);

impl Drop for Answer {
    fn drop(&mut self) {
        // There is none where the program did not come so far.
        let _ = RealDisk.remove_file(&self.0);
    }
}
