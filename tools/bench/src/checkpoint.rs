//! What a checkpoint costs while a program runs, and how soon one that was killed is back.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waterclock::prelude::*;
use waterclock::testing::{self, manual, scripted};
use waterclock::world::{World, lock};
use waterclock::{BatchTime, Builder, Event};

use crate::Options;
use crate::counted_disk::CountedDisk;
use crate::input::Input;
use crate::jobs::running_total;
use crate::measure::{memory, percentile};

/// How much text a second fills the processors, about; a batch has what comes in its interval.
const FULL_BYTES_PER_SECOND: u64 = 250_000_000;
/// Which share of that comes while delays are measured.
const PACED: u64 = 2;

/// A checkpoint directory that goes away with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Scratch(std::env::temp_dir().join(format!("waterclock-bench-{name}-{}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // One that was never made is gone as well.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The stateful job, in batches of one interval, as fast as it can and then at half that speed; with a checkpoint
/// and without, in turns.
pub(crate) fn run(options: &Options) -> Result<Value, BoxError> {
    let interval = Duration::from_millis(options.interval_ms);
    let full = FULL_BYTES_PER_SECOND * options.interval_ms / 1000;
    let (full, paced) = (options.pieces(full)?, options.pieces(full / PACED)?);
    let mut runs = Vec::new();
    for with in [false, true, false, true] {
        let rate = throughput(&full, interval, options, with)?;
        let (p50, p99, syncs) = delays(&paced, interval, options, with)?;
        runs.push((with, rate, p50, p99, syncs));
    }
    let best = |with: bool, of: fn(&(bool, f64, f64, f64, f64)) -> f64, better: fn(f64, f64) -> f64| {
        runs.iter().filter(|run| run.0 == with).map(of).reduce(better).unwrap_or(f64::NAN)
    };
    let row = |with| {
        json!({
            "mb_per_s": best(with, |run| run.1, f64::max),
            "median_ms": best(with, |run| run.2, f64::min),
            "p99_ms": best(with, |run| run.3, f64::min),
            "syncs_per_s": best(with, |run| run.4, f64::max),
        })
    };
    Ok(json!({
        "system": "waterclock",
        "job": "checkpoint",
        "interval_ms": options.interval_ms,
        "threads": options.threads,
        "seconds": options.seconds,
        "without": row(false),
        "with": row(true),
        "throughput": best(true, |run| run.1, f64::max) / best(false, |run| run.1, f64::max),
        "p99": best(true, |run| run.3, f64::min) / best(false, |run| run.3, f64::min),
    }))
}

impl Options {
    /// The input in pieces of about so many bytes.
    fn pieces(&self, bytes: u64) -> Result<Input, String> {
        Ok(Input::text(&self.input)?.in_pieces(bytes as usize))
    }
}

fn builder(interval: Duration, options: &Options, checkpoint: Option<&Path>) -> Builder {
    let builder = StreamingContext::builder("checkpoint").batch_interval(interval).threads(options.threads);
    checkpoint.into_iter().fold(builder, Builder::checkpoint_dir)
}

/// Words since the start, counted; a batch takes the next piece.
fn count(ssc: &StreamingContext, input: &Input, threads: usize) {
    let (files, next) = (input.files.clone(), AtomicU64::new(0));
    let lines = scripted(ssc, move |_: BatchTime, engine| {
        let batch = next.fetch_add(1, Ordering::Relaxed) as usize;
        Some(engine.text(files[batch % files.len()].clone(), threads))
    });
    let counts = lines.words().map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
    counts.map_with_state(running_total()).named("totals").stream().foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });
}

/// MB a second of batches that follow each other at once.
fn throughput(input: &Input, interval: Duration, options: &Options, with: bool) -> Result<f64, BoxError> {
    let dir = Scratch::new("throughput");
    let (ssc, clock) = manual(builder(interval, options, with.then_some(&dir.0)))?;
    count(&ssc, input, options.threads);
    ssc.start()?;
    let warm = 5;
    clock.advance_batches(warm);
    let (begin, mut batches) = (Instant::now(), 0);
    while begin.elapsed().as_secs() < options.seconds {
        clock.advance_batches(10);
        batches += 10;
    }
    let seconds = begin.elapsed().as_secs_f64();
    ssc.stop(Stop::Now)?;
    Ok(input.bytes(warm as usize, warm as usize + batches) as f64 / 1e6 / seconds)
}

/// Median and 99th percentile in milliseconds of a batch's time from its cut to its end, and syncs a second, of
/// batches in real time.
fn delays(
    input: &Input,
    interval: Duration,
    options: &Options,
    with: bool,
) -> Result<(f64, f64, f64), BoxError> {
    let dir = Scratch::new("delays");
    let mut world = World::real();
    let (disk, syncs) = CountedDisk::over(world.disk);
    world.disk = Arc::new(disk);
    let ssc = builder(interval, options, with.then_some(&dir.0)).world(world).build()?;
    count(&ssc, input, options.threads);
    let delays = Arc::new(Mutex::new(Vec::new()));
    let seen = delays.clone();
    ssc.add_listener(move |event: &Event| {
        if let Event::BatchCompleted(batch) = event {
            lock(&seen).extend(batch.total_delay_micros());
        }
    });
    ssc.start()?;
    // The first second fills tables and caches.
    std::thread::sleep(Duration::from_secs(1));
    lock(&delays).clear();
    let before = syncs.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(options.seconds));
    let syncs = (syncs.load(Ordering::Relaxed) - before) as f64 / options.seconds as f64;
    let mut delays = std::mem::take(&mut *lock(&delays));
    ssc.stop(Stop::Now)?;
    delays.sort_unstable();
    let ms = |share| percentile(&delays, share).map_or(f64::NAN, |micros| micros as f64 / 1000.0);
    Ok((ms(0.5), ms(0.99), syncs))
}

/// Makes state of so many keys, is killed, and starts again: how long until the first batch is over.
pub(crate) fn restart(options: &Options) -> Result<Value, BoxError> {
    let dir = Scratch::new("restart");
    let spawn = |batch: usize| -> Result<(std::process::Child, Value), BoxError> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["restart-child", "--input", &dir.0.to_string_lossy()])
            .args(["--batches", &batch.to_string()])
            .args(["--keys", &options.keys.to_string(), "--threads", &options.threads.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().ok_or("there is no output")?);
        std::io::BufRead::read_line(&mut out, &mut line)?;
        Ok((child, serde_json::from_str(&line)?))
    };
    let (mut child, _) = spawn(0)?;
    let mut bytes = size(&dir.0)?;
    loop {
        // Until the log and the snapshot that follows the first batch are written.
        std::thread::sleep(Duration::from_secs(2));
        let now = size(&dir.0)?;
        if std::mem::replace(&mut bytes, now) == now {
            break;
        }
    }
    child.kill()?;
    child.wait()?;
    let mut millis = Vec::new();
    let mut last = Value::Null;
    for batch in 3..6 {
        let begin = Instant::now();
        let (mut child, told) = spawn(batch)?;
        millis.push(begin.elapsed().as_secs_f64() * 1000.0);
        last = told;
        child.kill()?;
        child.wait()?;
    }
    millis.sort_by(f64::total_cmp);
    Ok(json!({
        "system": "waterclock",
        "job": "restart",
        "threads": options.threads,
        "keys": options.keys,
        "state_mb": bytes as f64 / 1e6,
        "goal_ms": 300.0 + bytes as f64 / 500e3,
        "first_batch_ms": millis,
        "start": last,
    }))
}

/// One of the processes of [`restart`]: the first makes the keys; each touches some, and says when that is over.
pub(crate) fn restart_child(options: &Options) -> Result<std::convert::Infallible, BoxError> {
    let begin = Instant::now();
    let (keys, threads) = (options.keys, options.threads);
    let create = |builder: Builder| -> Result<StreamingContext, BoxError> {
        let ssc =
            builder.app_name("restart").batch_interval(Duration::from_secs(1)).threads(threads).build()?;
        let all = AtomicU64::new(keys);
        let input = scripted(&ssc, move |t: BatchTime, engine| {
            let first = t.as_millis() == 1000;
            let count = if first { all.load(Ordering::Relaxed) } else { 1000 };
            Some(engine.parallelize((0..count).map(|key| (key, 1u64)).collect::<Vec<_>>(), threads))
        });
        input.map_with_state(running_total()).named("totals").stream().foreach_rdd(|rdd, _| {
            rdd.count()?;
            Ok(())
        });
        Ok(ssc)
    };
    // Which batch was the last.
    let before = options.batches.unwrap_or_default();
    let start = BatchTime::from_millis(before as i64 * 1000);
    let (ssc, clock) = testing::get_or_create(&options.input, start, create)?;
    ssc.start()?;
    let started = begin.elapsed();
    // The first process makes the keys, and a snapshot of them after a batch or two.
    clock.advance_batches(if before == 0 { 3 } else { 1 });
    let told = json!({
        "started_ms": started.as_secs_f64() * 1000.0,
        "first_batch_ms": begin.elapsed().as_secs_f64() * 1000.0,
        "peak_mb": memory()?.peak_mb,
    });
    println!("{told}");
    // Until it is killed.
    loop {
        std::thread::park();
    }
}

/// Bytes of all files below.
fn size(dir: &Path) -> std::io::Result<u64> {
    std::fs::read_dir(dir)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let meta = entry.metadata()?;
        Ok(sum + if meta.is_dir() { size(&entry.path())? } else { meta.len() })
    })
}
