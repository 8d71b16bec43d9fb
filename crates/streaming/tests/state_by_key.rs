//! Goal: keyed state is what a naive model of the whole history says, batch for batch.
//! Method: the recorded vectors of Spark's own tests as tables, then random histories, with failing batches,
//! against a model that keeps plain maps.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use waterclock_base::BatchTime;
use waterclock_engine::{Keyed, Partitioner};
use waterclock_streaming::testing::{manual_context, scripted};
use waterclock_streaming::{DStream, MapWithState, State, StateOptions, StateSpec, Stop};

const SECOND: Duration = Duration::from_secs(1);

type Rows = Vec<(char, i64)>;

/// Ones for each letter of each batch.
fn letters(batches: &[&str]) -> Vec<Rows> {
    batches.iter().map(|batch| batch.chars().map(|c| (c, 1)).collect()).collect()
}

fn rows(text: &str) -> Rows {
    text.split_whitespace()
        .map(|row| {
            let mut chars = row.chars();
            (chars.next().unwrap(), chars.as_str().parse().unwrap())
        })
        .collect()
}

/// Runs a keyed stream and gives each batch's rows, sorted.
fn run(input: Vec<Rows>, operation: impl FnOnce(DStream<(char, i64)>) -> DStream<(char, i64)>) -> Vec<Rows> {
    let (ssc, clock) = manual_context("state", SECOND).unwrap();
    let batches = input.len() as u32;
    let seen = operation(ssc.queue_stream(input)).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(batches);
    let seen = (1..=batches).map(|n| seen.sorted_at(n)).collect();
    ssc.stop(Stop::Now).unwrap();
    seen
}

fn sum(new: Vec<i64>, old: Option<i64>) -> Option<i64> {
    Some(old.unwrap_or(0) + new.iter().sum::<i64>())
}

/// T-030: running sums; keys without data stay.
#[test]
fn update_state_by_key_sums() {
    let seen = run(letters(&["x", "xy", "xyz", "xy", "x", ""]), |s| s.update_state_by_key(sum));
    let expected = ["x1", "x2 y1", "x3 y2 z1", "x4 y3 z1", "x5 y3 z1", "x5 y3 z1"];
    assert_eq!(seen, expected.map(rows));
}

/// T-031: the keys of the initial state are there from the first batch and merge with data.
#[test]
fn update_state_by_key_begins_with_the_initial_state() {
    let (ssc, clock) = manual_context("initial", SECOND).unwrap();
    let initial = ssc.engine().parallelize(vec![('x', 1), ('z', 2)], 2);
    let input = ssc.queue_stream(letters(&["x", "xy", "xyz", "xy", "x", ""]));
    let seen = input.update_state_by_key_with(sum, StateOptions::new().initial(initial)).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(6);
    let expected = ["x2 z2", "x3 y1 z2", "x4 y2 z3", "x5 y3 z3", "x6 y3 z3", "x6 y3 z3"];
    assert_eq!((1..=6).map(|n| seen.sorted_at(n)).collect::<Vec<_>>(), expected.map(rows));
    ssc.stop(Stop::Now).unwrap();
}

/// Keys, those of the initial state too, are where the partitioner says, and stay there.
#[test]
fn update_state_by_key_spreads_keys_as_the_partitioner_says() {
    let (ssc, clock) = manual_context("spread", SECOND).unwrap();
    let initial = ssc.engine().parallelize(vec![('z', 2), ('x', 1)], 1);
    let early = Partitioner::new(3, |c: &char| if *c < 'y' { 2 } else { 0 });
    let options = StateOptions::new().initial(initial).partitioner(early);
    let input = ssc.queue_stream(letters(&["x", "yw", "zzw", ""]));
    let seen = input.update_state_by_key_with(sum, options).glom().collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(4);
    let parts = |n| {
        let mut parts = seen.nth(n).unwrap();
        parts.iter_mut().for_each(|part| part.sort_unstable());
        parts
    };
    let expected = [("z2", "x2"), ("y1 z2", "w1 x2"), ("y1 z4", "w2 x2"), ("y1 z4", "w2 x2")];
    let expected = expected.map(|(first, last)| vec![rows(first), vec![], rows(last)]);
    assert_eq!((1..=4).map(parts).collect::<Vec<_>>(), expected);
    ssc.stop(Stop::Now).unwrap();
}

/// T-032: the function learns the batch time.
#[test]
fn update_state_by_key_knows_the_time() {
    let (ssc, clock) = manual_context("time", SECOND).unwrap();
    let initial = ssc.engine().parallelize(vec![('x', 0), ('z', 0)], 1);
    let input = ssc.queue_stream(letters(&["x", "xy", "xyz", "xy", "x", ""]));
    let add_time = |t: BatchTime, _: &char, new: Vec<i64>, old: Option<i64>| {
        Some(old.unwrap_or(0) + if new.is_empty() { 0 } else { t.as_millis() })
    };
    let options = StateOptions::new().initial(initial);
    let seen = input.update_state_by_key_at(add_time, options).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(6);
    let expected = [
        "x1000 z0",
        "x3000 y2000 z0",
        "x6000 y5000 z3000",
        "x10000 y9000 z3000",
        "x15000 y9000 z3000",
        "x15000 y9000 z3000",
    ];
    assert_eq!((1..=6).map(|n| seen.sorted_at(n)).collect::<Vec<_>>(), expected.map(rows));
    ssc.stop(Stop::Now).unwrap();
}

/// T-033: the function that makes the state of a whole partition.
#[test]
fn update_state_by_partition_makes_all_states_at_once() {
    let (ssc, clock) = manual_context("partition", SECOND).unwrap();
    let initial = ssc.engine().parallelize(vec![('x', 1), ('z', 2)], 2);
    let input = ssc.queue_stream(letters(&["x", "xy", "xyz", "xy", "x", ""]));
    let states = input.update_state_by_partition(
        |_, rows: Vec<(char, Vec<i64>, Option<i64>)>| {
            // A key that reaches 5 is left out, and so begins anew.
            let sums =
                rows.into_iter().map(|(key, new, old)| (key, old.unwrap_or(0) + new.iter().sum::<i64>()));
            sums.filter(|(_, sum)| *sum < 5).collect::<Vec<_>>()
        },
        StateOptions::new().initial(initial),
    );
    let seen = states.collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(6);
    let expected = ["x2 z2", "x3 y1 z2", "x4 y2 z3", "y3 z3", "x1 y3 z3", "x1 y3 z3"];
    assert_eq!((1..=6).map(|n| seen.sorted_at(n)).collect::<Vec<_>>(), expected.map(rows));
    ssc.stop(Stop::Now).unwrap();
}

/// T-034: batches without a dataset still update with no values; a key that is given up vanishes and may
/// come back.
#[test]
fn update_state_by_key_runs_where_there_is_no_dataset() {
    let (ssc, clock) = manual_context("expiry", SECOND).unwrap();
    let script = [Some("xy"), None, Some("xzx"), Some("z"), None, None];
    let input = scripted(&ssc, move |t, engine| {
        let batch = script.get((t.as_millis() / 1000 - 1) as usize).copied().flatten()?;
        Some(engine.parallelize(batch.chars().map(|c| (c, 1i64)).collect(), 2))
    });
    // State: (count, batches idle in a row).
    let expiring = input.update_state_by_key(|new: Vec<i64>, old: Option<(i64, u32)>| {
        let (count, idle) = old.unwrap_or((0, 0));
        let idle = if new.is_empty() { idle + 1 } else { 0 };
        (idle < 2).then_some((count + new.iter().sum::<i64>(), idle))
    });
    let seen = expiring.map_values(|(count, _)| count).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(6);
    let expected = ["x1 y1", "x1 y1", "x3 z1", "x3 z2", "z2", ""];
    assert_eq!((1..=6).map(|n| seen.sorted_at(n)).collect::<Vec<_>>(), expected.map(rows));
    ssc.stop(Stop::Now).unwrap();
}

/// Counts per key: emits the new count of each record.
fn counting(
    time_out: Option<Duration>,
) -> impl FnOnce(DStream<(char, i64)>) -> MapWithState<char, i64, (char, i64)> {
    move |stream| {
        let spec = StateSpec::function(|_, key: &char, value: Option<i64>, state: &mut State<'_, i64>| {
            if state.is_timing_out() {
                return Some((*key, -state.get().copied()?));
            }
            let count = state.get().copied().unwrap_or(0) + value?;
            state.update(count);
            Some((*key, count))
        });
        stream.map_with_state(match time_out {
            Some(idle) => spec.timeout(idle),
            None => spec,
        })
    }
}

/// T-062, T-063, T-065: one output for each record; snapshots have every key in every batch.
#[test]
fn map_with_state_touches_only_the_keys_of_the_batch() {
    let input = letters(&["", "x", "xy", "xyz", "xy", "x", ""]);
    let mapped = run(input.clone(), |s| counting(None)(s).stream());
    assert_eq!(mapped, ["", "x1", "x2 y1", "x3 y2 z1", "x4 y3", "x5", ""].map(rows));
    let snapshots = run(input, |s| counting(None)(s).state_snapshots());
    let expected = ["", "x1", "x2 y1", "x3 y2 z1", "x4 y3 z1", "x5 y3 z1", "x5 y3 z1"];
    assert_eq!(snapshots, expected.map(rows));
}

/// T-066, T-080: the initial state is there before any data, spread by the state's own partitioner.
#[test]
fn map_with_state_begins_with_the_initial_state() {
    let (ssc, clock) = manual_context("initial", SECOND).unwrap();
    let initial = ssc.engine().parallelize(vec![('x', 5), ('y', 10), ('z', -20), ('u', 0)], 3);
    let spec = StateSpec::function(|_, _: &char, value: Option<i64>, state: &mut State<'_, i64>| {
        state.update(state.get().copied().unwrap_or(0) + value?);
        None::<()>
    });
    let by_letter = Partitioner::new(3, |c: &char| *c as usize);
    let input = ssc.queue_stream(letters(&["", "x", "xy", "xyz", "xy", "x", ""]));
    let state = input.map_with_state(spec.initial_state(initial).partitioner(by_letter));
    let (silent, seen) = (state.stream().collect_batches(), state.state_snapshots().collect_batches());
    ssc.start().unwrap();
    clock.advance_batches(7);
    let expected = [
        "u0 x5 y10 z-20",
        "u0 x6 y10 z-20",
        "u0 x7 y11 z-20",
        "u0 x8 y12 z-19",
        "u0 x9 y13 z-19",
        "u0 x10 y13 z-19",
        "u0 x10 y13 z-19",
    ];
    assert_eq!((1..=7).map(|n| seen.sorted_at(n)).collect::<Vec<_>>(), expected.map(rows));
    assert!(silent.all().iter().all(|(_, none)| none.is_empty()));
    ssc.stop(Stop::Now).unwrap();
}

/// T-067: a removed key vanishes from the snapshots and can be made anew.
#[test]
fn map_with_state_removes_keys() {
    let remove_if_there = |s: DStream<(char, i64)>| {
        s.map_with_state(StateSpec::function(|_, key: &char, _: Option<i64>, state: &mut State<'_, i64>| {
            if state.exists() {
                state.remove();
                return Some((*key, 0));
            }
            state.update(1);
            None
        }))
    };
    let input = letters(&["", "x", "xy", "xyz", "xyz", "xy", "x", ""]);
    let removed = run(input.clone(), |s| remove_if_there(s).stream());
    assert_eq!(removed, ["", "", "x0", "y0", "x0 z0", "y0", "x0", ""].map(rows));
    let left = run(input, |s| remove_if_there(s).state_snapshots());
    assert_eq!(left, ["", "x1", "y1", "x1 z1", "y1", "x1", "", ""].map(rows));
}

/// T-068, T-082: an idle key is shown once when its time is over, at the first batch after that, then gone;
/// an active one never is. Equal to the limit is not yet over.
#[test]
fn map_with_state_times_idle_keys_out() {
    let idle = Some(Duration::from_secs(3));
    let input = letters(&["abc", "ab", "a", "a", "a", "a", "a", "b"]);
    let mapped = run(input.clone(), |s| counting(idle)(s).stream());
    // c was touched last at 1 s and goes at 5 s, not at 4 s; b at 2 s and goes at 6 s.
    let expected = ["a1 b1 c1", "a2 b2", "a3", "a4", "a5 c-1", "a6 b-2", "a7", "b1"];
    assert_eq!(mapped, expected.map(rows));
    let left = run(input, |s| counting(idle)(s).state_snapshots());
    let expected = ["a1 b1 c1", "a2 b2 c1", "a3 b2 c1", "a4 b2 c1", "a5 b2", "a6", "a7", "a7 b1"];
    assert_eq!(left, expected.map(rows));
}

/// T-061, T-081: what the hands on a state may do; misuse fails the task and says why.
#[test]
fn misuse_of_a_state_is_an_error() {
    type Misuse = fn(&mut State<'_, i64>);
    let cases: [(Misuse, &str); 3] = [
        (|s| s.update(1), "can't be updated after it was removed"),
        (|s| s.remove(), "can't be removed twice"),
        (|_| {}, ""),
    ];
    for (misuse, told) in cases {
        let (ssc, clock) = manual_context("misuse", SECOND).unwrap();
        let spec = StateSpec::function(move |_, key: &char, _: Option<i64>, state: &mut State<'_, i64>| {
            assert!(!state.exists() && state.get().is_none() && !state.is_timing_out());
            state.update(7);
            assert_eq!(state.get(), Some(&7));
            state.remove();
            assert!(!state.exists());
            misuse(state);
            Some((*key, 0))
        });
        let seen = ssc.queue_stream(letters(&["x"])).map_with_state(spec).stream().collect_batches();
        ssc.start().unwrap();
        clock.advance_batches(1);
        let error = ssc.await_termination_for(Duration::ZERO).err().map(|error| error.full_text());
        match told {
            "" => assert_eq!(seen.sorted_at(1), [('x', 0)]),
            told => assert!(error.as_ref().is_some_and(|e| e.contains(told)), "{error:?}"),
        }
        ssc.stop(Stop::Now).unwrap();
    }
}

/// A batch that fails leaves the state as before it; the next one goes on from there.
#[test]
fn a_failed_batch_leaves_the_state_as_it_was() {
    let (ssc, clock) = manual_context("skip", SECOND).unwrap();
    let input = ssc.queue_stream(vec![vec![('x', 1)], vec![('x', 13), ('y', 1)], vec![('x', 2)]]);
    let checked = input.map(|(key, n)| if n == 13 { panic!("thirteen") } else { (key, n) });
    let updated = checked.update_state_by_key(sum).collect_batches();
    let touched = counting(None)(checked.clone()).state_snapshots().collect_batches();
    let windowed = checked
        .reduce_by_key_and_window_inverse(|a, b| a + b, |a, b| a - b, Duration::from_secs(2), SECOND)
        .collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(4);
    for seen in [&updated, &touched] {
        assert_eq!(seen.nth(2), None);
        assert_eq!((seen.sorted_at(1), seen.sorted_at(3)), (rows("x1"), rows("x3")));
    }
    // Every window that holds the bad batch fails; the one after is made from what it holds.
    assert_eq!((windowed.nth(2), windowed.nth(3)), (None, None));
    assert_eq!(windowed.sorted_at(4), rows("x2"));
    assert_eq!(ssc.status().failed_batches, 2);
    ssc.stop(Stop::Now).unwrap();
}

/// T-083: a consumer that asks only sometimes sees a state that was updated at every slide.
#[test]
fn state_is_updated_at_every_slide() {
    let (ssc, clock) = manual_context("sparse", SECOND).unwrap();
    let state = ssc.queue_stream(letters(&["x", "y", "x", "", "z", "x"])).update_state_by_key(sum);
    let sparse = state.window_sliding(SECOND, Duration::from_secs(3)).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(6);
    assert_eq!((sparse.sorted_at(3), sparse.sorted_at(6)), (rows("x2 y1"), rows("x3 y1 z1")));
    ssc.stop(Stop::Now).unwrap();
}

/// Old versions stay readable while somebody remembers them.
#[test]
fn old_versions_stay_readable() {
    let (ssc, clock) = manual_context("versions", SECOND).unwrap();
    ssc.remember(Duration::from_secs(60)).unwrap();
    let state = ssc.queue_stream(letters(&["x", "y", "x", "", "z", "x"])).update_state_by_key(sum);
    let windowed = state.map_values(|n| n).window(Duration::from_secs(3)).collect_batches();
    state.foreach_rdd(|rdd, _| Ok(rdd.count().map(|_| ())?));
    ssc.start().unwrap();
    clock.advance_batches(6);
    let at = |s: i64| BatchTime::from_millis(s * 1000);
    let old: Vec<Rows> = state.slice(at(1), at(6)).unwrap().iter().map(|rdd| rdd.sorted().unwrap()).collect();
    assert_eq!(old, ["x1", "x1 y1", "x2 y1", "x2 y1", "x2 y1 z1", "x3 y1 z1"].map(rows));
    assert_eq!(windowed.sorted_at(3), rows("x1 x1 x2 y1 y1"));
    ssc.stop(Stop::Now).unwrap();
}

/// One batch of a random history: rows, or none for no dataset; and whether the batch fails.
fn history() -> impl Strategy<Value = Vec<(Option<Rows>, bool)>> {
    let row = (prop::sample::select(vec!['a', 'b', 'c', 'd', 'e']), -3i64..4);
    let batch = prop::option::weighted(0.9, prop::collection::vec(row, 0..6));
    prop::collection::vec((batch, prop::bool::weighted(0.1)), 1..14)
}

/// Runs a history; a failing batch fails in a second output. Gives each batch's rows, sorted; none where it
/// failed or had no dataset.
fn run_history(
    history: &[(Option<Rows>, bool)],
    partitions: usize,
    operation: impl FnOnce(DStream<(char, i64)>) -> DStream<(char, i64)>,
) -> Vec<Option<Rows>> {
    let (ssc, clock) = manual_context("history", SECOND).unwrap();
    let script = history.to_vec();
    let fails = history.to_vec();
    let number = |t: BatchTime| (t.as_millis() / 1000 - 1) as usize;
    let input = scripted(&ssc, move |t, engine| {
        Some(engine.parallelize(script.get(number(t))?.0.clone()?, partitions))
    });
    let stream = operation(input);
    let seen = stream.collect_batches();
    stream.foreach_rdd(move |rdd, t| {
        rdd.count()?;
        if fails[number(t)].1 { Err("this batch fails".into()) } else { Ok(()) }
    });
    ssc.start().unwrap();
    clock.advance_batches(history.len() as u32);
    let all = (1..=history.len() as u32)
        .map(|n| {
            let mut rows = seen.nth(n)?;
            rows.sort();
            Some(rows)
        })
        .collect();
    ssc.stop(Stop::Now).unwrap();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// T-076: state by key against plain maps, whatever fails.
    #[test]
    fn update_state_equals_a_map(history in history(), partitions in 1usize..4) {
        let drop_negative = |new: Vec<i64>, old: Option<i64>| {
            let total = old.unwrap_or(0) + new.iter().sum::<i64>();
            (total >= 0).then_some(total)
        };
        let seen = run_history(&history, partitions, |s| s.update_state_by_key(drop_negative));
        let (mut state, mut begun) = (BTreeMap::<char, i64>::new(), false);
        for ((batch, fails), seen) in history.iter().zip(seen) {
            if batch.is_none() && !begun {
                prop_assert_eq!(seen, None);
                continue;
            }
            let mut values = BTreeMap::<char, Vec<i64>>::new();
            state.keys().for_each(|key| { values.entry(*key).or_default(); });
            batch.iter().flatten().for_each(|(key, n)| values.entry(*key).or_default().push(*n));
            let next: BTreeMap<char, i64> = values.into_iter()
                .filter_map(|(key, new)| Some((key, drop_negative(new, state.get(&key).copied())?)))
                .collect();
            prop_assert_eq!(seen, Some(next.clone().into_iter().collect::<Vec<_>>()));
            if !fails {
                (state, begun) = (next, true);
            }
        }
    }

    /// The mapped state against plain maps: time-outs, removals, whatever fails.
    #[test]
    fn map_with_state_equals_a_map(history in history(), partitions in 1usize..4, idle in 1i64..5) {
        let spec = StateSpec::function(|_, _: &char, value: Option<i64>, state: &mut State<'_, i64>| {
            match value {
                Some(-3) if state.exists() => state.remove(),
                Some(0) | None => {}
                Some(n) => state.update(state.get().copied().unwrap_or(0) + n),
            }
            None::<()>
        });
        let spec = spec.timeout(Duration::from_secs(idle as u64)).partitions(partitions);
        let seen = run_history(&history, 1, |s| s.map_with_state(spec).state_snapshots());
        let mut state = BTreeMap::<char, (i64, i64)>::new();
        for (n, ((batch, fails), seen)) in history.iter().zip(seen).enumerate() {
            let (now, mut next) = (n as i64 + 1, state.clone());
            let mut touched = std::collections::BTreeSet::new();
            for (key, value) in batch.iter().flatten() {
                touched.insert(*key);
                match (value, next.get(key).map(|(sum, _)| *sum)) {
                    (-3, Some(_)) => { next.remove(key); }
                    (0, Some(sum)) => { next.insert(*key, (sum, now)); }
                    (0, None) => {}
                    (n, sum) => { next.insert(*key, (sum.unwrap_or(0) + n, now)); }
                }
            }
            next.retain(|key, (_, last)| touched.contains(key) || *last >= now - idle);
            let shown: Rows = next.iter().map(|(key, (sum, _))| (*key, *sum)).collect();
            prop_assert_eq!(seen, Some(shown));
            if !fails {
                state = next;
            }
        }
    }

    /// The incremental window against a sum from scratch, whatever fails and whatever is missing.
    #[test]
    fn inverse_windows_equal_windows_from_scratch(
        history in history(), partitions in 1usize..4, length in 1u64..6, slide in 1u64..4, filtered: bool,
    ) {
        let seconds = Duration::from_secs;
        let (add, sub) = (|a: i64, b: i64| a + b, |a: i64, b: i64| a - b);
        let seen = run_history(&history, partitions, |s| if filtered {
            let keep = |_: &char, n: &i64| *n != 0;
            s.reduce_by_key_and_window_inverse_filtered(add, sub, keep, seconds(length), seconds(slide), Keyed::new())
        } else {
            s.reduce_by_key_and_window_inverse(add, sub, seconds(length), seconds(slide))
        });
        for (n, seen) in seen.into_iter().enumerate() {
            if !(n as u64 + 1).is_multiple_of(slide) {
                prop_assert_eq!(seen, None);
                continue;
            }
            let from = (n + 1).saturating_sub(length as usize);
            let mut sums = BTreeMap::<char, i64>::new();
            for (key, value) in history[from..=n].iter().flat_map(|(batch, _)| batch.iter().flatten()) {
                *sums.entry(*key).or_default() += value;
            }
            let mut shown: Rows = sums.into_iter().collect();
            let mut seen = seen.unwrap();
            if filtered {
                shown.retain(|(_, n)| *n != 0);
            } else {
                // Keys that left the window stay with 0; where a window was made anew they do not.
                seen.retain(|(key, n)| *n != 0 || shown.iter().any(|(other, _)| other == key));
            }
            prop_assert_eq!(seen, shown);
        }
    }
}
