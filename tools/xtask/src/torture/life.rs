//! A checkpoint's life, from nothing on: kills, and comparisons in between.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::pipeline::Pipeline;
use super::plan::{ANY_TIME, BIRTH, Kill, Target, next};
use super::program::{Started, option, pause};
use super::server;
use super::tally::Tally;
use crate::random::Random;

/// How long a named point may take to be reached.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long the program may take to get through its input.
const LONGEST_WAY: Duration = Duration::from_secs(60);
/// Attempts in vain, after which a point passes for one that is never reached.
const VAIN: u64 = 40;

pub(super) struct Life<'a> {
    pub(super) seed: u64,
    place: PathBuf,
    pipeline: Box<dyn Pipeline + 'a>,
    unsynced: bool,
    random: Random,
    threads: u64,
    /// How often it was started.
    starts: usize,
    /// The last kill.
    last: Option<&'static str>,
    /// How many words the last comparison knew.
    compared: u64,
}

impl<'a> Life<'a> {
    /// With input and output that nothing was done to yet.
    pub(super) fn new(place: &Path, seed: u64, unsynced: bool, pipeline: Box<dyn Pipeline + 'a>) -> Self {
        let (place, random) = (place.to_owned(), Random::new(!seed));
        Life { seed, place, pipeline, unsynced, random, threads: 2, starts: 0, last: None, compared: 0 }
    }

    pub(super) fn some_kills(&mut self, kills: u64, tally: &mut Tally) -> Result<(), String> {
        let until = tally.kills() + kills;
        while tally.kills() < until {
            if self.random.below(4) == 0 {
                self.threads = 1 + self.random.below(4);
            }
            let target = self.next_target(tally)?;
            let was_killed = match target.kill {
                Kill::AnyTime => self.kill_any_time()?,
                Kill::Server(name) => self.kill_with(name)?,
                Kill::Point(at, most) => self.kill_at(at, most, None)?,
                Kill::Past(at, most, millis) => self.kill_at(at, most, Some(millis))?,
            };
            if was_killed {
                tally.killed(target.name);
            } else {
                tally.missed(target.name);
            }
            self.last = was_killed.then_some(target.name);
            tally.count("batches", self.pipeline.look()?);
            if self.random.below(3) == 0 {
                let down = Duration::from_millis(self.random.below(400));
                self.pass(down, None)?;
            }
        }
        Ok(())
    }

    /// What was killed least; first what a new life can be killed at.
    fn next_target(&mut self, tally: &Tally) -> Result<Target, String> {
        self.starts += 1;
        if let Some(target) = BIRTH.get(self.starts - 1) {
            return Ok(*target);
        }
        let targets = self.pipeline.targets();
        let target = next(&targets, self.last, tally).unwrap_or(ANY_TIME);
        if tally.kills_at(target.name) == 0 && tally.get(&format!("missed {}", target.name)) >= VAIN {
            return Err(format!("the program never comes to `{}`", target.name));
        }
        Ok(target)
    }

    /// Kills at any moment, perhaps after asking for the end. False if it came to an end before.
    fn kill_any_time(&mut self) -> Result<bool, String> {
        let first = self.any_moment();
        let mut program = self.start(None)?;
        self.pass(first, Some(&mut program))?;
        if self.random.below(8) == 0 {
            program.interrupt()?;
            let second = Duration::from_millis(self.random.below(100));
            self.pass(second, Some(&mut program))?;
        }
        program.kill()
    }

    /// Some time after a start; mostly a short one.
    fn any_moment(&mut self) -> Duration {
        let longest = self.pipeline.longest().as_millis() as u64;
        let longest = 50 + self.random.below(longest);
        Duration::from_millis(self.random.below(longest))
    }

    /// Kills a server at any moment, and the program: with it, or after it has seen the server again.
    fn kill_with(&mut self, name: &str) -> Result<bool, String> {
        let first = self.any_moment();
        let mut program = self.start(None)?;
        self.pass(first, Some(&mut program))?;
        server::ask("kill", name)?;
        let [without, again] = [400, 1_000].map(|longest| Duration::from_millis(self.random.below(longest)));
        if self.random.below(2) == 0 {
            self.pass(without, Some(&mut program))?;
            server::ask("restart", name)?;
            self.pass(again, Some(&mut program))?;
            return program.kill();
        }
        let was_killed = program.kill()?;
        server::ask("restart", name)?;
        Ok(was_killed)
    }

    /// Has it killed at a point, at one of the first `most` times that it comes there; or less than so many
    /// milliseconds later.
    fn kill_at(&mut self, name: &'static str, most: u64, past: Option<u64>) -> Result<bool, String> {
        let target = match past {
            Some(millis) => format!("{name}:{}:+{}", self.which(most), self.random.below(millis)),
            // Half of the time its other threads come far before it ends, as on a slow disk.
            None => format!("{name}:{}:{}", self.which(most), self.random.below(300).saturating_sub(150)),
        };
        let mut program = self.start(Some(&target))?;
        self.pass(PATIENCE, Some(&mut program))?;
        if program.was_killed()? {
            return Ok(true);
        }
        // It is in the way, and was not killed where it should have been.
        program.kill()?;
        Ok(false)
    }

    /// One of the first times; often the very first, when what the last process left is made up for.
    fn which(&mut self, most: u64) -> u64 {
        if self.random.below(3) == 0 { 1 } else { 1 + self.random.below(most) }
    }

    fn start(&self, target: Option<&str>) -> Result<Started, String> {
        let mut args = self.pipeline.args();
        args.extend(option("--checkpoint", &self.place.join("checkpoint")));
        let more = ["--snapshot-bytes", "4096", "--threads", &self.threads.to_string()];
        args.extend(more.map(str::to_owned));
        self.pipeline.programs().start(&args, self.place.join("said"), target, self.unsynced)
    }

    /// Lets time pass, in which input comes; no longer than the program runs.
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
            self.pipeline.pass(step)?;
            left -= step;
        }
        Ok(())
    }

    /// Lets it finish, and compares.
    pub(super) fn finish(&mut self, tally: &mut Tally) -> Result<(), String> {
        self.pipeline.rest()?;
        let mut program = self.start(None)?;
        let from = std::time::Instant::now();
        while !self.pipeline.has_caught_up()? && from.elapsed() < LONGEST_WAY && !program.is_over()? {
            pause(Duration::from_millis(10));
        }
        program.interrupt()?;
        program.end_well()?;
        tally.count("batches", self.pipeline.look()?);
        let found = self.pipeline.compare()?;
        tally.compared(&found, found.words - self.compared);
        self.compared = found.words;
        self.last = None;
        found.verdict()
    }
}

/// An empty directory.
pub(super) fn emptied(place: &Path) -> Result<(), String> {
    let failed = |e| format!("{}: {e}", place.display());
    if place.exists() {
        fs::remove_dir_all(place).map_err(failed)?;
    }
    fs::create_dir_all(place).map_err(failed)
}
