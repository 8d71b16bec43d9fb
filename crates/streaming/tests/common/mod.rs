//! What the tests of sources share: waiting for other threads, a peer, files with a time, an ear.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]
#![allow(dead_code, reason = "each test uses some of it")]

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use waterclock_base::world::{Clock, Signal, SystemClock, lock};
use waterclock_base::{BatchTime, BoxError, Event, Result};
use waterclock_streaming::testing::get_or_create;
use waterclock_streaming::{Builder, Stop, StreamingContext};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Runs so many batches from a time on, then ends at once.
pub(crate) fn run(
    dir: &Path,
    now: i64,
    batches: u32,
    create: impl FnOnce(Builder) -> Result<StreamingContext, BoxError>,
) -> Result<()> {
    let (ssc, clock) = get_or_create(dir, BatchTime::from_millis(now), create)?;
    ssc.start()?;
    clock.advance(Duration::ZERO);
    clock.advance_batches(batches);
    ssc.stop(Stop::Now)
}

/// Waits in real time for other threads to come so far.
#[track_caller]
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    let deadline = clock.now_micros() + 20_000_000;
    while !done() {
        assert!(clock.now_micros() < deadline, "{what}");
        pause(1);
    }
}

/// Waits so many milliseconds of real time.
pub(crate) fn pause(millis: i64) {
    let clock = SystemClock::new();
    clock.wait(Some(clock.now_micros() + millis * 1000), &Signal::new());
}

/// A listening peer, and its address.
#[expect(clippy::disallowed_methods, reason = "the test is the peer")]
pub(crate) fn listen(address: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().unwrap().0
}

/// Writes a file, gives it the time in milliseconds, and moves it into `dir`.
#[expect(clippy::disallowed_methods, reason = "the test is the world")]
pub(crate) fn put(dir: &Path, name: &str, content: impl AsRef<[u8]>, modified: u64) -> PathBuf {
    let (hidden, path) = (dir.join(".being-written"), dir.join(name));
    std::fs::write(&hidden, content).unwrap();
    touch(&hidden, modified);
    std::fs::rename(hidden, &path).unwrap();
    path
}

/// Gives a file or directory a time.
#[expect(clippy::disallowed_methods, reason = "the test is the world")]
pub(crate) fn touch(path: &Path, modified: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(modified);
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// Hears all events of a context.
pub(crate) fn ear(ssc: &StreamingContext) -> Arc<Mutex<Vec<Event>>> {
    let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
    let ear = heard.clone();
    ssc.add_listener(move |event: &Event| lock(&ear).push(event.clone()));
    heard
}

/// How many warnings that were heard contain the text.
pub(crate) fn warnings(heard: &Mutex<Vec<Event>>, part: &str) -> usize {
    let contains = |event: &&Event| matches!(event, Event::Warning { text } if text.contains(part));
    lock(heard).iter().filter(contains).count()
}
