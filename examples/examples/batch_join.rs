//! The engine alone: two datasets are joined, sorted and saved, with no stream anywhere.

use std::path::Path;

use waterclock::prelude::*;
use waterclock_examples::{Args, log};

const HELP: &str = "\
cargo run --release --example batch_join -- [OPTIONS]

Joins customers with their orders, sorts them by what they spent, and saves the list as text files.

  --out DIR     where to save it; has to be new (customers)
  --orders N    how many orders to make up (1000000)
  --help        this text";

const NAMES: [&str; 8] = ["Ada", "Ben", "Cleo", "Dora", "Emil", "Fay", "Gus", "Hana"];

fn main() -> waterclock::Result<()> {
    log();
    let mut args = Args::of_process();
    let out = args.value("--out").unwrap_or_else(|| "customers".to_owned());
    let orders = args.number("--orders", 1_000_000);
    args.done(HELP);
    let best = report(&Engine::local(2), orders, Path::new(&out))?;
    println!("saved in {out}; the best customer is {} with {} cents", best.1, best.0);
    Ok(())
}

/// Whose the n-th order is.
fn customer(n: u64) -> u64 {
    n.isqrt() % NAMES.len() as u64
}

/// What the n-th order costs.
fn cents(n: u64) -> u64 {
    n * 7 % 1_000
}

/// Saves (cents spent, name) of all customers, most first, and gives the first.
fn report(engine: &Engine, orders: u64, out: &Path) -> waterclock::Result<(u64, Text)> {
    let names = NAMES.iter().map(|name| Text::from(*name));
    let customers = engine.parallelize((0u64..).zip(names).collect(), 2);
    // Customer and cents of each order.
    let orders = engine.parallelize((0..orders).collect(), 4).map(|n| (customer(n), cents(n)));

    let spent = orders.reduce_by_key(|a, b| a + b);
    let list = customers.join(&spent).map(|(_, (name, cents))| (cents, name));
    let sorted = list.sort_by_key(false, 2)?;
    sorted.save_as_text_file(out)?;
    sorted.first()
}
