//! Kills a program again and again, and checks that nothing is lost and nothing counted twice.
//!
//! Examples count the words of what comes all the while. They are killed at random moments and at every named point
//! of a batch's way, also with the server that they read or write, and started again, now and then with another
//! number of threads. From time to time a program may finish, and its output is compared with a count of the input.
//! The checks know files, tables and topics, and nothing else.

mod files; // files into files
mod found; // what a comparison finds
mod input; // words, and files that are moved in
mod kafka; // a topic into another, or into tables
mod life; // kills, from nothing on
mod pipeline; // a program between input and output
mod plan; // where to kill
mod postgres; // files into tables
mod program; // the program, and its ends
mod server; // servers that are killed
mod tally; // what was killed and found

use std::path::PathBuf;
use std::process::ExitCode;

use crate::{servers, workspace};
use life::{Life, emptied};
use pipeline::Kind;
use tally::Tally;

const HELP: &str = "\
cargo xtask torture | torture-postgres | torture-kafka  --kills N [OPTIONS]

  torture           kills `recoverable_word_count`: files into files
  torture-postgres  kills `postgres_word_count` and its server: files into tables, which are made anew
  torture-kafka     kills `kafka_word_count` and `kafka_to_postgres` in turn, and their servers: a topic into another
                    topic, or into tables

  --kills N      so many kills in all, counting those that the state file knows
  --each N       and more, until there were so many at each named point (0)
  --seed S       what comes in and when it is killed follows from this (1)
  --state FILE   counts are kept here: a run goes on where another one ended
  --unsynced     what the program did not sync is lost at each kill, as when the machine ends

Servers are started here, or those of WATERCLOCK_KAFKA and WATERCLOCK_POSTGRES are used, which are only killed where
`cargo xtask servers` has started them.";

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) kills: u64,
    pub(crate) each: u64,
    pub(crate) seed: u64,
    pub(crate) state: Option<PathBuf>,
    pub(crate) unsynced: bool,
}

/// Reads the command line and runs, with servers where the command needs them.
pub(crate) fn run(command: &str, args: &[String]) -> Result<ExitCode, String> {
    let options = parse(args)?;
    let needed: &[&str] = match command {
        "torture-postgres" => &["postgres"],
        "torture-kafka" => &["kafka", "postgres"],
        _ => &[],
    };
    if needed.iter().any(|name| !servers::is_given(name)) {
        let own = std::env::current_exe().map_err(|e| e.to_string())?.display().to_string();
        let again = ["--", &own, command].map(str::to_owned);
        let needed: Vec<_> = needed.iter().map(|name| (*name).to_owned()).collect();
        return servers::run(&[&needed[..], &again, args].concat());
    }
    match command {
        "torture-postgres" => torture(&options, &mut postgres::FilesToTables::build()?)?,
        "torture-kafka" => torture(&options, &mut kafka::TopicToBoth::build(options.kills)?)?,
        _ => torture_files(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Files into files.
pub(crate) fn torture_files(options: &Options) -> Result<(), String> {
    torture(options, &mut files::FilesToFiles::build()?)
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options { seed: 1, ..Options::default() };
    let mut args = args.iter();
    while let Some(name) = args.next() {
        if name == "--unsynced" {
            options.unsynced = true;
            continue;
        }
        let value = args.next().ok_or_else(|| format!("`{name}`?\n\n{HELP}"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{name} {value}`: not a number\n\n{HELP}"));
        match name.as_str() {
            "--kills" => options.kills = number()?,
            "--each" => options.each = number()?,
            "--seed" => options.seed = number()?,
            "--state" => options.state = Some(PathBuf::from(value)),
            _ => return Err(format!("`{name}`?\n\n{HELP}")),
        }
    }
    if options.kills == 0 { Err(HELP.to_owned()) } else { Ok(options) }
}

/// Kills until it is enough, or until a check fails.
fn torture(options: &Options, kind: &mut dyn Kind) -> Result<(), String> {
    let mode = kind.mode(options.unsynced);
    let place = workspace::target().join("torture").join(&mode);
    let mut tally = Tally::read(options.state.as_deref(), &mode)?;
    let targets = kind.targets();
    let of_all = |tally: &Tally| options.kills.saturating_sub(tally.kills());
    let of_points = |tally: &Tally| {
        let points = targets.iter().filter(|target| target.is_point());
        points.map(|target| options.each.saturating_sub(tally.kills_at(target.name))).sum::<u64>()
    };
    while of_all(&tally).max(of_points(&tally)) > 0 {
        let (of_a_check, checks) = (kind.kills_of_a_check(), kind.checks_of_a_life());
        let seed = options.seed.wrapping_add(tally.kills());
        emptied(&place)?;
        let mut life = Life::new(&place, seed, options.unsynced, kind.begin(&place, seed)?);
        for _ in 0..checks {
            let kills = match (of_all(&tally), of_points(&tally)) {
                (0, 0) => break,
                (left, 0) => of_a_check.min(left),
                // The first kills of a life are always the same: what lacks kills comes after them.
                _ => of_a_check,
            };
            let outcome = life.some_kills(kills, &mut tally).and_then(|()| life.finish(&mut tally));
            if let Err(why) = outcome {
                tally.count("faults", 1);
                // What was found is told, whether or not it can be kept.
                let kept = tally.write().err().unwrap_or_default();
                println!("{}", tally.table(&targets));
                let (seed, place) = (life.seed, place.display());
                return Err(format!("{why}\n{kept}\nseed {seed}; everything is in {place}"));
            }
            tally.write()?;
            println!("{}", tally.line());
        }
    }
    println!("{}", tally.table(&targets));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read() {
        let parsed = |line: &str| parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let options = Options { kills: 5, each: 2, seed: 7, state: Some("x".into()), unsynced: true };
        assert_eq!(parsed("--kills 5 --seed 7 --unsynced --state x --each 2"), Ok(options));
        for wrong in ["--kills", "--kills many", "--seed 7", "--files 1"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
