//! How long a line takes from its sender to the output of its batch.
//!
//! The sender is that of the bare batcher (`latency` in peers/rust): lines of 64 bytes that begin with the time at
//! which they were sent, in small bursts at irregular distances so that they don't lock to the ticks. The time is
//! a word like any other, so the counts that reach the output tell when their lines were sent. It sleeps between
//! bursts: it plays the world outside, which goes on in real time.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waterclock::prelude::*;
use waterclock::world::{Rng, lock};
use waterclock::{BatchInfo, Event};

use crate::Options;
use crate::measure::{cpu_seconds, nanos_since, percentile, stamped_lines, wake_on_time};

/// How long lines that were sent may stay out before they count as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts the words of `rate` lines a second for some seconds, and tells the delays of the lines.
pub(crate) fn run(options: &Options) -> Result<Value, BoxError> {
    let (rate, seconds) = (options.rate.max(1), options.seconds.max(1));
    let interval = Duration::from_millis(options.interval_ms);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let ssc =
        StreamingContext::builder("latency").batch_interval(interval).threads(options.threads).build()?;
    let origin = Instant::now();
    // Space for all of them: a vector that is copied as it grows would hold up a batch.
    let delays = Arc::new(Mutex::new(Vec::with_capacity((rate * (seconds + 1)) as usize)));
    let lines = ssc.socket_text_stream(listener.local_addr()?.to_string())?;
    let seen = delays.clone();
    lines.words().map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b).foreach_rdd(move |rdd, _| {
        let counts = rdd.collect()?;
        let now = nanos_since(origin);
        let sent = counts.iter().filter_map(|(word, lines)| Some((word.parse::<u64>().ok()?, *lines)));
        lock(&seen).extend(sent.flat_map(|(at, lines)| (0..lines).map(move |_| (now - at) as i64)));
        Ok(())
    });
    let late = Arc::new(AtomicU64::new(0));
    let count = late.clone();
    ssc.add_listener(move |event: &Event| {
        if matches!(event, Event::BatchCompleted(batch) if is_late(batch, interval)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });

    let cpu = cpu_seconds();
    ssc.start()?;
    let (socket, _) = listener.accept()?;
    let sender = std::thread::spawn(move || send(socket, origin, rate, Duration::from_secs(seconds)));
    // The socket lives until all has arrived: a closed one is connected to again.
    let (sent, _socket) = sender.join().map_err(|_| "the sender panicked")??;
    let given_up = Instant::now() + PATIENCE;
    while (lock(&delays).len() as u64) < sent && Instant::now() < given_up {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (cpu, status) = (cpu_seconds() - cpu, ssc.status());
    ssc.stop(Stop::Now)?;

    let mut delays = std::mem::take(&mut *lock(&delays));
    if delays.len() as u64 != sent {
        return Err(format!("{sent} lines were sent and {} arrived", delays.len()).into());
    }
    delays.sort_unstable();
    let micros = |share| percentile(&delays, share).map(|nanos| nanos as f64 / 1000.0);
    Ok(json!({
        "system": "waterclock",
        "job": "latency",
        "interval_ms": options.interval_ms,
        "threads": options.threads,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "records": sent,
        "batches": status.completed_batches,
        "late_batches": late.load(Ordering::Relaxed),
        "merged_ticks": status.merged_ticks,
        "min_us": micros(0.0),
        "median_us": micros(0.5),
        "p90_us": micros(0.9),
        "p99_us": micros(0.99),
        "p999_us": micros(0.999),
        "max_us": micros(1.0),
    }))
}

/// Whether the batch ended when the tick after its own was due already.
fn is_late(batch: &BatchInfo, interval: Duration) -> bool {
    let due = batch.time().as_millis() * 1000 + interval.as_micros() as i64;
    batch.ended_micros.is_some_and(|ended| ended > due)
}

/// Sends lines, and gives their number and the open socket.
fn send(
    mut socket: TcpStream,
    origin: Instant,
    rate: u64,
    time: Duration,
) -> std::io::Result<(u64, TcpStream)> {
    wake_on_time();
    socket.set_nodelay(true)?;
    // At most 5,000 bursts a second: a thread does not wake much more often.
    let burst = (rate / 5000).max(1);
    let gap = 1_000_000_000 * burst / rate;
    let mut rng = Rng::new(1);
    let (mut sent, mut due, mut text) = (0, nanos_since(origin), String::new());
    let end = due + time.as_nanos() as u64;
    while due < end {
        due += gap / 2 + rng.below(gap);
        std::thread::sleep(Duration::from_nanos(due.saturating_sub(nanos_since(origin))));
        stamped_lines(&mut text, nanos_since(origin), burst);
        socket.write_all(text.as_bytes())?;
        sent += burst;
    }
    Ok((sent, socket))
}
