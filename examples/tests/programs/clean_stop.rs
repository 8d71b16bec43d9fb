//! Ctrl-C: the program finishes what it has, ends with success, and does nothing twice; pressed again, it ends at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::running::{Program, move_in, wait_until};

/// `hashtags` over files, whose batches come every `slide` milliseconds.
fn start(scratch: &Path, slide: &str) -> Program {
    let [watched, checkpoint] = ["in", "checkpoint"].map(|name| scratch.join(name).display().to_string());
    fs::create_dir_all(&watched).unwrap();
    let places = ["--files", &watched, "--checkpoint", &checkpoint];
    Program::start(
        "hashtags",
        &[&places[..], &["--batch", slide, "--slide", slide, "--window", "600000"]].concat(),
    )
}

/// The times of the batches in what it printed.
fn times(said: &str) -> BTreeSet<&str> {
    said.lines().filter_map(|line| line.split_once("  the last ")).map(|(time, _)| time).collect()
}

#[test]
fn nothing_is_computed_again_after_it() {
    let scratch = tempfile::tempdir().unwrap();
    let mut program = start(scratch.path(), "1000");
    let mut said = program.read_until("the last");
    move_in(&scratch.path().join("in"), "1.txt", "#a #a\n");
    said += &program.read_until("        2  #a\n");
    program.interrupt();
    said += &program.finish();

    let mut program = start(scratch.path(), "1000");
    let mut later = program.read_until("        2  #a\n");
    program.interrupt();
    later += &program.finish();

    assert!(!times(&later).is_empty() && times(&said).is_disjoint(&times(&later)), "{said}\n{later}");
}

/// The first signal waits for a batch that comes in ten minutes.
#[test]
fn a_second_signal_does_not_wait() {
    let scratch = tempfile::tempdir().unwrap();
    let mut program = start(scratch.path(), "600000");
    let checkpoint = scratch.path().join("checkpoint");
    wait_until("the start", || fs::read_dir(&checkpoint).is_ok_and(|mut entries| entries.next().is_some()));
    // Two that come together may pass for one.
    let mut sent = 0;
    wait_until("the end", || {
        if program.code().is_none() {
            program.interrupt();
            sent += 1;
        }
        program.code().is_some()
    });
    assert_eq!(program.code(), Some(130));
    assert!(sent > 1);
}
