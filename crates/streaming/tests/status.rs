//! Goal: the status tells the truth, all of it at the same moment, and stays bounded.
//! Method: small programs under virtual time; what is expected is written out.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use common::{SECOND, ear};
use waterclock_base::world::{lock, spawn};
use waterclock_base::{BatchOrigin, BatchTime, Event, Status};
use waterclock_streaming::testing::{self, manual, manual_context};
use waterclock_streaming::{Stop, StreamingContext};

/// T-154: of four batches each is submitted, begins and ends; delays are known as far as they have passed; each has
/// one record; times increase.
#[test]
fn four_batches_are_told_one_after_the_other() {
    let (ssc, clock) = manual_context("four", SECOND).unwrap();
    let heard = ear(&ssc);
    ssc.queue_stream((0..4).map(|n| vec![n])).register();
    ssc.start().unwrap();
    clock.advance_batches(4);
    ssc.stop(Stop::Now).unwrap();
    let heard = lock(&heard);
    let (mut submitted, mut started, mut completed) = (Vec::new(), Vec::new(), Vec::new());
    let mut times = Vec::new();
    for event in heard.iter() {
        match event {
            Event::BatchSubmitted(batch) => {
                assert!(batch.scheduling_delay_micros().is_none() && batch.total_delay_micros().is_none());
                submitted.push((batch.time(), batch.records()));
            }
            Event::BatchStarted(batch) => {
                assert!(
                    batch.scheduling_delay_micros() >= Some(0) && batch.processing_delay_micros().is_none()
                );
                started.push((batch.time(), batch.records()));
            }
            Event::BatchCompleted(batch) => {
                assert!(batch.processing_delay_micros() >= Some(0) && batch.total_delay_micros() >= Some(0));
                let both = batch.scheduling_delay_micros().zip(batch.processing_delay_micros());
                assert_eq!(batch.total_delay_micros(), both.map(|(waited, took)| waited + took));
                times.push([Some(batch.submitted_micros), batch.started_micros, batch.ended_micros]);
                completed.push((batch.time(), batch.records()));
            }
            _ => {}
        }
    }
    let expected: Vec<_> = (1..=4).map(|n| (BatchTime::from_millis(n * 1000), 1)).collect();
    assert_eq!((&submitted, &started, &completed), (&expected, &expected, &expected));
    assert!(times.concat().is_sorted() && times[0][0] > Some(0), "{times:?}");
    assert!(times.windows(2).all(|two| two[0][0] < two[1][0]), "{times:?}");
}

fn failures(failing: [bool; 3]) -> Vec<(usize, Option<String>)> {
    let (ssc, clock) = manual_context("outputs", SECOND).unwrap();
    let heard = ear(&ssc);
    let input = ssc.queue_stream(vec![vec![1]]);
    for fails in failing {
        input.foreach_rdd(move |_, _| if fails { Err("this one fails".into()) } else { Ok(()) });
    }
    ssc.start().unwrap();
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    let heard = lock(&heard);
    let started = heard.iter().filter_map(|event| match event {
        Event::OutputOperationStarted(output) => Some(output.id.0),
        _ => None,
    });
    assert_eq!(started.collect::<Vec<_>>(), [0, 1, 2]);
    let completed = heard.iter().filter_map(|event| match event {
        Event::OutputOperationCompleted(output) => Some((output.id.0, output.failure.clone())),
        _ => None,
    });
    completed.collect()
}

/// T-156: outputs are told with their numbers. T-158: those that succeed have no reason of failure.
#[test]
fn outputs_are_numbered_and_succeed_without_a_reason() {
    assert_eq!(failures([false; 3]), [(0, None), (1, None), (2, None)]);
}

/// T-159, T-160: each output that fails says why, the others nothing.
#[test]
fn each_failed_output_says_why() {
    let told = failures([true, false, false]);
    assert!(told[0].1.as_ref().is_some_and(|why| why.contains("this one fails")), "{told:?}");
    assert_eq!(told[1..], [(1, None), (2, None)]);
    let told = failures([true, true, false]);
    let says = |n: usize| told[n].1.as_ref().is_some_and(|why| why.contains("this one fails"));
    assert!(says(0) && says(1) && told[2].1.is_none(), "{told:?}");
}

/// T-161: after the stop nothing is told any more.
#[test]
fn nothing_is_told_after_the_end() {
    let (ssc, clock) = manual_context("end", SECOND).unwrap();
    let (tell, told) = mpsc::channel();
    ssc.add_listener(move |event: &Event| {
        let late = matches!(event, Event::Warning { text } if text == "late");
        // Nobody listens any more at the very end.
        let _ = tell.send(late);
    });
    ssc.queue_stream(vec![vec![1]]).register();
    ssc.start().unwrap();
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    ssc.engine().tell(Event::Warning { text: "late".into() });
    drop((ssc, clock));
    // The listener is gone with the context: all that it was ever told is here.
    let mut all = Vec::new();
    let end = loop {
        match told.recv_timeout(Duration::from_secs(20)) {
            Ok(late) => all.push(late),
            Err(end) => break end,
        }
    };
    assert_eq!(end, mpsc::RecvTimeoutError::Disconnected);
    assert!(all.len() > 3 && !all.contains(&true), "{all:?}");
}

/// T-235: what each input gave to a batch is told with the batch, input by input.
#[test]
fn a_batch_tells_what_each_input_gave() {
    let (ssc, clock) = manual_context("inputs", SECOND).unwrap();
    let heard = ear(&ssc);
    let (one, other) = (ssc.queue_stream(vec![vec![1], vec![]]), ssc.queue_stream(vec![vec![2, 3], vec![4]]));
    one.union(&other).register();
    ssc.start().unwrap();
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    let given = |event: &Event| match event {
        Event::BatchCompleted(batch) => {
            Some(batch.inputs.iter().map(|input| (input.stream, input.records)).collect::<Vec<_>>())
        }
        _ => None,
    };
    let given: Vec<_> = lock(&heard).iter().filter_map(given).collect();
    assert_eq!(given, [[(one.id(), 1), (other.id(), 2)], [(one.id(), 0), (other.id(), 1)]]);
}

/// A slow listener loses events, and hears how many; the batches go on.
#[test]
fn a_slow_listener_loses_events_and_is_told_so() {
    let (ssc, clock) = manual_context("slow", SECOND).unwrap();
    let (release, released) = mpsc::channel::<()>();
    let (released, lost) = (Mutex::new(released), Arc::new(Mutex::new(0)));
    let counted = lost.clone();
    ssc.add_listener(move |event: &Event| match event {
        Event::StreamingStarted { .. } => drop(lock(&released).recv()),
        Event::EventsDropped { events } => *lock(&counted) += events,
        _ => {}
    });
    ssc.queue_stream(vec![vec![1]]).register();
    ssc.start().unwrap();
    for _ in 0..12_000 {
        ssc.engine().tell(Event::EventsDropped { events: 0 });
    }
    clock.advance_batches(3);
    let status = ssc.status();
    assert_eq!(status.completed_batches, 3);
    assert!(status.dropped_events >= 2_000, "{}", status.dropped_events);
    let noted = status.notices.iter().filter(|notice| notice.text.contains("listeners are too slow"));
    assert_eq!(noted.count(), 1);
    release.send(()).unwrap();
    // The gap is told in front of the next event that finds room.
    common::eventually("the gap is told", || {
        ssc.engine().tell(Event::Warning { text: String::new() });
        *lock(&lost) > 0
    });
    ssc.stop(Stop::Now).unwrap();
    assert!(*lock(&lost) >= status.dropped_events);
}

fn counting(builder: waterclock_streaming::Builder, batches: u32) -> (StreamingContext, Status) {
    let (ssc, clock) = manual(builder.batch_interval(SECOND)).unwrap();
    let words = ssc.queue_stream((0..batches).map(|_| vec!["to", "be", "or", "not", "to", "be"]));
    let counts =
        words.named("words").map(|word| (word.to_owned(), 1u64)).reduce_by_key(|a, b| a + b).named("counts");
    let totals =
        counts.update_state_by_key(|new, old: Option<u64>| Some(old.unwrap_or(0) + new.iter().sum::<u64>()));
    totals.named("totals").show("totals");
    ssc.start().unwrap();
    clock.advance_batches(batches);
    let status = ssc.status();
    (ssc, status)
}

/// T-269: a batch is in the list of those that wait, of those that run, or of those that are over; its records count as
/// received when it is formed, and as processed when it has ended.
#[test]
fn records_are_received_before_they_are_processed() {
    let (ssc, clock) = manual_context("on its way", SECOND).unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    ssc.queue_stream(vec![vec![1, 2], vec![3]]).foreach_rdd(move |rdd, _| {
        rdd.count()?;
        Ok(lock(&wait).recv()?)
    });
    ssc.start().unwrap();
    let shown = || {
        let status = ssc.status();
        let lists = [&status.waiting.len(), &status.running.len(), &status.completed.len()].map(|len| *len);
        (lists, status.received_records, status.processed_records, status.completed_batches)
    };
    for (lists, received) in [([0, 1, 0], 2), ([1, 1, 0], 3)] {
        clock.tick_without_waiting();
        common::eventually("the batch is not formed", || shown() == (lists, received, 0, 0));
    }
    go.send(()).unwrap();
    common::eventually("the batch does not end", || shown() == ([0, 1, 1], 3, 2, 1));
    go.send(()).unwrap();
    common::eventually("the batch does not end", || shown() == ([0, 0, 2], 3, 3, 2));
    ssc.stop(Stop::Now).unwrap();
}

/// T-269: every event changes lists and totals.
#[test]
fn the_status_has_batches_jobs_stages_and_operators() {
    let (ssc, status) = counting(StreamingContext::builder("status").threads(2), 3);
    assert_eq!((status.completed_batches, status.failed_batches), (3, 0));
    assert_eq!((status.received_records, status.processed_records), (18, 18));
    assert_eq!(status.inputs[0].name, "words");
    assert_eq!((status.inputs[0].records, status.inputs[0].records_per_second), (18, 6.0));
    let newest = &status.completed[0];
    assert_eq!((newest.info.time(), newest.info.origin), (BatchTime::from_millis(3000), BatchOrigin::Ticked));
    assert_eq!((newest.info.outputs.len(), newest.total_outputs), (1, 1));
    let jobs: Vec<_> = newest.jobs_of(newest.info.outputs[0].id).collect();
    // `take` asks the first partition, then the others.
    assert_eq!(jobs.len(), 2);
    assert!(jobs[0].info.ended_micros.is_some() && jobs[0].info.failure.is_none());
    let stages: Vec<_> = jobs[0].stages.iter().map(|stage| &*stage.info.operator).collect();
    assert_eq!(stages, ["reduce_by_key", "update_state_by_key", "show"]);
    assert!(jobs[0].stages.iter().all(|stage| stage.info.ended_micros.is_some() && stage.finished_tasks > 0));
    assert_eq!(jobs[0].stages[1].info.after, [jobs[0].stages[0].info.id]);
    assert_eq!((status.states[0].name.as_str(), status.states[0].keys), ("totals", 4));
    assert!(status.states[0].bytes > 100);
    assert!(status.health.keeps_up, "{:?}", status.health);
    let names: Vec<_> = status.graph.streams.iter().map(|stream| &*stream.operator).collect();
    assert_eq!(names, ["queue_stream", "map", "reduce_by_key", "update_state_by_key"]);
    assert_eq!(status.graph.outputs[0].name, "show totals");
    assert!(status.settings.iter().any(|(name, value)| name == "threads" && value == "2"));
    ssc.stop(Stop::Now).unwrap();
    assert!(ssc.status().stopped);
}

/// What is shown is a table, and a chart where it has numbers.
#[test]
fn shown_streams_are_tables_and_charts() {
    let (ssc, status) = counting(StreamingContext::builder("shown"), 2);
    let shown = &status.results[0];
    assert_eq!((&*shown.name, shown.time, shown.more), ("totals", Some(BatchTime::from_millis(2000)), false));
    let mut rows = shown.rows.clone();
    rows.sort();
    let expected = [["be", "4"], ["not", "2"], ["or", "2"], ["to", "4"]];
    assert_eq!(rows, expected.map(|row| row.map(str::to_owned).to_vec()));
    assert_eq!(shown.history.len(), 2);
    assert_eq!(shown.history[1].values[0].1, 4.0);
    ssc.stop(Stop::Now).unwrap();
}

/// A batch of which one output fails is shown nowhere.
#[test]
fn results_of_a_failed_batch_are_not_shown() {
    let (ssc, clock) = manual_context("failed", SECOND).unwrap();
    let input = ssc.queue_stream(vec![vec![1], vec![2]]);
    input.show("numbers");
    input.foreach_rdd(|_, time| if time.as_millis() == 2000 { Err("no".into()) } else { Ok(()) });
    ssc.start().unwrap();
    clock.advance_batches(2);
    let status = ssc.status();
    assert_eq!(status.results[0].rows, [["1".to_owned()]]);
    assert_eq!((status.failed_batches, status.skipped_records), (1, 1));
    assert!(status.completed[0].first_failure().unwrap().contains("no"));
    assert!(status.notices[0].text.contains("no"), "{:?}", status.notices);
    ssc.stop(Stop::Now).unwrap();
}

/// T-270: lists are bounded while totals go on. T-272: nothing is left of batches that are over, after twice the limit.
#[test]
fn lists_are_bounded_while_totals_go_on() {
    let (ssc, status) = counting(StreamingContext::builder("bounded").retained_batches(5), 12);
    assert_eq!((status.completed.len(), status.completed_batches), (5, 12));
    assert_eq!(status.completed[0].info.time(), BatchTime::from_millis(12_000));
    assert_eq!((status.waiting.len(), status.running.len()), (0, 0));
    ssc.stop(Stop::Now).unwrap();
}

/// Whoever looks while batches come and go sees all of one moment: counts, lists and shares agree.
#[test]
fn counts_and_lists_are_of_one_moment() {
    let builder = StreamingContext::builder("moment").batch_interval(SECOND).retained_batches(7);
    let (ssc, clock) = manual(builder).unwrap();
    let numbers = ssc.queue_stream((0..300).map(|n| vec![n; 1 + n % 3]));
    numbers.count().show("how many");
    numbers.foreach_rdd(
        |_, time| {
            if time.as_millis() % 10_000 == 0 { Err("each tenth fails".into()) } else { Ok(()) }
        },
    );
    ssc.start().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let looker = {
        let (ssc, over) = (ssc.clone(), over.clone());
        spawn("looker", move || {
            let mut last = 0;
            while !over.load(Ordering::SeqCst) {
                let status = ssc.status();
                of_one_moment(&status);
                assert!(status.completed_batches >= last, "time goes back");
                last = status.completed_batches;
            }
        })
    };
    clock.advance_batches(300);
    over.store(true, Ordering::SeqCst);
    looker.join().unwrap();
    let status = ssc.status();
    of_one_moment(&status);
    assert_eq!((status.completed_batches, status.failed_batches), (300, 30));
    ssc.stop(Stop::Now).unwrap();
}

fn of_one_moment(status: &Status) {
    assert_eq!(
        (status.waiting_batches, status.running_batches),
        (status.waiting.len(), status.running.len())
    );
    assert_eq!(status.completed.len() as u64, status.completed_batches.min(7));
    assert_eq!(status.total_delays.count(), status.completed_batches);
    let newest = status.completed.first().map(|batch| &batch.info);
    assert_eq!(newest, status.last_completed.as_ref());
    let on_way = status.waiting.iter().chain(&status.running);
    let on_way: u64 = on_way.map(|batch| batch.info.records()).sum();
    assert_eq!(status.received_records, status.processed_records + status.skipped_records + on_way);
    assert_eq!(status.received_records, status.inputs[0].records);
    let memory = &status.memory;
    assert_eq!(status.memory_used, memory.received + memory.shuffled + memory.cached + memory.state);
}

/// A text that is kept has a limit, whatever the program writes into its errors.
#[test]
fn texts_are_bounded() {
    let (ssc, clock) = manual(StreamingContext::builder("texts").batch_interval(SECOND)).unwrap();
    let input = ssc.queue_stream(vec![vec![1]]);
    input.foreach_rdd(|rdd, _| {
        let endless = "é".repeat(1_000_000);
        rdd.map(move |n: i32| if n == 1 { panic!("{endless}") } else { n }).collect()?;
        Ok(())
    });
    ssc.start().unwrap();
    clock.advance_batches(1);
    ssc.engine().tell(Event::Warning { text: "w".repeat(1_000_000) });
    let status = ssc.status();
    assert!(status.completed[0].first_failure().unwrap().ends_with("é…"));
    let bytes = serde_json::to_string(&status).unwrap().len();
    assert!(bytes < 50_000, "{bytes}");
    ssc.stop(Stop::Now).unwrap();
}

/// A stage that fails shows how often its tasks were tried, and why.
#[test]
fn a_failing_stage_is_named() {
    let (ssc, clock) =
        manual(StreamingContext::builder("failing").batch_interval(SECOND).task_attempts(2)).unwrap();
    let input = ssc.queue_stream(vec![vec![1, 1]]);
    let broken = input.map(|n: i32| if n == 1 { panic!("one is too many") } else { n });
    broken.foreach_rdd(|rdd, _| rdd.collect().map(drop).map_err(Into::into));
    ssc.start().unwrap();
    clock.advance_batches(1);
    let status = ssc.status();
    let job = &status.completed[0].jobs[0];
    assert!(job.info.failure.as_ref().unwrap().contains("one is too many"));
    assert!(job.stages[0].failure.as_ref().unwrap().contains("one is too many"));
    assert_eq!((job.stages[0].finished_tasks, job.stages[0].info.ended_micros), (0, None));
    ssc.stop(Stop::Now).unwrap();
}

/// The status of a whole run is plain data.
#[test]
fn the_status_can_be_written_and_read() {
    let (ssc, status) = counting(StreamingContext::builder("plain"), 2);
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    ssc.stop(Stop::Now).unwrap();
}

/// Batches that another process left are what they are: run again with the records that were logged, or formed for
/// time in which nothing ran.
#[test]
fn batches_of_a_recovery_are_told_truthfully() {
    let dir = tempfile::tempdir().unwrap();
    let run = |start: i64, fails: bool, batches: u32| {
        let (ssc, clock) = testing::get_or_create(dir.path(), BatchTime::from_millis(start), |builder| {
            let ssc = builder.batch_interval(SECOND).build()?;
            let input = ssc.queue_stream(vec![vec![1, 2], vec![3], vec![4]]).named("numbers");
            input.foreach_rdd(move |_, _| if fails { Err("down".into()) } else { Ok(()) });
            Ok(ssc)
        })
        .unwrap();
        ssc.start().unwrap();
        if fails {
            clock.advance(SECOND);
            assert!(ssc.await_termination_for(Duration::from_secs(20)).is_err());
        } else {
            clock.advance_batches(batches);
        }
        let status = ssc.status();
        // Without an order: the log must be enough.
        let _ = ssc.stop(Stop::Now);
        status
    };
    run(0, true, 1);
    let status = run(3000, false, 1);
    let told = status
        .completed
        .iter()
        .rev()
        .map(|batch| (batch.info.time().as_millis(), batch.info.origin, batch.info.records()));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (1000, BatchOrigin::Redone, 2),
            (2000, BatchOrigin::CaughtUp, 1),
            (3000, BatchOrigin::CaughtUp, 1),
            (4000, BatchOrigin::Ticked, 0)
        ]
    );
    let recovery = status.checkpoint.unwrap().recovery.unwrap();
    assert_eq!((recovery.redone, recovery.missed, recovery.starts), (1, 2, 2));
}

/// T-274: an input is called after its kind. T-275: what a simple operation does has that one's name and place.
/// T-276: all of a composite operation has one name and place, that of its call.
#[test]
fn work_is_known_by_the_operation_that_it_is_for() {
    let (ssc, clock) = manual_context("scopes", SECOND).unwrap();
    let words = ssc.queue_stream(vec![vec![1u32, 2, 3], vec![4]]);
    words.filter(|n| *n > 0).count_by_value_and_window(SECOND * 2, SECOND).register();
    ssc.start().unwrap();
    clock.advance_batches(2);
    let status = ssc.status();
    ssc.stop(Stop::Now).unwrap();
    let streams = &status.graph.streams;
    assert_eq!((&*streams[0].operator, &*status.inputs[0].name), ("queue_stream", "queue_stream-0"));
    let named: Vec<_> = streams.iter().map(|stream| &*stream.operator).collect();
    assert_eq!(named[..2], ["queue_stream", "filter"]);
    // However many streams there are inside, the program called one operation.
    let composite = &streams[2..];
    assert!(composite.len() > 1, "{named:?}");
    for inner in composite {
        assert_eq!((&*inner.operator, &inner.site), ("count_by_value_and_window", &composite[0].site));
    }
    let here = file!();
    for batch in &status.completed {
        let stages: Vec<_> = batch.jobs.iter().flat_map(|job| &job.stages).map(|stage| &stage.info).collect();
        assert!(!stages.is_empty());
        for (operator, site) in stages
            .iter()
            .map(|stage| (&stage.operator, &stage.site))
            .chain(stages.iter().flat_map(|stage| &stage.operators).map(|of| (&of.operator, &of.site)))
        {
            let known = streams.iter().any(|stream| stream.operator == **operator && stream.site == *site);
            assert!(known || operator == "register" || !site.file.ends_with(here), "{operator} at {site}");
        }
    }
}

/// T-276: each operation that is made of others is one, whichever streams it has inside.
#[test]
fn a_composite_operation_is_one() {
    let (ssc, _clock) = manual_context("composites", SECOND).unwrap();
    let numbers = ssc.queue_stream(vec![vec![1u64]]);
    let pairs = numbers.map(|n| (n % 2, n));
    let add = |a: u64, b: u64| a + b;
    let (two, one) = (SECOND * 2, SECOND);
    numbers.count_by_window(two, one).register();
    numbers.reduce_by_window(add, two, one).register();
    numbers.count().register();
    numbers.count_by_value().register();
    pairs.reduce_by_key_and_window(add, two, one).register();
    pairs.group_by_key_and_window(two, one).register();
    pairs.join(&pairs.map_values(|n| n + 1)).register();
    ssc.start().unwrap();
    let streams = ssc.status().graph.streams.clone();
    ssc.stop(Stop::Now).unwrap();
    let mut called = std::collections::BTreeMap::<_, Vec<_>>::new();
    for stream in &streams {
        called.entry(stream.site.clone()).or_default().push(&*stream.operator);
    }
    let mut operators = Vec::new();
    for (site, inside) in called {
        assert!(site.file.ends_with("status.rs"), "{site}");
        operators.push(inside[0]);
        assert!(inside.iter().all(|operator| *operator == inside[0]), "{inside:?} at {site}");
    }
    let expected = [
        "queue_stream",
        "map",
        "count_by_window",
        "reduce_by_window",
        "count",
        "count_by_value",
        "reduce_by_key_and_window",
        "group_by_key_and_window",
        "join",
        "map_values",
    ];
    assert_eq!(operators, expected);
}

/// T-273: what no stream asked for belongs to none, and to no batch, also while batches run.
#[test]
fn work_that_no_stream_asked_for_belongs_to_none() {
    let (ssc, clock) = manual_context("outside", SECOND).unwrap();
    let heard = ear(&ssc);
    ssc.queue_stream(vec![vec![1], vec![2]]).register();
    ssc.start().unwrap();
    clock.advance_batches(1);
    let sum = ssc.engine().parallelize(vec![1, 2, 3], 2).map(|n| n * 2).sum().unwrap();
    clock.advance_batches(1);
    let status = ssc.status();
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(sum, 12);
    let heard = lock(&heard);
    let outside: Vec<_> = heard
        .iter()
        .filter_map(|event| match event {
            Event::JobCompleted(job) if job.owner.is_none() => Some(job),
            _ => None,
        })
        .collect();
    assert_eq!(outside.iter().map(|job| &*job.call).collect::<Vec<_>>(), ["sum"]);
    assert!(outside[0].failure.is_none() && outside[0].site.file.ends_with("status.rs"));
    let own: Vec<_> = heard
        .iter()
        .filter_map(|event| match event {
            Event::StageCompleted(stage) if stage.job == outside[0].id => Some(&*stage.operator),
            _ => None,
        })
        .collect();
    assert_eq!(own, ["sum"]);
    // Neither the graph nor a batch has it, nor do the times of operators.
    let mut of_batches = status.completed.iter().flat_map(|batch| &batch.jobs);
    assert!(of_batches.all(|job| job.info.id != outside[0].id && &*job.info.call != "sum"));
    let of_streams = |operator: &str| status.graph.streams.iter().any(|stream| stream.operator == operator);
    assert!(!of_streams("map") && status.operators.iter().all(|of| &*of.operator != "map"));
}

/// T-277, T-278: actions inside of `transform` and `foreach_rdd` are jobs of the batch, and of the output that asked.
#[test]
fn jobs_of_closures_belong_to_their_batch() {
    let (ssc, clock) = manual_context("nested", SECOND).unwrap();
    let numbers = ssc.queue_stream(vec![vec![1, 2, 3]]);
    let shifted = numbers.transform(|rdd, _| {
        let most = rdd.max()?;
        Ok(rdd.map(move |n| n + most))
    });
    shifted.foreach_rdd(|rdd, _| {
        assert_eq!(rdd.map(|n| n * 2).sum()?, 30);
        Ok(())
    });
    ssc.start().unwrap();
    clock.advance_batches(1);
    let status = ssc.status();
    ssc.stop(Stop::Now).unwrap();
    let jobs: Vec<_> = status.completed[0].jobs.iter().map(|job| &job.info).collect();
    let told: Vec<_> =
        jobs.iter().map(|job| (&*job.call, job.owner.unwrap().output.map(|output| output.0))).collect();
    assert_eq!(told, [("max", None), ("sum", Some(0))]);
    assert!(jobs.iter().all(|job| job.site.file.ends_with("status.rs")), "{jobs:?}");
}
