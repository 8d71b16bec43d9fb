//! The jobs, as a user writes them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock::prelude::*;
use waterclock::testing::{TestClock, manual, scripted};
use waterclock::{BatchTime, Result, State, StateSpec};

use crate::Options;
use crate::input::{Input, Order};
use crate::measure::{Measure, Report};

const BATCH: Duration = Duration::from_secs(1);

/// A context whose batches come as fast as they are worked off, and the stream of files.
fn context(input: &Input, options: &Options) -> Result<(StreamingContext, TestClock, DStream<Text>)> {
    let (ssc, clock) =
        manual(StreamingContext::builder("bench").batch_interval(BATCH).threads(options.threads))?;
    let (files, threads) = (input.files.clone(), options.threads);
    let lines = scripted(&ssc, move |t: BatchTime, engine| {
        let batch = (t.as_millis() / 1000 - 1) as usize;
        Some(engine.text(files[batch % files.len()].clone(), threads))
    });
    Ok((ssc, clock, lines))
}

/// Runs batches that do not count, then those that do. `check` is filled by the job.
fn measured(
    input: &Input,
    options: &Options,
    (ssc, clock): (StreamingContext, TestClock),
    warm: usize,
    check: &AtomicU64,
) -> Result<Report> {
    let batches = options.batches.unwrap_or(20);
    ssc.start()?;
    clock.advance_batches(warm as u32);
    check.store(0, Ordering::Relaxed);
    let measure = Measure::start();
    clock.advance_batches(batches as u32);
    let (bytes, lines) = (input.bytes(warm, warm + batches), input.lines(warm, warm + batches));
    let report = measure.stop(&options.job, bytes, lines, check.load(Ordering::Relaxed));
    ssc.stop(Stop::Now)?;
    ssc.await_termination()?;
    Ok(report)
}

/// The words of the lines, in the form that was asked for, each with a one.
fn ones(lines: &DStream<Text>, form: &str) -> DStream<(Text, u64)> {
    let words = match form {
        "into" => lines.flat_map_into(|line, out| line.words().for_each(|word| out(Text::from(word)))),
        "vec" => lines.flat_map(|line| line.split_whitespace().map(Text::from).collect::<Vec<_>>()),
        _ => lines.words(),
    };
    words.map(|word| (word, 1u64))
}

pub(crate) fn grep(input: &Input, options: &Options) -> Result<Report> {
    let (ssc, clock, lines) = context(input, options)?;
    let finder = memchr::memmem::Finder::new(options.pattern.as_bytes()).into_owned();
    let check = Arc::new(AtomicU64::new(0));
    let found = check.clone();
    lines.filter(move |line| finder.find(line.as_bytes()).is_some()).foreach_rdd(move |rdd, _| {
        found.fetch_add(rdd.count()?, Ordering::Relaxed);
        Ok(())
    });
    measured(input, options, (ssc, clock), 2, &check)
}

pub(crate) fn word_count(input: &Input, options: &Options) -> Result<Report> {
    let (ssc, clock, lines) = context(input, options)?;
    let check = Arc::new(AtomicU64::new(0));
    let distinct = check.clone();
    if options.form == "string" {
        let words = lines.flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b).foreach_rdd(move |rdd, _| {
            distinct.fetch_add(rdd.count()?, Ordering::Relaxed);
            Ok(())
        });
    } else {
        ones(&lines, &options.form).reduce_by_key(|a, b| a + b).foreach_rdd(move |rdd, _| {
            distinct.fetch_add(rdd.count()?, Ordering::Relaxed);
            Ok(())
        });
    }
    measured(input, options, (ssc, clock), 2, &check)
}

pub(crate) fn windowed(input: &Input, options: &Options) -> Result<Report> {
    let (ssc, clock, lines) = context(input, options)?;
    let check = Arc::new(AtomicU64::new(0));
    let top = check.clone();
    let counts = ones(&lines, &options.form).reduce_by_key_and_window_inverse(
        |a, b| a + b,
        |a, b| a - b,
        BATCH * 30,
        BATCH,
    );
    counts.top_by(10, |(_, count)| *count).foreach_rdd(move |rdd, _| {
        top.store(rdd.collect()?.iter().map(|(_, count)| count).sum(), Ordering::Relaxed);
        Ok(())
    });
    measured(input, options, (ssc, clock), 30, &check)
}

pub(crate) fn stateful(input: &Input, options: &Options) -> Result<Report> {
    let (ssc, clock, lines) = context(input, options)?;
    let check = Arc::new(AtomicU64::new(0));
    let changed = check.clone();
    let counts = ones(&lines, &options.form).reduce_by_key(|a, b| a + b).map_with_state(running_total());
    counts.stream().foreach_rdd(move |rdd, _| {
        changed.fetch_add(rdd.count()?, Ordering::Relaxed);
        Ok(())
    });
    measured(input, options, (ssc, clock), 2, &check)
}

pub(crate) type Total<K> = fn(BatchTime, &K, Option<u64>, &mut State<'_, u64>) -> Option<u64>;

/// Adds up the values of each key.
pub(crate) fn running_total<K: Key>() -> StateSpec<K, u64, Total<K>> {
    StateSpec::function(|_, _, value, state| {
        let total = state.get().copied().unwrap_or(0) + value?;
        state.update(total);
        Some(total)
    })
}

pub(crate) fn records(input: &Input, options: &Options) -> Result<Report> {
    let (ssc, clock, lines) = context(input, options)?;
    let check = Arc::new(AtomicU64::new(0));
    let sold = check.clone();
    let orders = lines.flat_map_into(|line: &Text, out| {
        if let Ok(order) = serde_json::from_str::<Order>(line) {
            out(order);
        }
    });
    let sums = orders
        .map(|order| {
            let revenue = f64::from(order.quantity) * order.price * (1.0 - order.discount);
            (order.category, (u64::from(order.quantity), revenue))
        })
        .reduce_by_key(|a, b| (a.0 + b.0, a.1 + b.1));
    sums.foreach_rdd(move |rdd, _| {
        sold.fetch_add(rdd.collect()?.iter().map(|(_, (quantity, _))| quantity).sum(), Ordering::Relaxed);
        Ok(())
    });
    measured(input, options, (ssc, clock), 2, &check)
}

/// Batches without input: seconds are for all of them.
pub(crate) fn idle(options: &Options) -> Result<Report> {
    let input = Input { files: vec![Arc::from("")] };
    let (ssc, clock, lines) = context(&input, options)?;
    let check = AtomicU64::new(0);
    ones(&lines, &options.form).reduce_by_key(|a, b| a + b).foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });
    let options =
        Options { batches: Some(options.batches.unwrap_or(100_000)), job: "idle".into(), ..options.clone() };
    measured(&input, &options, (ssc, clock), 100, &check)
}

/// A batch that touches 1,000 keys of many.
pub(crate) fn keyed(options: &Options) -> Result<Report> {
    let (ssc, clock) =
        manual(StreamingContext::builder("keyed").batch_interval(BATCH).threads(options.threads))?;
    let (keys, batches) = (options.keys, options.batches.unwrap_or(200) as u32);
    let rng = Mutex::new(waterclock::world::Rng::new(1));
    let threads = options.threads;
    let input = scripted(&ssc, move |t: BatchTime, engine| {
        let mut rng = waterclock::world::lock(&rng);
        // The first batch makes all keys.
        let rows: Vec<(u64, u64)> = match t.as_millis() {
            1000 => (0..keys).map(|key| (key, 1)).collect(),
            _ => (0..1000).map(|_| (rng.below(keys), 1)).collect(),
        };
        Some(engine.parallelize(rows, threads))
    });
    let check = Arc::new(AtomicU64::new(0));
    let touched = check.clone();
    input.map_with_state(running_total()).stream().foreach_rdd(move |rdd, _| {
        touched.fetch_add(rdd.count()?, Ordering::Relaxed);
        Ok(())
    });
    ssc.start()?;
    clock.advance_batches(3);
    check.store(0, Ordering::Relaxed);
    let measure = Measure::start();
    clock.advance_batches(batches);
    let report = measure.stop("keyed", 0, u64::from(batches) * 1000, check.load(Ordering::Relaxed));
    ssc.stop(Stop::Now)?;
    Ok(report)
}
