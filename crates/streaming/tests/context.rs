//! Goal: the life of a context: what may be called when, who is told what went wrong, what is left at the end.
//! Method: virtual time; each test makes a context, walks it through some states and looks.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use waterclock_base::{BatchTime, Error, Event, FailurePolicy, Remedy, SparkRules};
use waterclock_streaming::testing::{TestClock, manual, manual_context};
use waterclock_streaming::{Collected, ContextState, Stop, StreamingContext};

const SECOND: Duration = Duration::from_secs(1);

/// A context with one output, not started.
fn counting() -> (StreamingContext, TestClock, Collected<u64>) {
    let (ssc, clock) = manual_context("context", SECOND).unwrap();
    let seen = ssc.queue_stream(vec![vec![1, 2], vec![3]]).count().collect_batches();
    (ssc, clock, seen)
}

/// T-115 to T-120, T-122: a context is made of a name and settings, each with a default; the directory for
/// checkpoints can be one of them.
#[test]
fn a_context_is_made_of_settings() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = dir.path().join("below/here");
    let ssc = StreamingContext::builder("one")
        .app_name("two")
        .batch_interval(Duration::from_millis(250))
        .threads(3)
        .checkpoint_dir(&wanted)
        .build()
        .unwrap();
    let settings = ssc.settings();
    assert_eq!((settings.app_name.as_str(), settings.threads, settings.default_parallelism), ("two", 3, 3));
    assert_eq!(settings.batch_interval, Duration::from_millis(250));
    assert!(wanted.is_dir());
    // Its engine can be used without any stream.
    assert_eq!(ssc.engine().parallelize(vec![1, 2, 3], 2).count().unwrap(), 3);
}

/// Settings that can't be used are refused by name, with the value and the rule.
#[test]
fn settings_that_can_not_be_used_are_refused() {
    let builder = || StreamingContext::builder("bad");
    let told = |outcome: waterclock_base::Result<StreamingContext>| outcome.err().unwrap().to_string();
    let text = told(builder().batch_interval(Duration::ZERO).build());
    assert!(text.contains("batch_interval") && text.contains("at least one millisecond"), "{text}");
    let text = told(builder().batch_interval(Duration::from_micros(1500)).build());
    assert!(text.contains("whole number of milliseconds"), "{text}");
    let text = told(builder().threads(0).build());
    assert!(text.contains("threads") && text.contains("at least 1"), "{text}");
    let text = told(builder().threads(8).key_groups(4).build());
    assert!(text.contains("8 partitions") && text.contains("4 key groups"), "{text}");
}

/// T-123, T-124: a context is initialised, active, stopped.
#[test]
fn states_follow_start_and_stop() {
    let (ssc, clock, seen) = counting();
    assert_eq!(ssc.state(), ContextState::Initialized);
    ssc.start().unwrap();
    assert_eq!(ssc.state(), ContextState::Active);
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(ssc.state(), ContextState::Stopped);
    assert_eq!(seen.all().len(), 2);
    clock.advance_batches(3);
    assert_eq!(seen.all().len(), 2);
}

/// The first batch has the next multiple of the interval as its time, and the zero time is one before it.
#[test]
fn the_first_batch_is_at_the_next_multiple_of_the_interval() {
    // When it starts, the zero time, and how long the first batch takes to come; in milliseconds.
    for (start, zero, wait) in [(0, 0, 1000), (600_300, 600_000, 700), (999, 0, 1), (2000, 2000, 1000)] {
        let (ssc, clock) = manual_context("first", SECOND).unwrap();
        let seen = ssc.queue_stream(vec![vec![1], vec![2]]).collect_batches();
        clock.advance(Duration::from_millis(start));
        assert_eq!(ssc.zero_time(), None);
        ssc.start().unwrap();
        assert_eq!(ssc.zero_time(), Some(BatchTime::from_millis(zero)));
        clock.advance(Duration::from_millis(wait - 1));
        assert!(seen.all().is_empty() && ssc.status().completed_batches == 0);
        clock.advance(Duration::from_millis(1));
        clock.advance_batches(1);
        let times = [1000, 2000].map(|after| BatchTime::from_millis(zero + after));
        assert_eq!(seen.all(), [(times[0], vec![1]), (times[1], vec![2])]);
        ssc.stop(Stop::Now).unwrap();
    }
}

/// T-126: a start that fails starts nothing, and can be tried again; with Spark's rule it can not.
#[test]
fn a_start_that_fails_leaves_nothing_running() {
    let (ssc, clock) = manual_context("no output", SECOND).unwrap();
    let stream = ssc.queue_stream(vec![vec![1]]);
    let error = ssc.start().unwrap_err();
    assert!(matches!(error, Error::Start { .. }), "{error}");
    assert!(error.to_string().contains("no output operation") && error.remedy() == Remedy::FixProgram);
    assert_eq!(ssc.state(), ContextState::Initialized);
    let seen = stream.collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(1);
    assert_eq!(seen.sorted_at(1), [1]);
    ssc.stop(Stop::Now).unwrap();

    let mut rules = SparkRules::default();
    rules.failed_start_stops = true;
    let builder = StreamingContext::builder("no output").batch_interval(SECOND);
    let (ssc, _) = manual(builder.spark_rules(rules)).unwrap();
    assert!(ssc.start().is_err());
    assert_eq!(ssc.state(), ContextState::Stopped);
}

/// T-128, T-129, T-133: starting or stopping a second time does nothing.
#[test]
fn starting_and_stopping_twice_is_harmless() {
    let (ssc, clock, seen) = counting();
    ssc.start().unwrap();
    ssc.start().unwrap();
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    ssc.stop(Stop::Gracefully).unwrap();
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(seen.all().len(), 1);
}

/// T-130, T-131: a context may be stopped before it was started, and is never started after a stop.
#[test]
fn a_stopped_context_stays_stopped() {
    let (ssc, _, _) = counting();
    ssc.stop(Stop::Now).unwrap();
    let error = ssc.start().unwrap_err();
    assert!(matches!(error, Error::Lifecycle { .. }), "{error}");
    assert!(error.to_string().contains("make a new one"), "{error}");
    assert_eq!(ssc.state(), ContextState::Stopped);
}

/// T-132: what was collected, and the engine, outlive the streams.
#[test]
fn the_engine_outlives_the_stop() {
    let (ssc, clock, seen) = counting();
    ssc.start().unwrap();
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(seen.nth(1), Some(vec![2]));
    assert_eq!(ssc.engine().parallelize(vec![1, 2], 2).sum().unwrap(), 3);
}

/// T-139, T-143: waiting does not start anything, ends when its time is over, and when the context stops.
#[test]
fn waiting_ends_with_the_context() {
    let (ssc, _, _) = counting();
    assert!(!ssc.await_termination_for(Duration::from_millis(1)).unwrap());
    ssc.start().unwrap();
    assert!(!ssc.await_termination_for(Duration::from_millis(1)).unwrap());
    let (tell, told) = mpsc::channel();
    let waiter = {
        let ssc = ssc.clone();
        waterclock_base::world::spawn("waiter", move || {
            tell.send("waits").unwrap();
            let outcome = ssc.await_termination();
            tell.send("done").unwrap();
            outcome
        })
    };
    assert_eq!(told.recv(), Ok("waits"));
    assert!(told.try_recv().is_err());
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(told.recv(), Ok("done"));
    waiter.join().unwrap().unwrap();
}

/// T-140: waiting for a stopped context returns at once.
#[test]
fn waiting_for_a_stopped_context_returns() {
    let (ssc, _, _) = counting();
    ssc.start().unwrap();
    ssc.stop(Stop::Now).unwrap();
    ssc.await_termination().unwrap();
    assert!(ssc.await_termination_for(Duration::ZERO).unwrap());
}

/// T-141: the error of a task reaches who waits, names the program's own line, and batches go on.
#[test]
fn a_failed_task_is_told_and_batches_go_on() {
    let (ssc, clock) = manual_context("task error", SECOND).unwrap();
    let line = line!() + 2;
    let numbers = ssc.queue_stream(vec![vec![1], vec![13], vec![2]]);
    let seen = numbers.map(|n| if n == 13 { panic!("thirteen") } else { n }).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(3);
    let error = ssc.await_termination().unwrap_err().full_text();
    assert_eq!(error, ssc.await_termination().unwrap_err().full_text());
    for part in ["batch 2000 ms", "map", &format!("context.rs:{line}"), "4 attempts", "thirteen"] {
        assert!(error.contains(part), "{part:?} in {error}");
    }
    assert_eq!(ssc.state(), ContextState::Active);
    assert_eq!((seen.nth(1), seen.nth(2), seen.nth(3)), (Some(vec![1]), None, Some(vec![2])));
    let status = ssc.status();
    assert_eq!((status.completed_batches, status.failed_batches), (3, 1));
    ssc.stop(Stop::Now).unwrap();
}

/// T-142: so does the error of a batch whose datasets can't be made, by an error or a panic of the program.
#[test]
fn a_batch_that_can_not_be_made_is_told_and_batches_go_on() {
    for panics in [false, true] {
        let (ssc, clock) = manual_context("make error", SECOND).unwrap();
        let numbers = ssc.queue_stream(vec![vec![1], vec![2], vec![3]]);
        let second = BatchTime::from_millis(2000);
        let seen = numbers.transform(move |rdd, t| match (t == second, panics) {
            (true, true) => panic!("not now"),
            (true, false) => Err("not now".into()),
            _ => Ok(rdd),
        });
        let seen = seen.collect_batches();
        ssc.start().unwrap();
        clock.advance_batches(3);
        let error = ssc.await_termination().unwrap_err().full_text();
        assert!(error.contains("2000 ms") && error.contains("not now"), "{error}");
        assert_eq!((seen.nth(2), seen.nth(3)), (None, Some(vec![3])));
        ssc.stop(Stop::Now).unwrap();
    }
}

/// T-147, T-145: any number of contexts may be active, unless Spark's rule is asked for.
#[test]
fn contexts_are_independent_unless_only_one_may_be_active() {
    let (a, clock_a, seen_a) = counting();
    let (b, clock_b, seen_b) = counting();
    a.start().unwrap();
    b.start().unwrap();
    clock_a.advance_batches(1);
    clock_b.advance_batches(2);
    assert_eq!((seen_a.all().len(), seen_b.all().len()), (1, 2));
    a.stop(Stop::Now).unwrap();
    b.stop(Stop::Now).unwrap();

    let single = || {
        let builder = StreamingContext::builder("single").batch_interval(SECOND);
        let (ssc, _) = manual(builder.spark_rules(SparkRules::all())).unwrap();
        ssc.queue_stream(vec![vec![1]]).count().collect_batches();
        ssc
    };
    let (first, second) = (single(), single());
    first.start().unwrap();
    assert!(matches!(second.start(), Err(Error::Lifecycle { .. })));
    assert_eq!(second.state(), ContextState::Initialized);
    first.stop(Stop::Now).unwrap();
    second.start().unwrap();
    second.stop(Stop::Now).unwrap();
}

/// T-148: streams, outputs and errors know the program's line that made them.
#[test]
fn call_sites_are_recorded() {
    let (ssc, _) = manual_context("sites", SECOND).unwrap();
    let stream = ssc.queue_stream(vec![vec![1]]).named("numbers");
    let shown = format!("{stream:?}");
    assert!(shown.contains("context.rs:") && shown.contains("numbers"), "{shown}");
    let refused = stream.window(Duration::from_millis(1500)).checked().err().unwrap().to_string();
    assert!(
        refused.contains("context.rs:") && refused.contains("1.5s") && refused.contains("1s"),
        "{refused}"
    );
}

/// T-149: nothing can be added once the context was started, or stopped: the error is told at once to who
/// asks, and to who waits otherwise.
#[test]
fn nothing_is_added_after_start_or_stop() {
    let (ssc, clock, seen) = counting();
    let late = ssc.queue_stream(vec![vec![7]]);
    ssc.start().unwrap();
    let is_lifecycle = |error: Option<Error>| matches!(error, Some(Error::Lifecycle { .. }));
    assert!(is_lifecycle(ssc.queue_stream(vec![vec![1]]).checked().err()));
    assert!(is_lifecycle(late.map(|n| n + 1).checked().err()));
    assert!(is_lifecycle(late.print().checked().err()));
    ssc.check().unwrap();
    clock.advance_batches(2);
    assert_eq!(seen.all().len(), 2);
    ssc.stop(Stop::Now).unwrap();
    assert!(is_lifecycle(late.map(|n| n + 1).checked().err()));
    late.map(|n| n + 1);
    assert!(is_lifecycle(ssc.check().err()));
}

/// A refused operation that nobody looked at keeps the context from starting.
#[test]
fn a_refused_operation_keeps_the_context_from_starting() {
    let (ssc, _) = manual_context("refused", SECOND).unwrap();
    ssc.queue_stream(vec![vec![1]]).window(Duration::from_millis(1500)).map(|n| n + 1).print();
    assert!(matches!(ssc.start(), Err(Error::Definition { call: "window", .. })));
}

/// What panics once more when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the bomb went off");
    }
}

/// Batches and outputs are told when they are submitted, begin and end, and why one failed.
#[test]
fn listeners_are_told_what_happens() {
    let (ssc, clock) = manual_context("events", SECOND).unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let number = ssc.add_listener(move |event: &Event| seen.lock().unwrap().push(event.clone()));
    // A listener that panics harms nobody, even where its panic does so once more when it is dropped.
    ssc.add_listener(|_: &Event| panic_any(Bomb));
    let input = ssc.queue_stream(vec![vec![1], vec![2]]);
    input.foreach_rdd(|_, _| Ok(())).named("good");
    input.foreach_rdd(|_, _| Err("no".into())).named("bad");
    ssc.start().unwrap();
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    ssc.remove_listener(number);
    let events = events.lock().unwrap();
    let mut shape = Vec::new();
    for event in events.iter() {
        shape.push(match event {
            Event::StreamingStarted { .. } => "started".to_owned(),
            Event::BatchSubmitted(batch) => {
                assert_eq!(batch.inputs.len(), 1);
                assert!(batch.scheduling_delay_micros().is_none());
                "submitted".into()
            }
            Event::BatchStarted(batch) => {
                assert!(batch.scheduling_delay_micros() >= Some(0) && batch.total_delay_micros().is_none());
                "begun".into()
            }
            Event::OutputOperationStarted(output) => format!("{} begun", output.name),
            Event::OutputOperationCompleted(output) => {
                assert_eq!(output.failure.is_some(), output.name == "bad");
                format!("{} done", output.name)
            }
            Event::BatchCompleted(batch) => {
                assert!(batch.total_delay_micros() >= batch.processing_delay_micros());
                let failures = batch.outputs.iter().filter(|output| output.failure.is_some()).count();
                format!("done, {failures} failed")
            }
            other => format!("{other:?}"),
        });
    }
    let batch = ["submitted", "begun", "good begun", "good done", "bad begun", "bad done", "done, 1 failed"];
    let expected: Vec<&str> = std::iter::once("started").chain(batch).chain(batch).collect();
    assert_eq!(shape, expected);
}

/// A listener that was removed hears nothing more; the others do.
#[test]
fn a_removed_listener_stays_silent() {
    let (ssc, clock, _) = counting();
    let heard = Arc::new(AtomicUsize::new(0));
    let hearing = heard.clone();
    let number = ssc.add_listener(move |_: &Event| {
        hearing.fetch_add(1, Ordering::SeqCst);
    });
    let (tell, told) = mpsc::channel();
    ssc.add_listener(move |event: &Event| {
        if matches!(event, Event::BatchCompleted(_)) {
            tell.send(()).unwrap();
        }
    });
    ssc.start().unwrap();
    clock.advance_batches(1);
    // It is called after the other one.
    told.recv().unwrap();
    let before = heard.load(Ordering::SeqCst);
    assert!(before > 0);
    ssc.remove_listener(number);
    ssc.remove_listener(number);
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(told.try_iter().count(), 2);
    assert_eq!(heard.load(Ordering::SeqCst), before);
}

/// T-157: a listener can't stop the context, whose stop has to wait for it.
#[test]
fn a_listener_can_not_stop_the_context() {
    let (ssc, clock, _) = counting();
    let (tell, told) = mpsc::channel();
    let handle = ssc.clone();
    ssc.add_listener(move |event: &Event| {
        if matches!(event, Event::BatchCompleted(_)) {
            tell.send(handle.stop(Stop::Now).err()).unwrap();
        }
    });
    ssc.start().unwrap();
    clock.advance_batches(1);
    assert!(matches!(told.recv(), Ok(Some(Error::Lifecycle { .. }))));
    ssc.stop(Stop::Now).unwrap();
}

/// What a failed batch leads to: it is skipped, tried again, or ends the context.
#[test]
fn a_failed_batch_is_treated_as_the_policy_says() {
    let run = |policy: FailurePolicy| {
        let builder = StreamingContext::builder("policy").batch_interval(SECOND).on_failure(policy);
        let (ssc, clock) = manual(builder).unwrap();
        let tries = Arc::new(AtomicUsize::new(0));
        let tried = tries.clone();
        ssc.queue_stream(vec![vec![1], vec![2]]).foreach_rdd(move |_, t| {
            let first = t.as_millis() == 1000 && tried.fetch_add(1, Ordering::Relaxed) < 2;
            if first { Err("not yet".into()) } else { Ok(()) }
        });
        ssc.start().unwrap();
        clock.advance_batches(1);
        (ssc, clock, tries)
    };
    let (ssc, clock, tries) = run(FailurePolicy::Retry { times: 2 });
    assert_eq!((tries.load(Ordering::Relaxed), ssc.status().failed_batches), (3, 0));
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    ssc.await_termination().unwrap();

    let (ssc, clock, tries) = run(FailurePolicy::Skip);
    clock.advance_batches(1);
    assert_eq!((tries.load(Ordering::Relaxed), ssc.status().failed_batches), (1, 1));
    assert_eq!(ssc.state(), ContextState::Active);
    ssc.stop(Stop::Now).unwrap();

    let (ssc, _, _) = run(FailurePolicy::Stop);
    assert!(ssc.await_termination().is_err());
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(ssc.state(), ContextState::Stopped);
}

/// Ticks are merged into a later batch while too many batches wait; nothing is lost.
#[test]
fn ticks_are_merged_while_too_many_batches_wait() {
    let builder = StreamingContext::builder("slow").batch_interval(SECOND).max_waiting_batches(2);
    let (ssc, clock) = manual(builder).unwrap();
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let seen = ssc.queue_stream((0..9).map(|n| vec![n]).collect::<Vec<_>>());
    seen.foreach_rdd(move |_, _| Ok(gate.lock().unwrap().recv()?));
    let seen = seen.collect_batches();
    ssc.start().unwrap();
    // Five ticks come due while the first batch is at work.
    for _ in 0..5 {
        clock.tick_without_waiting();
    }
    while ssc.status().merged_ticks < 3 {
        std::thread::yield_now();
    }
    let _open = open_all(open);
    while ssc.status().completed_batches < 2 {
        std::thread::yield_now();
    }
    clock.advance_batches(1);
    assert_eq!(ssc.status().merged_ticks, 3);
    let taken: Vec<i32> = seen.all().into_iter().flat_map(|(_, batch)| batch).collect();
    assert_eq!(taken, (0..taken.len() as i32).collect::<Vec<_>>());
    ssc.stop(Stop::Now).unwrap();
}

/// Lets every batch pass from now on.
fn open_all(open: mpsc::Sender<()>) -> mpsc::Sender<()> {
    (0..100).for_each(|_| open.send(()).unwrap());
    open
}
