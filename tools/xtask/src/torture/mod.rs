//! Kills a program again and again, and checks that nothing is lost and nothing counted twice.
//!
//! The example `recoverable_word_count` counts the words of files that are moved in all the while. It is killed
//! at random moments and at every named point of a batch's way in turn, and started again, now and then with
//! another number of threads. After every kill its output is looked at: what was there must still be there,
//! unchanged. From time to time it may finish, and its totals are compared with a count of the input. The
//! checks know the files and nothing else.

mod check; // what the output says, against the input
mod input; // files that are moved in
mod plan; // where to kill
mod program; // the program, and its ends
mod tally; // what was killed and found

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::random::Random;
use crate::workspace;
use check::Output;
use input::Input;
use plan::{BIRTH, Kill, PLAN};
use program::{Programs, Started, pause};
use tally::Tally;

const HELP: &str = "\
cargo xtask torture --kills N [--seed S] [--state FILE] [--unsynced]

  --kills N      so many kills in all, counting those that the state file knows
  --seed S       what is moved in and when it is killed follows from this (1)
  --state FILE   counts are kept here: a run goes on where another one ended
  --unsynced     what the program did not sync is lost at each kill, as when the machine ends";

/// After so many kills the program may finish, and its totals are compared.
const UNTIL_CHECK: u64 = 50;
/// After so many comparisons everything begins anew, as looks take longer with everything that is there.
const CHECKS_OF_A_LIFE: u64 = 4;
/// How long a named point may take to be reached.
const PATIENCE: Duration = Duration::from_secs(8);

/// What is asked for.
pub(crate) struct Options {
    pub(crate) kills: u64,
    pub(crate) seed: u64,
    pub(crate) state: Option<PathBuf>,
    pub(crate) unsynced: bool,
}

/// Reads the command line and runs.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let mut options = Options { kills: 0, seed: 1, state: None, unsynced: false };
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
            "--seed" => options.seed = number()?,
            "--state" => options.state = Some(PathBuf::from(value)),
            _ => return Err(format!("`{name}`?\n\n{HELP}")),
        }
    }
    if options.kills == 0 {
        return Err(HELP.to_owned());
    }
    torture(&options)
}

/// Kills until it is enough, or until a check fails.
pub(crate) fn torture(options: &Options) -> Result<(), String> {
    let mode = if options.unsynced { "unsynced" } else { "kill" };
    let place = workspace::target().join("torture");
    let programs = Programs::build(&place.join(format!("programs-{mode}")))?;
    let mut tally = Tally::read(options.state.as_deref(), mode)?;
    while tally.kills() < options.kills {
        let mut life = Life::begin(&place.join(mode), &programs, options, tally.kills())?;
        for _ in 0..CHECKS_OF_A_LIFE {
            let kills = UNTIL_CHECK.min(options.kills - tally.kills().min(options.kills));
            if kills == 0 {
                break;
            }
            let outcome = life.some_kills(kills, &mut tally).and_then(|()| life.finish(&mut tally));
            if let Err(why) = outcome {
                tally.count("faults", 1);
                // What was found is told, whether or not it can be kept.
                let kept = tally.write().err().unwrap_or_default();
                println!("{}", tally.table());
                let (seed, place) = (life.seed, life.place.display());
                return Err(format!("{why}\n{kept}\nseed {seed}; everything is in {place}"));
            }
            tally.write()?;
            println!("{}", tally.line());
        }
    }
    println!("{}", tally.table());
    Ok(())
}

/// A checkpoint's life, from nothing on.
struct Life<'a> {
    seed: u64,
    place: PathBuf,
    programs: &'a Programs,
    unsynced: bool,
    random: Random,
    input: Input,
    output: Output,
    threads: u64,
    /// How often it was started.
    starts: usize,
}

impl<'a> Life<'a> {
    fn begin(place: &Path, programs: &'a Programs, options: &Options, killed: u64) -> Result<Self, String> {
        if place.exists() {
            fs::remove_dir_all(place).map_err(|e| format!("{}: {e}", place.display()))?;
        }
        for name in ["new", "in"] {
            fs::create_dir_all(place.join(name)).map_err(|e| format!("{}: {e}", place.display()))?;
        }
        let seed = options.seed.wrapping_add(killed);
        let mut input = Input::new(place, seed);
        // Some are there before anybody looks.
        (0..5).try_for_each(|_| input.move_one_in())?;
        Ok(Life {
            seed,
            place: place.to_owned(),
            programs,
            unsynced: options.unsynced,
            random: Random::new(!seed),
            input,
            output: Output::new(&place.join("out")),
            threads: 2,
            starts: 0,
        })
    }

    fn some_kills(&mut self, kills: u64, tally: &mut Tally) -> Result<(), String> {
        let until = tally.kills() + kills;
        while tally.kills() < until {
            if self.random.below(4) == 0 {
                self.threads = 1 + self.random.below(4);
            }
            let name = match self.next_kill(tally) {
                Kill::AnyTime => self.kill_any_time()?,
                Kill::Point(name, most) => self.kill_at(name, most)?,
            };
            if let Some(name) = name {
                tally.count(&format!("kills {name}"), 1);
            }
            tally.count("batches", self.output.look()?);
            if self.random.below(3) == 0 {
                let down = Duration::from_millis(self.random.below(400));
                self.pass(down, None)?;
            }
        }
        Ok(())
    }

    /// The plan goes on where the last run left it.
    fn next_kill(&mut self, tally: &mut Tally) -> Kill {
        self.starts += 1;
        if let Some(kill) = BIRTH.get(self.starts - 1) {
            return *kill;
        }
        let at = tally.get("planned") % PLAN.len() as u64;
        tally.count("planned", 1);
        PLAN[at as usize]
    }

    /// Kills at any moment, perhaps after asking for the end; none if it came to an end before.
    fn kill_any_time(&mut self) -> Result<Option<&'static str>, String> {
        // Mostly early: starts are when most can go wrong.
        let longest = 50 + self.random.below(900);
        let (first, second) = (self.random.below(longest), self.random.below(100));
        let mut program = self.start(None)?;
        self.pass(Duration::from_millis(first), Some(&mut program))?;
        if self.random.below(8) == 0 {
            program.interrupt()?;
            self.pass(Duration::from_millis(second), Some(&mut program))?;
        }
        Ok(program.kill()?.then_some("any time"))
    }

    /// Has it killed at a point, at one of the first `most` times that it comes there.
    fn kill_at(&mut self, name: &'static str, most: u64) -> Result<Option<&'static str>, String> {
        // Half of the time its other threads come far before it ends, as on a slow disk.
        let delay = self.random.below(300).saturating_sub(150);
        let target = format!("{name}:{}:{delay}", 1 + self.random.below(most));
        let mut program = self.start(Some(&target))?;
        self.pass(PATIENCE, Some(&mut program))?;
        if program.was_killed()? {
            return Ok(Some(name));
        }
        Ok(program.kill()?.then_some("any time"))
    }

    fn start(&self, target: Option<&str>) -> Result<Started, String> {
        self.programs.start(&self.place, self.threads, target, self.unsynced)
    }

    /// Lets time pass, in which files are moved in; no longer than the program runs.
    fn pass(&mut self, longest: Duration, mut program: Option<&mut Started>) -> Result<(), String> {
        let mut left = longest;
        while !left.is_zero() {
            if let Some(program) = &mut program
                && program.is_over()?
            {
                break;
            }
            let step = left.min(Duration::from_millis(2));
            pause(step);
            self.input.pass(step)?;
            left -= step;
        }
        Ok(())
    }

    /// Lets it finish, and compares.
    fn finish(&mut self, tally: &mut Tally) -> Result<(), String> {
        let program = self.start(None)?;
        let before = self.output.newest();
        let mut longest = PATIENCE;
        while self.output.newest() <= before && !longest.is_zero() {
            pause(Duration::from_millis(10));
            longest = longest.saturating_sub(Duration::from_millis(10));
        }
        program.interrupt()?;
        program.end_well()?;
        tally.count("batches", self.output.look()?);
        let found = check::compare(&self.place.join("in"), &self.place.join("out"))?;
        tally.count("checks", 1);
        tally.count("lost", found.lost);
        tally.count("doubled", found.doubled);
        found.verdict()
    }
}
