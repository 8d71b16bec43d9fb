//! `hashtags` prints the most frequent ones, and ends when it should.

use crate::running::{Program, move_in};

const FAST: [&str; 6] = ["--batch", "50", "--slide", "100", "--window", "1000"];

#[test]
fn the_feed_is_counted_and_so_many_batches_are_run() {
    let program = Program::start("hashtags", &[&FAST[..], &["--batches", "20", "--rate", "5000"]].concat());
    let said = program.finish();
    assert!(said.contains("lines a second from 127.0.0.1:"), "{said}");
    let tops: Vec<_> = said.split("\n\n").skip(1).collect();
    assert!(tops.len() >= 5, "{said}");
    let last = tops.last().unwrap();
    let counts: Vec<u64> = last.lines().skip(1).map(first_number).collect();
    assert_eq!(counts.len(), 10, "{said}");
    assert!(counts.is_sorted_by(|a, b| a >= b), "{said}");
}

fn first_number(line: &str) -> u64 {
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn ctrl_c_ends_it_in_order() {
    let mut program = Program::start("hashtags", &FAST);
    program.read_until("#");
    program.interrupt();
    program.finish();
}

#[test]
fn files_are_read_too() {
    let scratch = tempfile::tempdir().unwrap();
    let watched = scratch.path().join("in");
    std::fs::create_dir(&watched).unwrap();
    let mut program =
        Program::start("hashtags", &[&FAST[..], &["--files", watched.to_str().unwrap()]].concat());
    program.read_until("the last");
    move_in(&watched, "one.txt", "a #tag and another #tag\nand #one more\n");
    let said = program.read_until("#one");
    assert!(said.contains("        2  #tag\n"), "{said}");
    program.interrupt();
    program.finish();
}

/// Its window is longer than the test.
#[test]
fn killed_and_started_again_it_has_the_same_window() {
    let scratch = tempfile::tempdir().unwrap();
    let [watched, checkpoint] = ["in", "checkpoint"].map(|name| scratch.path().join(name));
    std::fs::create_dir(&watched).unwrap();
    let start = || {
        let places = ["--files", watched.to_str().unwrap(), "--checkpoint", checkpoint.to_str().unwrap()];
        let times = ["--batch", "50", "--slide", "100", "--window", "600000"];
        let mut program = Program::start("hashtags", &[&places[..], &times].concat());
        program.read_until("the last");
        program
    };
    let mut program = start();
    move_in(&watched, "1.txt", "#a and #b and #a\n");
    program.read_until("        2  #a\n        1  #b\n");
    // Nobody knows whether this one is in a batch when it ends.
    move_in(&watched, "2.txt", "#c #a #c #c #c #c #c\n");
    program.kill();
    move_in(&watched, "3.txt", "#b #b #b #b\n");
    for _ in 0..3 {
        let mut program = start();
        program.read_until("        6  #c\n        5  #b\n        3  #a\n");
        program.kill();
    }
    let mut program = start();
    move_in(&watched, "4.txt", "#c\n");
    program.read_until("        7  #c\n        5  #b\n        3  #a\n");
    program.interrupt();
    let said = program.finish();
    let tops = said.split("\n\n").skip(1).filter(|top| top.contains('#'));
    assert!(tops.clone().all(|top| top.contains("        7  #c\n        5  #b\n        3  #a")), "{said}");
}

#[test]
fn help_names_every_option_and_nonsense_is_refused() {
    let said = Program::start("hashtags", &["--help"]).finish();
    for option in [
        "--from",
        "--files",
        "--rate",
        "--window",
        "--slide",
        "--batch",
        "--batches",
        "--checkpoint",
        "--page",
        "--no-page",
    ] {
        assert!(said.contains(option), "{option}: {said}");
    }
    assert!(Program::start("hashtags", &["--windw", "3"]).fails());
}
