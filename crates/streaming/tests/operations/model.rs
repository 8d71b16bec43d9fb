//! Windows against a model: every window computed from scratch, with batches that are missing or fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use waterclock_base::SparkRules;
use waterclock_streaming::testing::scripted;
use waterclock_streaming::{DStream, Stop, StreamingContext};

use crate::support::{SECOND, context, number, sorted, with_gaps};

type Row = (u8, String);

/// What a batch is like.
#[derive(Clone, Debug)]
enum Batch {
    Missing,
    Failing,
    Rows(Vec<Row>),
}

fn batch() -> impl Strategy<Value = Batch> {
    let rows = || prop::collection::vec((0u8..3, "[a-z]{1,2}"), 0..5);
    prop_oneof![1 => Just(Batch::Missing), 1 => Just(Batch::Failing), 20 => rows().prop_map(Batch::Rows)]
}

/// Which rows are combined how.
type Group<T> = fn(&mut Vec<T>, &Row);

fn by_key(rows: &mut Vec<Row>, (key, text): &Row) {
    match rows.iter_mut().find(|(known, _)| known == key) {
        Some((_, sofar)) => sofar.push_str(text),
        None => rows.push((*key, text.clone())),
    }
}

fn in_one(rows: &mut Vec<Row>, row: &Row) {
    match rows.first_mut() {
        Some((_, sofar)) => sofar.push_str(&row.1),
        None => rows.push(row.clone()),
    }
}

/// What the window of `length` batches that ends with batch `end` holds; none if one of its batches failed.
fn window(batches: &[Batch], end: usize, length: usize, group: Group<Row>) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    for batch in &batches[end.saturating_sub(length)..end] {
        match batch {
            Batch::Missing => {}
            Batch::Failing => return None,
            Batch::Rows(new) => new.iter().for_each(|row| group(&mut rows, row)),
        }
    }
    Some(rows)
}

/// A stream of these batches; those that fail can't be made where `early`, else their tasks fail.
fn stream(ssc: &StreamingContext, batches: &[Batch], early: bool) -> DStream<Row> {
    let rows = batches.iter().map(|batch| match batch {
        Batch::Missing => None,
        Batch::Failing => Some(vec![(9, String::new())]),
        Batch::Rows(rows) => Some(rows.clone()),
    });
    let source = with_gaps(ssc, rows.collect());
    if early {
        let all = batches.to_vec();
        let fails = move |n: usize| !matches!(all.get(n - 1), Some(Batch::Rows(_)) | None);
        // `transform` fails where there is no dataset, too.
        return source
            .transform(move |rdd, t| if fails(number(t)) { Err("failing".into()) } else { Ok(rdd) });
    }
    source.try_map(|row| if row.0 == 9 { Err("failing".into()) } else { Ok(row) })
}

/// Runs an operation over the batches and compares what it shows at each slide.
fn check(
    batches: &[Batch],
    early: bool,
    (length, slide): (usize, usize),
    group: Group<Row>,
    operation: impl FnOnce(DStream<Row>) -> DStream<Row>,
) -> Result<(), TestCaseError> {
    // Where a missing dataset is an error, it is one in the model.
    let strict = |batch: &Batch| match batch {
        Batch::Missing if early => Batch::Failing,
        other => other.clone(),
    };
    let strict: Vec<Batch> = batches.iter().map(strict).collect();
    let (ssc, clock) = context();
    let seen = operation(stream(&ssc, batches, early)).collect_batches();
    ssc.start().unwrap();
    for end in 1..=batches.len() {
        clock.advance_batches(1);
        let expected = if end % slide == 0 { window(&strict, end, length, group) } else { None };
        let shown = seen.nth(u32::try_from(end).unwrap());
        prop_assert_eq!(sorted(vec![shown]), sorted(vec![expected]), "at batch {}", end);
    }
    ssc.stop(Stop::Now).unwrap();
    Ok(())
}

fn joined(a: String, b: String) -> String {
    a + &b
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// The function is associative and nothing else, so an order that is not that of time shows.
    #[test]
    fn reductions_by_key(
        batches in prop::collection::vec(batch(), 1..50), early: bool, length in 1u32..20, slide in 1u32..7,
    ) {
        let bounds = (length as usize, slide as usize);
        check(&batches, early, bounds, by_key, |s| {
            s.reduce_by_key_and_window(joined, length * SECOND, slide * SECOND)
        })?;
    }

    #[test]
    fn reductions(
        batches in prop::collection::vec(batch(), 1..50), early: bool, length in 1u32..20, slide in 1u32..7,
    ) {
        let bounds = (length as usize, slide as usize);
        check(&batches, early, bounds, in_one, |s| {
            s.reduce_by_window(|a, b| (a.0, joined(a.1, b.1)), length * SECOND, slide * SECOND)
        })?;
    }

    #[test]
    fn lists(
        batches in prop::collection::vec(batch(), 1..30), early: bool, length in 1u32..9, slide in 1u32..5,
    ) {
        let bounds = (length as usize, slide as usize);
        check(&batches, early, bounds, by_key, |s| {
            s.group_by_key_and_window(length * SECOND, slide * SECOND).map_values(|texts| texts.concat())
        })?;
    }
}

/// A slide costs a few calls of the function, however long the window is.
#[test]
fn the_cost_of_a_slide_does_not_follow_the_length_of_the_window() {
    let calls_for = |length: u32| {
        let calls = Arc::new(AtomicU64::new(0));
        let (ssc, clock) = context();
        let counter = calls.clone();
        let add = move |a: u64, b: u64| {
            counter.fetch_add(1, Ordering::Relaxed);
            a + b
        };
        let ones = scripted(&ssc, |_, engine| Some(engine.parallelize(vec![(7u32, 1u64)], 1)));
        let sums = ones.reduce_by_key_and_window(add, length * SECOND, SECOND).collect_batches();
        ssc.start().unwrap();
        clock.advance_batches(300);
        assert_eq!(sums.nth(300), Some(vec![(7, u64::from(length))]));
        ssc.stop(Stop::Now).unwrap();
        calls.load(Ordering::Relaxed) / 300
    };
    assert!(calls_for(8) <= 6);
    assert!(calls_for(128) <= 14);
}

/// Counts how many of its kind there are.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Counted(u64);

static ALIVE: AtomicI64 = AtomicI64::new(0);

impl Counted {
    fn new(n: u64) -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Counted(n)
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Counted::new(self.0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Memory follows the window, not the age of the stream. Every key occurs once, which is the worst case.
#[test]
fn what_has_left_the_window_is_let_go() {
    const ROWS: u64 = 20;
    let (ssc, clock) = context();
    let rows = scripted(&ssc, |t, engine| {
        let first = number(t) as u64 * ROWS;
        Some(engine.parallelize((first..first + ROWS).collect(), 2))
    });
    let rows = rows.map(|n| (n, Counted::new(n)));
    rows.reduce_by_key_and_window(|a, _| a, 32 * SECOND, SECOND).register();
    rows.reduce_by_window(|a, _| a, 32 * SECOND, SECOND).register();
    rows.window(32 * SECOND).register();
    ssc.start().unwrap();
    let most = |batches| {
        let alive = (0..batches).map(|_| {
            clock.advance_batches(1);
            ALIVE.load(Ordering::Relaxed)
        });
        alive.max().unwrap()
    };
    let early = most(100);
    let late = most(200);
    assert!(late <= early, "{early} records were kept at first, then {late}");
    let window = 32 * ROWS as i64;
    assert!(late <= 8 * window, "{late} records are kept for windows of {window}");
    ssc.stop(Stop::Now).unwrap();
}

/// All of Spark's habits at once do not change what windows hold.
#[test]
fn windows_under_spark_rules() {
    let mut rules = SparkRules::all();
    rules.single_active = false;
    let builder = StreamingContext::builder("rules").batch_interval(SECOND).threads(2).spark_rules(rules);
    let (ssc, clock) = waterclock_streaming::testing::manual(builder).unwrap();
    let sums = ssc
        .queue_stream((1..=9u64).map(|n| vec![('k', n)]))
        .reduce_by_key_and_window(|a, b| a + b, 6 * SECOND, 3 * SECOND)
        .collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(9);
    assert_eq!([sums.nth(3), sums.nth(6), sums.nth(9)], [6, 21, 39].map(|n| Some(vec![('k', n)])));
    ssc.stop(Stop::Now).unwrap();
}
