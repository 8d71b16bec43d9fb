//! The figures of BENCHMARKS.md: our benches, the hand-written programs and other engines, in one run.
//!
//! Each measurement is a process of its own and is repeated; the programs take turns, so that whatever else
//! the machine does meets all of them. The table has the best of all runs. `bench latency` compares delays: of
//! lines from a socket, with those of the bare batcher, which does nothing but cut at the tick and count words.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::workspace;

/// One program with its arguments, and under which name it stands in the table.
struct Job {
    system: &'static str,
    name: &'static str,
    threads: u32,
    /// What a figure is given per: words of the input for jobs on words, else lines.
    per_word: bool,
    program: Program,
}

enum Program {
    /// `waterclock-bench` with these arguments.
    Ours(&'static str),
    /// A binary of the peers' workspace with these arguments.
    Peer(&'static str, &'static str),
}

const USAGE: &str = "\
cargo xtask bench --data DIR [--peers DIR] [--runs N] [--only TEXT]

  --data DIR    what `gen_text.py DIR 20 50000000` wrote
  --peers DIR   the workspace of the hand-written programs and other engines, built with --release
  --runs N      how often each is measured (3)
  --only TEXT   only jobs whose name holds the text

cargo xtask bench latency --peers DIR [--interval-ms N] [--seconds N] [--threads N]

  --interval-ms N  of a batch (1)
  --seconds N      of each of the two programs, one after the other (600)
  --threads N      of ours (2)";

/// Lines a second of `bench latency`.
const RATE: &str = "10000";

/// Words and lines of the generated text, 20 files of 50 MB.
const WORDS: f64 = 159_088_911.0;
const LINES: f64 = 15_908_154.0;
const BYTES: f64 = 1_000_000_454.0;

fn jobs() -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut add = |system, name, per_word, threads: &[u32], program: fn() -> Program| {
        for &threads in threads {
            jobs.push(Job { system, name, threads, per_word, program: program() });
        }
    };
    let both = &[1, 2];
    add("limit", "grep per line", false, both, || Program::Peer("limit", "grep_perline"));
    add("waterclock", "grep", false, both, || Program::Ours("grep"));
    add("timely", "grep", false, &[2], || Program::Peer("peer_timely", "grep"));
    add("renoir", "grep", false, &[2], || Program::Peer("peer-renoir", "grep"));
    add("limit", "wordcount", true, both, || Program::Peer("limit", "wordcount"));
    add("limit, hashbrown", "wordcount", true, both, || Program::Peer("limit", "wordcount_hashbrown"));
    add("waterclock, words()", "wordcount", true, both, || Program::Ours("wordcount --form words"));
    add("waterclock, flat_map_into", "wordcount", true, both, || Program::Ours("wordcount --form into"));
    add("waterclock, Vec<Text>", "wordcount", true, &[1], || Program::Ours("wordcount --form vec"));
    add("waterclock, Vec<String>", "wordcount", true, &[1], || Program::Ours("wordcount --form string"));
    add("timely", "wordcount", true, &[2], || Program::Peer("peer_timely", "wordcount"));
    add("renoir", "wordcount", true, &[2], || Program::Peer("peer-renoir", "wordcount"));
    add("limit", "window", true, both, || Program::Peer("limit", "window"));
    add("waterclock", "windowed", true, both, || Program::Ours("windowed"));
    add("timely", "window", true, &[2], || Program::Peer("peer_timely", "window"));
    add("limit", "state", true, both, || Program::Peer("limit", "state"));
    add("waterclock", "stateful", true, both, || Program::Ours("stateful"));
    add("timely", "state", true, &[2], || Program::Peer("peer_timely", "state"));
    jobs
}

/// Runs the benches and prints the table.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    if args.first().is_some_and(|arg| arg == "latency") {
        return latency(args);
    }
    let value = |name| value(args, name);
    let data = value("--data").ok_or(USAGE)?;
    let peers = value("--peers").map(PathBuf::from);
    let runs: usize = value("--runs").map_or(Ok(3), |n| n.parse()).map_err(|_| USAGE)?;
    let only = value("--only").unwrap_or_default();
    let ours = build()?;
    let jobs: Vec<Job> = jobs()
        .into_iter()
        .filter(|job| {
            job.name.contains(&only) && (peers.is_some() || matches!(job.program, Program::Ours(_)))
        })
        .collect();
    let mut figures: Vec<Vec<(f64, f64)>> = jobs.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for (job, figures) in jobs.iter().zip(&mut figures) {
            figures.push(measure(job, &ours, peers.as_deref(), &data)?);
        }
    }
    println!("| job | system | threads | MB/s | CPU s/GB | CPU ns |");
    println!("|---|---|--:|--:|--:|--:|");
    for (job, figures) in jobs.iter().zip(&figures) {
        print_row(job, figures);
    }
    Ok(())
}

fn value(args: &[String], name: &str) -> Option<String> {
    let at = args.iter().position(|arg| arg == name)?;
    args.get(at + 1).cloned()
}

/// Runs the bare batcher and ours one after the other, and prints the delays of their lines and the goals.
fn latency(args: &[String]) -> Result<(), String> {
    let peers = value(args, "--peers").map(PathBuf::from).ok_or(USAGE)?;
    let number = |name, or| value(args, name).map_or(Ok(or), |n| n.parse::<u64>()).map_err(|_| USAGE);
    let (interval, seconds) = (number("--interval-ms", 1)?, number("--seconds", 600)?.to_string());
    let (threads, millis) = (number("--threads", 2)?.to_string(), interval.to_string());
    let mut bare = Command::new(peers.join("target/release/latency"));
    bare.args(["--us", &(interval * 1000).to_string(), "--rate", RATE, "--secs", &seconds]);
    let mut ours = Command::new(build()?);
    ours.args(["latency", "--interval-ms", &millis, "--rate", RATE, "--seconds", &seconds])
        .args(["--threads", &threads]);

    let (bare, ours) = (printed(&mut bare)?, printed(&mut ours)?);
    println!("{bare}{ours}");
    let ms = |line: &str, name| {
        let micros = number_of(line, name).ok_or_else(|| format!("there is no {name} in {line}"));
        micros.map(|micros| micros / 1000.0)
    };
    println!("| program | median ms | p99 ms | longest ms |\n|---|--:|--:|--:|");
    for (name, line) in [("bare batcher", &bare), ("waterclock", &ours)] {
        let (median, p99, max) = (ms(line, "median_us")?, ms(line, "p99_us")?, ms(line, "max_us")?);
        println!("| {name} | {median:.2} | {p99:.2} | {max:.2} |");
    }
    let interval = interval as f64;
    println!("median: {:.2} ms, goal {:.2}", ms(&ours, "median_us")?, interval / 2.0 + 0.5);
    let goal = ms(&bare, "p99_us")? + interval + 1.0;
    println!("p99: {:.2} ms, goal {goal:.2}", ms(&ours, "p99_us")?);
    Ok(())
}

fn print_row(job: &Job, figures: &[(f64, f64)]) {
    let seconds = least(figures, |figure| figure.0);
    let cpu = least(figures, |figure| figure.1);
    let (each, unit) = if job.per_word { (WORDS, "a word") } else { (LINES, "a line") };
    let (rate, per_gb, ns) = (BYTES / 1e6 / seconds, cpu * 1e9 / BYTES, cpu * 1e9 / each);
    println!(
        "| {} | {} | {} | {rate:.0} | {per_gb:.3} | {ns:.1} {unit} |",
        job.name, job.system, job.threads
    );
}

/// The best of all runs: what a busy machine adds is only ever added.
fn least(figures: &[(f64, f64)], of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    figures.iter().map(of).fold(f64::INFINITY, f64::min)
}

fn build() -> Result<PathBuf, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "waterclock-bench"])
        .current_dir(workspace::root())
        .status()
        .map_err(|error| format!("`cargo` can't be started: {error}"))?;
    if !status.success() {
        return Err(format!("the bench can't be built: {status}"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(workspace::root().join("target"), PathBuf::from);
    Ok(target.join("release/waterclock-bench"))
}

/// Seconds of the wall and of the processor for the whole input.
fn measure(job: &Job, ours: &Path, peers: Option<&Path>, data: &str) -> Result<(f64, f64), String> {
    let threads = job.threads.to_string();
    let mut command = match (&job.program, peers) {
        (Program::Ours(args), _) => {
            let mut command = Command::new(ours);
            command.args(args.split(' ')).args(["--input", data, "--threads", &threads, "--batches", "20"]);
            command
        }
        (Program::Peer(binary, args), Some(peers)) => {
            let mut command = Command::new(peers.join("target/release").join(binary));
            command.args(args.split(' ')).args(["--threads", &threads]).env("PEER_DATA", data);
            command
        }
        (Program::Peer(..), None) => return Err(USAGE.to_owned()),
    };
    let line = printed(&mut command)?;
    let figure =
        |name| number_of(&line, name).ok_or_else(|| format!("{command:?} printed no {name}: {line}"));
    // Some measure the input once, some twice: what counts is the time for its bytes.
    let share = BYTES / figure("bytes")?;
    Ok((figure("seconds")? * share, figure("cpu_seconds")? * share))
}

/// What the program prints.
fn printed(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}: {said}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The number behind a name in a line of JSON without nesting.
fn number_of(line: &str, name: &str) -> Option<f64> {
    let (_, after) = line.split_once(&format!("\"{name}\":"))?;
    let digits: String = after.chars().take_while(|c| c.is_ascii_digit() || ".e-+".contains(*c)).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_a_line_of_json() {
        let line = r#"{"job":"x","bytes":10,"seconds":1.5e-1,"cpu_seconds":0.25}"#;
        assert_eq!(number_of(line, "bytes"), Some(10.0));
        assert_eq!(number_of(line, "seconds"), Some(0.15));
        assert_eq!(number_of(line, "cpu_seconds"), Some(0.25));
        assert_eq!(number_of(line, "wall"), None);
    }
}
