//! The totals of `recoverable_word_count` are those of an independent count, though it is killed meanwhile.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::running::{Program, move_in, saved, wait_until};

/// The newest total of each word.
fn totals(output: &Path) -> HashMap<String, u64> {
    let mut batches: Vec<_> = match fs::read_dir(output) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    };
    batches.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("counts-"));
    batches.sort();
    let lines = batches.iter().flat_map(|batch| saved(batch));
    let total = |line: String| {
        let (word, total) = line.split_once('\t').unwrap();
        (word.to_owned(), total.parse().unwrap())
    };
    lines.map(total).collect()
}

#[test]
fn it_counts_every_file_once_however_often_it_is_killed() {
    let scratch = tempfile::tempdir().unwrap();
    let place = |name: &str| scratch.path().join(name);
    let (input, output) = (place("in"), place("out"));
    fs::create_dir(&input).unwrap();
    let (checkpoint, threads) = (place("checkpoint"), ["1", "2", "3"]);
    let start = |life: usize| {
        let paths = [&input, &checkpoint, &output].map(|path| path.to_str().unwrap().to_owned());
        let args = ["--input", &paths[0], "--checkpoint", &paths[1], "--output", &paths[2]];
        let more = ["--batch-ms", "20", "--snapshot-bytes", "500", "--threads", threads[life % 3]];
        Program::start("recoverable_word_count", &[args, more].concat())
    };
    let mut expected: HashMap<String, u64> = HashMap::new();
    let mut move_in = |n: usize| {
        let text = format!("file {n}\tof a few\nwords a {}", n % 3);
        text.split_whitespace().for_each(|word| *expected.entry(word.to_owned()).or_default() += 1);
        move_in(&input, &format!("{n}.txt"), &text);
    };
    // One is there before the program.
    move_in(0);
    for life in 1..6 {
        let program = start(life);
        wait_until("the file from before", || totals(&output).get("file") == Some(&(2 * life as u64 - 1)));
        move_in(2 * life - 1);
        program.kill();
        move_in(2 * life);
    }
    let program = start(6);
    wait_until("the last file", || totals(&output).get("file") == Some(&11));
    program.interrupt();
    program.finish();
    assert_eq!(totals(&output), expected);
}
