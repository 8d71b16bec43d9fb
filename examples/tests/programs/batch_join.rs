//! The engine alone joins, sorts and saves.

use crate::running::{Program, saved};

#[test]
fn the_list_is_joined_sorted_and_saved() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("customers");

    let program = Program::start("batch_join", &["--orders", "5000", "--out", out.to_str().unwrap()]);
    let said = program.finish();

    let lines = saved(&out);
    assert_eq!(lines.len(), 8, "{lines:?}");
    let cents = |line: &String| line[1..line.find(',').unwrap()].parse::<u64>().unwrap();
    assert!(lines.is_sorted_by_key(|line| std::cmp::Reverse(cents(line))), "{lines:?}");
    let all: u64 = (0..5_000u64).map(|n| n * 7 % 1_000).sum();
    assert_eq!(lines.iter().map(cents).sum::<u64>(), all);
    let best = lines[0].trim_matches(['(', ')']).split_once(',').unwrap();
    assert!(said.contains(&format!("the best customer is {} with {} cents", best.1, best.0)), "{said}");
}
