//! Two streams, batch by batch: T-025 to T-029.

use waterclock_base::Record;
use waterclock_engine::Keyed;
use waterclock_streaming::testing::run_stream;
use waterclock_streaming::{DStream, Stop};

use crate::support::{SECOND, context, sorted, with_gaps};

type Pairs = DStream<(String, i64)>;
type Marked = DStream<(String, char)>;

fn key(key: &str) -> String {
    key.to_owned()
}

/// Runs an operation over `a b | a, empty key | empty | b` on the left and `a b b | empty key, c | a | empty`
/// on the right.
fn run<U: Record + Ord>(operation: impl Fn(&Pairs, &Marked) -> DStream<U>) -> Vec<Vec<U>> {
    let (ssc, clock) = context();
    let left = |keys: &[&str]| keys.iter().map(|k| (key(k), 1i64)).collect::<Vec<_>>();
    let right = |keys: &[&str]| keys.iter().map(|k| (key(k), 'x')).collect::<Vec<_>>();
    let lefts = ssc.queue_stream([left(&["a", "b"]), left(&["a", ""]), left(&[]), left(&["b"])]);
    let rights = ssc.queue_stream([right(&["a", "b", "b"]), right(&["", "c"]), right(&["a"]), right(&[])]);
    let seen = operation(&lefts, &rights).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(4);
    ssc.stop(Stop::Now).unwrap();
    sorted((1..=4).map(|n| seen.nth(n)).collect()).into_iter().map(Option::unwrap).collect()
}

/// T-025.
#[test]
fn cogroup_has_both_lists() {
    let row = |k: &str, left: usize, right: usize| (key(k), (vec![1; left], vec!['x'; right]));
    let expected = [
        vec![row("a", 1, 1), row("b", 1, 2)],
        vec![row("", 1, 1), row("a", 1, 0), row("c", 0, 1)],
        vec![row("a", 0, 1)],
        vec![row("b", 1, 0)],
    ];
    assert_eq!(run(|a, b| a.cogroup(b)), expected);
    assert_eq!(run(|a, b| a.cogroup_with(b, Keyed::new().partitions(3))), expected);
}

/// T-026.
#[test]
fn join_has_keys_of_both() {
    let row = |k: &str| (key(k), (1, 'x'));
    let expected = [vec![row("a"), row("b"), row("b")], vec![row("")], vec![], vec![]];
    assert_eq!(run(|a, b| a.join(b)), expected);
    assert_eq!(run(|a, b| a.join_with(b, Keyed::new().partitions(1))), expected);
}

/// T-027.
#[test]
fn left_outer_join_marks_a_missing_right() {
    let both = |k: &str| (key(k), (1, Some('x')));
    let left = |k: &str| (key(k), (1, None));
    let expected =
        [vec![both("a"), both("b"), both("b")], vec![both(""), left("a")], vec![], vec![left("b")]];
    assert_eq!(run(|a, b| a.left_outer_join(b)), expected);
    assert_eq!(run(|a, b| a.left_outer_join_with(b, Keyed::new().partitions(3))), expected);
}

/// T-028.
#[test]
fn right_outer_join_marks_a_missing_left() {
    let both = |k: &str| (key(k), (Some(1), 'x'));
    let right = |k: &str| (key(k), (None, 'x'));
    let expected =
        [vec![both("a"), both("b"), both("b")], vec![both(""), right("c")], vec![right("a")], vec![]];
    assert_eq!(run(|a, b| a.right_outer_join(b)), expected);
    assert_eq!(run(|a, b| a.right_outer_join_with(b, Keyed::new().partitions(3))), expected);
}

/// T-029.
#[test]
fn full_outer_join_marks_either() {
    let row = |k: &str, a: Option<i64>, b: Option<char>| (key(k), (a, b));
    let both = |k: &str| row(k, Some(1), Some('x'));
    let expected = [
        vec![both("a"), both("b"), both("b")],
        vec![both(""), row("a", Some(1), None), row("c", None, Some('x'))],
        vec![row("a", None, Some('x'))],
        vec![row("b", Some(1), None)],
    ];
    assert_eq!(run(|a, b| a.full_outer_join(b)), expected);
    assert_eq!(run(|a, b| a.full_outer_join_with(b, Keyed::new().partitions(3))), expected);
}

#[test]
fn a_side_without_a_dataset_fails_the_batch() {
    let (ssc, clock) = context();
    let gaps = with_gaps(&ssc, vec![Some(vec![(1, 2)]), None, Some(vec![(1, 2)])]);
    let full = ssc.queue_stream(vec![vec![(1, 3)]; 3]);
    let (joined, grouped) = (full.join(&gaps).collect_batches(), gaps.cogroup(&full).collect_batches());
    ssc.start().unwrap();
    clock.advance_batches(3);
    assert_eq!([joined.nth(1), joined.nth(2), joined.nth(3)].map(|b| b.is_some()), [true, false, true]);
    assert!(grouped.nth(2).is_none() && grouped.nth(3).is_some());
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn windows_are_joined_where_their_slides_are_equal() {
    let seen = run_stream(
        vec![vec![(1, 'a')], vec![(1, 'b')], vec![(2, 'c')]],
        |s| s.window(2 * SECOND).join(&s),
        3,
    );
    let expected = [vec![(1, ('a', 'a'))], vec![(1, ('a', 'b')), (1, ('b', 'b'))], vec![(2, ('c', 'c'))]];
    assert_eq!(sorted(seen), expected.map(Some));
    let (ssc, _clock) = context();
    let s = ssc.queue_stream(vec![vec![(1, 2)]]);
    let refused = s.window_sliding(2 * SECOND, 2 * SECOND).join(&s).checked().unwrap_err();
    assert!(refused.to_string().contains("2s") && refused.to_string().contains("1s"), "{refused}");
}
