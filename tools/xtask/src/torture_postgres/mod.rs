//! The example `postgres_word_count`, killed again and again, against an independent count of its input.

mod database; // the server: killed, started, asked
mod input; // files, and what is in them
mod program; // the example, started and killed

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::random::Random;
use database::Database;
use input::Input;
use program::Program;

use crate::{servers, workspace};

const USAGE: &str = "\
cargo xtask torture-postgres --kills N [--seed S]

Starts the example `postgres_word_count`, moves files into its input, and kills it with SIGKILL at random instants, N
times; one time in six the server is killed too, and started again. Then compares the tables with what it wrote into
the files. The server is started here, or the one of WATERCLOCK_POSTGRES is used, which is only killed where `cargo
xtask servers` has started it. The tables `word_counts` and `word_totals` are made anew.";

/// So often the tables are compared.
const CHECK_EVERY: u32 = 25;

/// How long the program may take to get through its input.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn run(args: &[String]) -> Result<ExitCode, String> {
    let (kills, seed) = parse(args)?;
    let is_set = std::env::var_os("WATERCLOCK_POSTGRES").is_some_and(|url| !url.is_empty());
    if !is_set {
        let own = std::env::current_exe().map_err(|e| e.to_string())?.display().to_string();
        let command = ["postgres".to_owned(), "--".to_owned(), own, "torture-postgres".to_owned()];
        return servers::run(&[&command[..], args].concat());
    }
    program::build()?;
    let scratch = workspace::root().join("target").join(format!("torture-postgres-{}", std::process::id()));
    let outcome = torture(&scratch, kills, seed);
    match &outcome {
        Ok(()) => fs::remove_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?,
        Err(_) => eprintln!("input, checkpoint and log are in {}", scratch.display()),
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

fn parse(args: &[String]) -> Result<(u32, u64), String> {
    let (mut kills, mut seed) = (None, u64::from(std::process::id()));
    for pair in args.chunks(2) {
        let number = pair.get(1).and_then(|value| value.parse().ok());
        match (pair[0].as_str(), number) {
            ("--kills", Some(number)) => kills = u32::try_from(number).ok(),
            ("--seed", Some(number)) => seed = number,
            _ => return Err(format!("torture-postgres: `{}`\n\n{USAGE}", pair.join(" "))),
        }
    }
    kills.map(|kills| (kills, seed)).ok_or_else(|| format!("torture-postgres: how many kills?\n\n{USAGE}"))
}

fn torture(scratch: &Path, kills: u32, seed: u64) -> Result<(), String> {
    println!("torture-postgres: seed {seed}");
    let mut random = Random::new(seed);
    let mut input = Input::new(scratch, seed)?;
    let database = Database::of_environment()?;
    database.create_tables()?;
    let (mut server_kills, mut from) = (0, Instant::now());
    for kill in 1..=kills {
        let mut program = Program::start(scratch, &database.url)?;
        feed(&mut input, &mut program, random.millis(50, 900))?;
        if database.can_be_killed && random.below(6) == 0 {
            server_kills += 1;
            database.control("kill")?;
            // In half of the cases the program lives to see the server again.
            if random.below(2) == 0 {
                feed(&mut input, &mut program, random.millis(0, 400))?;
                database.control("restart")?;
                feed(&mut input, &mut program, random.millis(0, 400))?;
                program.kill()?;
            } else {
                program.kill()?;
                database.control("restart")?;
            }
        } else {
            program.kill()?;
        }
        if kill % CHECK_EVERY == 0 || kill == kills {
            settle(scratch, &database, &input)?;
            println!(
                "{kill} kills of the program, {server_kills} of the server, {} s: {} files, {} words, 0 lost, 0 doubled",
                from.elapsed().as_secs(),
                input.files,
                input.words()
            );
        }
    }
    from = Instant::now();
    settle(scratch, &database, &input)?;
    println!("a start with nothing to do: {} ms, the tables as before", from.elapsed().as_millis());
    Ok(())
}

/// Moves files in for so long.
fn feed(input: &mut Input, program: &mut Program, time: Duration) -> Result<(), String> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        input.add_file()?;
        let left = end.saturating_duration_since(Instant::now());
        std::thread::sleep(left.min(Duration::from_millis(40)));
        program.must_run()?;
    }
    Ok(())
}

/// Lets the program read all of its input, ends it as a user does, and compares.
fn settle(scratch: &Path, database: &Database, input: &Input) -> Result<(), String> {
    let mut program = Program::start(scratch, &database.url)?;
    let from = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(100));
        program.must_run()?;
        let difference = compare(&database.tables()?, &input.counts);
        match difference {
            Ok(()) => break,
            // What is too much does not go away.
            Err((text, doubled)) if doubled > 0 || from.elapsed() > PATIENCE => return Err(text),
            Err(_) => {}
        }
    }
    program.interrupt()?;
    compare(&database.tables()?, &input.counts).map_err(|(text, _)| text)
}

/// Counts or totals of words.
type Counts = BTreeMap<String, u64>;

/// What differs, and how many words are in a table too often.
fn compare(tables: &[(&'static str, Counts)], expected: &Counts) -> Result<(), (String, u64)> {
    let (mut texts, mut all_doubled) = (Vec::new(), 0);
    for (table, found) in tables {
        let of = |counts: &Counts, word: &String| counts.get(word).copied().unwrap_or(0);
        let lost: u64 = expected.iter().map(|(word, n)| n.saturating_sub(of(found, word))).sum();
        let doubled: u64 = found.iter().map(|(word, n)| n.saturating_sub(of(expected, word))).sum();
        all_doubled += doubled;
        if lost + doubled > 0 {
            texts.push(format!("{table}: {lost} words lost, {doubled} doubled"));
        }
    }
    if texts.is_empty() { Ok(()) } else { Err((texts.join("; "), all_doubled)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> Counts {
        counts.iter().map(|(word, n)| ((*word).to_owned(), *n)).collect()
    }

    #[test]
    fn lost_and_doubled_words_are_counted_apart() {
        let expected = counts(&[("a", 3), ("b", 1)]);
        assert_eq!(compare(&[("t", expected.clone())], &expected), Ok(()));
        let found = [("t", counts(&[("a", 5), ("c", 1)])), ("u", counts(&[("a", 3)]))];
        let text = "t: 1 words lost, 3 doubled; u: 1 words lost, 0 doubled";
        assert_eq!(compare(&found, &expected), Err((text.to_owned(), 3)));
    }

    #[test]
    fn the_command_line_is_read() {
        let parsed = |line: &str| parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parsed("--kills 5 --seed 7"), Ok((5, 7)));
        for wrong in ["--kills", "--kills many", "--seed 7", "--files 1"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
