//! One batch at a time: T-001 to T-024.

use waterclock_base::{BatchTime, Error, Fault};
use waterclock_engine::{Keyed, Partitioner};
use waterclock_streaming::Stop;
use waterclock_streaming::testing::{check_stream, check_stream_unordered, run_stream};

use crate::support::{SECOND, at, context, ones, pairs, run_gaps, words};

fn four_each() -> Vec<Vec<i64>> {
    vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8], vec![9, 10, 11, 12]]
}

/// T-001.
#[test]
fn map_changes_each_record() {
    check_stream(
        four_each(),
        |s| s.map(|n| n.to_string()),
        vec![words("1 2 3 4"), words("5 6 7 8"), words("9 10 11 12")],
    );
}

/// T-002.
#[test]
fn flat_map_gives_several_in_order() {
    let expected = vec![vec![1, 2, 2, 4, 3, 6], vec![]];
    check_stream(vec![vec![1, 2, 3], vec![]], |s| s.flat_map(|n| vec![n, n * 2]), expected);
}

/// T-003.
#[test]
fn filter_keeps_what_matches() {
    check_stream(four_each(), |s| s.filter(|n| n % 2 == 0), vec![vec![2, 4], vec![6, 8], vec![10, 12]]);
}

/// T-004.
#[test]
fn glom_makes_a_record_of_each_partition() {
    let halves = |a, b, c, d| vec![vec![a, b], vec![c, d]];
    let expected = vec![halves(1, 2, 3, 4), halves(5, 6, 7, 8), halves(9, 10, 11, 12)];
    check_stream(four_each(), |s| s.glom(), expected);
}

/// T-005.
#[test]
fn map_partitions_sees_whole_partitions() {
    let expected = vec![vec![3, 7], vec![11, 15], vec![19, 23]];
    check_stream(four_each(), |s| s.map_partitions(|part| [part.sum::<i64>()]), expected);
}

#[test]
fn map_partitions_with_index_numbers_empty_partitions_too() {
    let part = |n, records: &[i64]| (n, records.to_vec());
    let expected = vec![vec![part(0, &[1]), part(1, &[2, 3])], vec![part(0, &[]), part(1, &[4])]];
    let listed = |s: waterclock_streaming::DStream<i64>| {
        s.map_partitions_with_index(|n, part| [(n, part.collect::<Vec<_>>())])
    };
    check_stream(vec![vec![1, 2, 3], vec![4]], listed, expected);
    let gaps = run_gaps(vec![None, Some(vec![4])], listed, 2);
    assert_eq!(gaps, [None, Some(vec![part(0, &[]), part(1, &[4])])]);
}

/// Each key is where the partitioner says, its values in the order in which they came.
#[test]
fn partition_by_puts_keys_where_the_partitioner_says() {
    let last_of_three = Partitioner::new(3, |key: &String| if key == "a" { 2 } else { 0 });
    check_stream(
        vec![pairs("a1 b2 a3 c4 b5"), pairs("a1"), vec![]],
        |s| s.partition_by(Keyed::new().partitioner(last_of_three)).glom(),
        vec![
            vec![pairs("b2 c4 b5"), vec![], pairs("a1 a3")],
            vec![vec![], vec![], pairs("a1")],
            vec![vec![], vec![], vec![]],
        ],
    );
}

/// What a stream tells about itself.
#[test]
fn streams_know_their_slide_and_their_parents() {
    let (ssc, _clock) = context();
    let (a, b) = (ssc.queue_stream([vec![1]]), ssc.queue_stream([vec![2]]));
    let window = a.window_sliding(4 * SECOND, 2 * SECOND);
    let both = a.map(|n| n).union(&b);
    assert_eq!(a.slide_duration(), SECOND);
    assert_eq!((window.slide_duration(), window.map(|n| n).slide_duration()), (2 * SECOND, 2 * SECOND));
    assert!(a.dependencies().is_empty());
    assert_eq!(window.dependencies(), [a.id()]);
    assert_eq!((both.dependencies().len(), both.dependencies()[1]), (2, b.id()));
    assert_ne!(both.dependencies()[0], a.id());
}

/// T-006, T-007: more and fewer partitions, the same records.
#[test]
fn repartition_has_exactly_so_many_partitions() {
    for (from, to) in [(2, 5), (5, 2)] {
        let seen = run_stream(four_each(), |s| s.repartition(from).repartition(to).glom(), 3);
        for (batch, expected) in seen.into_iter().zip(four_each()) {
            let batch = batch.unwrap();
            assert_eq!(batch.len(), to);
            let mut records = batch.concat();
            records.sort_unstable();
            assert_eq!(records, expected);
        }
    }
}

#[test]
fn repartition_into_nothing_is_refused() {
    let (ssc, _clock) = context();
    let refused = ssc.queue_stream(four_each()).repartition(0).checked().unwrap_err();
    assert!(refused.to_string().contains("basic.rs"), "{refused}");
    assert_eq!(refused.fault(), Fault::User);
}

/// T-008.
#[test]
fn group_by_key_lists_values() {
    let key = |k: &str, n| (k.to_owned(), vec![1; n]);
    check_stream_unordered(
        vec![ones("a a b"), vec![(String::new(), 1), (String::new(), 1)], vec![]],
        |s| s.group_by_key(),
        vec![vec![key("a", 2), key("b", 1)], vec![key("", 2)], vec![]],
    );
}

/// T-009.
#[test]
fn reduce_by_key_combines_values() {
    check_stream_unordered(
        vec![ones("a a b"), vec![(String::new(), 1), (String::new(), 1)], vec![]],
        |s| s.reduce_by_key_with(|a, b| a + b, Keyed::new().partitions(2)),
        vec![pairs("a2 b1"), vec![(String::new(), 2)], vec![]],
    );
}

/// T-010 and the golden vector of `reduce`.
#[test]
fn reduce_gives_one_record_of_a_batch() {
    let batches = [four_each(), vec![vec![]]].concat();
    check_stream(batches, |s| s.reduce(|a, b| a + b), vec![vec![10], vec![26], vec![42], vec![]]);
}

/// T-011 and the golden vector of `count`.
#[test]
fn count_gives_zero_for_an_empty_batch() {
    let batches = vec![vec![], vec![1], vec![1, 2], vec![1, 2, 3], vec![1, 2, 3, 4]];
    check_stream(batches, |s| s.count(), (0..=4).map(|n| vec![n]).collect());
}

/// T-012.
#[test]
fn count_by_value_counts_each_value() {
    let count = |text: &str, n| (text.to_owned(), n);
    check_stream_unordered(
        vec![words("a a b"), words("c c"), vec![]],
        |s| s.count_by_value(),
        vec![vec![count("a", 2), count("b", 1)], vec![count("c", 2)], vec![]],
    );
}

/// T-013.
#[test]
fn map_values_changes_values_alone() {
    check_stream_unordered(
        vec![ones("a a b"), ones("c"), vec![]],
        |s| s.reduce_by_key(|a, b| a + b).map_values(|n| n + 10),
        vec![vec![("a".into(), 12), ("b".into(), 11)], vec![("c".into(), 11)], vec![]],
    );
}

/// T-014.
#[test]
fn flat_map_values_gives_several_values_of_a_key() {
    check_stream_unordered(
        vec![ones("a a b"), vec![]],
        |s| s.reduce_by_key(|a, b| a + b).flat_map_values(|n| [n, n + 10]),
        vec![vec![("a".into(), 2), ("a".into(), 12), ("b".into(), 1), ("b".into(), 11)], vec![]],
    );
}

/// T-015.
#[test]
fn union_keeps_both() {
    let expected = vec![vec![1, 2, 3, 4, -1, -2, -3, -4], vec![5, 6, 7, 8, -5, -6, -7, -8]];
    check_stream(four_each()[..2].to_vec(), |s| s.union(&s.map(|n| -n)), expected);
}

/// T-016, T-020, T-022: a parent without a dataset fails the batch, and the next one is tried.
#[test]
fn operations_that_need_all_parents_fail_where_one_has_no_dataset() {
    let batches = || vec![Some(vec![1]), None, Some(vec![3])];
    let expected = |a: Vec<i64>, c: Vec<i64>| vec![Some(a), None, Some(c)];
    let union = run_gaps(batches(), |s| s.union(&s), 3);
    assert_eq!(union, expected(vec![1, 1], vec![3, 3]));
    let transform = run_gaps(batches(), |s| s.transform(|rdd, _| Ok(rdd)), 3);
    assert_eq!(transform, expected(vec![1], vec![3]));
    let with = run_gaps(batches(), |s| s.transform_with(&s, |a, b, _| Ok(a.union(&b))), 3);
    assert_eq!(with, expected(vec![1, 1], vec![3, 3]));
    let spread = run_gaps(batches(), |s| s.repartition(2), 3);
    assert_eq!(spread, expected(vec![1], vec![3]));
}

/// T-020: the error says which stream and when.
#[test]
fn a_missing_dataset_is_told() {
    let (ssc, clock) = context();
    let gaps = crate::support::with_gaps(&ssc, vec![Some(vec![1]), None]);
    gaps.transform(|rdd, _| Ok(rdd)).register();
    ssc.start().unwrap();
    clock.advance_batches(2);
    let error = ssc.await_termination_for(SECOND).unwrap_err();
    let text = error.full_text();
    assert!(matches!(error, Error::Generate { time, .. } if time == at(2)), "{text}");
    assert!(text.contains("scripted") && text.contains("transform"), "{text}");
    ssc.stop(Stop::Now).unwrap();
}

/// T-017.
#[test]
fn a_context_unites_several_streams() {
    let (ssc, clock) = context();
    let streams = [1, 2, 3].map(|n| ssc.queue_stream(vec![vec![n], vec![n * 10]]));
    let seen = ssc.union(&streams).unwrap().collect_batches();
    assert!(ssc.union::<i32>(&[]).is_err());
    ssc.start().unwrap();
    clock.advance_batches(2);
    assert_eq!([seen.nth(1), seen.nth(2)], [Some(vec![1, 2, 3]), Some(vec![10, 20, 30])]);
    ssc.stop(Stop::Now).unwrap();
}

/// T-018.
#[test]
fn transform_applies_any_operation_of_datasets() {
    let expected = vec![vec![10, 20], vec![]];
    check_stream(vec![vec![1, 2], vec![]], |s| s.transform(|rdd, _| Ok(rdd.map(|n| n * 10))), expected);
}

/// T-019: where Spark's function may return null, ours returns an error; nothing of the batch runs.
#[test]
fn a_transform_without_an_answer_fails_the_batch_alone() {
    let only_odd = |rdd, time: BatchTime| match time.as_millis() {
        2000 => Err("no dataset".into()),
        _ => Ok(rdd),
    };
    let seen = run_stream(four_each(), move |s| s.transform(only_odd), 3);
    assert_eq!(seen, [Some(vec![1, 2, 3, 4]), None, Some(vec![9, 10, 11, 12])]);
}

/// T-021.
#[test]
fn transform_with_joins_batch_by_batch() {
    let seen = run_stream(
        vec![ones("a b"), ones("a"), vec![]],
        |s| {
            let marked = s.map_values(|_| "x".to_owned());
            s.transform_with(&marked, |a, b, _| Ok(a.join(&b)))
        },
        3,
    );
    let row = |key: &str| (key.to_owned(), (1, "x".to_owned()));
    assert_eq!(
        crate::support::sorted(seen),
        [Some(vec![row("a"), row("b")]), Some(vec![row("a")]), Some(vec![])]
    );
}

/// T-023, T-024: over three streams; one without a dataset fails the batch.
#[test]
fn a_context_transforms_several_streams() {
    let (ssc, clock) = context();
    let full = |n: i64| ssc.queue_stream(vec![vec![n], vec![n + 1], vec![n + 2]]);
    let gaps = crate::support::with_gaps(&ssc, vec![Some(vec![0]), None, Some(vec![0])]);
    let streams = [full(10), full(20), gaps];
    let sum =
        ssc.transform(&streams, |rdds, t| Ok(rdds[0].engine().union(&rdds).map(move |n| n + t.as_millis())));
    let seen = sum.unwrap().collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(3);
    let expected = [Some(vec![1010, 1020, 1000]), None, Some(vec![3012, 3022, 3000])];
    assert_eq!([seen.nth(1), seen.nth(2), seen.nth(3)], expected);
    assert!(ssc.await_termination_for(SECOND).is_err());
    ssc.stop(Stop::Now).unwrap();
}

/// Operations on one parent have no dataset where it has none; an empty one is not the same.
#[test]
fn no_dataset_in_no_dataset_out() {
    let batches = || vec![Some(vec![(1, 2)]), None, Some(vec![])];
    let one = Some(vec![(1, 2)]);
    assert_eq!(run_gaps(batches(), |s| s.map(|p| p), 3), [one.clone(), None, Some(vec![])]);
    assert_eq!(run_gaps(batches(), |s| s.top_by(1, |p| *p), 3), [one.clone(), None, Some(vec![])]);
    assert_eq!(run_gaps(batches(), |s| s.reduce(|a, _| a), 3), [one.clone(), None, Some(vec![])]);
    assert_eq!(run_gaps(batches(), |s| s.try_map(Ok), 3), [one.clone(), None, Some(vec![])]);
    assert_eq!(run_gaps(batches(), |s| s.reduce_by_key(|a, _| a), 3), [one, None, Some(vec![])]);
}

/// Streams that are read together must be of one context and have the same slide; there must be some.
#[test]
fn streams_that_do_not_go_together_are_refused_where_they_are_defined() {
    let (ssc, _clock) = context();
    let (other, _other_clock) = context();
    let (s, stranger) = (ssc.queue_stream([vec![1]]), other.queue_stream([vec![1]]));
    let slow = s.window_sliding(2 * SECOND, 2 * SECOND);
    let refused = |stream: waterclock_streaming::DStream<i32>| {
        let text = stream.checked().map(drop).unwrap_err().to_string();
        assert!(text.contains("basic.rs"), "{text}");
        text
    };
    assert!(refused(s.union(&stranger)).contains("different contexts"));
    assert!(refused(s.transform_with(&stranger, |a, _, _| Ok(a))).contains("different contexts"));
    assert!(refused(s.union(&slow)).contains("2s"));
    assert!(refused(slow.transform_with(&s, |a, _, _| Ok(a))).contains("2s"));
    assert!(refused(ssc.union(&[s.clone(), slow.clone()]).unwrap()).contains("different slides"));
    let all = ssc.transform(&[s, slow], |rdds, _| Ok(rdds[0].clone())).unwrap();
    assert!(refused(all).contains("different slides"));
    assert!(ssc.transform::<i32, i32>(&[], |rdds, _| Ok(rdds[0].clone())).is_err());
    ssc.check().unwrap();
}
