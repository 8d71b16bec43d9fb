//! Goal: windows that are kept up to date by what enters and leaves show what the original's tests expect.
//! Method: its recorded vectors as tables.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::time::Duration;

use waterclock_engine::Keyed;
use waterclock_streaming::testing::{check_stream, run_stream};

const SECOND: Duration = Duration::from_secs(1);

type Rows = Vec<(char, i64)>;

fn rows(batches: &[&str]) -> Vec<Rows> {
    let row = |row: &str| {
        let mut chars = row.chars();
        (chars.next().unwrap(), chars.as_str().parse().unwrap())
    };
    batches.iter().map(|batch| batch.split_whitespace().map(row).collect()).collect()
}

/// The window of these batches, each batch sorted; only those in which it slides.
fn windows(input: &[&str], length: u32, slide: u32, filtered: bool) -> Vec<Rows> {
    let batches = input.len();
    let (length, slide) = (SECOND * length, SECOND * slide);
    let seen = run_stream(
        rows(input),
        |s| {
            if filtered {
                let keep = |_: &char, n: &i64| *n != 0;
                s.reduce_by_key_and_window_inverse_filtered(
                    |a, b| a + b,
                    |a, b| a - b,
                    keep,
                    length,
                    slide,
                    Keyed::new(),
                )
            } else {
                s.reduce_by_key_and_window_inverse(|a, b| a + b, |a, b| a - b, length, slide)
            }
        },
        batches,
    );
    let sorted = |mut batch: Rows| {
        batch.sort();
        batch
    };
    seen.into_iter().flatten().map(sorted).collect()
}

/// T-051, T-052, T-053: values enter; a key that is in gets more, a new key comes in.
#[test]
fn values_enter() {
    assert_eq!(windows(&["a1", "a1"], 2, 1, false), rows(&["a1", "a2"]));
    assert_eq!(windows(&["a1", "a1", "a1"], 2, 1, false), rows(&["a1", "a2", "a2"]));
    assert_eq!(windows(&["a1", "a1 b1"], 2, 1, false), rows(&["a1", "a2 b1"]));
}

/// T-054: a key whose values all left stays with 0.
#[test]
fn a_key_that_left_stays_with_zero() {
    assert_eq!(windows(&["", "a1", "", "", ""], 2, 1, false), rows(&["", "a1", "a1", "a0", "a0"]));
}

/// T-055, vector 11.2: a slide of two batches.
#[test]
fn a_larger_slide() {
    let input = ["a1", "a2", "a3", "a4", "a5", "a6", "", ""];
    assert_eq!(windows(&input, 4, 2, false), rows(&["a3", "a10", "a18", "a11"]));
}

const BIG: [&str; 12] =
    ["x1", "x1 y1", "x1 y1 z1", "x1 y1", "x1", "", "x1", "x1 y1", "x1 y1 z1", "x1 y1", "x1", ""];

/// T-056, vector 11.1: three keys that come and go; those that are gone stay with 0.
#[test]
fn the_big_test_keeps_zeros() {
    let expected = [
        "x1", "x2 y1", "x2 y2 z1", "x2 y2 z1", "x2 y1 z0", "x1 y0 z0", "x1 y0 z0", "x2 y1 z0", "x2 y2 z1",
        "x2 y2 z1", "x2 y1 z0", "x1 y0 z0",
    ];
    assert_eq!(windows(&BIG, 2, 1, false), rows(&expected));
}

/// T-057: with a filter the result is that of the plain window.
#[test]
fn the_big_test_with_a_filter_has_no_zeros() {
    let expected = [
        "x1", "x2 y1", "x2 y2 z1", "x2 y2 z1", "x2 y1", "x1", "x1", "x2 y1", "x2 y2 z1", "x2 y2 z1", "x2 y1",
        "x1",
    ];
    assert_eq!(windows(&BIG, 2, 1, true), rows(&expected));
}

/// T-059, vector 11.3: the count of a window is 0 after there was data.
#[test]
fn count_by_window_counts_down_to_zero() {
    let input = vec![vec![1], vec![2], vec![3, 4], vec![5], vec![], vec![]];
    let expected = [1, 2, 3, 3, 1, 0].map(|n| vec![n]).to_vec();
    check_stream(input, |s| s.count_by_window(2 * SECOND, SECOND), expected);
}

/// T-060, vector 11.4: values whose count is 0 are dropped.
#[test]
fn count_by_value_and_window_drops_zeros() {
    let seen = run_stream(
        vec![vec!['x'], vec!['y', 'y'], vec!['x', 'y'], vec![], vec![]],
        |s| s.count_by_value_and_window(2 * SECOND, SECOND),
        5,
    );
    let expected = [
        vec![('x', 1)],
        vec![('x', 1), ('y', 2)],
        vec![('x', 1), ('y', 3)],
        vec![('x', 1), ('y', 1)],
        vec![],
    ];
    for (seen, expected) in seen.into_iter().zip(expected) {
        let mut seen = seen.unwrap();
        seen.sort();
        assert_eq!(seen, expected);
    }
}
