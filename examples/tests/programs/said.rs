//! What the programs say on standard error, where that is no terminal: nothing while all is well, no progress line.

use std::process::{Command, Output, Stdio};

use crate::running::path_of;

/// Runs a program to its end, with this in `RUST_LOG`.
fn run(name: &str, args: &[&str], log: Option<&str>) -> Output {
    let mut command = Command::new(path_of(name));
    command.args(args).stdin(Stdio::null()).env_remove("RUST_LOG");
    command.envs(log.map(|log| ("RUST_LOG", log)));
    command.output().unwrap()
}

fn hashtags(log: Option<&str>) -> String {
    let args = ["--no-page", "--batches", "8", "--batch", "50", "--slide", "100", "--window", "1000"];
    let ended = run("hashtags", &args, log);
    assert!(ended.status.success());
    String::from_utf8(ended.stderr).unwrap()
}

#[test]
fn a_run_without_trouble_is_quiet() {
    assert_eq!(hashtags(None), "");
}

#[test]
fn more_is_said_where_that_is_asked_for() {
    let said = hashtags(Some("info"));
    assert!(said.contains(" INFO waterclock_streaming::listen::log: batches begin\n"), "{said}");
    assert!(said.contains("receiver TextSocket-0 runs") && !said.contains(" is over"), "{said}");
    assert!(!said.contains('\x1b') && !said.contains("records/s"), "{said}");
    assert!(hashtags(Some("warn,waterclock_streaming=debug")).contains(" is over"));
    let refused = hashtags(Some("waterclock=loud"));
    assert!(refused.contains("RUST_LOG is \"waterclock=loud\", which is no filter"), "{refused}");
}

#[test]
fn a_failed_batch_is_told_at_once_and_at_the_end() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("file"), "in the way").unwrap();
    let prefix = scratch.path().join("file/totals").display().to_string();
    let ended = run("word_count", &["--stdin", "--batch", "50", "--batches", "1", "--out", &prefix], None);
    assert!(!ended.status.success());
    let said = String::from_utf8(ended.stderr).unwrap();
    let told: Vec<_> = said.lines().filter(|line| line.contains("save_as_text_files at ")).collect();
    assert!(told.len() >= 2, "{said}");
    assert!(told[0].contains(" ERROR waterclock_streaming") && told[0].contains(": batch "), "{said}");
    assert!(told[0].contains("file/") && told[0].contains("word_count.rs:"), "{said}");
    assert!(told[told.len() - 1].starts_with("Error: batch "), "{said}");
}
