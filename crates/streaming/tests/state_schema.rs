//! Programs change, state stays: types that changed between two starts from one checkpoint.

use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use waterclock_base::{BatchTime, Error, Record, Result};
use waterclock_streaming::testing;
use waterclock_streaming::{DStream, MigrateOptions, State, StateSpec, Stop};

/// Runs two batches, whose state counts the records of each key, with this type of state; what it is then.
fn run<S: Record + Debug>(dir: &Path, start: i64, count: fn(usize, Option<S>) -> S) -> Result<Vec<(u8, S)>> {
    run_as(dir, start, |pairs| counted(&pairs, count))
}

fn counted<S: Record>(pairs: &DStream<(u8, ())>, count: fn(usize, Option<S>) -> S) -> DStream<(u8, S)> {
    pairs.update_state_by_key(move |new: Vec<()>, old| Some(count(new.len(), old)))
}

/// The same with state that is defined otherwise.
fn run_as<S: Record>(
    dir: &Path,
    start: i64,
    define: impl FnOnce(DStream<(u8, ())>) -> DStream<(u8, S)>,
) -> Result<Vec<(u8, S)>> {
    let mut seen = None;
    let (ssc, clock) = testing::get_or_create(dir, BatchTime::from_millis(start), |builder| {
        let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
        let pairs = ssc.queue_stream(vec![vec![(1u8, ())]; 10]).named("in");
        seen = Some(define(pairs).named("counts").collect_batches());
        Ok(ssc)
    })?;
    ssc.start()?;
    clock.advance_batches(2);
    ssc.stop(Stop::Now)?;
    Ok(seen.and_then(|seen| seen.all().pop()).map(|(_, records)| records).unwrap_or_default())
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct First {
    count: u32,
    name: String,
}

/// A wider number, another order, a new field with a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Second {
    name: String,
    #[serde(default)]
    last: Option<u8>,
    count: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Renamed {
    number: u64,
    name: String,
}

fn first(new: usize, old: Option<First>) -> First {
    First { count: old.map_or(0, |old| old.count) + new as u32, name: "é".into() }
}

#[test]
fn a_type_that_grew_reads_what_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(dir.path(), 0, first).unwrap(), [(1, First { count: 2, name: "é".into() })]);
    let second = |new, old: Option<Second>| {
        let old = old.unwrap_or(Second { name: "none".into(), last: None, count: 0 });
        Second { count: old.count + new as u64, last: Some(7), ..old }
    };
    let seen = run(dir.path(), 2000, second).unwrap();
    assert_eq!(seen, [(1, Second { name: "é".into(), last: Some(7), count: 4 })]);
}

#[test]
fn a_type_that_does_not_fit_is_refused_by_the_name_of_its_field() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 0, first).unwrap();
    let renamed = |new, old: Option<Renamed>| Renamed {
        number: old.map_or(0, |old| old.number) + new as u64,
        name: String::new(),
    };
    let text = run(dir.path(), 2000, renamed).unwrap_err().full_text();
    assert!(text.contains("state counts") && text.contains("number"), "{text}");
    // Nothing was changed: the old program goes on.
    assert_eq!(run(dir.path(), 2000, first).unwrap(), [(1, First { count: 4, name: "é".into() })]);
}

/// A number as text: another type, which nothing reads by itself.
fn as_text(new: usize, old: Option<String>) -> String {
    (old.map_or(0, |old| old.parse().unwrap_or(0)) + new).to_string()
}

fn as_number(new: usize, old: Option<u32>) -> u32 {
    old.unwrap_or(0) + new as u32
}

#[test]
fn another_type_is_refused_without_a_migration_and_converted_with_one() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 0, as_number).unwrap();
    let text = run(dir.path(), 2000, as_text).unwrap_err().full_text();
    assert!(text.contains("state counts: its value changed") && text.contains(".migrate::<Old>"), "{text}");
    let migrating = |pairs| counted(&pairs, as_text).migrate::<u32>(|old| old.to_string());
    assert_eq!(run_as(dir.path(), 2000, migrating).unwrap(), [(1, "4".to_owned())]);
    // It may stay in the program, and need not: what was converted was written again.
    assert_eq!(run_as(dir.path(), 4000, migrating).unwrap(), [(1, "6".to_owned())]);
    assert_eq!(run(dir.path(), 6000, as_text).unwrap(), [(1, "8".to_owned())]);
}

#[test]
fn the_migration_of_the_type_that_was_written_is_taken() {
    let chain = |pairs| {
        counted(&pairs, as_text)
            .migrate::<u32>(|old| (old + 100).to_string())
            .migrate::<First>(|old| (old.count + 200).to_string())
            .migrate::<Renamed>(|_| unreachable!("it was never written"))
    };
    let (numbers, structs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(numbers.path(), 0, as_number).unwrap();
    run(structs.path(), 0, first).unwrap();
    assert_eq!(run_as(numbers.path(), 2000, chain).unwrap(), [(1, "104".to_owned())]);
    assert_eq!(run_as(structs.path(), 2000, chain).unwrap(), [(1, "204".to_owned())]);
}

#[test]
fn a_conversion_that_fails_or_panics_is_an_error_of_the_start_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 0, as_number).unwrap();
    let fails = |pairs| {
        let refuse = |old: u32| Err(format!("{old} is too much").into());
        counted(&pairs, as_text).migrate_with(refuse, MigrateOptions::new())
    };
    let error = run_as(dir.path(), 2000, fails).unwrap_err();
    assert!(
        matches!(&error, Error::User { operator, .. } if operator == "migrate (state counts)"),
        "{error}"
    );
    assert!(error.full_text().ends_with("is too much"), "{error:?}");
    let panics = |pairs| counted(&pairs, as_text).migrate::<u32>(|_| panic!("never thought of"));
    let error = run_as(dir.path(), 2000, panics).unwrap_err();
    assert!(
        matches!(error, Error::User { .. }) && error.full_text().contains("never thought of"),
        "{error:?}"
    );
    assert_eq!(run(dir.path(), 2000, as_number).unwrap(), [(1, 4)]);
}

/// Written by hand, so that nothing can be found out of it.
#[derive(Clone, Debug, PartialEq)]
struct Odd<T>(T);

impl<T: Serialize> Serialize for Odd<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (7u8, &self.0).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Odd<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Deserialize::deserialize(deserializer)? {
            (7u8, inner) => Ok(Odd(inner)),
            (other, _) => Err(serde::de::Error::custom(format!("it begins with {other}"))),
        }
    }
}

#[test]
fn types_that_tell_nothing_are_migrated_by_their_version() {
    let dir = tempfile::tempdir().unwrap();
    let plus = |new: usize, old: Option<Odd<u32>>| Odd(old.map_or(0, |old| old.0) + new as u32);
    let odd = |pairs| counted(&pairs, plus).state_version(1);
    assert_eq!(run_as(dir.path(), 0, odd).unwrap(), [(1, Odd(2))]);
    let text = |new: usize, old: Option<Odd<String>>| Odd(as_text(new, old.map(|old| old.0)));
    let migrating = |version| {
        move |pairs| {
            let convert = |old: Odd<u32>| Ok(Odd(old.0.to_string()));
            let options = MigrateOptions::new().version(version);
            counted(&pairs, text).migrate_with(convert, options).state_version(2)
        }
    };
    let refused = run_as(dir.path(), 2000, migrating(3)).unwrap_err().full_text();
    assert!(refused.contains("untraced (version 1) and is untraced (version 2)"), "{refused}");
    assert_eq!(run_as(dir.path(), 2000, migrating(1)).unwrap(), [(1, Odd("4".to_owned()))]);
    // From there to a type that can be traced.
    let plain = |pairs| {
        let convert = |old: Odd<String>| Ok(old.0);
        counted(&pairs, as_text).migrate_with(convert, MigrateOptions::new().version(2))
    };
    assert_eq!(run_as(dir.path(), 4000, plain).unwrap(), [(1, "6".to_owned())]);
}

#[test]
fn state_of_single_keys_is_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let numbers = |pairs: DStream<(u8, ())>| {
        let spec = StateSpec::function(|_, key: &u8, _: Option<()>, state: &mut State<'_, u32>| {
            let count = state.get().copied().unwrap_or(0) + 1;
            state.update(count);
            Some((*key, count))
        });
        pairs.map_with_state(spec).stream()
    };
    assert_eq!(run_as(dir.path(), 0, numbers).unwrap(), [(1, 2)]);
    let texts = |pairs: DStream<(u8, ())>| {
        let spec = StateSpec::function(|_, key: &u8, _: Option<()>, state: &mut State<'_, String>| {
            let count = as_text(1, state.get().cloned());
            state.update(count.clone());
            Some((*key, count))
        });
        pairs.map_with_state(spec).migrate::<u32>(|old| old.to_string()).stream()
    };
    assert_eq!(run_as(dir.path(), 2000, texts).unwrap(), [(1, "4".to_owned())]);
}

/// The state of a window is what is in it for each key; what leaves it is made anew from its batches.
#[test]
fn values_in_a_window_are_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let (length, slide) = (Duration::from_secs(3), Duration::from_secs(1));
    let numbers = |pairs: DStream<(u8, ())>| {
        let ones = pairs.map(|(key, ())| (key, 1u32));
        ones.reduce_by_key_and_window_inverse(|a, b| a + b, |a, b| a - b, length, slide)
    };
    assert_eq!(run_as(dir.path(), 0, numbers).unwrap(), [(1, 2)]);
    let sum = |a: (i64, bool), b: (i64, bool)| (a.0 + b.0, a.1);
    let inverse = |a: (i64, bool), b: (i64, bool)| (a.0 - b.0, a.1);
    let marked = |pairs: DStream<(u8, ())>| {
        let ones = pairs.map(|(key, ())| (key, (1i64, false)));
        let window = ones.reduce_by_key_and_window_inverse(sum, inverse, length, slide);
        window.migrate::<u32>(|old| (i64::from(old), true))
    };
    assert_eq!(run_as(dir.path(), 2000, marked).unwrap(), [(1, (3, true))]);
}

#[test]
fn a_migration_is_refused_where_it_would_mean_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |define: fn(DStream<(u8, ())>) -> DStream<(u8, u32)>| {
        let error = run_as(dir.path(), 0, define).unwrap_err();
        assert!(matches!(error, Error::Definition { call: "migrate", .. }), "{error:?}");
        error.full_text()
    };
    let text = refused(|pairs| pairs.map(|(key, ())| (key, 1u32)).migrate::<u8>(u32::from));
    assert!(text.contains("map at") && text.contains("it keeps no state"), "{text}");
    let text = refused(|pairs| counted(&pairs, as_number).migrate::<u32>(|old| old * 1000));
    assert!(text.contains("looks in bytes as today's does"), "{text}");
}
