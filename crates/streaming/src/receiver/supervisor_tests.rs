//! A receiver's life, in virtual time: what it stores is in the next batch, what fails is shown and started
//! again, what is told to stop stops. Method: closures as receivers under a manual clock.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::world::{Clock, ManualClock, Signal, SystemClock, lock, spawn};
use waterclock_base::{BatchTime, BoxError, Event, Record, Settings, StreamId};

use super::{Receiver, ReceiverControl, ReceiverHandle, ReceiverSetup, ReceiverSupervisor};
use crate::block::ReceivedBytes;

/// A clock, and what listeners heard.
pub(super) struct Rig {
    pub(super) clock: Arc<ManualClock>,
    pub(super) setup: ReceiverSetup,
    heard: Arc<Mutex<Vec<Event>>>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with_budget(1 << 30)
    }

    fn with_budget(limit: u64) -> Self {
        let clock = ManualClock::new();
        let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
        let sink = heard.clone();
        let setup = ReceiverSetup {
            settings: Settings::default(),
            clock: clock.clone(),
            bytes: ReceivedBytes::new(limit, clock.clone()),
            events: Arc::new(move |event| lock(&sink).push(event)),
        };
        Rig { clock, setup, heard }
    }

    pub(super) fn start<T: Record>(&self, receiver: impl Receiver<T>) -> Arc<ReceiverSupervisor<T>> {
        let input = ReceiverSupervisor::new(StreamId(3), receiver, &self.setup).unwrap();
        input.start().unwrap();
        input
    }

    /// The events in short: `+` started, `!` error, `-` stopped, other events left out.
    fn story(&self) -> String {
        let short = |event: &Event| match event {
            Event::ReceiverStarted(_) => Some('+'),
            Event::ReceiverError(_) => Some('!'),
            Event::ReceiverStopped(_) => Some('-'),
            _ => None,
        };
        lock(&self.heard).iter().filter_map(short).collect()
    }

    pub(super) fn heard(&self, text: &str) -> bool {
        lock(&self.heard).iter().any(|event| format!("{event:?}").contains(text))
    }

    /// Waits until exactly this has happened.
    pub(super) fn until_story(&self, story: &str) {
        eventually(|| self.story() == story, || format!("{} instead of {story}", self.story()));
    }
}

pub(super) fn at(ms: i64) -> BatchTime {
    BatchTime::from_millis(ms)
}

/// Waits in real time for another thread to come so far.
pub(super) fn eventually(done: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let (clock, signal) = (SystemClock::new(), Signal::new());
    let deadline = clock.now_micros() + 20_000_000;
    while !done() {
        assert!(clock.now_micros() < deadline, "{}", otherwise());
        clock.wait(Some(clock.now_micros() + 1000), &signal);
    }
}

/// All records of a batch.
pub(super) fn records<T: Record>(input: &ReceiverSupervisor<T>, time: i64) -> Vec<T> {
    let blocks = input.blocks_at(at(time)).unwrap();
    blocks.iter().flat_map(|block| block.records().unwrap().to_vec()).collect()
}

pub(super) fn until_received<T: Record>(input: &ReceiverSupervisor<T>, count: u64) {
    let received = || input.counts().records;
    eventually(|| received() >= count, || format!("{} of {count} records came", received()));
}

type Run = Result<(), BoxError>;

/// T-162, T-171: start, every way to store, report, restart after the pause, stop.
#[test]
fn a_receiver_lives_as_it_should() {
    let rig = Rig::new();
    let input = rig.start(|out: ReceiverHandle<u64>| -> Run {
        assert!(out.is_started() && !out.is_stopped());
        assert_eq!(out.stream_id(), StreamId(3));
        if out.attempt() == 1 {
            out.store(1)?;
            out.store_many(vec![2, 3])?;
            out.store_iter((4..6).filter(|n| *n > 0))?;
            let mut bytes = Vec::new();
            waterclock_base::encode(&6u64, &mut bytes)?;
            out.store_encoded(&bytes)?;
            out.store_many_noted(vec![7], "offset 7")?;
            out.store_all(vec![8, 9])?;
            out.report_error("odd", "something odd");
            out.restart_after(Duration::from_millis(100), "once more", "a reason");
            assert!(out.is_stopped() && !out.is_started());
        }
        out.until_stopped();
        Ok(())
    });
    rig.until_story("+!!");
    let info = input.info();
    assert_eq!((info.name.as_str(), info.active), ("Receiver-3", false));
    assert_eq!(info.last_error, "receiver Receiver-3: once more: a reason");
    rig.clock.advance(Duration::from_millis(99));
    assert_eq!(input.counts().runs, 1);
    rig.clock.advance(Duration::from_millis(1));
    rig.until_story("+!!+");
    assert!(input.info().active);

    assert!(input.stop(true) && input.stop(true) && input.stop(false));
    rig.until_story("+!!+-");
    let info = input.seal_and_allocate(at(1000));
    assert_eq!((info.records, info.description.as_str()), (9, "offset 7"));
    assert_eq!(records(&input, 1000), (1..10).collect::<Vec<_>>());
    assert!(input.start().is_err());
}

/// T-093: ten threads with a thousand records each lose none.
#[test]
fn many_threads_lose_nothing() {
    let rig = Rig::new();
    let input = rig.start(|out: ReceiverHandle<u64>| -> Run {
        let threads: Vec<_> = (0..10)
            .map(|thread| {
                let out = out.clone();
                spawn("sender", move || (0..1000).try_for_each(|n| out.store(thread * 1000 + n)))
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    });
    let mut seen = Vec::new();
    let mut time = 0;
    while seen.len() < 10_000 {
        time += 1;
        input.seal_and_allocate(at(time));
        seen.extend(records(&input, time));
        input.forget(at(time + 1));
    }
    // Each thread's records are in the order in which it stored them.
    for thread in 0..10 {
        let of_thread = seen.iter().filter(|n| *n / 1000 == thread).copied();
        assert!(of_thread.eq(thread * 1000..(thread + 1) * 1000));
    }
    // A receiver that came to its end is not started again.
    rig.until_story("+-");
    assert!(input.stop(true));
    assert_eq!(input.counts().runs, 1);
}

/// T-250: a receiver that stopped itself is started again while the context runs.
#[test]
fn a_receiver_that_stopped_itself_is_started_again() {
    let rig = Rig::new();
    let input = rig.start(|out: ReceiverHandle<u64>| -> Run {
        out.stop("had enough");
        out.restart("too late: the first request counts");
        Ok(())
    });
    rig.until_story("+-");
    assert!(input.info().last_error.contains("had enough"));
    rig.clock.advance(Duration::from_secs(2));
    rig.until_story("+-+-");
    assert!(input.stop(true));
    assert_eq!(rig.story(), "+-+-");
}

/// What panics once more when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the bomb went off");
    }
}

/// Such a panic ended the receiver's thread, and nothing started it again.
#[test]
fn a_panic_that_panics_when_it_is_dropped_is_a_failure_as_any_other() {
    let rig = Rig::new();
    let input = rig.start(|out: ReceiverHandle<u64>| -> Run {
        match out.attempt() {
            1 => std::panic::panic_any(Bomb),
            _ => Ok(out.store(1)?),
        }
    });
    rig.until_story("+!");
    rig.clock.advance(Duration::from_secs(2));
    until_received(&input, 1);
    assert!(input.stop(true));
}

/// T-172, T-192: errors and panics of a receiver reach the events; the pause grows, and shrinks after a success.
#[test]
fn failures_are_shown_and_started_again_with_growing_pauses() {
    let rig = Rig::new();
    let input = rig.start(|out: ReceiverHandle<u64>| -> Run {
        match out.attempt() {
            1 => Err("no such queue".into()),
            2 => panic!("bug in a receiver"),
            3 => {
                out.store(1)?;
                Err("after a success".into())
            }
            _ => Err("again".into()),
        }
    });
    for (pause, told) in
        [(2, "no such queue"), (4, "it panicked: bug in a receiver"), (2, "success"), (4, "again")]
    {
        let failures = input.counts().runs.max(1) as usize;
        rig.until_story(&"+!".repeat(failures));
        assert!(input.info().last_error.contains(told), "{}", input.info().last_error);
        rig.clock.advance(Duration::from_secs(pause) - Duration::from_millis(1));
        assert_eq!(input.counts().runs as usize, failures);
        rig.clock.advance(Duration::from_millis(1));
        eventually(|| input.counts().runs as usize > failures, || "no restart".into());
    }
    // A stop ends a pause at once.
    rig.until_story(&"+!".repeat(5));
    assert!(input.stop(true));
    assert_eq!(rig.story(), "+!+!+!+!+!-");
}

/// T-239, T-249: a published rate reaches the receiver, however it stores; stopping twice is fine.
#[test]
fn rates_reach_the_receiver() {
    let mut rig = Rig::new();
    rig.setup.settings.receiver_max_rate = Some(1000.0);
    let input = rig.start(|out: ReceiverHandle<u64>| -> Run {
        loop {
            out.store(1)?;
            out.store_many(vec![2, 3, 4])?;
        }
    });
    input.set_rate(100.0);
    let mut ended = 0;
    // Each step lets the receiver go on until it is in debt again.
    for step in 1..=100 {
        rig.clock.advance(Duration::from_millis(100));
        let due = step * 10;
        eventually(|| input.counts().records >= due, || format!("{} of {due}", input.counts().records));
        ended = input.counts().records;
    }
    assert!((1000..=1050).contains(&ended), "{ended} records in ten seconds");
    assert!(input.counts().limited_micros > 9_000_000);
    // The wait for the rate does not outlive a stop.
    assert!(input.stop(true) && input.stop(true));
    let stored = input.counts().records;
    assert_eq!(input.seal_and_allocate(at(1)).records, stored);
}

/// A receiver may put down what it holds when it is told to stop, and everything that was stored is in the
/// next batch; after the end its handles refuse.
#[test]
fn a_graceful_stop_loses_nothing_that_was_stored() {
    let rig = Rig::new();
    let kept: Arc<Mutex<Option<ReceiverHandle<u64>>>> = Arc::default();
    let handle = kept.clone();
    let input = rig.start(move |out: ReceiverHandle<u64>| -> Run {
        *lock(&handle) = Some(out.clone());
        out.store(1)?;
        out.until_stopped();
        out.store_many(vec![2, 3])?;
        // One that never looks at `is_stopped` ends, too.
        loop {
            out.store(4)?;
        }
    });
    until_received(&input, 1);
    assert!(input.stop(true));
    let stored = input.counts().records;
    assert!((4..100).contains(&stored), "{stored}");
    assert_eq!(input.seal_and_allocate(at(1000)).records, stored);
    assert_eq!(records(&input, 1000)[..3], [1, 2, 3]);
    let error = lock(&kept).as_ref().unwrap().store(5).unwrap_err();
    assert!(error.to_string().contains("Receiver-3") && error.to_string().contains("stopped"), "{error}");
    // Errors that only say that it is stopped are not shown.
    assert_eq!(rig.story(), "+-");
}

/// A hasty stop takes nothing more; a receiver that does not stop is left behind with a warning.
#[test]
fn a_receiver_that_does_not_stop_is_left_behind() {
    let rig = Rig::new();
    let release = Arc::new(AtomicBool::new(false));
    let released = release.clone();
    let input = rig.start(move |out: ReceiverHandle<u64>| -> Run {
        out.store(1)?;
        while !released.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        Ok(out.store(2)?)
    });
    until_received(&input, 1);
    let stopping = {
        let input = input.clone();
        spawn("stop", move || input.stop(false))
    };
    while !stopping.is_finished() {
        rig.clock.advance(Duration::from_millis(100));
        std::thread::yield_now();
    }
    assert!(!stopping.join().unwrap());
    assert!(rig.heard("did not stop within 2s"));
    release.store(true, Ordering::SeqCst);
    rig.until_story("+-");
    assert_eq!(input.seal_and_allocate(at(1000)).records, 1);
}

/// `on_stop` unblocks a run, and is called once for each.
#[test]
fn on_stop_unblocks_a_run() {
    struct Blocked {
        signal: Arc<Signal>,
        stops: Arc<AtomicU32>,
    }
    impl Receiver<u64> for Blocked {
        fn run(&self, out: ReceiverHandle<u64>) -> Run {
            out.store(1)?;
            SystemClock::new().wait(None, &self.signal);
            Ok(())
        }
        fn on_stop(&self) {
            self.stops.fetch_add(1, Ordering::SeqCst);
            self.signal.raise();
        }
    }
    let rig = Rig::new();
    let stops: Arc<AtomicU32> = Arc::default();
    let input = rig.start(Blocked { signal: Signal::new(), stops: stops.clone() });
    assert_eq!(input.info().name, "Blocked-3");
    until_received(&input, 1);
    assert!(input.stop(true));
    assert_eq!(stops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_receiver_held_back_by_memory_can_be_stopped() {
    let rig = Rig::with_budget(80);
    let input = rig.start(|out: ReceiverHandle<u64>| -> Run {
        loop {
            out.store(1)?;
        }
    });
    until_received(&input, 10);
    assert_eq!(rig.setup.bytes.used(), 80);
    assert!(input.stop(true));
}

#[test]
fn a_receiver_that_was_never_started_can_be_stopped() {
    let rig = Rig::new();
    let run = |_out: ReceiverHandle<u64>| -> Run { Ok(()) };
    let input = ReceiverSupervisor::new(StreamId(0), run, &rig.setup).unwrap();
    assert_eq!(input.seal_and_allocate(at(1)).records, 0);
    assert!(input.stop(true));
    assert!(input.start().is_err());
    let input = rig.start(run);
    assert!(input.start().unwrap_err().to_string().contains("start"));
    assert!(input.stop(true));
}
