//! What outlives a process: state, windows, input that was not finished. Method: a context is stopped in the
//! middle, and another one goes on from its checkpoint.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{put, run};
use waterclock_base::{BatchTime, BoxError, Error, FailurePolicy, Result};
use waterclock_streaming::testing::{self, TestClock};
use waterclock_streaming::{Builder, DStream, StateSpec, Stop, StreamingContext};

const SECOND: Duration = Duration::from_secs(1);

type Seen<T> = Arc<Mutex<Vec<(i64, Vec<T>)>>>;

fn at(ms: i64) -> BatchTime {
    BatchTime::from_millis(ms)
}

/// Notes every batch of the stream.
fn note<T: waterclock_base::Record + Ord>(stream: &DStream<T>, seen: &Seen<T>) {
    let seen = seen.clone();
    stream.foreach_rdd(move |rdd, time| {
        let mut records = rdd.collect()?;
        records.sort();
        seen.lock().unwrap().push((time.as_millis(), records));
        Ok(())
    });
}

fn numbers(builder: Builder) -> Result<(StreamingContext, DStream<(u32, i64)>), BoxError> {
    let ssc = builder.batch_interval(SECOND).threads(2).build()?;
    let batches = (1..=20).map(|n| vec![(n % 3, i64::from(n)), (7, 1)]);
    let pairs = ssc.queue_stream(batches.collect::<Vec<_>>()).named("pairs");
    Ok((ssc, pairs))
}

/// The same program run in one go and restarted after every batch gives the same results.
fn same_when_restarted<T: waterclock_base::Record + Ord + std::fmt::Debug>(
    operation: impl Fn(&DStream<(u32, i64)>) -> DStream<T>,
) {
    let whole: Seen<T> = Arc::default();
    let parts: Seen<T> = Arc::default();
    let create = |builder, seen: &Seen<T>| {
        let (ssc, pairs) = numbers(builder)?;
        note(&operation(&pairs), seen);
        Ok(ssc)
    };
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), 0, 12, |builder| create(builder, &whole)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for n in 0..12 {
        run(dir.path(), n * 1000, 1, |builder| create(builder.snapshot_after_bytes(300), &parts)).unwrap();
    }
    assert_eq!(*parts.lock().unwrap(), *whole.lock().unwrap());
    assert!(!whole.lock().unwrap().is_empty());
}

fn sum(new: Vec<i64>, old: Option<i64>) -> Option<i64> {
    Some(old.unwrap_or(0) + new.iter().sum::<i64>()).filter(|sum| sum % 5 != 0)
}

/// T-074, T-107, T-144: an empty directory begins anew, and state by key is there after a restart.
#[test]
fn state_by_key_goes_on() {
    same_when_restarted(|pairs| pairs.update_state_by_key(sum).named("sums"));
}

/// T-103: an inverse window is whole after a restart.
#[test]
fn an_inverse_window_goes_on() {
    same_when_restarted(|pairs| {
        let window = (Duration::from_secs(4), Duration::from_secs(1));
        pairs.reduce_by_key_and_window_inverse(|a, b| a + b, |a, b| a - b, window.0, window.1).named("window")
    });
}

/// T-102: so are plain windows, of what has no state.
#[test]
fn a_plain_window_goes_on() {
    same_when_restarted(|pairs| {
        pairs.reduce_by_key_and_window(|a, b| a + b, Duration::from_secs(4), Duration::from_secs(2))
    });
    same_when_restarted(|pairs| pairs.window(Duration::from_secs(3)));
}

/// T-109: files that are moved in while nothing runs are read, each by the batch of its time, and the window has those
/// from before. Found by a killed `hashtags`: a process that ended before its first snapshot had not written down
/// since when files count, and those that came before the next start were too old for it.
#[test]
fn files_that_come_while_nothing_runs_are_read() {
    let (input, checkpoint) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let put = |n: u64| put(input.path(), &n.to_string(), n.to_string(), n * 1000 - 500);
    let sums: Seen<i64> = Arc::default();
    let start = |now| {
        let created = testing::get_or_create(checkpoint.path(), at(now), |builder| {
            let ssc = builder.batch_interval(SECOND).build()?;
            let lines = ssc.text_file_stream(input.path())?.named("files");
            let numbers = lines.try_map(|line| Ok(line.parse::<i64>()?));
            note(&numbers.reduce_by_window(|a, b| a + b, 20 * SECOND, SECOND), &sums);
            Ok(ssc)
        });
        let (ssc, clock) = created.unwrap();
        ssc.start().unwrap();
        (ssc, clock)
    };
    let (ssc, clock) = start(0);
    for n in 1..=3 {
        put(n);
        clock.advance_batches(1);
    }
    ssc.stop(Stop::Now).unwrap();
    (4..=6).for_each(|n| _ = put(n));
    let (ssc, clock) = start(6000);
    clock.advance(Duration::ZERO);
    for n in 7..=9 {
        put(n);
        clock.advance_batches(1);
    }
    ssc.stop(Stop::Now).unwrap();
    let expected: Vec<_> = (1..=9).map(|n| (n * 1000, vec![n * (n + 1) / 2])).collect();
    assert_eq!(*sums.lock().unwrap(), expected);
}

/// The same for a source that a later release of the program brings along: the process that was the first to have it
/// may end before it takes a snapshot, and even before its first batch.
#[test]
fn files_of_a_source_that_came_later_are_read_too() {
    let (input, checkpoint) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let put = |n: u64| put(input.path(), &n.to_string(), n.to_string(), n * 1000 - 500);
    let seen: Seen<i64> = Arc::default();
    let start = |now, batches, with_files: bool| {
        run(checkpoint.path(), now, batches, |builder| {
            let (ssc, pairs) = numbers(builder)?;
            pairs.update_state_by_key(sum).named("sums").register();
            if with_files {
                let lines = ssc.text_file_stream(input.path())?.named("files");
                note(&lines.try_map(|line| Ok(line.parse::<i64>()?)), &seen);
            }
            Ok(ssc)
        })
        .unwrap();
    };
    start(0, 2, false);
    start(2000, 0, true);
    (3..=5).for_each(|n| _ = put(n));
    start(5000, 0, true);
    start(5000, 1, true);
    put(7);
    start(7000, 1, true);
    let expected = [(3000, vec![3]), (4000, vec![4]), (5000, vec![5]), (6000, vec![]), (7000, vec![7])];
    let seen = seen.lock().unwrap();
    assert_eq!(seen[..5], expected);
    assert_eq!(seen.len(), 6);
}

/// T-070.
#[test]
fn mapped_state_with_time_outs_goes_on() {
    same_when_restarted(|pairs| {
        let spec = StateSpec::function(
            |_: BatchTime,
             key: &u32,
             value: Option<i64>,
             state: &mut waterclock_streaming::State<'_, i64>| {
                match value {
                    None => Some((*key, -1)),
                    Some(value) => {
                        state.update(state.get().copied().unwrap_or(0) + value);
                        Some((*key, *state.get().unwrap_or(&0)))
                    }
                }
            },
        );
        pairs
            .filter(|(key, value)| *key != 7 || *value < 4)
            .map_with_state(spec.timeout(Duration::from_secs(2)))
            .named("mapped")
            .stream()
    });
}

/// T-114: state of state, and a window over it.
#[test]
fn state_of_state_and_windows_over_it_go_on() {
    same_when_restarted(|pairs| {
        let sums = pairs.update_state_by_key(sum).named("sums");
        let sums = sums.update_state_by_key(sum).named("sums of sums");
        sums.reduce_by_key_and_window(|a, b| a.max(b), Duration::from_secs(4), Duration::from_secs(2))
    });
}

#[test]
fn a_window_before_state_and_state_at_a_longer_slide_go_on() {
    same_when_restarted(|pairs| {
        let window = pairs.window_sliding(Duration::from_secs(3), Duration::from_secs(2));
        window.update_state_by_key(sum).named("sums")
    });
}

/// State that no output reads in a batch is made all the same.
#[test]
fn state_that_nobody_looks_at_is_kept() {
    let seen: Seen<(u32, i64)> = Arc::default();
    let dir = tempfile::tempdir().unwrap();
    let create = |builder| {
        let (ssc, pairs) = numbers(builder)?;
        let seen = seen.clone();
        let sums = pairs
            .update_state_by_key(|new: Vec<i64>, old: Option<i64>| Some(old.unwrap_or(0) + new.len() as i64));
        sums.named("sums").foreach_rdd(move |rdd, time| {
            if time == at(4000) {
                seen.lock().unwrap().push((4000, rdd.collect()?));
            }
            Ok(())
        });
        Ok(ssc)
    };
    run(dir.path(), 0, 2, create).unwrap();
    run(dir.path(), 2000, 3, create).unwrap();
    let mut seen = seen.lock().unwrap()[0].1.clone();
    seen.sort();
    assert_eq!(seen, [(0, 1), (1, 2), (2, 1), (7, 4)]);
}

/// T-098, in our form: times in which the program did not run are made up for.
#[test]
fn missed_batches_are_formed() {
    let seen: Seen<(u32, i64)> = Arc::default();
    let dir = tempfile::tempdir().unwrap();
    let create = |builder| {
        let (ssc, pairs) = numbers(builder)?;
        note(&pairs, &seen);
        Ok(ssc)
    };
    run(dir.path(), 0, 2, create).unwrap();
    run(dir.path(), 5500, 1, create).unwrap();
    let times: Vec<i64> = seen.lock().unwrap().iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [1000, 2000, 3000, 4000, 5000, 6000]);
    // A day later, no more than a few batches make up for it, and none of the input is lost.
    run(dir.path(), 86_406_000, 0, |builder| create(builder.max_catch_up(3))).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 9);
    assert_eq!(seen[8].0, 86_406_000);
}

/// A batch that failed is left to the next start, which runs it again with the same input.
#[test]
fn a_failed_batch_is_run_again() {
    let seen: Seen<(u32, i64)> = Arc::default();
    let dir = tempfile::tempdir().unwrap();
    let create = |builder, fails: bool| {
        let (ssc, pairs) = numbers(builder)?;
        let sums = pairs.update_state_by_key(sum).named("sums");
        note(&sums, &seen);
        sums.foreach_rdd(move |rdd, time| {
            rdd.count()?;
            if fails && time == at(3000) { Err("no space".into()) } else { Ok(()) }
        });
        Ok(ssc)
    };
    let (ssc, clock) = testing::get_or_create(dir.path(), at(0), |builder| create(builder, true)).unwrap();
    ssc.start().unwrap();
    clock.advance_batches(5);
    assert!(ssc.await_termination().unwrap_err().full_text().contains("no space"));
    // Its own job ends the context.
    ssc.stop(Stop::Now).unwrap();
    drop(ssc);
    let failed = seen.lock().unwrap().clone();
    assert_eq!(failed.iter().map(|(time, _)| *time).collect::<Vec<_>>(), [1000, 2000, 3000]);
    run(dir.path(), 5000, 0, |builder| create(builder, false)).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen[3], failed[2]);
    assert_eq!(seen.iter().skip(3).map(|(time, _)| *time).collect::<Vec<_>>(), [3000, 4000, 5000]);
}

#[test]
fn a_skipped_batch_stays_skipped() {
    let seen: Seen<(u32, i64)> = Arc::default();
    let dir = tempfile::tempdir().unwrap();
    let create = |builder: Builder, fails: bool| {
        let (ssc, pairs) = numbers(builder.on_failure(FailurePolicy::Skip))?;
        let sums = pairs
            .update_state_by_key(|new: Vec<i64>, old: Option<i64>| Some(old.unwrap_or(0) + new.len() as i64));
        let sums = sums.named("sums");
        sums.foreach_rdd(move |_, time| if fails && time == at(2000) { Err("no".into()) } else { Ok(()) });
        note(&sums, &seen);
        Ok(ssc)
    };
    run(dir.path(), 0, 3, |builder| create(builder, true)).unwrap();
    run(dir.path(), 3000, 1, |builder| create(builder, false)).unwrap();
    let last = seen.lock().unwrap().last().unwrap().clone();
    assert_eq!(last, (4000, vec![(0, 1), (1, 2), (7, 3)]));
}

#[test]
fn a_graceful_stop_leaves_nothing_to_repeat() {
    let seen: Seen<(u32, i64)> = Arc::default();
    let dir = tempfile::tempdir().unwrap();
    let create = |builder| {
        let (ssc, pairs) = numbers(builder)?;
        note(&pairs.update_state_by_key(sum).named("sums"), &seen);
        Ok(ssc)
    };
    let (ssc, clock) = testing::get_or_create(dir.path(), at(0), create).unwrap();
    ssc.start().unwrap();
    clock.advance_batches(2);
    clock.stop_gracefully().unwrap();
    drop((ssc, clock));
    run(dir.path(), 3000, 1, create).unwrap();
    let times: Vec<i64> = seen.lock().unwrap().iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [1000, 2000, 3000, 4000]);
}

/// T-099 (the other way round: the program's settings count): state is spread anew when the number of partitions
/// changes.
#[test]
fn another_parallelism_keeps_the_state() {
    let seen: Seen<(u32, i64)> = Arc::default();
    let dir = tempfile::tempdir().unwrap();
    for (n, partitions) in [1, 5, 2, 8, 3].into_iter().enumerate() {
        run(dir.path(), n as i64 * 1000, 1, |builder| {
            let (ssc, pairs) = numbers(builder.default_parallelism(partitions).snapshot_after_bytes(500))?;
            let by_partition = pairs.update_state_by_partition(
                |_, rows| {
                    rows.into_iter()
                        .map(|(key, new, old)| (key, old.unwrap_or(0) + new.len() as i64))
                        .collect::<Vec<_>>()
                },
                waterclock_streaming::StateOptions::new(),
            );
            note(&by_partition.named("counts"), &seen);
            Ok(ssc)
        })
        .unwrap();
    }
    assert_eq!(seen.lock().unwrap().last().unwrap().1, [(0, 1), (1, 2), (2, 2), (7, 5)]);
}

/// T-169, T-173, T-195, T-197 (three starts): what a receiver was told is stored is there after the end of the
/// process, in a batch, once; also what a window looks back at.
#[test]
fn received_blocks_are_written_ahead() {
    let seen: Seen<u32> = Arc::default();
    let dir = tempfile::tempdir().unwrap();
    for (now, first) in [(0, 1u32), (2000, 10), (4000, 100)] {
        let (stored, is_stored) = std::sync::mpsc::channel();
        let stored = Mutex::new(stored);
        let create = |builder: Builder| {
            let ssc = builder.batch_interval(SECOND).snapshot_after_bytes(200).build()?;
            let numbers = ssc.receiver_stream(move |out| {
                out.store_many(vec![first, first + 1])?;
                stored.lock().unwrap().send(()).ok();
                out.until_stopped();
                Ok(())
            });
            note(&numbers.named("numbers").window(Duration::from_secs(2)), &seen);
            Ok(ssc)
        };
        let (ssc, clock) = testing::get_or_create(dir.path(), at(now), create).unwrap();
        ssc.start().unwrap();
        // The first process runs no batch after it has stored; the others run two.
        is_stored.recv().unwrap();
        if now > 0 {
            clock.advance_batches(2);
        }
        ssc.stop(Stop::Now).unwrap();
    }
    let all: Vec<u32> = seen.lock().unwrap().iter().flat_map(|(_, numbers)| numbers.clone()).collect();
    let times = |number| all.iter().filter(|other| **other == number).count();
    // Every number is in the two windows that have its batch.
    for number in [1, 2, 10, 11] {
        assert_eq!(times(number), 2, "{number} of {:?}", seen.lock().unwrap());
    }
}

#[test]
fn names_are_asked_for_and_must_be_unique() {
    let start = |create: fn(Builder) -> Result<StreamingContext, BoxError>| {
        let dir = tempfile::tempdir().unwrap();
        let (ssc, _) = testing::get_or_create(dir.path(), at(0), create).unwrap();
        ssc.start().map_err(|error| error.full_text())
    };
    let unnamed = start(|builder| {
        let ssc = builder.build()?;
        ssc.queue_stream(vec![vec![(1, 1)]]).update_state_by_key(|_: Vec<i32>, old: Option<i32>| old).print();
        Ok(ssc)
    });
    let text = unnamed.unwrap_err();
    assert!(text.contains("queue_stream at") && text.contains("update_state_by_key at"), "{text}");
    let derived = start(|builder| {
        let ssc = builder.allow_derived_names(true).print_to(std::io::sink()).build()?;
        ssc.queue_stream(vec![vec![(1, 1)]]).update_state_by_key(|_: Vec<i32>, old: Option<i32>| old).print();
        Ok(ssc)
    });
    assert_eq!(derived, Ok(()));
    let twice = start(|builder| {
        let ssc = builder.build()?;
        let (a, b) =
            (ssc.queue_stream(vec![vec![1]]).named("in"), ssc.queue_stream(vec![vec![2]]).named("in"));
        a.union(&b).print();
        Ok(ssc)
    });
    assert!(twice.unwrap_err().contains("2 sources are called in"));
}

#[test]
fn state_is_not_lost_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let create = |builder: Builder, name: &str| {
        let (ssc, pairs) = numbers(builder)?;
        pairs.update_state_by_key(sum).named(name).register();
        Ok(ssc)
    };
    run(dir.path(), 0, 2, |builder| create(builder, "old")).unwrap();
    let refused = run(dir.path(), 2000, 1, |builder| create(builder, "new")).unwrap_err();
    assert!(refused.full_text().contains("state that the program does not have: old"), "{refused:?}");
    run(dir.path(), 2000, 1, |builder| create(builder.forget_state("old"), "new")).unwrap();
}

#[test]
fn a_checkpoint_has_one_owner_and_is_only_continued_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let create = |builder| {
        let (ssc, pairs) = numbers(builder)?;
        pairs.register();
        Ok(ssc)
    };
    run(dir.path(), 0, 1, create).unwrap();
    let builder = || StreamingContext::builder("x").batch_interval(SECOND).checkpoint_dir(dir.path());
    let first = builder().build().unwrap();
    let second = builder().build().err().unwrap();
    assert!(matches!(second, Error::Checkpoint { .. }));
    assert!(second.full_text().contains(&format!("process {}", std::process::id())), "{second:?}");
    first.queue_stream(vec![vec![1]]).named("in").register();
    assert!(first.start().unwrap_err().full_text().contains("get_or_create"));
    let _ = TestClock::now;
}

/// T-146: whoever asks for the context of a directory gets the active one, if this process has it.
#[test]
fn the_active_context_of_a_checkpoint_is_found() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let calls = std::sync::atomic::AtomicU32::new(0);
    let get = |dir: &tempfile::TempDir| {
        StreamingContext::get_active_or_create(dir.path(), |builder| {
            calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            // No batch comes of it while the test runs.
            let ssc = builder.batch_interval(86_400 * SECOND).build()?;
            ssc.queue_stream(vec![vec![1]]).named("in").register();
            Ok(ssc)
        })
    };
    let calls = || calls.load(std::sync::atomic::Ordering::Relaxed);
    let first = get(&dir).unwrap();
    // One that was made and not started is the program's own: its directory is taken.
    assert!(matches!(get(&dir), Err(Error::Checkpoint { .. })));
    first.start().unwrap();
    assert_eq!(calls(), 2);
    let again = get(&dir).unwrap();
    assert!((calls(), again.status().app_name) == (2, first.status().app_name));
    let elsewhere = get(&other).unwrap();
    elsewhere.start().unwrap();
    assert_eq!(calls(), 3);
    again.stop(Stop::Now).unwrap();
    assert_eq!(first.state(), waterclock_streaming::ContextState::Stopped);
    let next = get(&dir).unwrap();
    assert_eq!((calls(), next.state()), (4, waterclock_streaming::ContextState::Initialized));
}
