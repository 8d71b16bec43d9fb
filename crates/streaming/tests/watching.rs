//! Goal: whoever watches a context sees it begin, work and end, each in its time, and can't harm it.
//! Method: a watcher that notes what it is told, under virtual time.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::sync::{Arc, Mutex};

use common::SECOND;
use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Error, Event, Listener, Result, Status, Watched, Watcher};
use waterclock_streaming::testing::{manual, manual_context};
use waterclock_streaming::{Stop, StreamingContext};

/// Notes what it is told.
#[derive(Clone, Default)]
struct Notes {
    said: Arc<Mutex<Vec<&'static str>>>,
    watched: Arc<Mutex<Option<Arc<dyn Watched>>>>,
}

impl Notes {
    fn note(&self, what: &'static str) {
        lock(&self.said).push(what);
    }

    fn said(&self) -> Vec<&'static str> {
        lock(&self.said).clone()
    }

    fn status(&self) -> Status {
        lock(&self.watched).as_ref().unwrap().status()
    }
}

impl Watcher for Notes {
    fn prepare(&self) -> Result<()> {
        self.note("prepare");
        Ok(())
    }

    fn begin(&self, watched: Arc<dyn Watched>) {
        *lock(&self.watched) = Some(watched);
        self.note("begin");
    }

    fn hear(&self, event: &Event) {
        match event {
            Event::OutputOperationStarted(_) => self.note("output begins"),
            Event::OutputOperationCompleted(_) => self.note("output ends"),
            Event::JobStarted(_) => self.note("job begins"),
            Event::JobCompleted(_) => self.note("job ends"),
            _ => {}
        }
    }

    fn end(&self) {
        self.note("end");
    }
}

/// T-137: what measures a context is there from its start to its stop, once. T-138: so are the totals, and what a page
/// sees of them: what is told before and after changes nothing.
#[test]
fn a_context_is_watched_from_its_start_to_its_stop() {
    let notes = Notes::default();
    let builder = StreamingContext::builder("watched").batch_interval(SECOND).watch(notes.clone());
    let (ssc, clock) = manual(builder).unwrap();
    assert_eq!(notes.said(), ["prepare"]);
    assert_eq!((ssc.status().started_micros, ssc.status().graph.streams.len()), (None, 0));
    ssc.queue_stream(vec![vec![1, 2], vec![3]]).register();
    ssc.start().unwrap();
    assert_eq!(notes.said(), ["prepare", "begin"]);
    clock.advance_batches(2);
    let status = notes.status();
    assert_eq!((status.completed_batches, status.received_records, status.stopped), (2, 3, false));
    assert_eq!(status.graph.streams.len(), 1);

    ssc.stop(Stop::Now).unwrap();
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(notes.said().iter().filter(|what| **what == "end").count(), 1);
    let last = notes.status();
    assert!(last.stopped);
    assert_eq!((last.completed_batches, last.waiting_batches, last.running_batches), (2, 0, 0));
    clock.advance(SECOND * 5);
    assert_eq!(notes.status().completed_batches, 2);
}

/// T-138: a start that fails is not watched; the next one is, and a context that never starts is let go of.
#[test]
fn what_never_ran_is_not_watched() {
    let notes = Notes::default();
    let builder = StreamingContext::builder("nothing").batch_interval(SECOND).watch(notes.clone());
    let (ssc, clock) = manual(builder).unwrap();
    // It has no output.
    assert!(matches!(ssc.start(), Err(Error::Start { .. })));
    assert_eq!(notes.said(), ["prepare"]);
    ssc.queue_stream(vec![vec![1]]).register();
    ssc.start().unwrap();
    drop((ssc, clock));
    assert_eq!(notes.said(), ["prepare", "begin", "end"]);

    let unused = Notes::default();
    drop(manual(StreamingContext::builder("unused").watch(unused.clone())).unwrap());
    assert_eq!(unused.said(), ["prepare", "end"]);
}

/// Events come on the thread on which they happen, before that goes on: the program's own code runs between them.
#[test]
fn a_watcher_hears_at_once() {
    let notes = Notes::default();
    let builder = StreamingContext::builder("heard").batch_interval(SECOND).watch(notes.clone());
    let (ssc, clock) = manual(builder).unwrap();
    let own = notes.clone();
    ssc.queue_stream(vec![vec![1, 2]]).foreach_rdd(move |rdd, _| {
        own.note("own code");
        rdd.count()?;
        own.note("own code");
        Ok(())
    });
    ssc.start().unwrap();
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    let expected = ["output begins", "own code", "job begins", "job ends", "own code", "output ends"];
    assert_eq!(notes.said()[2..8], expected);
}

/// One that panics harms nobody.
struct Broken;

impl Watcher for Broken {
    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    fn begin(&self, _: Arc<dyn Watched>) {}

    fn hear(&self, _: &Event) {
        panic!("a watcher is broken");
    }

    fn end(&self) {}
}

#[test]
fn a_watcher_that_panics_harms_nobody() {
    let builder = StreamingContext::builder("broken").batch_interval(SECOND).watch(Broken);
    let (ssc, clock) = manual(builder).unwrap();
    let sums = ssc.queue_stream(vec![vec![1, 2], vec![3]]).reduce(|a, b| a + b).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    let at = |seconds: i64| sums.at(BatchTime::from_millis(seconds * 1000));
    assert_eq!((at(1), at(2)), (Some(vec![3]), Some(vec![3])));
    assert_eq!(ssc.status().failed_batches, 0);
}

/// T-138: a listener is told from when it is added to when it is removed, or to the stop.
#[test]
fn a_listener_is_told_while_it_is_registered() {
    struct Times(Arc<Mutex<Vec<i64>>>);
    impl Listener for Times {
        fn on_event(&self, event: &Event) {
            if let Event::BatchCompleted(batch) = event {
                lock(&self.0).push(batch.time().as_millis());
            }
        }
    }
    let (ssc, clock) = manual_context("registered", SECOND).unwrap();
    let [first, second] = [Arc::default(), Arc::default()];
    let number = ssc.add_listener(Times(Arc::clone(&first)));
    ssc.add_listener(Times(Arc::clone(&second)));
    ssc.queue_stream(vec![vec![1]]).register();
    ssc.start().unwrap();
    clock.advance_batches(1);
    common::eventually("the first batch is told", || lock(&first).len() == 1);
    ssc.remove_listener(number);
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    clock.advance(SECOND * 3);
    assert_eq!((&*lock(&first), &*lock(&second)), (&vec![1000], &vec![1000, 2000]));
}
