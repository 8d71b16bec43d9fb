//! Ten times more than can be processed, for a while: whether anything is lost, what memory it takes, and how soon
//! the latency target is met again.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waterclock::prelude::*;
use waterclock::world::lock;

use crate::Options;
use crate::measure::{memory, percentile};

/// Bytes that all data of the job may take.
const BUDGET: u64 = 64 << 20;
/// Seconds of normal load before and after the burst, and of the trial that finds out what can be processed.
const NORMAL: u64 = 10;
const TRIAL: u64 = 3;
/// How long lines that were sent may stay out before they count as lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines that are sent together.
const TOGETHER: u64 = 50;

/// When a line was over, in nanoseconds since the begin, how long it had taken, and how many such there were.
type Done = (u64, i64, u64);

/// Sends at half of what can be processed, ten times of it for `--seconds`, and half again.
pub(crate) fn run(options: &Options) -> Result<Value, BoxError> {
    let target = Duration::from_millis(options.interval_ms);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let ssc = StreamingContext::builder("burst")
        .latency(target)
        .memory_budget(BUDGET)
        .threads(options.threads)
        .build()?;
    let origin = Instant::now();
    let done = Arc::<Mutex<Vec<Done>>>::default();
    let lines = ssc.socket_text_stream(listener.local_addr()?.to_string())?;
    let seen = done.clone();
    let stamp = |line: Text| {
        work(&line);
        (line.split(' ').next().and_then(|at| at.parse::<u64>().ok()).unwrap_or(0), 1u64)
    };
    lines.map(stamp).reduce_by_key(|a, b| a + b).foreach_rdd(move |rdd, _| {
        let stamps = rdd.collect()?;
        let now = nanos_since(origin);
        lock(&seen).extend(stamps.into_iter().map(|(at, lines)| (now, (now - at) as i64, lines)));
        Ok(())
    });
    ssc.start()?;
    let (mut socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;

    let sent = AtomicU64::new(0);
    let arrived = || lock(&done).iter().map(|(.., lines)| lines).sum::<u64>();
    // As fast as it is taken: what is over in the last two seconds is what can be processed.
    send(&mut socket, origin, f64::INFINITY, TRIAL, &sent)?;
    let since = |from: u64| lock(&done).iter().filter(|(at, ..)| *at >= from).map(|(.., lines)| lines).sum::<u64>();
    let second = 1_000_000_000;
    let sustainable = since(nanos_since(origin).saturating_sub(2 * second)) as f64 / 2.0;
    wait(|| arrived() == sent.load(Ordering::Relaxed))?;

    let peak = Arc::new(AtomicU64::new(0));
    let (watched, watching) = (ssc.clone(), peak.clone());
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = over.clone();
    let watch = std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            watching.fetch_max(watched.status().memory_used, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let began = nanos_since(origin);
    send(&mut socket, origin, sustainable / 2.0, NORMAL, &sent)?;
    let burst = nanos_since(origin);
    send(&mut socket, origin, sustainable * 10.0, options.seconds, &sent)?;
    let after = nanos_since(origin);
    let batches = ssc.status().completed_batches;
    send(&mut socket, origin, sustainable / 2.0, NORMAL, &sent)?;
    let all = wait(|| arrived() == sent.load(Ordering::Relaxed));
    over.store(true, Ordering::Relaxed);
    watch.join().map_err(|_| "the watching thread panicked")?;
    let status = ssc.status();
    ssc.stop(Stop::Now)?;
    all?;

    let mut done = std::mem::take(&mut *lock(&done));
    done.sort_unstable();
    let p99 = |from: u64, to: u64| {
        let within = done.iter().filter(|(at, ..)| (from..to).contains(at));
        let mut delays: Vec<i64> = within.map(|(_, delay, _)| *delay).collect();
        delays.sort_unstable();
        percentile(&delays, 0.99).map(|nanos| nanos as f64 / 1e6)
    };
    // The last tenth of a second in which more than one of a hundred lines were late.
    let (tenth, end) = (second / 10, nanos_since(origin));
    let late = |from: &u64| p99(*from, from + tenth).is_some_and(|ms| ms > target.as_secs_f64() * 1000.0);
    let last_late = (after..end).step_by(tenth as usize).filter(late).last();
    let back = last_late.map_or(0.0, |from| (from + tenth - after) as f64 / 1e9);
    Ok(json!({
        "system": "waterclock",
        "job": "burst",
        "target_ms": options.interval_ms,
        "threads": options.threads,
        "seconds": options.seconds,
        "sustainable_per_s": sustainable,
        "sent": sent.load(Ordering::Relaxed),
        "lost": sent.load(Ordering::Relaxed) - done.iter().map(|(.., lines)| lines).sum::<u64>(),
        "dropped": status.dropped_records,
        "batches_until_then": batches,
        "batches": status.completed_batches,
        "p99_ms_before": p99(began, burst),
        "p99_ms_burst": p99(burst, after),
        "p99_ms_last_5_s": p99(end.saturating_sub(5 * second), end),
        "met_again_after_s": back,
        "memory_limit_mb": BUDGET as f64 / 1e6,
        "memory_used_mb": peak.load(Ordering::Relaxed) as f64 / 1e6,
        "spilled_mb": status.spilled_bytes as f64 / 1e6,
        "peak_resident_mb": memory()?.peak_mb,
    }))
}

/// Some microseconds of work.
fn work(line: &str) {
    let hash = |sum: u64, n: u64| sum.rotate_left(5) ^ n;
    std::hint::black_box((0..10_000).fold(line.len() as u64, |sum, n| std::hint::black_box(hash(sum, n))));
}

/// Sends for so many seconds. What could not be sent in time, because the socket was full, is not sent later.
fn send(
    socket: &mut TcpStream,
    origin: Instant,
    rate: f64,
    seconds: u64,
    sent: &AtomicU64,
) -> std::io::Result<()> {
    let end = nanos_since(origin) + seconds * 1_000_000_000;
    let gap = (TOGETHER as f64 * 1e9 / rate) as u64;
    let mut due = nanos_since(origin);
    let mut text = Vec::new();
    while nanos_since(origin) < end {
        let now = nanos_since(origin);
        if due > now {
            std::thread::sleep(Duration::from_nanos(due - now));
        }
        text.clear();
        let now = nanos_since(origin);
        for _ in 0..TOGETHER {
            writeln!(text, "{now:019} imkek ltdi bdkarsc ajrxww alinm ajhgx brvawaj b")?;
        }
        socket.write_all(&text)?;
        sent.fetch_add(TOGETHER, Ordering::Relaxed);
        // A sleep may be late by a little, which is made up for; a full socket may not.
        due = (due + gap).max(nanos_since(origin).saturating_sub(5_000_000));
    }
    Ok(())
}

fn wait(done: impl Fn() -> bool) -> Result<(), BoxError> {
    let given_up = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > given_up {
            return Err("lines that were sent did not arrive".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn nanos_since(origin: Instant) -> u64 {
    origin.elapsed().as_nanos() as u64
}
