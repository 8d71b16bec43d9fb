//! Whatever goes wrong, whenever: nothing is lost, nothing is counted twice, and what was seen once is what it
//! would have been without any trouble. Method: our own kinds of jobs under the simulator, each against naive
//! loops over what its batches read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use waterclock_base::{BatchTime, BoxError};
use waterclock_streaming::testing::{SimJob, Simulation};
use waterclock_streaming::{Builder, DStream, State, StateSpec, StreamingContext};

type Pair = (u64, i64);
type Job = fn(Builder, &SimJob) -> Result<StreamingContext, BoxError>;
type Batches<T> = [(BatchTime, Vec<T>)];

/// Every kind of job, by name.
const JOBS: &[(&str, Job)] = &[
    ("running sums", running_sums),
    ("mapped state with time-out", mapped_state),
    ("inverse window", inverse_window),
    ("plain windows", plain_windows),
    ("state of state", state_of_state),
    ("files", files),
    ("union of two sources", union),
    ("a sink between outputs", sink),
];

/// Seeds that once found a fault, and which. What they draw may change; they are cheap.
const FOUND: &[(u64, &str, &str)] = &[
    (0, "mapped state with time-out", "time-outs fired at times without a batch, and nobody saw it"),
    (0, "state of state", "state was counted again at times without a batch"),
    (0, "plain windows", "input was acknowledged that windows look back at"),
    (132, "plain windows", "a snapshot was written and the log before it was not"),
    (207, "running sums", "a snapshot was written and the log before it was not"),
    (1573, "files", "damage at the end of a finished log passed for a torn end"),
    (20972, "running sums", "damage at the end of a finished log passed for a torn end"),
];

/// Which seeds: of `WATERCLOCK_SIM_SEEDS=A..B`, or a few. Each kind of job gets its share of them.
fn seeds() -> std::ops::Range<u64> {
    let given = std::env::var("WATERCLOCK_SIM_SEEDS").ok();
    let range = given.as_deref().and_then(|text| text.split_once(".."));
    match range.map(|(from, to)| (from.parse(), to.parse())) {
        Some((Ok(from), Ok(to))) => from..to,
        _ => 0..140,
    }
}

fn run(name: &str) {
    let kind = JOBS.iter().position(|(known, _)| *known == name);
    let Some(kind) = kind else { panic!("there is no kind of job called {name}") };
    let job = JOBS[kind].1;
    let found = FOUND.iter().filter(|(_, of, _)| *of == name).map(|(seed, ..)| *seed);
    let share = seeds().filter(|seed| seed % JOBS.len() as u64 == kind as u64);
    for seed in share.chain(found) {
        Simulation::new(seed).run(job);
    }
}

fn pairs(ssc: &StreamingContext, job: &SimJob, name: &str) -> DStream<Pair> {
    job.records(ssc, name, |rng| (rng.below(6), 1 + rng.below(9) as i64))
}

/// Sums by key; gone when they can be divided by five.
fn sum(new: Vec<i64>, old: Option<i64>) -> Option<i64> {
    Some(old.unwrap_or(0) + new.iter().sum::<i64>()).filter(|sum| sum % 5 != 0)
}

/// What `sum` makes of the batches.
fn naive_sums(batches: &Batches<Pair>) -> Vec<(BatchTime, Vec<Pair>)> {
    let mut sums: BTreeMap<u64, i64> = BTreeMap::new();
    let mut all = Vec::new();
    for (time, records) in batches {
        for (key, n) in records {
            *sums.entry(*key).or_default() += n;
        }
        sums.retain(|_, sum| *sum % 5 != 0);
        all.push((*time, sums.clone().into_iter().collect()));
    }
    all
}

fn running_sums(builder: Builder, job: &SimJob) -> Result<StreamingContext, BoxError> {
    let ssc = builder.build()?;
    let pairs = pairs(&ssc, job, "pairs");
    job.check(&pairs, &pairs.update_state_by_key(sum).named("sums"), naive_sums);
    Ok(ssc)
}

const TIMEOUT: Duration = Duration::from_secs(2);

fn mapped_state(builder: Builder, job: &SimJob) -> Result<StreamingContext, BoxError> {
    let ssc = builder.build()?;
    let pairs = pairs(&ssc, job, "pairs");
    let count = |_: BatchTime, key: &u64, value: Option<i64>, state: &mut State<'_, i64>| match value {
        None => Some((*key, -state.get().copied().unwrap_or(0))),
        Some(value) => {
            state.update(state.get().copied().unwrap_or(0) + value);
            None
        }
    };
    let mapped = pairs.map_with_state(StateSpec::function(count).timeout(TIMEOUT)).named("mapped");
    job.check(&pairs, &mapped.stream(), |batches| {
        naive_time_outs(batches).into_iter().map(|(time, ended, _)| (time, ended)).collect()
    });
    job.check(&pairs, &mapped.state_snapshots(), |batches| {
        naive_time_outs(batches).into_iter().map(|(time, _, left)| (time, left)).collect()
    });
    Ok(ssc)
}

/// Of each batch, what timed out and what is left.
fn naive_time_outs(batches: &Batches<Pair>) -> Vec<(BatchTime, Vec<Pair>, Vec<Pair>)> {
    let mut state: BTreeMap<u64, (i64, BatchTime)> = BTreeMap::new();
    let mut all = Vec::new();
    for (time, records) in batches {
        for (key, n) in records {
            let entry = state.entry(*key).or_insert((0, *time));
            *entry = (entry.0 + n, *time);
        }
        let is_over = |touched: BatchTime| time.since(touched) > TIMEOUT;
        let ended = state.iter().filter(|(_, (_, touched))| is_over(*touched));
        let ended: Vec<Pair> = ended.map(|(key, (sum, _))| (*key, -sum)).collect();
        state.retain(|_, (_, touched)| !is_over(*touched));
        all.push((*time, ended, state.iter().map(|(key, (sum, _))| (*key, *sum)).collect()));
    }
    all
}

/// The records of the last `window`, at each multiple of `slide`.
fn naive_window<T: Clone>(batches: &Batches<T>, window: i64, slide: i64) -> Vec<(BatchTime, Vec<T>)> {
    let mut all = Vec::new();
    for (time, _) in batches {
        let now = time.as_millis();
        let within = |t: &BatchTime| t.as_millis() > now - window * 1000 && t.as_millis() <= now;
        let records = batches.iter().filter(|(t, _)| within(t)).flat_map(|(_, records)| records.clone());
        if (now - Simulation::zero().as_millis()) % (slide * 1000) == 0 {
            all.push((*time, records.collect()));
        }
    }
    all
}

fn naive_by_key(batches: Vec<(BatchTime, Vec<Pair>)>) -> Vec<(BatchTime, Vec<Pair>)> {
    let by_key = |records: Vec<Pair>| {
        let mut sums: BTreeMap<u64, i64> = BTreeMap::new();
        records.into_iter().for_each(|(key, n)| *sums.entry(key).or_default() += n);
        sums.into_iter().collect()
    };
    batches.into_iter().map(|(time, records)| (time, by_key(records))).collect()
}

const SECOND: Duration = Duration::from_secs(1);

fn inverse_window(builder: Builder, job: &SimJob) -> Result<StreamingContext, BoxError> {
    let ssc = builder.build()?;
    let pairs = pairs(&ssc, job, "pairs");
    let window = pairs
        .reduce_by_key_and_window_inverse(|a, b| a + b, |a, b| a - b, 4 * SECOND, SECOND)
        .named("window")
        .filter(|(_, sum)| *sum != 0);
    job.check(&pairs, &window, |batches| naive_by_key(naive_window(batches, 4, 1)));
    Ok(ssc)
}

fn plain_windows(builder: Builder, job: &SimJob) -> Result<StreamingContext, BoxError> {
    let ssc = builder.build()?;
    let pairs = pairs(&ssc, job, "pairs");
    let reduced = pairs.reduce_by_key_and_window(|a, b| a + b, 4 * SECOND, 2 * SECOND);
    job.check(&pairs, &reduced, |batches| naive_by_key(naive_window(batches, 4, 2)));
    job.check(&pairs, &pairs.window(3 * SECOND), |batches| naive_window(batches, 3, 1));
    Ok(ssc)
}

fn state_of_state(builder: Builder, job: &SimJob) -> Result<StreamingContext, BoxError> {
    let ssc = builder.build()?;
    let pairs = pairs(&ssc, job, "pairs");
    let sums = pairs.update_state_by_key(sum).named("sums");
    let twice = sums.update_state_by_key(sum).named("sums of sums");
    job.check(&sums, &twice, naive_sums);
    job.check(&pairs, &twice, |batches| naive_sums(&naive_sums(batches)));
    let greatest = twice.reduce_by_key_and_window(|a, b| a.max(b), 3 * SECOND, SECOND);
    job.check(&twice, &greatest, |batches| {
        let greatest = |records: Vec<Pair>| {
            let sorted: BTreeSet<Pair> = records.into_iter().collect();
            sorted.into_iter().collect::<BTreeMap<u64, i64>>().into_iter().collect()
        };
        naive_window(batches, 3, 1).into_iter().map(|(time, records)| (time, greatest(records))).collect()
    });
    Ok(ssc)
}

fn files(builder: Builder, job: &SimJob) -> Result<StreamingContext, BoxError> {
    let ssc = builder.build()?;
    let lines = job.lines(&ssc, "lines", |rng| format!("{} {}", rng.below(6), 1 + rng.below(9)))?;
    let pairs = lines.map(|line| {
        let (key, n) = line.split_once(' ').unwrap_or_default();
        (key.parse::<u64>().unwrap_or(0), n.parse::<i64>().unwrap_or(0))
    });
    job.check(&pairs, &pairs.update_state_by_key(sum).named("sums"), naive_sums);
    Ok(ssc)
}

fn union(builder: Builder, job: &SimJob) -> Result<StreamingContext, BoxError> {
    let ssc = builder.build()?;
    let both = pairs(&ssc, job, "left").union(&pairs(&ssc, job, "right"));
    job.check(&both, &both.update_state_by_key(sum).named("sums"), naive_sums);
    Ok(ssc)
}

/// The sink's part of a batch is ready before the last output has begun.
fn sink(builder: Builder, job: &SimJob) -> Result<StreamingContext, BoxError> {
    let ssc = builder.build()?;
    let pairs = pairs(&ssc, job, "pairs");
    let sums = pairs.update_state_by_key(sum).named("sums");
    job.sink("table", &sums);
    job.check(&pairs, &sums, naive_sums);
    Ok(ssc)
}

/// T-309, in virtual time; with real kills it is `cargo xtask torture`.
#[test]
fn running_sums_survive() {
    run("running sums");
}

#[test]
fn mapped_state_and_its_time_outs_survive() {
    run("mapped state with time-out");
}

#[test]
fn inverse_windows_survive() {
    run("inverse window");
}

#[test]
fn plain_windows_survive() {
    run("plain windows");
}

#[test]
fn state_of_state_survives() {
    run("state of state");
}

/// T-308, in virtual time.
#[test]
fn what_came_from_files_survives() {
    run("files");
}

#[test]
fn a_union_survives() {
    run("union of two sources");
}

#[test]
fn what_a_sink_has_survives() {
    run("a sink between outputs");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for (name, job) in JOBS {
        for seed in 0..5 {
            let (one, other) = (Simulation::new(seed).run(job), Simulation::new(seed).run(job));
            let differs = one.lines().iter().zip(other.lines()).find(|(one, other)| one != other);
            assert_eq!(differs, None, "{name}, seed {seed}");
            assert_eq!(one, other);
        }
    }
}
