//! Every recorded case of real Spark, run by the tool as people run it, at several numbers of threads.

use std::path::Path;
use std::process::Command;

fn run(threads: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden");
    let output = Command::new(env!("CARGO_BIN_EXE_waterclock-conformance"))
        .arg(&golden)
        .args(["--threads", threads])
        .output()
        .unwrap_or_else(|error| panic!("the tool can't be run: {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.lines().last().is_some_and(|line| line.ends_with("0 failed, 14 waiting")), "{text}");
}

#[test]
fn cases_agree_with_spark_on_one_thread() {
    run("1");
}

#[test]
fn cases_agree_with_spark_on_two_threads() {
    run("2");
}

#[test]
fn cases_agree_with_spark_on_five_threads() {
    run("5");
}
