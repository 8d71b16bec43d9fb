//! Programs change, state stays: types that changed between two starts from one checkpoint.

use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use waterclock_base::{BatchTime, Record, Result};
use waterclock_streaming::Stop;
use waterclock_streaming::testing;

/// Runs two batches, whose state counts the records of each key, with this type of state; what it is then.
fn run<S: Record + Debug>(dir: &Path, start: i64, count: fn(usize, Option<S>) -> S) -> Result<Vec<(u8, S)>> {
    let mut seen = None;
    let (ssc, clock) = testing::get_or_create(dir, BatchTime::from_millis(start), |builder| {
        let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
        let pairs = ssc.queue_stream(vec![vec![(1u8, ())]; 10]).named("in");
        let counts = pairs.update_state_by_key(move |new: Vec<()>, old| Some(count(new.len(), old)));
        seen = Some(counts.named("counts").collect_batches());
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
