//! The records job as one would write it without any library of streams: what the engine is measured by.

use hashbrown::HashMap;

use crate::Options;
use crate::input::{Input, Order};
use crate::measure::{Measure, Report};

/// Parses each line, groups by category, sums quantity and revenue; one thread for each part of the file.
pub(crate) fn records(input: &Input, options: &Options) -> Report {
    let (warm, batches) = (2, options.batches.unwrap_or(20));
    let mut check = 0;
    let mut measure = Measure::start();
    for batch in 0..warm + batches {
        if batch == warm {
            (measure, check) = (Measure::start(), 0);
        }
        check += sums(input.file(batch), options.threads);
    }
    let (bytes, lines) = (input.bytes(warm, warm + batches), input.lines(warm, warm + batches));
    let mut report = measure.stop("records", bytes, lines, check);
    report.system = "hand-written";
    report
}

fn sums(text: &str, threads: usize) -> u64 {
    let parts = parts(text, threads);
    let maps: Vec<HashMap<String, (u64, f64)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || sum(part))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread that sums does not panic")).collect()
    });
    let mut all: HashMap<String, (u64, f64)> = HashMap::new();
    for (key, (quantity, revenue)) in maps.into_iter().flatten() {
        let sum = all.entry(key).or_default();
        *sum = (sum.0 + quantity, sum.1 + revenue);
    }
    all.values().map(|(quantity, _)| quantity).sum()
}

fn sum(part: &str) -> HashMap<String, (u64, f64)> {
    let mut sums: HashMap<String, (u64, f64)> = HashMap::new();
    for order in part.lines().filter_map(|line| serde_json::from_str::<Order>(line).ok()) {
        let revenue = f64::from(order.quantity) * order.price * (1.0 - order.discount);
        let sum = sums.entry(order.category).or_default();
        *sum = (sum.0 + u64::from(order.quantity), sum.1 + revenue);
    }
    sums
}

fn parts(text: &str, parts: usize) -> Vec<&str> {
    let mut rest = text;
    let mut cut = Vec::new();
    for left in (1..=parts.max(1)).rev() {
        let from = rest.len() / left;
        let end = memchr::memchr(b'\n', &rest.as_bytes()[from.min(rest.len().saturating_sub(1))..]);
        let (part, after) =
            rest.split_at(if left == 1 { rest.len() } else { end.map_or(rest.len(), |e| from + e + 1) });
        cut.push(part);
        rest = after;
    }
    cut
}
