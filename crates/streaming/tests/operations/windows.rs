//! Several batches at a time: T-040 to T-050, T-058, and failures inside windows.

use std::time::Duration;

use waterclock_base::{Error, SparkRules};
use waterclock_engine::{Keyed, StorageLevel};
use waterclock_streaming::testing::{check_stream_unordered, manual, run_stream};
use waterclock_streaming::{DStream, Stop, StreamingContext};

use crate::support::{SECOND, context, ones, pairs, run_gaps, sorted};

fn zero_to_five() -> Vec<Vec<i64>> {
    (0..=5).map(|n| vec![n]).collect()
}

/// What a window shows at its times up to the eighth batch.
fn shown(length: u32, slide: u32) -> Vec<Vec<i64>> {
    let (length, slide) = (length * SECOND, slide * SECOND);
    run_stream(zero_to_five(), move |s| s.window_sliding(length, slide), 8).into_iter().flatten().collect()
}

/// T-040.
#[test]
fn the_first_windows_are_partial() {
    let expected = [vec![0], vec![0, 1], vec![1, 2], vec![2, 3], vec![3, 4], vec![4, 5], vec![5], vec![]];
    assert_eq!(shown(2, 1), expected);
}

/// T-041.
#[test]
fn windows_as_long_as_their_slide_show_everything_once() {
    assert_eq!(shown(2, 2), [vec![0, 1], vec![2, 3], vec![4, 5], vec![]]);
}

/// T-042.
#[test]
fn larger_windows_go_on_after_the_input_ended() {
    assert_eq!(shown(4, 2), [vec![0, 1], vec![0, 1, 2, 3], vec![2, 3, 4, 5], vec![4, 5]]);
}

/// T-043.
#[test]
fn windows_shorter_than_their_slide_leave_gaps() {
    assert_eq!(shown(2, 3), [vec![1, 2], vec![4, 5]]);
}

/// A window over a windowed stream counts in that stream's slides.
#[test]
fn windows_of_windows() {
    let seen = run_stream(zero_to_five(), |s| s.window(2 * SECOND).window(2 * SECOND), 3);
    assert_eq!(seen, [vec![0], vec![0, 0, 1], vec![0, 1, 1, 2]].map(Some));
}

/// T-044. Spark keeps the parent as bytes; ours keeps records, which windows can read without decoding.
#[test]
fn a_window_keeps_its_parent() {
    let (ssc, _clock) = context();
    let parent = ssc.queue_stream(zero_to_five()).map(|n| n);
    let window = parent.window(2 * SECOND);
    assert_eq!(parent.storage_level(), Some(StorageLevel::MemoryOnly));
    assert_eq!(window.storage_level(), None);
    window.persist(StorageLevel::MemoryAndDisk);
    assert_eq!(parent.storage_level(), Some(StorageLevel::MemoryAndDisk));
    assert_eq!(window.storage_level(), None);
    ssc.check().unwrap();
    window.persist(StorageLevel::DiskOnly);
    assert!(ssc.check().unwrap_err().to_string().contains("MemoryAndDisk"));
}

/// T-044: a level that the program chose is not changed by a window.
#[test]
fn a_window_leaves_the_programs_level_alone() {
    let (ssc, _clock) = context();
    let parent = ssc.queue_stream(zero_to_five()).cache();
    parent.window(2 * SECOND);
    assert_eq!(parent.storage_level(), Some(StorageLevel::MemoryOnlySer));
    ssc.check().unwrap();
}

type Pairs = DStream<(String, i64)>;

fn reduced(length: u32, slide: u32) -> impl FnOnce(Pairs) -> Pairs {
    move |s| s.reduce_by_key_and_window(|a, b| a + b, length * SECOND, slide * SECOND)
}

/// T-045: each key's values in the window are added up.
#[test]
fn reduce_by_key_and_window_adds_up() {
    let batches = vec![pairs("a1"), pairs("a3"), pairs("a5")];
    let expected = vec![pairs("a1"), pairs("a4"), pairs("a8")];
    check_stream_unordered(batches, reduced(2, 1), expected);
}

/// T-046: a key in the window gets a new value. T-047: a new key enters. T-048: a key leaves.
#[test]
fn keys_come_and_go() {
    let cases = [
        (["a1", "a1"], ["a1", "a2"]),
        (["a1", "a1 b1"], ["a1", "a2 b1"]),
        (["a1", ""], ["a1", "a1"]),
        (["", "a1"], ["", "a1"]),
    ];
    for (batches, expected) in cases {
        check_stream_unordered(batches.map(pairs).to_vec(), reduced(2, 1), expected.map(pairs).to_vec());
    }
    let leaving = ["a1 b1", "", "", ""].map(pairs).to_vec();
    check_stream_unordered(leaving, reduced(2, 1), ["a1 b1", "a1 b1", "", ""].map(pairs).to_vec());
}

/// T-049 and the golden vector of the larger slide.
#[test]
fn a_larger_slide_adds_up_the_same() {
    let batches = ["a1", "a2", "a3", "a4", "a5", "a6", "", ""].map(pairs).to_vec();
    let seen = run_stream(batches, reduced(4, 2), 8);
    let sums = seen.into_iter().flatten().map(|rows| rows[0].1);
    assert_eq!(sums.collect::<Vec<_>>(), [3, 10, 18, 11]);
}

/// The golden vectors over three keys: what comes in, and what a window of two batches holds.
const BIG: [(&str, &str); 12] = [
    ("x", "x1"),
    ("x y", "x2 y1"),
    ("x y z", "x2 y2 z1"),
    ("x y", "x2 y2 z1"),
    ("x", "x2 y1"),
    ("", "x1"),
    ("x", "x1"),
    ("x y", "x2 y1"),
    ("x y z", "x2 y2 z1"),
    ("x y", "x2 y2 z1"),
    ("x", "x2 y1"),
    ("", "x1"),
];

/// T-050.
#[test]
fn three_keys_over_twelve_batches() {
    let (batches, expected) = (BIG.map(|(keys, _)| ones(keys)), BIG.map(|(_, sums)| pairs(sums)));
    check_stream_unordered(batches.to_vec(), reduced(2, 1), expected.to_vec());
    let spread = |s: Pairs| {
        s.reduce_by_key_and_window_with(|a, b| a + b, 2 * SECOND, SECOND, Keyed::new().partitions(3))
    };
    check_stream_unordered(batches.to_vec(), spread, expected.to_vec());
}

/// T-058.
#[test]
fn lists_over_twelve_batches() {
    let lists = |sums: &str| -> Vec<(String, Vec<i64>)> {
        pairs(sums).into_iter().map(|(key, n)| (key, vec![1; usize::try_from(n).unwrap()])).collect()
    };
    check_stream_unordered(
        BIG.map(|(keys, _)| ones(keys)).to_vec(),
        |s| s.group_by_key_and_window(2 * SECOND, SECOND),
        BIG.map(|(_, sums)| lists(sums)).to_vec(),
    );
}

#[test]
fn lists_are_in_order_of_time() {
    let batches = vec![vec![('k', 3), ('k', 1)], vec![('k', 2)], vec![('k', 0)], vec![]];
    let options = || Keyed::new().partitions(1);
    let seen = run_stream(batches, |s| s.group_by_key_and_window_with(3 * SECOND, SECOND, options()), 4);
    let list = |values: &[i32]| Some(vec![('k', values.to_vec())]);
    assert_eq!(seen, [list(&[3, 1]), list(&[3, 1, 2]), list(&[3, 1, 2, 0]), list(&[2, 0])]);
}

fn fails_on_13(s: DStream<i64>) -> DStream<i64> {
    s.map(|n| {
        assert_ne!(n, 13, "thirteen");
        n
    })
}

/// A batch that failed fails the windows that contain it, and no later one.
#[test]
fn windows_recover_when_the_bad_batch_has_left() {
    let batches = vec![vec![9, 3], vec![2, 2, 9, 13], vec![7, 5, 4], vec![9, 4, 1], vec![], vec![4], vec![]];
    let seen = run_stream(batches, |s| fails_on_13(s).window_sliding(3 * SECOND, SECOND), 9);
    let rows = |rows: &[i64]| Some(rows.to_vec());
    let expected = [
        rows(&[3, 9]),
        None,
        None,
        None,
        rows(&[1, 4, 4, 5, 7, 9]),
        rows(&[1, 4, 4, 9]),
        rows(&[4]),
        rows(&[4]),
        rows(&[]),
    ];
    assert_eq!(sorted(seen), expected);
    let batches = vec![vec![7], vec![], vec![0, 3, 4], vec![3, 7, 2, 13], vec![0], vec![1, 8, 5], vec![]];
    let seen = run_stream(batches, |s| fails_on_13(s).window_sliding(2 * SECOND, 2 * SECOND), 8);
    assert_eq!(sorted(seen), [None, rows(&[7]), None, None, None, rows(&[0, 1, 5, 8]), None, rows(&[])]);
}

#[test]
fn reductions_recover_when_the_bad_batch_has_left() {
    let batches = vec![vec![], vec![4, 2], vec![6, 13], vec![5, 4, 8], vec![7, 7], vec![1, 8], vec![]];
    let seen = run_stream(batches, |s| fails_on_13(s).reduce_by_window(|a, b| a + b, 2 * SECOND, SECOND), 8);
    let one = |n| Some(vec![n]);
    assert_eq!(seen, [Some(vec![]), one(6), None, None, one(31), one(23), one(9), Some(vec![])]);
}

/// The same where the dataset could not even be made.
#[test]
fn windows_recover_when_a_transform_failed() {
    let batches: Vec<Vec<i64>> = [19, 0, 5, 17, 5, 13, 17, -7].map(|n| vec![n]).to_vec();
    let throws = |s: DStream<i64>| {
        s.transform(|rdd, t| if t.as_millis() % 3000 == 0 { Err("third".into()) } else { Ok(rdd) })
    };
    let seen = run_stream(batches, |s| throws(s).window_sliding(2 * SECOND, SECOND), 8);
    let rows = |rows: &[i64]| Some(rows.to_vec());
    let expected = [rows(&[19]), rows(&[19, 0]), None, None, rows(&[17, 5]), None, None, rows(&[17, -7])];
    assert_eq!(seen, expected);
}

/// Windows leave out what is not there, and always have a dataset.
#[test]
fn batches_without_a_dataset_are_left_out() {
    let batches = || vec![None, Some(vec![('a', 1)]), None, None, None];
    let one = Some(vec![('a', 1)]);
    let expected = [Some(vec![]), one.clone(), one, Some(vec![]), Some(vec![])];
    assert_eq!(run_gaps(batches(), |s| s.window(2 * SECOND), 5), expected);
    let reduced = |s: DStream<_>| s.reduce_by_key_and_window(|a, b| a + b, 2 * SECOND, SECOND);
    assert_eq!(run_gaps(batches(), reduced, 5), expected);
    assert_eq!(run_gaps(batches(), |s| s.reduce_by_window(|a, _| a, 2 * SECOND, SECOND), 5), expected);
    let lists = run_gaps(batches(), |s| s.group_by_key_and_window(2 * SECOND, SECOND), 5);
    assert!(lists.iter().all(Option::is_some));
}

fn refused<T: waterclock_base::Data>(stream: DStream<T>) -> String {
    stream.checked().map(drop).unwrap_err().to_string()
}

#[test]
fn windows_that_do_not_fit_are_refused_where_they_are_defined() {
    let (ssc, _clock) = context();
    let s = ssc.queue_stream(vec![vec![(1, 2)]]);
    let (broken, half) = (Duration::from_millis(2500), Duration::from_millis(1500));
    for text in [
        refused(s.window(broken)),
        refused(s.window_sliding(2 * SECOND, half)),
        refused(s.reduce_by_window(|a, _| a, broken, SECOND)),
        refused(s.reduce_by_key_and_window(|a, _| a, 2 * SECOND, half)),
        refused(s.group_by_key_and_window(broken, SECOND)),
        refused(s.window_sliding(2 * SECOND, 2 * SECOND).window_sliding(4 * SECOND, SECOND)),
    ] {
        assert!(text.contains("multiple") && text.contains("windows.rs"), "{text}");
    }
    assert!(refused(s.window(Duration::ZERO)).contains("at least one millisecond"));
    assert!(refused(s.window_sliding(SECOND, Duration::from_micros(1))).contains("whole number"));
    ssc.check().unwrap();
}

fn with_rules() -> (StreamingContext, waterclock_streaming::testing::TestClock) {
    let mut rules = SparkRules::default();
    rules.accept_zero = true;
    let builder = StreamingContext::builder("zero").batch_interval(SECOND).threads(2).spark_rules(rules);
    manual(builder).unwrap()
}

/// Spark's habit: a window of no length is empty, one that does not move fails every batch.
#[test]
fn zero_is_accepted_where_spark_rules_ask_for_it() {
    let (ssc, clock) = with_rules();
    let s = ssc.queue_stream(vec![vec![(1, 2)], vec![(3, 4)]]);
    let empty = s.window(Duration::ZERO).collect_batches();
    let none = s.reduce_by_key_and_window(|a, _| a, Duration::ZERO, SECOND).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(2);
    assert_eq!([empty.nth(1), empty.nth(2), none.nth(1), none.nth(2)], [const { Some(vec![]) }; 4]);
    ssc.stop(Stop::Now).unwrap();

    let (ssc, clock) = with_rules();
    let s = ssc.queue_stream(vec![vec![1], vec![2]]);
    let seen = s.window_sliding(3 * SECOND, Duration::ZERO).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(2);
    assert_eq!([seen.nth(1), seen.nth(2)], [None, None]);
    assert!(matches!(ssc.await_termination_for(SECOND), Err(Error::Generate { .. })));
    ssc.stop(Stop::Now).unwrap();
}
