//! Goal: the log is for people: quiet while all is well, and a failure is a line that says what, where and why.
//! Method: jobs under virtual time, and one log for all tests of this file, each of which knows its lines by a word of
//! its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use common::{SECOND, eventually};
use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Event};
use waterclock_streaming::testing::{self, manual, manual_context};
use waterclock_streaming::{Stop, StreamingContext};

/// All that was logged.
static LOG: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(|| {
    let paper = Arc::<Mutex<Vec<u8>>>::default();
    let on_paper = Paper(paper.clone());
    let log = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG);
    log.with_ansi(false).without_time().with_writer(move || on_paper.clone()).init();
    paper
});

#[derive(Clone)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines with this word.
fn lines(word: &str) -> Vec<String> {
    let text = String::from_utf8(lock(&LOG).clone()).unwrap();
    text.lines().filter(|line| line.contains(word)).map(|line| line.trim_start().to_owned()).collect()
}

#[test]
fn a_failed_batch_is_an_error_with_its_whole_story() {
    LazyLock::force(&LOG);
    let (ssc, clock) = manual_context("failing", SECOND).unwrap();
    let input = ssc.queue_stream(vec![vec![1], vec![2]]);
    input.named("unlucky").foreach_rdd(|_, time| match time.as_millis() {
        2000 => Err("the thirteenth table is full".into()),
        _ => Ok(()),
    });
    ssc.start().unwrap();
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    let told = lines("thirteenth");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("ERROR waterclock_streaming::"), "{told:?}");
    assert!(told[0].contains(": batch 2000 ms: output foreach_rdd at "), "{told:?}");
    assert!(told[0].contains("logs.rs:") && told[0].ends_with(" batch=2000"), "{told:?}");
}

/// A task that succeeds when it is tried again is no failure, but can be found.
#[test]
fn a_task_that_is_tried_again_can_be_found() {
    LazyLock::force(&LOG);
    let builder = StreamingContext::builder("again").batch_interval(SECOND).task_attempts(2);
    let (ssc, clock) = manual(builder).unwrap();
    let first = AtomicBool::new(true);
    let numbers = ssc.queue_stream(vec![vec![1u32]]).map(move |n| {
        assert!(!first.swap(false, Ordering::Relaxed), "the first snow of the year");
        n
    });
    numbers.register();
    ssc.start().unwrap();
    clock.advance_batches(1);
    assert_eq!(ssc.status().failed_batches, 0);
    ssc.stop(Stop::Now).unwrap();
    let told = lines("first snow");
    let told: Vec<_> = told.iter().filter(|line| line.contains("at the first attempt")).collect();
    assert!(told.len() == 1 && told[0].starts_with("INFO "), "{told:?}");
    assert!(told[0].contains(" attempt=0"), "{told:?}");
}

/// What is a warning to listeners is one in the log, once.
#[test]
fn a_warning_is_told_once() {
    LazyLock::force(&LOG);
    let (ssc, _clock) = manual_context("warned", SECOND).unwrap();
    ssc.engine().tell(Event::Warning { text: "the hashes of comets are useless".into() });
    drop(ssc);
    let told = lines("comets");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("WARN ") && told[0].ends_with(": the hashes of comets are useless"),
        "{told:?}"
    );
}

#[test]
fn a_receiver_that_starts_again_is_a_warning() {
    LazyLock::force(&LOG);
    let (ssc, clock) = manual_context("flaky", SECOND).unwrap();
    let cable = ssc.receiver_stream::<u32>(|_| Err("the submarine cable is cut".into()));
    cable.register();
    ssc.start().unwrap();
    eventually("it has begun twice", || {
        clock.advance(SECOND);
        lines("submarine").len() >= 2
    });
    ssc.stop(Stop::Now).unwrap();
    let told = lines("submarine");
    assert!(told.iter().all(|line| line.starts_with("WARN ")), "{told:?}");
    assert!(told[0].contains("the submarine cable is cut") && told[0].ends_with("stream=0"), "{told:?}");
}

/// How a process goes on from another one, and what it does again, can be followed at `info`, batches at `debug`.
#[test]
fn a_recovery_can_be_followed() {
    LazyLock::force(&LOG);
    let dir = tempfile::tempdir().unwrap();
    let run = |start: i64, fails: bool| {
        let (ssc, clock) = testing::get_or_create(dir.path(), BatchTime::from_millis(start), |builder| {
            let ssc = builder.batch_interval(SECOND).build()?;
            let input = ssc.queue_stream(vec![vec![1, 2], vec![3]]).named("numbers");
            input.foreach_rdd(move |_, _| if fails { Err("the lighthouse is dark".into()) } else { Ok(()) });
            Ok(ssc)
        })
        .unwrap();
        ssc.start().unwrap();
        clock.advance(SECOND);
        if fails {
            assert!(ssc.await_termination_for(SECOND * 20).is_err());
        } else {
            clock.advance_batches(1);
        }
        let _ = ssc.stop(Stop::Now);
    };
    run(7_000_000, true);
    assert_eq!(lines("lighthouse").len(), 1);
    run(7_003_000, false);
    let again = lines("batch 7001000 ms was begun before, and is run again");
    assert!(
        again.len() == 1 && again[0].starts_with("INFO ") && again[0].ends_with("records=2"),
        "{again:?}"
    );
    let went_on = lines("goes on from a checkpoint, after batch 7000000 ms");
    assert!(went_on.len() == 1 && went_on[0].starts_with("INFO "), "{went_on:?}");
    assert!(went_on[0].contains(" start=2 redone=1 missed=2 "), "{went_on:?}");
    let over = lines("batch 7002000 ms is over");
    assert!(
        over.len() == 1 && over[0].starts_with("DEBUG ") && over[0].contains("failed_outputs=0"),
        "{over:?}"
    );
}
