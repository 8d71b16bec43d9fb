//! Many batches, with the page open: memory must not grow with their number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use waterclock::prelude::*;
use waterclock::testing::manual;
use waterclock::ui::Page;
use waterclock::{State, StateSpec};

use crate::Options;
use crate::measure::{cpu_seconds, memory};
use crate::visitor::Visitor;

const BATCH: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(30);
/// Lines of a batch.
const LINES: u64 = 100;

/// Word count, windows of both kinds and state with a time-out, over words of which some come only once: all
/// that is kept is kept for half a minute of virtual time, so memory is level after the first 30 batches.
pub(crate) fn run(options: &Options) -> Result<Value, BoxError> {
    let page = Page::new().at("127.0.0.1:0");
    let builder = StreamingContext::builder("soak").batch_interval(BATCH).threads(options.threads);
    let (ssc, clock) = manual(builder.watch(page.clone()))?;
    let ones = ssc.generator_stream(LINES, line)?.words().map(|word| (word, 1u64));
    let counts = ones.reduce_by_key(|a, b| a + b);
    counts.show("counts");
    let totals = StateSpec::function(|_, _: &Text, count: Option<u64>, total: &mut State<'_, u64>| {
        let sum = total.get().copied().unwrap_or(0) + count?;
        total.update(sum);
        Some(sum)
    });
    let rows = Arc::new(AtomicU64::new(0));
    count_rows(&counts, &rows);
    count_rows(&counts.map_with_state(totals.timeout(WINDOW)).state_snapshots(), &rows);
    count_rows(&ones.reduce_by_key_and_window(|a, b| a + b, WINDOW, BATCH), &rows);
    let inverse = ones.reduce_by_key_and_window_inverse_filtered(
        |a, b| a + b,
        |a, b| a - b,
        |_, count| *count > 0,
        WINDOW,
        BATCH,
        Keyed::new(),
    );
    count_rows(&inverse, &rows);

    let step = (options.batches.unwrap_or(100_000) / 100).max(1) as u32;
    let cpu = cpu_seconds();
    ssc.start()?;
    let visitor = Visitor::of(&page)?;
    let mut resident = Vec::new();
    for _ in 0..100 {
        clock.advance_batches(step - 1);
        rows.store(0, Ordering::Relaxed);
        clock.advance_batches(1);
        resident.push(memory()?.resident_mb);
    }
    // The allocator gives memory back late: of ten readings the lowest is what is in use.
    let before = |percent: usize| resident[percent - 10..percent].iter().copied().fold(f64::MAX, f64::min);
    let (cpu, status) = (cpu_seconds() - cpu, ssc.status());
    ssc.stop(Stop::Now)?;
    ssc.await_termination()?;
    let told = visitor.told()?;
    Ok(json!({
        "system": "waterclock",
        "job": "soak",
        "batches": status.completed_batches,
        "cpu_seconds": cpu,
        "rows_of_last_batch": rows.load(Ordering::Relaxed),
        "mb_told_to_the_visitor": told as f64 / 1e6,
        "mb_at_10_percent": before(10),
        "mb_at_50_percent": before(50),
        "mb_at_end": before(100),
        "mb_peak": memory()?.peak_mb,
    }))
}

/// Eight words that come again and again, and one that never does.
fn line(n: u64) -> Text {
    let again: String = (1..=8).map(|k| format!("word-{} ", n * k % 1000)).collect();
    format!("{again}a-word-of-its-own-{n}").into()
}

fn count_rows<T: Data>(stream: &DStream<T>, rows: &Arc<AtomicU64>) {
    let rows = rows.clone();
    stream.foreach_rdd(move |rdd, _| {
        rows.fetch_add(rdd.count()?, Ordering::Relaxed);
        Ok(())
    });
}
