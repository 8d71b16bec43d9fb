//! The stateful job with something and without it, in turns: as fast as it can, and in real time at half that speed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waterclock::prelude::*;
use waterclock::testing::{manual, scripted};
use waterclock::world::{World, lock};
use waterclock::{BatchTime, Builder, Event};

use crate::Options;
use crate::counted_disk::CountedDisk;
use crate::input::Input;
use crate::jobs::running_total;
use crate::measure::{cpu_seconds, percentile};

/// How much text a second fills the processors, about; a batch has what comes in its interval.
const FULL_BYTES_PER_SECOND: u64 = 250_000_000;
/// Which share of that comes while delays are measured.
const PACED: u64 = 2;
/// Batches that are not counted.
const WARM: u32 = 5;

/// What a job may have besides.
pub(crate) trait Addition {
    /// Adds it to the context.
    fn build(&self, builder: Builder) -> Builder;

    /// Adds it to the job, which has these totals of the words of a batch.
    fn define(&self, _totals: &DStream<u64>) {}

    /// The job runs.
    fn started(&self) -> Result<(), BoxError> {
        Ok(())
    }

    /// The job has ended.
    fn ended(&self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// What one turn measured.
struct Turn {
    fast: Fast,
    paced: Paced,
}

/// How batches went that follow each other at once.
struct Fast {
    mb_per_s: f64,
    cpu_s_per_gb: f64,
}

/// How batches in real time went.
struct Paced {
    median_ms: f64,
    p99_ms: f64,
    syncs_per_s: f64,
}

/// Measures with and without what `make` makes, in turns: the best of each, what it costs, and how far that differs
/// from turn to turn.
pub(crate) fn compare<A: Addition>(
    job: &str,
    options: &Options,
    make: impl Fn() -> Result<A, BoxError>,
) -> Result<Value, BoxError> {
    let full = FULL_BYTES_PER_SECOND * options.interval_ms / 1000;
    let (full, paced) = (options.pieces(full)?, options.pieces(full / PACED)?);
    let measured = |with: bool| -> Result<Turn, BoxError> {
        let addition = || with.then(&make).transpose();
        let fast = throughput(&full, options, addition()?.as_ref())?;
        Ok(Turn { fast, paced: delays(&paced, options, addition()?.as_ref())? })
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    // Who comes first changes: what a run leaves behind, as memory in pieces, is the next one's trouble.
    for turn in 0..options.turns.max(1) {
        for is_with in [turn % 2 == 1, turn % 2 == 0] {
            let of_kind = if is_with { &mut with } else { &mut without };
            of_kind.push(measured(is_with)?);
        }
    }
    let rate = |turns| best(turns, |turn| turn.fast.mb_per_s, f64::max);
    let p99 = |turns| best(turns, |turn| turn.paced.p99_ms, f64::min);
    let each = |of: fn(&Turn) -> f64| -> Vec<f64> {
        with.iter().zip(&without).map(|(with, without)| of(with) / of(without)).collect()
    };
    let row = |turns| {
        json!({
            "mb_per_s": rate(turns),
            "cpu_s_per_gb": best(turns, |turn| turn.fast.cpu_s_per_gb, f64::min),
            "median_ms": best(turns, |turn| turn.paced.median_ms, f64::min),
            "p99_ms": p99(turns),
            "syncs_per_s": best(turns, |turn| turn.paced.syncs_per_s, f64::max),
        })
    };
    Ok(json!({
        "system": "waterclock",
        "job": job,
        "interval_ms": options.interval_ms,
        "threads": options.threads,
        "seconds": options.seconds,
        "without": row(&without),
        "with": row(&with),
        "throughput": rate(&with) / rate(&without),
        "throughput_of_each_turn": each(|turn| turn.fast.mb_per_s),
        "p99": p99(&with) / p99(&without),
        "p99_of_each_turn": each(|turn| turn.paced.p99_ms),
    }))
}

fn best(turns: &[Turn], of: fn(&Turn) -> f64, better: fn(f64, f64) -> f64) -> f64 {
    turns.iter().map(of).reduce(better).unwrap_or(f64::NAN)
}

impl Options {
    /// The input in pieces of about so many bytes.
    fn pieces(&self, bytes: u64) -> Result<Input, String> {
        Ok(Input::text(&self.input)?.in_pieces(bytes as usize))
    }

    fn builder(&self, addition: Option<&impl Addition>) -> Builder {
        let interval = Duration::from_millis(self.interval_ms);
        let builder = StreamingContext::builder("steady").batch_interval(interval).threads(self.threads);
        addition.into_iter().fold(builder, |builder, addition| addition.build(builder))
    }
}

/// Words since the start, counted; a batch takes the next piece.
fn count(ssc: &StreamingContext, input: &Input, threads: usize, addition: Option<&impl Addition>) {
    let (files, next) = (input.files.clone(), AtomicU64::new(0));
    let lines = scripted(ssc, move |_: BatchTime, engine| {
        let batch = next.fetch_add(1, Ordering::Relaxed) as usize;
        Some(engine.text(files[batch % files.len()].clone(), threads))
    });
    let counts = lines.words().map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
    let totals = counts.map_with_state(running_total()).named("totals").stream();
    totals.foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });
    addition.into_iter().for_each(|addition| addition.define(&totals));
}

/// Batches that follow each other at once.
fn throughput(input: &Input, options: &Options, addition: Option<&impl Addition>) -> Result<Fast, BoxError> {
    let (ssc, clock) = manual(options.builder(addition))?;
    count(&ssc, input, options.threads, addition);
    ssc.start()?;
    addition.map_or(Ok(()), Addition::started)?;
    clock.advance_batches(WARM);
    let (begin, cpu, mut batches) = (Instant::now(), cpu_seconds(), 0);
    while begin.elapsed().as_secs() < options.seconds {
        clock.advance_batches(10);
        batches += 10;
    }
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    ssc.stop(Stop::Now)?;
    addition.map_or(Ok(()), Addition::ended)?;
    let warm = WARM as usize;
    let bytes = input.bytes(warm, warm + batches) as f64;
    Ok(Fast { mb_per_s: bytes / 1e6 / seconds, cpu_s_per_gb: cpu * 1e9 / bytes })
}

/// Batches in real time: how long each takes from its cut to its end, and how often something is made safe.
fn delays(input: &Input, options: &Options, addition: Option<&impl Addition>) -> Result<Paced, BoxError> {
    let mut world = World::real();
    let (disk, syncs) = CountedDisk::over(world.disk);
    world.disk = Arc::new(disk);
    let ssc = options.builder(addition).world(world).build()?;
    count(&ssc, input, options.threads, addition);
    let delays = Arc::new(Mutex::new(Vec::new()));
    let seen = delays.clone();
    ssc.add_listener(move |event: &Event| {
        if let Event::BatchCompleted(batch) = event {
            lock(&seen).extend(batch.total_delay_micros());
        }
    });
    ssc.start()?;
    addition.map_or(Ok(()), Addition::started)?;
    // The first second fills tables and caches. Real time passes, as batches come in it.
    std::thread::sleep(Duration::from_secs(1));
    lock(&delays).clear();
    let before = syncs.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(options.seconds));
    let syncs = (syncs.load(Ordering::Relaxed) - before) as f64 / options.seconds as f64;
    let mut delays = std::mem::take(&mut *lock(&delays));
    ssc.stop(Stop::Now)?;
    addition.map_or(Ok(()), Addition::ended)?;
    delays.sort_unstable();
    let ms = |share| percentile(&delays, share).map_or(f64::NAN, |micros| micros as f64 / 1000.0);
    Ok(Paced { median_ms: ms(0.5), p99_ms: ms(0.99), syncs_per_s: syncs })
}
