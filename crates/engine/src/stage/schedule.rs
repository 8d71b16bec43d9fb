//! Which task runs when, and what a failure leads to. Pure: events in, commands out.
//!
//! A stage goes `Waiting → Claiming → Running → Done`:
//!
//! - *Waiting* until every stage that it reads is done;
//! - *Claiming* until this job is the one that may produce it (another job may be at it, and then there is
//!   nothing left to do);
//! - *Running* until each missing task has one successful attempt.
//!
//! A failed attempt is followed by another until the limit; then the job is given up. A task that takes much
//! longer than its siblings gets a second attempt beside the first (speculation), and the first to finish
//! counts.

use std::collections::BTreeMap;

/// How often tasks are tried and when they count as slow.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) attempts: u32,
    pub(crate) speculation: Option<Speculation>,
}

/// When a second copy of a task is started. Times in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Speculation {
    /// Times the median of the stage's finished tasks.
    pub(crate) multiplier: f64,
    /// Share of the stage's tasks that must have finished.
    pub(crate) quantile: f64,
    /// No task is slow below this.
    pub(crate) at_least_micros: i64,
}

/// One attempt of one task of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Try {
    pub(crate) stage: usize,
    pub(crate) partition: usize,
    pub(crate) attempt: u32,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Happened {
    /// The job begins.
    Started,
    /// The claim was had, and these tasks are missing.
    Claimed { stage: usize, missing: Vec<usize> },
    /// Another job gave the claim back.
    Released { stage: usize },
    /// An attempt left the queue.
    Began(Try),
    /// An attempt stopped, because it was told to.
    Stopped(Try),
    /// An attempt succeeded.
    Succeeded(Try),
    /// An attempt failed.
    Failed(Try),
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Try to take the stage's claim; answer with `Claimed`, or later with `Released`.
    Claim(usize),
    /// Run an attempt.
    Submit(Try),
    /// Keep the output of this attempt.
    Install(Try),
    /// Give the claim back: the stage is done.
    Release(usize),
    /// The task failed as often as it may: give the job up.
    GiveUp(Try),
    /// Everything is done.
    Finish,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Claiming,
    Running,
    Done,
}

#[derive(Debug)]
struct Task {
    attempts: u32,
    failures: u32,
    /// When each copy that is under way began; none while it waits in the queue.
    running: BTreeMap<u32, Option<i64>>,
    done: bool,
}

#[derive(Debug)]
struct Stage {
    after: Vec<usize>,
    state: State,
    tasks: BTreeMap<usize, Task>,
    /// How long finished tasks took.
    durations: Vec<i64>,
}

/// The progress of one job through its stages.
pub(crate) struct Schedule {
    rules: Rules,
    stages: Vec<Stage>,
}

impl Schedule {
    /// `after[i]` are the stages that stage i reads, all smaller than i.
    pub(crate) fn new(after: Vec<Vec<usize>>, rules: Rules) -> Self {
        let stage =
            |after| Stage { after, state: State::Waiting, tasks: BTreeMap::new(), durations: Vec::new() };
        Schedule { rules, stages: after.into_iter().map(stage).collect() }
    }

    /// Takes in what happened at `now` (microseconds) and says what to do.
    pub(crate) fn step(&mut self, happened: Happened, now: i64) -> Vec<Command> {
        let mut commands = Vec::new();
        match happened {
            Happened::Started => self.begin_ready(&mut commands),
            Happened::Claimed { stage, missing } => self.run_stage(stage, missing, &mut commands),
            Happened::Released { stage } => commands.push(Command::Claim(stage)),
            Happened::Began(attempt) => self.began(attempt, now),
            Happened::Stopped(attempt) => self.stopped(attempt, &mut commands),
            Happened::Succeeded(attempt) => self.succeeded(attempt, now, &mut commands),
            Happened::Failed(attempt) => self.failed(attempt, &mut commands),
            Happened::Tick => self.speculate(now, &mut commands),
        }
        commands
    }

    fn begin_ready(&mut self, commands: &mut Vec<Command>) {
        for i in 0..self.stages.len() {
            let ready = self.stages[i].state == State::Waiting
                && self.stages[i].after.iter().all(|&before| self.stages[before].state == State::Done);
            if ready {
                self.stages[i].state = State::Claiming;
                commands.push(Command::Claim(i));
            }
        }
        if self.stages.iter().all(|stage| stage.state == State::Done) {
            commands.push(Command::Finish);
        }
    }

    fn run_stage(&mut self, stage: usize, missing: Vec<usize>, commands: &mut Vec<Command>) {
        self.stages[stage].state = State::Running;
        for partition in missing {
            let task = Task { attempts: 0, failures: 0, running: BTreeMap::new(), done: false };
            self.stages[stage].tasks.insert(partition, task);
            self.submit(stage, partition, commands);
        }
        self.finish_stage_if_done(stage, commands);
    }

    fn submit(&mut self, stage: usize, partition: usize, commands: &mut Vec<Command>) {
        if let Some(task) = self.stages[stage].tasks.get_mut(&partition) {
            let attempt = task.attempts;
            task.attempts += 1;
            task.running.insert(attempt, None);
            commands.push(Command::Submit(Try { stage, partition, attempt }));
        }
    }

    fn began(&mut self, attempt: Try, now: i64) {
        let task = self.stages[attempt.stage].tasks.get_mut(&attempt.partition);
        if let Some(running) = task.and_then(|task| task.running.get_mut(&attempt.attempt)) {
            *running = Some(now);
        }
    }

    /// A copy that lost is told to stop; should one that did not lose do so, another takes its place.
    fn stopped(&mut self, attempt: Try, commands: &mut Vec<Command>) {
        let Some(task) = self.stages[attempt.stage].tasks.get_mut(&attempt.partition) else { return };
        task.running.remove(&attempt.attempt);
        if !task.done && task.running.is_empty() {
            self.submit(attempt.stage, attempt.partition, commands);
        }
    }

    fn succeeded(&mut self, attempt: Try, now: i64, commands: &mut Vec<Command>) {
        let stage = &mut self.stages[attempt.stage];
        let Some(task) = stage.tasks.get_mut(&attempt.partition) else { return };
        let began = task.running.remove(&attempt.attempt).flatten();
        if task.done {
            return; // A copy of a task that another copy finished.
        }
        task.done = true;
        stage.durations.extend(began.map(|began| now - began));
        commands.push(Command::Install(attempt));
        self.finish_stage_if_done(attempt.stage, commands);
    }

    fn failed(&mut self, attempt: Try, commands: &mut Vec<Command>) {
        let limit = self.rules.attempts.max(1);
        let Some(task) = self.stages[attempt.stage].tasks.get_mut(&attempt.partition) else { return };
        task.running.remove(&attempt.attempt);
        if task.done {
            return;
        }
        task.failures += 1;
        if task.failures >= limit {
            commands.push(Command::GiveUp(attempt));
        } else if task.running.is_empty() {
            self.submit(attempt.stage, attempt.partition, commands);
        }
    }

    fn finish_stage_if_done(&mut self, stage: usize, commands: &mut Vec<Command>) {
        if self.stages[stage].tasks.values().all(|task| task.done) {
            self.stages[stage].state = State::Done;
            commands.push(Command::Release(stage));
            self.begin_ready(commands);
        }
    }

    fn speculate(&mut self, now: i64, commands: &mut Vec<Command>) {
        let Some(rule) = self.rules.speculation.clone() else { return };
        for i in 0..self.stages.len() {
            for partition in slow_tasks(&self.stages[i], &rule, now) {
                self.submit(i, partition, commands);
            }
        }
    }
}

/// The tasks that have one running copy and take too long.
fn slow_tasks(stage: &Stage, rule: &Speculation, now: i64) -> Vec<usize> {
    let enough = ((stage.tasks.len() as f64 * rule.quantile) as usize).max(1);
    if stage.state != State::Running || stage.tasks.len() < 2 || stage.durations.len() < enough {
        return Vec::new();
    }
    let mut durations = stage.durations.clone();
    durations.sort_unstable();
    let median = durations[durations.len() / 2];
    let limit = ((median as f64 * rule.multiplier) as i64).max(rule.at_least_micros);
    let slow = |task: &Task| {
        let long = |began: &Option<i64>| began.is_some_and(|began| now - began > limit);
        !task.done && task.running.len() == 1 && task.running.values().all(long)
    };
    stage.tasks.iter().filter(|(_, task)| slow(task)).map(|(partition, _)| *partition).collect()
}

#[cfg(test)]
mod tests {
    //! Goal: the scheduler's decisions, one by one. Method: events in, commands out; no threads, no time.
    use super::*;

    fn rules() -> Rules {
        let speculation = Speculation { multiplier: 1.5, quantile: 0.75, at_least_micros: 100 };
        Rules { attempts: 2, speculation: Some(speculation) }
    }
    fn attempt(stage: usize, partition: usize, attempt: u32) -> Try {
        Try { stage, partition, attempt }
    }

    #[test]
    fn a_stage_runs_when_what_it_reads_is_done() {
        let mut s = Schedule::new(vec![vec![], vec![], vec![0, 1]], rules());
        assert_eq!(s.step(Happened::Started, 0), [Command::Claim(0), Command::Claim(1)]);
        let submit = s.step(Happened::Claimed { stage: 0, missing: vec![0] }, 0);
        assert_eq!(submit, [Command::Submit(attempt(0, 0, 0))]);
        // Another job produced stage 1 meanwhile: nothing is missing.
        assert_eq!(s.step(Happened::Claimed { stage: 1, missing: vec![] }, 0), [Command::Release(1)]);
        assert_eq!(
            s.step(Happened::Succeeded(attempt(0, 0, 0)), 1),
            [Command::Install(attempt(0, 0, 0)), Command::Release(0), Command::Claim(2)]
        );
        s.step(Happened::Claimed { stage: 2, missing: vec![3] }, 1);
        assert_eq!(
            s.step(Happened::Succeeded(attempt(2, 3, 0)), 2),
            [Command::Install(attempt(2, 3, 0)), Command::Release(2), Command::Finish]
        );
    }

    #[test]
    fn a_failed_task_is_tried_again_and_then_given_up() {
        let mut s = Schedule::new(vec![vec![]], rules());
        s.step(Happened::Started, 0);
        s.step(Happened::Claimed { stage: 0, missing: vec![5] }, 0);
        assert_eq!(s.step(Happened::Failed(attempt(0, 5, 0)), 1), [Command::Submit(attempt(0, 5, 1))]);
        assert_eq!(s.step(Happened::Failed(attempt(0, 5, 1)), 2), [Command::GiveUp(attempt(0, 5, 1))]);
    }

    #[test]
    fn a_slow_task_gets_a_second_copy_and_the_first_result_counts() {
        let mut s = Schedule::new(vec![vec![]], rules());
        s.step(Happened::Started, 0);
        s.step(Happened::Claimed { stage: 0, missing: vec![0, 1, 2, 3] }, 0);
        for p in 0..4 {
            assert_eq!(s.step(Happened::Began(attempt(0, p, 0)), 0), []);
        }
        for p in 0..3 {
            s.step(Happened::Succeeded(attempt(0, p, 0)), 200);
        }
        assert_eq!(s.step(Happened::Tick, 290), []); // not yet 1.5 times the median of 200
        assert_eq!(s.step(Happened::Tick, 301), [Command::Submit(attempt(0, 3, 1))]);
        assert_eq!(s.step(Happened::Tick, 900), []); // two copies are enough
        let won = s.step(Happened::Succeeded(attempt(0, 3, 1)), 901);
        assert_eq!(won, [Command::Install(attempt(0, 3, 1)), Command::Release(0), Command::Finish]);
        assert_eq!(s.step(Happened::Succeeded(attempt(0, 3, 0)), 902), []);
    }

    #[test]
    fn a_task_that_waits_in_the_queue_is_not_slow() {
        let mut s = Schedule::new(vec![vec![]], rules());
        s.step(Happened::Started, 0);
        s.step(Happened::Claimed { stage: 0, missing: (0..8).collect() }, 0);
        for p in 0..7 {
            s.step(Happened::Began(attempt(0, p, 0)), 1000 * p as i64);
            s.step(Happened::Succeeded(attempt(0, p, 0)), 1000 * (p as i64 + 1));
        }
        assert_eq!(s.step(Happened::Tick, 9000), []);
        s.step(Happened::Began(attempt(0, 7, 0)), 9000);
        assert_eq!(s.step(Happened::Tick, 10_500), []);
        assert_eq!(s.step(Happened::Tick, 10_501), [Command::Submit(attempt(0, 7, 1))]);
    }

    #[test]
    fn a_copy_that_lost_may_stop_but_the_last_one_is_replaced() {
        let mut s = Schedule::new(vec![vec![]], rules());
        s.step(Happened::Started, 0);
        s.step(Happened::Claimed { stage: 0, missing: vec![0, 1] }, 0);
        s.step(Happened::Succeeded(attempt(0, 0, 0)), 1);
        assert_eq!(s.step(Happened::Stopped(attempt(0, 0, 1)), 2), []);
        assert_eq!(s.step(Happened::Stopped(attempt(0, 1, 0)), 2), [Command::Submit(attempt(0, 1, 1))]);
    }

    #[test]
    fn a_stage_of_one_task_is_never_slow() {
        let mut s = Schedule::new(vec![vec![]], rules());
        s.step(Happened::Started, 0);
        s.step(Happened::Claimed { stage: 0, missing: vec![0] }, 0);
        assert_eq!(s.step(Happened::Tick, 1_000_000), []);
    }
}
