//! What the page costs the job that it shows, and what an event costs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waterclock::prelude::*;
use waterclock::testing::manual;
use waterclock::ui::Page;
use waterclock::world::lock;
use waterclock::{Builder, Event};

use crate::Options;
use crate::jobs::running_total;
use crate::measure::cpu_seconds;
use crate::steady::{Addition, compare};
use crate::visitor::Visitor;

/// Events that are told together: fewer than may wait for listeners.
const TOGETHER: usize = 5000;
/// How often all events are told again.
const ROUNDS: u64 = 20;

/// The stateful job with the page, somebody who looks at it and ten shown streams, and without, in turns.
pub(crate) fn page(options: &Options) -> Result<Value, BoxError> {
    compare("page", options, || Ok(Shown { page: Page::new().at("127.0.0.1:0"), visitor: Mutex::default() }))
}

/// A page, and who looks at it.
struct Shown {
    page: Page,
    visitor: Mutex<Option<Visitor>>,
}

impl Addition for Shown {
    fn build(&self, builder: Builder) -> Builder {
        builder.watch(self.page.clone())
    }

    /// Ten streams that take little to make: what is measured is the showing.
    fn define(&self, totals: &DStream<u64>) {
        for times in 1..=10 {
            totals.map(move |total| total * times).show(format!("totals times {times}"));
        }
    }

    fn started(&self) -> Result<(), BoxError> {
        *lock(&self.visitor) = Some(Visitor::of(&self.page)?);
        Ok(())
    }

    fn ended(&self) -> Result<(), BoxError> {
        lock(&self.visitor).take().map_or(Ok(()), |visitor| visitor.told().map(drop))
    }
}

/// The events of a job that ran, told again with a listener: nanoseconds of whoever tells one, and of the processor
/// for all that is done about it.
pub(crate) fn events(options: &Options) -> Result<Value, BoxError> {
    let events = recorded(options)?;
    let (ssc, _clock) = manual(StreamingContext::builder("events").threads(options.threads))?;
    let heard = Arc::new(AtomicU64::new(0));
    let count = heard.clone();
    ssc.add_listener(move |_: &Event| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    ssc.queue_stream(vec![vec![0u8]]).register();
    ssc.start()?;
    let engine = ssc.engine();
    let (mut nanos, mut cpu, mut told) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let (mut of_round, mut cpu_of_round) = (Duration::ZERO, 0.0);
        for together in events.chunks(TOGETHER) {
            let together = together.to_vec();
            let before = heard.load(Ordering::Relaxed) + together.len() as u64;
            let (cpu, begin) = (cpu_seconds(), Instant::now());
            together.into_iter().for_each(|event| engine.tell(event));
            of_round += begin.elapsed();
            while heard.load(Ordering::Relaxed) < before {
                std::thread::yield_now();
            }
            cpu_of_round += cpu_seconds() - cpu;
        }
        told += events.len();
        nanos.push(of_round.as_nanos() as f64 / events.len() as f64);
        cpu.push(cpu_of_round * 1e9 / events.len() as f64);
    }
    let dropped = ssc.status().dropped_events;
    ssc.stop(Stop::Now)?;
    nanos.sort_by(f64::total_cmp);
    cpu.sort_by(f64::total_cmp);
    Ok(json!({
        "system": "waterclock",
        "job": "events",
        "events": told,
        "dropped": dropped,
        "ns_of_the_teller": { "least": nanos[0], "median": nanos[nanos.len() / 2], "most": nanos[nanos.len() - 1] },
        "cpu_ns": { "least": cpu[0], "median": cpu[cpu.len() / 2], "most": cpu[cpu.len() - 1] },
    }))
}

/// What is told of batches of word count with state, two partitions each.
fn recorded(options: &Options) -> Result<Vec<Event>, BoxError> {
    let batches = options.batches.unwrap_or(500);
    let builder = StreamingContext::builder("recorded").batch_interval(Duration::from_secs(1));
    let (ssc, clock) = manual(builder.threads(2))?;
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    ssc.add_listener(move |event: &Event| lock(&seen).push(event.clone()));
    let lines = ssc.queue_stream((0..batches).map(|_| vec!["to be or not", "to be"]));
    let counts = lines.flat_map(|line| line.split(' ').map(Text::from).collect::<Vec<_>>());
    let counts = counts.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
    let totals = counts.map_with_state(running_total()).named("totals").stream();
    totals.foreach_rdd(|rdd, _| {
        rdd.count()?;
        Ok(())
    });
    ssc.start()?;
    clock.advance_batches(batches as u32);
    // All is delivered.
    ssc.stop(Stop::Now)?;
    Ok(std::mem::take(&mut *lock(&told)))
}
