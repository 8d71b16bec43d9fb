//! The example `kafka_word_count`, killed again and again, and the broker with it; then what is in its two topics is
//! compared.

mod counts; // the comparison
mod topics; // the topics, through Kafka's own programs

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::random::Random;
use counts::{Verdict, compare};
use topics::Feeder;

use crate::servers;
use crate::workspace;

const USAGE: &str = "torture-kafka --kills N [--seed S]: N times SIGKILL, to the program, and one time in six to \
    the broker before it";

/// How long the output may take to hold all of the input, once nobody is killed any more.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many kills pass between two of the broker.
const BROKER_EVERY: u64 = 6;

/// Runs the torture, with a broker of its own where none is given.
pub(crate) fn run(args: &[String]) -> Result<ExitCode, String> {
    let (kills, seed) = parse(args)?;
    if std::env::var_os("WATERCLOCK_SERVERS").is_none() {
        let own = std::env::current_exe().map_err(|e| e.to_string())?.display().to_string();
        let words = ["kafka".to_owned(), "--".to_owned(), own, "torture-kafka".to_owned()];
        return servers::run(&[&words, args].concat());
    }
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let (brokers, control) = (variable("WATERCLOCK_KAFKA")?, variable("WATERCLOCK_SERVERS")?);
    let scratch = workspace::root().join("target").join(format!("torture-kafka-{}", std::process::id()));
    let outcome = torture(&brokers, &control, &scratch, kills, seed);
    // What a failure left is wanted.
    if outcome.is_ok() && scratch.exists() {
        std::fs::remove_dir_all(&scratch).map_err(|e| e.to_string())?;
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

fn parse(args: &[String]) -> Result<(u64, u64), String> {
    let usage = || USAGE.to_owned();
    let (mut kills, mut seed) = (None, u64::from(std::process::id()));
    for pair in args.chunks(2) {
        let [name, value] = pair else { return Err(usage()) };
        let value = value.parse().map_err(|_| usage())?;
        match &**name {
            "--kills" => kills = Some(value),
            "--seed" => seed = value,
            _ => return Err(usage()),
        }
    }
    Ok((kills.ok_or_else(usage)?, seed))
}

fn torture(brokers: &str, control: &str, scratch: &Path, kills: u64, seed: u64) -> Result<(), String> {
    let program = build()?;
    let (from, to) = (format!("lines-{seed}"), format!("counts-{seed}"));
    topics::create(brokers, &from, 3)?;
    topics::create(brokers, &to, 2)?;
    let mut random = Random::new(seed);
    let feeder = Feeder::start(brokers, &from, Random::new(seed.wrapping_add(1)))?;
    let start = || -> Result<Running, String> {
        let mut command = Command::new(&program);
        command.args(["--brokers", brokers, "--from", &from, "--to", &to, "--batch-ms", "20"]);
        command.arg("--checkpoint").arg(scratch.join("checkpoint"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Running).map_err(|e| format!("{}: {e}", program.display()))
    };
    let (mut of_broker, mut by_itself) = (0, 0);
    println!("torture-kafka: {kills} kills, seed {seed}");
    for kill in 1..=kills {
        let mut running = start()?;
        std::thread::sleep(Duration::from_millis(700 + random.below(1500)));
        if kill % BROKER_EVERY == 0 {
            ask(control, "kill kafka")?;
            std::thread::sleep(Duration::from_millis(random.below(500)));
            ask(control, "restart kafka")?;
            of_broker += 1;
            std::thread::sleep(Duration::from_millis(random.below(1500)));
        }
        // It may end where it finds no broker.
        by_itself += u64::from(running.0.try_wait().map_err(|e| e.to_string())?.is_some());
    }
    feeder.finish()?;
    let input = topics::read(brokers, &from)?;
    let (verdict, clean) = finish(&input, brokers, &to, start)?;
    println!(
        "torture-kafka: {kills} kills of the program, {of_broker} of the broker ({by_itself} times the program \
         had ended by itself); {} words, {} counted, {} lost, {} doubled, {} totals that don't follow",
        verdict.words, verdict.counted, verdict.lost, verdict.doubled, verdict.broken
    );
    let right = Verdict { words: verdict.words, counted: verdict.words, ..Verdict::default() };
    match (verdict == right && verdict.words > 0, clean) {
        (true, true) => Ok(()),
        (true, false) => Err("the program did not end with success when it was asked to".to_owned()),
        (false, _) => Err(format!("the output is not the input's; see {}", scratch.display())),
    }
}

/// Lets the program come to the end of the input, and stops it. Whether it ended with success.
fn finish(
    input: &str,
    brokers: &str,
    to: &str,
    start: impl Fn() -> Result<Running, String>,
) -> Result<(Verdict, bool), String> {
    let from = Instant::now();
    let mut running = start()?;
    loop {
        let verdict = compare(input, &topics::read(brokers, to)?)?;
        if verdict.lost == 0 || from.elapsed() > PATIENCE {
            let clean = running.interrupt()?;
            // What it still wrote counts too.
            return Ok((compare(input, &topics::read(brokers, to)?)?, clean));
        }
    }
}

fn build() -> Result<PathBuf, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--release", "-p", "waterclock-examples", "--features", "kafka"]);
    command.args(["--example", "kafka_word_count"]).current_dir(workspace::root());
    let status = command.status().map_err(|e| format!("`cargo` can't be started: {e}"))?;
    if !status.success() {
        return Err(format!("the example does not build: {status}"));
    }
    // This program was built by the same cargo, into the same directory.
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let release = own.parent().ok_or("this program is nowhere")?;
    Ok(release.join("examples").join("kafka_word_count"))
}

/// Has the broker killed or started again.
fn ask(control: &str, request: &str) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("`{request}`: {e}");
    let mut control = TcpStream::connect(control).map_err(failed)?;
    writeln!(control, "{request}").map_err(failed)?;
    let mut answer = String::new();
    control.read_to_string(&mut answer).map_err(failed)?;
    if answer.trim() == "done" { Ok(()) } else { Err(format!("`{request}`: {answer}")) }
}

/// The program. It is killed when this ends.
struct Running(Child);

impl Running {
    /// Asks it to stop, and says whether it ended with success.
    fn interrupt(&mut self) -> Result<bool, String> {
        let id = self.0.id().to_string();
        // The standard library sends no other signal than SIGKILL.
        let sent = Command::new("sh").args(["-c", "kill -s INT \"$1\"", "kill", &id]).status();
        sent.map_err(|e| format!("`sh` can't be started: {e}"))?;
        self.0.wait().map(|status| status.success()).map_err(|e| e.to_string())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
