//! Checkpoints are copied, looked into and given another number of key groups. Method: a program with state of
//! every kind writes one; what it computes from the result is what it computes from the original.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "the tests look at files and damage them")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use waterclock_base::{BatchTime, BoxError, Result};
use waterclock_engine::{Keyed, Partitioner};
use waterclock_streaming::testing::get_or_create;
use waterclock_streaming::{
    Builder, Collected, FileState, InspectedRange, State, StateOptions, StateSpec, Stop, StreamingContext,
    copy_checkpoint, inspect_checkpoint, rescale_checkpoint,
};

type Counts = (String, i64);

/// A word and its totals, after each batch, by every kind of state.
type Seen = Vec<Collected<Counts>>;

fn add(new: &[i64], old: Option<i64>) -> i64 {
    old.unwrap_or(0) + new.iter().sum::<i64>()
}

fn program(builder: Builder, partitions: usize) -> Result<(StreamingContext, Seen), BoxError> {
    let second = Duration::from_secs(1);
    let ssc = builder.app_name("totals").batch_interval(second).default_parallelism(partitions).build()?;
    let batches =
        (0..9i64).map(|batch| (0..40).map(|n| (format!("word {}", n * (batch + 1) % 53), n)).collect());
    let pairs = ssc.queue_stream(batches.collect::<Vec<Vec<Counts>>>()).named("pairs");
    let every = pairs.update_state_by_key(|new, old| Some(add(&new, old))).named("every");
    let anew = |_, rows: Vec<(String, Vec<i64>, Option<i64>)>| -> Vec<Counts> {
        rows.into_iter().map(|(key, new, old)| (key, add(&new, old))).collect()
    };
    let scratch = pairs.update_state_by_partition(anew, StateOptions::new()).named("scratch");
    let touched = |_, key: &String, value: Option<i64>, state: &mut State<'_, i64>| {
        let sum = state.get().copied().unwrap_or(0) + value?;
        state.update(sum);
        Some((key.clone(), sum))
    };
    let touched = pairs.map_with_state(StateSpec::function(touched).timeout(second * 3)).named("touched");
    let window = pairs.reduce_by_key_and_window_inverse_with(
        |a, b| a + b,
        |a, b| a - b,
        second * 3,
        second,
        Keyed::new(),
    );
    let by_length = Partitioner::new(3, |key: &String| key.len() % 3);
    let own = StateOptions::new().partitioner(by_length);
    let own = pairs.update_state_by_key_with(|new, old| Some(add(&new, old)), own).named("own");
    let seen = vec![
        every.collect_batches(),
        scratch.collect_batches(),
        touched.state_snapshots().collect_batches(),
        touched.stream().collect_batches(),
        window.named("window").collect_batches(),
        own.collect_batches(),
    ];
    Ok((ssc, seen))
}

/// Goes on for so many batches; what the last one gave.
fn run(dir: &Path, now: i64, batches: u32, partitions: usize) -> Result<Vec<Vec<Counts>>> {
    let mut seen = None;
    let (ssc, clock) = get_or_create(dir, BatchTime::from_millis(now), |builder| {
        let (ssc, outputs) = program(builder.snapshot_after_bytes(5000).seed(7).key_groups(64), partitions)?;
        seen = Some(outputs);
        Ok(ssc)
    })?;
    ssc.start()?;
    clock.advance_batches(batches);
    clock.stop_gracefully()?;
    let last = |output: Collected<Counts>| {
        let mut records =
            output.all().into_iter().rev().nth(1).map(|(_, records)| records).unwrap_or_default();
        records.sort();
        records
    };
    Ok(seen.unwrap().into_iter().map(last).collect())
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap());
    read.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}

#[test]
fn a_copy_goes_on_and_leaves_the_original_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (original, copy, again) = (dir.path().join("a"), dir.path().join("b/c"), dir.path().join("d"));
    run(&original, 0, 3, 2).unwrap();
    let before = files(&original);
    let copied = copy_checkpoint(&original, &copy).unwrap();
    assert_eq!((copied.files as usize, copied.left_out.len()), (files(&copy).len(), 0));
    assert_eq!(files(&original), before);
    copy_checkpoint(&original, &again).unwrap();
    let went_on = run(&copy, 4000, 2, 2).unwrap();
    assert_eq!(files(&original), before);
    assert_eq!(run(&again, 4000, 2, 2).unwrap(), went_on);
    assert_eq!(run(&original, 4000, 2, 2).unwrap(), went_on);
    assert!(went_on.iter().all(|records| !records.is_empty()), "{went_on:?}");
}

#[test]
fn a_copy_is_refused_where_it_would_be_none() {
    let dir = tempfile::tempdir().unwrap();
    let (original, copy) = (dir.path().join("a"), dir.path().join("b"));
    let why = |from: &Path, to: &Path| copy_checkpoint(from, to).unwrap_err().full_text();
    assert!(why(&original, &copy).contains("can't read the checkpoint"));
    std::fs::create_dir(&original).unwrap();
    assert!(why(&original, &copy).contains("there is no checkpoint in it"));
    let (ssc, clock) =
        get_or_create(&original, BatchTime::ZERO, |builder| Ok(program(builder, 2)?.0)).unwrap();
    ssc.start().unwrap();
    clock.advance_batches(1);
    let text = why(&original, &copy);
    assert!(text.contains(&format!("it belongs to process {}", std::process::id())), "{text}");
    ssc.stop(Stop::Now).unwrap();
    copy_checkpoint(&original, &copy).unwrap();
    assert!(why(&original, &copy).contains("it is not empty"));
}

/// Damage of what a start does not read stays behind; damage of what it does is refused.
#[test]
fn a_copy_is_whole_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (original, copy) = (dir.path().join("a"), dir.path().join("b"));
    run(&original, 0, 6, 2).unwrap();
    let snapshots: Vec<_> =
        files(&original).into_iter().filter(|(name, _)| name.contains("snapshot")).collect();
    let [(_, _), (newest, bytes)] = &snapshots[..] else { panic!("{:?}", files(&original).keys()) };
    let mut bad = bytes.clone();
    bad[bytes.len() / 2] ^= 1;
    std::fs::write(original.join(newest), &bad).unwrap();
    let inspection = inspect_checkpoint(&original).unwrap();
    let file = inspection.files.iter().find(|file| file.name == *newest).unwrap();
    assert!(matches!(&file.state, FileState::Damaged(why) if why.contains("damaged at byte")), "{file:?}");
    let copied = copy_checkpoint(&original, &copy).unwrap();
    assert!(copied.left_out.iter().any(|left| left.contains(newest)), "{copied:?}");
    assert!(!files(&copy).contains_key(newest));
    assert_eq!(run(&copy, 7000, 2, 2).unwrap(), run(&original, 7000, 2, 2).unwrap());
    for (name, mut bytes) in files(&original).into_iter().filter(|(name, _)| name.contains("snapshot")) {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(original.join(name), bytes).unwrap();
    }
    let again = dir.path().join("c");
    assert!(copy_checkpoint(&original, &again).unwrap_err().full_text().contains("can't be used"));
    assert!(inspect_checkpoint(&original).unwrap().problem.unwrap().contains("can't be used"));
    assert!(!again.exists());
}

#[test]
fn every_key_is_where_it_belongs_with_other_key_groups() {
    let dir = tempfile::tempdir().unwrap();
    let original = dir.path().join("a");
    run(&original, 0, 3, 3).unwrap();
    let copy = dir.path().join("copy");
    copy_checkpoint(&original, &copy).unwrap();
    let expected = run(&copy, 4000, 2, 3).unwrap();
    for (groups, partitions) in [(3, 3), (5, 3), (63, 2), (65, 3), (1024, 3), (1024, 40), (4099, 1)] {
        let rescaled = dir.path().join(format!("{groups}-{partitions}"));
        rescale_checkpoint(&original, &rescaled, groups).unwrap();
        assert_eq!(inspect_checkpoint(&rescaled).unwrap().content.unwrap().key_groups, groups);
        assert_eq!(run(&rescaled, 4000, 2, partitions).unwrap(), expected, "{groups} groups");
        // What the program wrote since is divided by them as well.
        let once_more = dir.path().join(format!("{groups}-{partitions}-again"));
        rescale_checkpoint(&rescaled, &once_more, 64).unwrap();
        let (here, there) = (run(&rescaled, 7000, 1, partitions), run(&once_more, 7000, 1, 2));
        assert_eq!(here.unwrap(), there.unwrap(), "{groups} groups");
    }
}

/// A log without a snapshot behind it, as a killed program leaves it.
#[test]
fn what_the_log_says_is_given_other_key_groups_too() {
    let dir = tempfile::tempdir().unwrap();
    let (original, rescaled) = (dir.path().join("a"), dir.path().join("b"));
    let begun = |dir: &Path, now: i64, batches| {
        let start = BatchTime::from_millis(now);
        let (ssc, clock) =
            get_or_create(dir, start, |builder| Ok(program(builder.key_groups(64), 3)?.0)).unwrap();
        ssc.start().unwrap();
        clock.advance_batches(batches);
        ssc.stop(Stop::Now).unwrap();
    };
    begun(&original, 0, 3);
    rescale_checkpoint(&original, &rescaled, 500).unwrap();
    assert_eq!(run(&rescaled, 3000, 2, 3).unwrap(), run(&original, 3000, 2, 3).unwrap());
}

#[test]
fn batches_that_are_still_to_be_run_are_shown_and_keep_their_key_groups() {
    let dir = tempfile::tempdir().unwrap();
    let (ssc, clock) = get_or_create(dir.path(), BatchTime::ZERO, |builder| {
        let (ssc, _) = program(builder, 2)?;
        let numbers = ssc.queue_stream(vec![vec![1], vec![2], vec![3]]).named("numbers");
        numbers.foreach_rdd(|rdd, _| if rdd.collect()? == [2] { Err("not this one".into()) } else { Ok(()) });
        Ok(ssc)
    })
    .unwrap();
    ssc.start().unwrap();
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    let content = inspect_checkpoint(dir.path()).unwrap().content.unwrap();
    let [pending] = &content.pending[..] else { panic!("{:?}", content.pending) };
    assert_eq!((pending.time, pending.committed), (BatchTime::from_millis(2000), None));
    let input = pending.inputs.iter().find(|input| input.source == "numbers").unwrap();
    assert_eq!(input.range, InspectedRange::Numbers(1, 1));
    assert_eq!(content.last_committed, Some(BatchTime::from_millis(1000)));
    let refused = rescale_checkpoint(dir.path(), dir.path().join("b"), 9).unwrap_err().full_text();
    assert!(refused.contains("one batch is still to be run"), "{refused}");
}

#[test]
fn an_inspection_counts_the_keys_of_every_state() {
    let dir = tempfile::tempdir().unwrap();
    let last = run(dir.path(), 0, 3, 2).unwrap();
    let inspection = inspect_checkpoint(dir.path()).unwrap();
    assert!(inspection.owner.is_none() && inspection.problem.is_none(), "{inspection:?}");
    assert!(
        inspection.files.iter().all(|file| !matches!(file.state, FileState::Damaged(_))),
        "{inspection:?}"
    );
    let content = inspection.content.unwrap();
    assert_eq!(
        (content.app_name.as_str(), content.batch_interval_ms, content.key_groups),
        ("totals", 1000, 64)
    );
    assert_eq!((content.zero, content.epoch), (BatchTime::ZERO, 1));
    assert_eq!(content.seed, "0000000000000007");
    assert!(content.pending.is_empty() && content.stopped.is_some() && content.last_committed.is_some());
    let of = |name: &str| content.states.iter().find(|state| state.name == name).unwrap();
    for (name, kind) in [("every", 0), ("scratch", 1), ("touched", 2), ("window", 4), ("own", 5)] {
        let (state, keys) = (of(name), last[kind].len() as u64);
        assert_eq!((state.key.as_str(), state.own_partitioner), ("string", name == "own"));
        // The batch in which the program stopped brought further words.
        assert!(state.keys.unwrap() >= keys && state.bytes.unwrap() > 8 * keys, "{name}: {state:?}");
    }
    assert_eq!((of("every").keys, of("every").value.as_str()), (of("own").keys, "i64"));
    assert_eq!(content.sources.len(), 1);
    let retained = content.retained.last().unwrap();
    assert_eq!((retained.committed, retained.inputs[0].source.as_str()), (Some(true), "pairs"));
    assert_eq!(retained.outputs.len(), 6);
}

/// Checkpoints of every version of the format are read by the tools, too.
#[test]
fn earlier_formats_are_shown_copied_and_rescaled() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let dir = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        if !name.starts_with("checkpoint-") {
            continue;
        }
        let copy = dir.path().join(&name);
        copy_checkpoint(entry.path(), &copy).unwrap();
        let rescaled = dir.path().join(format!("{name}-rescaled"));
        rescale_checkpoint(&copy, &rescaled, 77).unwrap();
        for (dir, groups) in [(entry.path(), 1024), (copy, 1024), (rescaled, 77)] {
            let content = inspect_checkpoint(&dir).unwrap().content.unwrap();
            let keys: Vec<_> = content.states.iter().map(|state| (state.name.as_str(), state.keys)).collect();
            assert_eq!(
                (content.key_groups, keys),
                (groups, vec![("sums", Some(4)), ("window", Some(4))]),
                "{name}"
            );
        }
        seen += 1;
    }
    assert!(seen > 0);
}
