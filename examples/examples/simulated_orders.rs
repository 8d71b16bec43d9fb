//! A job of one's own through crashes: what customers spent, under the simulator.
//!
//! The job is the function `spent`, as a real program would have it; the rest says where its input comes from
//! and what should come out.

use std::collections::BTreeMap;

use waterclock::prelude::*;
use waterclock::testing::{SimJob, Simulation};
use waterclock::{BatchTime, Builder};
use waterclock_examples::Args;

const HELP: &str = "\
cargo run --release --example simulated_orders -- [OPTIONS]

Runs a job through simulated crashes, one life story for each seed, and compares with a plain loop.

  --from N      the first seed (0)
  --seeds N     how many (100)
  --help        this text";

fn main() -> waterclock::Result<()> {
    let mut args = Args::of_process();
    let from = args.number("--from", 0);
    let seeds = args.number("--seeds", 100);
    args.done(HELP);
    let mut lines = 0;
    for seed in from..from + seeds {
        lines += Simulation::new(seed).run(program).lines().len();
    }
    println!("{seeds} seeds, {lines} things happened, nothing lost, nothing doubled");
    Ok(())
}

/// The job: what each customer spent so far, in cents; who spent more than a thousand gets a present and
/// begins anew.
fn spent(orders: &DStream<(u64, u64)>) -> DStream<(u64, u64)> {
    let add = |cents: Vec<u64>, before: Option<u64>| {
        Some(before.unwrap_or(0) + cents.iter().sum::<u64>()).filter(|spent| *spent <= 1_000)
    };
    orders.update_state_by_key(add).named("spent")
}

/// Called at each start.
fn program(builder: Builder, job: &SimJob) -> Result<StreamingContext, BoxError> {
    let ssc = builder.build()?;
    let orders = job.records(&ssc, "orders", |rng| (rng.below(5), 1 + rng.below(400)));
    job.check(&orders, &spent(&orders), expected);
    Ok(ssc)
}

type Orders = (BatchTime, Vec<(u64, u64)>);

/// The same by a plain loop.
fn expected(batches: &[Orders]) -> Vec<Orders> {
    let mut spent = BTreeMap::new();
    let mut all = Vec::new();
    for (time, orders) in batches {
        for (customer, cents) in orders {
            *spent.entry(*customer).or_insert(0) += cents;
        }
        spent.retain(|_, cents| *cents <= 1_000);
        all.push((*time, spent.clone().into_iter().collect()));
    }
    all
}
