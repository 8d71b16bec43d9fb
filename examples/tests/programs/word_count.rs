//! The totals of `word_count` are those of an independent count, however the text came in.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::running::{Program, move_in, saved, wait_until};

/// Text with every kind of space, also those that do not separate words here: vertical tab, no-break space.
fn text(n: usize) -> String {
    format!(
        "line {n}\tof  the text\r\nto be\x0cor not to be {}\n\n \x0bkept\x0btogether a\u{a0}b\n(a,b) wörter {n}",
        n % 7
    )
}

/// What the program should save: counted by std's maps.
fn expected(texts: &[String]) -> Vec<String> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for word in texts.iter().flat_map(|text| text.split([' ', '\t', '\n', '\r', '\x0c'])) {
        if !word.is_empty() {
            *counts.entry(word).or_default() += 1;
        }
    }
    let mut lines: Vec<_> = counts.into_iter().map(|(word, count)| format!("({word},{count})")).collect();
    lines.sort();
    lines
}

/// The newest totals that the program saved.
fn totals(directory: &Path) -> Vec<String> {
    let newest = newest(directory).map(|path| saved(&path));
    let mut lines = newest.unwrap_or_default();
    lines.sort();
    lines
}

fn newest(directory: &Path) -> Option<PathBuf> {
    let saved = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("totals-");
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).filter(saved).max()
}

/// Runs the program over one source, lets `feed` give it the texts, and compares.
fn check(source: &[&str], feed: impl FnOnce(&mut Program, &[String])) {
    let scratch = tempfile::tempdir().unwrap();
    let prefix = scratch.path().join("totals");
    let options = ["--batch", "50", "--out", prefix.to_str().unwrap()];
    let mut program = Program::start("word_count", &[source, &options].concat());
    // It takes in what comes from now on.
    wait_until("the first batch", || newest(scratch.path()).is_some());

    let texts: Vec<_> = (0..300).map(text).collect();
    feed(&mut program, &texts);

    let expected = expected(&texts);
    wait_until("the totals", || totals(scratch.path()) == expected);
    program.interrupt();
    program.finish();
    assert_eq!(totals(scratch.path()), expected);
}

#[test]
fn files_moved_in_while_it_runs() {
    let scratch = tempfile::tempdir().unwrap();
    let watched = scratch.path().join("in");
    fs::create_dir(&watched).unwrap();
    check(&["--files", watched.to_str().unwrap()], |_, texts| {
        for (number, text) in texts.iter().enumerate() {
            move_in(&watched, &format!("{number}.txt"), text);
        }
    });
}

#[test]
fn lines_of_a_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut open = None;
    check(&["--from", &address], |_, texts| {
        let (mut stream, _) = listener.accept().unwrap();
        for text in texts {
            stream.write_all(text.as_bytes()).unwrap();
            stream.write_all(b"\n").unwrap();
        }
        open = Some(stream);
    });
}

#[test]
fn standard_input() {
    check(&["--stdin"], |program, texts| {
        let mut input = program.input();
        for text in texts {
            input.write_all(text.as_bytes()).unwrap();
            input.write_all(b"\n").unwrap();
        }
    });
}
