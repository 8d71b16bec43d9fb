//! Every recorded case of real Spark, run by the tool as people run it, at several numbers of threads.

use std::path::Path;
use std::process::Command;

fn run(options: &[&str]) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden");
    let output = Command::new(env!("CARGO_BIN_EXE_waterclock-conformance"))
        .arg(&golden)
        .args(options)
        .output()
        .unwrap_or_else(|error| panic!("the tool can't be run: {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.lines().last().is_some_and(|line| line.ends_with(" passed, 0 failed")), "{text}");
}

#[test]
fn cases_agree_with_spark_on_one_thread() {
    run(&["--threads", "1"]);
}

#[test]
fn cases_agree_with_spark_on_two_threads() {
    run(&["--threads", "2"]);
}

#[test]
fn cases_agree_with_spark_on_five_threads() {
    run(&["--threads", "5"]);
}

/// The context of each case is stopped after every batch and made again from its checkpoint.
#[test]
fn cases_agree_with_spark_when_killed_after_every_batch() {
    run(&["--killed"]);
}
