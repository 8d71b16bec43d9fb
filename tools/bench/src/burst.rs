//! Ten times more than can be processed, for a while: whether anything is lost, what memory it takes, and how soon
//! the latency target is met again. Sleeps are those of the world outside, which sends in real time.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waterclock::prelude::*;
use waterclock::world::lock;

use crate::Options;
use crate::measure::{memory, nanos_since, stamped_lines};

/// Bytes that all data of the job may take.
const BUDGET: u64 = 64 << 20;
/// Seconds of normal load before and after the burst, and of the trial that finds out what can be processed.
const NORMAL: u64 = 10;
const TRIAL: u64 = 3;
/// How long lines that were sent may stay out before they count as lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// Lines that are sent together.
const TOGETHER: u64 = 50;

/// When a line was over, in nanoseconds since the begin, how long it had taken, and how many such there were.
type Done = (u64, i64, u64);

/// The job at work, and what came out of it.
struct Job {
    ssc: StreamingContext,
    socket: TcpStream,
    origin: Instant,
    sent: u64,
    done: Arc<Mutex<Vec<Done>>>,
}

/// Sends at half of what can be processed, ten times of it for `--seconds`, and half again.
pub(crate) fn run(options: &Options) -> Result<Value, BoxError> {
    let mut job = Job::start(options)?;
    // As fast as it is taken: what is over in the last two seconds is what can be processed.
    job.send(f64::INFINITY, TRIAL)?;
    let sustainable = job.done_since(job.now().saturating_sub(2 * SECOND)) as f64 / 2.0;
    job.wait()?;

    let watching = Watch::start(&job.ssc);
    let before = job.now();
    job.send(sustainable / 2.0, NORMAL)?;
    let burst = job.now();
    job.send(sustainable * 10.0, options.seconds)?;
    let after = job.now();
    job.send(sustainable / 2.0, NORMAL)?;
    job.wait()?;
    let (end, used, status) = (job.now(), watching.stop()?, job.ssc.status());
    job.ssc.stop(Stop::Now)?;

    let done = std::mem::take(&mut *lock(&job.done));
    let target = options.interval_ms as f64;
    // The last tenth of a second in which more than one of a hundred lines were late.
    let tenth = SECOND / 10;
    let late = |from: &u64| p99(&done, *from, from + tenth).is_some_and(|ms| ms > target);
    let last_late = (after..end).step_by(tenth as usize).filter(late).last();
    Ok(json!({
        "system": "waterclock",
        "job": "burst",
        "target_ms": options.interval_ms,
        "threads": options.threads,
        "seconds": options.seconds,
        "sustainable_per_s": sustainable,
        "sent": job.sent,
        "lost": job.sent - done.iter().map(|(.., lines)| lines).sum::<u64>(),
        "dropped": status.dropped_records,
        "batches": status.completed_batches,
        "p99_ms_before": p99(&done, before, burst),
        "p99_ms_burst": p99(&done, burst, after),
        "p99_ms_last_5_s": p99(&done, end.saturating_sub(5 * SECOND), end),
        "met_again_after_s": last_late.map_or(0.0, |from| (from + tenth - after) as f64 / 1e9),
        "memory_limit_mb": BUDGET as f64 / 1e6,
        "memory_used_mb": used as f64 / 1e6,
        "spilled_mb": status.spilled_bytes as f64 / 1e6,
        "peak_resident_mb": memory()?.peak_mb,
    }))
}

impl Job {
    fn start(options: &Options) -> Result<Self, BoxError> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let builder = StreamingContext::builder("burst").latency(Duration::from_millis(options.interval_ms));
        let ssc = builder.memory_budget(BUDGET).threads(options.threads).build()?;
        let (origin, done) = (Instant::now(), Arc::<Mutex<Vec<Done>>>::default());
        let lines = ssc.socket_text_stream(listener.local_addr()?.to_string())?;
        let stamp = |line: Text| {
            work(&line);
            (line.split(' ').next().and_then(|at| at.parse::<u64>().ok()).unwrap_or(0), 1u64)
        };
        let seen = done.clone();
        lines.map(stamp).reduce_by_key(|a, b| a + b).foreach_rdd(move |rdd, _| {
            let stamps = rdd.collect()?;
            let now = nanos_since(origin);
            lock(&seen).extend(stamps.into_iter().map(|(at, lines)| (now, (now - at) as i64, lines)));
            Ok(())
        });
        ssc.start()?;
        let (socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        Ok(Job { ssc, socket, origin, sent: 0, done })
    }

    fn now(&self) -> u64 {
        nanos_since(self.origin)
    }

    /// Lines that are over since then.
    fn done_since(&self, from: u64) -> u64 {
        lock(&self.done).iter().filter(|(at, ..)| *at >= from).map(|(.., lines)| lines).sum()
    }

    /// Sends for so many seconds. What could not be sent in time, because the socket was full, is not sent later.
    fn send(&mut self, rate: f64, seconds: u64) -> std::io::Result<()> {
        let end = self.now() + seconds * SECOND;
        let gap = (TOGETHER as f64 * 1e9 / rate) as u64;
        let (mut due, mut text) = (self.now(), String::new());
        while self.now() < end {
            std::thread::sleep(Duration::from_nanos(due.saturating_sub(self.now())));
            stamped_lines(&mut text, self.now(), TOGETHER);
            self.socket.write_all(text.as_bytes())?;
            self.sent += TOGETHER;
            // A sleep may be late by a little, which is made up for; a full socket may not.
            due = (due + gap).max(self.now().saturating_sub(5_000_000));
        }
        Ok(())
    }

    /// Waits until all is over that was sent.
    fn wait(&self) -> Result<(), BoxError> {
        let given_up = Instant::now() + PATIENCE;
        while self.done_since(0) != self.sent {
            if Instant::now() > given_up {
                return Err("lines that were sent did not arrive".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// Looks again and again at how much memory is used.
struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Watch {
    fn start(ssc: &StreamingContext) -> Self {
        let (over, memory) = (Arc::new(AtomicBool::new(false)), ssc.engine().memory().clone());
        let seen = over.clone();
        let thread = std::thread::spawn(move || {
            let mut most = 0;
            while !seen.load(Ordering::Relaxed) {
                most = most.max(memory.used());
                std::thread::sleep(Duration::from_millis(1));
            }
            most
        });
        Watch { over, thread }
    }

    /// Ends, with the most that was seen.
    fn stop(self) -> Result<u64, BoxError> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the watching thread panicked".into())
    }
}

/// The delay, in milliseconds, of 99 of 100 lines that were over in this time.
fn p99(done: &[Done], from: u64, to: u64) -> Option<f64> {
    let mut delays: Vec<(i64, u64)> = done
        .iter()
        .filter(|(at, ..)| (from..to).contains(at))
        .map(|(_, delay, lines)| (*delay, *lines))
        .collect();
    delays.sort_unstable();
    let all: u64 = delays.iter().map(|(_, lines)| lines).sum();
    let mut counted = 0;
    let found = delays.iter().find(|(_, lines)| {
        counted += lines;
        counted * 100 >= all * 99
    });
    found.map(|(delay, _)| *delay as f64 / 1e6)
}

/// Some microseconds of work.
fn work(line: &str) {
    let hash = |sum: u64, n: u64| sum.rotate_left(5) ^ n;
    std::hint::black_box((0..10_000).fold(line.len() as u64, |sum, n| std::hint::black_box(hash(sum, n))));
}
