//! The terminal, and who else writes there.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Event, OutputId};

/// How long the line stays away at least, so that short batches don't have it drawn for each.
const AWAY: Duration = Duration::from_millis(50);

/// How long who wants to write waits for the line to be away: longer only if the terminal is stuck.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line at the end of a terminal, which is away while the program itself may write there.
///
/// An output's own code writes: `print`, and what a program says in its closures. It runs on the thread of its batch,
/// from where the output begins to where it ends, except while it waits for a job; so this is when the line is away.
///
/// Only the thread in [`draw`](Screen::draw) touches the terminal, which may be stuck. The others ask it to take the
/// line away, and wait for that.
pub(crate) struct Screen {
    lines: MultiProgress,
    bar: ProgressBar,
    is_hidden: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The outputs at work, and for how many jobs each waits.
    outputs: HashMap<(BatchTime, OutputId), usize>,
    /// Those who asked for the terminal.
    others: usize,
    /// Whether the line is there, or is being drawn.
    shown: bool,
    /// Whether somebody waited in vain for it to go away.
    stuck: bool,
    ended: bool,
}

impl State {
    fn somebody_writes(&self) -> bool {
        self.others > 0 || self.outputs.values().any(|jobs| *jobs == 0)
    }
}

impl Screen {
    pub(crate) fn new(target: ProgressDrawTarget) -> Self {
        let is_hidden = target.is_hidden();
        let lines = MultiProgress::with_draw_target(target);
        let bar = lines.add(ProgressBar::no_length());
        // As wide as the terminal, and cut where it would be longer. The template is well-formed.
        bar.set_style(
            ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Screen { lines, bar, is_hidden, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Whether there is no terminal.
    pub(crate) fn is_hidden(&self) -> bool {
        self.is_hidden
    }

    /// Draws what `text` says, anew after each such while, until the end.
    pub(crate) fn draw(&self, every: Duration, text: impl Fn() -> String) {
        loop {
            // Without the lock: who waits for that may have what this needs.
            let text = text();
            let mut state = lock(&self.state);
            if !state.ended && !state.somebody_writes() {
                state.shown = true;
                drop(state);
                self.bar.set_message(text);
                state = self.wait(lock(&self.state), every, |state| !state.ended && !state.somebody_writes());
                if !state.ended && !state.somebody_writes() {
                    continue;
                }
            }
            if state.shown {
                drop(state);
                // A terminal that can't be written to shows nothing that would be in the way.
                let _ = self.lines.clear();
                state = lock(&self.state);
                (state.shown, state.stuck) = (false, false);
                self.changed.notify_all();
            }
            if self.wait(state, AWAY, |state| !state.ended).ended {
                return;
            }
        }
    }

    /// It can be drawn on again.
    pub(crate) fn renew(&self) {
        *lock(&self.state) = State::default();
    }

    /// Has [`draw`](Screen::draw) return, with the line away.
    pub(crate) fn end(&self) {
        lock(&self.state).ended = true;
        self.changed.notify_all();
    }

    /// Something happens.
    pub(crate) fn hear(&self, event: &Event) {
        let mut state = lock(&self.state);
        match event {
            Event::OutputOperationStarted(output) => {
                state.outputs.insert((output.time, output.id), 0);
            }
            Event::OutputOperationCompleted(output) => {
                state.outputs.remove(&(output.time, output.id));
            }
            Event::JobStarted(job) | Event::JobCompleted(job) => {
                let output = job.owner.and_then(|owner| Some((owner.time, owner.output?)));
                let Some(jobs) = output.and_then(|output| state.outputs.get_mut(&output)) else { return };
                let is_over = job.ended_micros.is_some();
                *jobs = if is_over { jobs.saturating_sub(1) } else { *jobs + 1 };
            }
            _ => return,
        }
        self.make_way(state);
    }

    /// Runs what writes, with the line away.
    pub(crate) fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        struct Back<'s>(&'s Screen);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                lock(&self.0.state).others -= 1;
            }
        }
        let mut state = lock(&self.state);
        state.others += 1;
        let _back = Back(self);
        self.make_way(state);
        write()
    }

    /// Waits for the line to be away where somebody writes.
    fn make_way(&self, state: MutexGuard<'_, State>) {
        if state.somebody_writes() && state.shown && !state.stuck {
            self.changed.notify_all();
            let mut state = self.wait(state, PATIENCE, |state| state.shown);
            state.stuck = state.shown;
        }
    }

    fn wait<'s>(
        &self,
        state: MutexGuard<'s, State>,
        at_most: Duration,
        goes_on: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'s, State> {
        let waited = self.changed.wait_timeout_while(state, at_most, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use indicatif::{InMemoryTerm, TermLike};
    use waterclock_base::{JobId, JobInfo, JobOwner, OutputInfo, Site};

    use super::*;

    const TIME: BatchTime = BatchTime::ZERO;

    fn output(number: usize) -> OutputInfo {
        let (name, started_micros, ended_micros, failure) = Default::default();
        OutputInfo { time: TIME, id: OutputId(number), name, started_micros, ended_micros, failure }
    }

    fn job(output: Option<usize>, ended_micros: Option<i64>) -> JobInfo {
        let owner = Some(JobOwner { time: TIME, output: output.map(OutputId) });
        let (id, call, site, failure) = (JobId(1), "collect".into(), Site::default(), None);
        JobInfo { id, call, site, owner, started_micros: 0, ended_micros, failure }
    }

    /// Draws `line 1`, `line 2` and so on, as fast as it can, while `run` runs.
    fn drawn(run: impl FnOnce(&Screen, &InMemoryTerm)) -> String {
        let term = InMemoryTerm::new(20, 40);
        let screen = Arc::new(Screen::new(ProgressDrawTarget::term_like(Box::new(term.clone()))));
        assert!(!screen.is_hidden());
        let (drawing, count) = (screen.clone(), AtomicUsize::new(0));
        let text = move || format!("line {}", count.fetch_add(1, Ordering::Relaxed) + 1);
        let thread = waterclock_base::world::spawn("draw", move || drawing.draw(Duration::ZERO, text));
        run(&screen, &term);
        screen.end();
        thread.join().unwrap();
        term.contents()
    }

    /// Waits until the line is there: what the terminal shows then.
    fn until_shown(term: &InMemoryTerm) -> String {
        loop {
            let contents = term.contents();
            if contents.lines().last().is_some_and(|line| line.starts_with("line ")) {
                return contents;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_line_is_one_line_and_goes_away_at_the_end() {
        let left = drawn(|screen, term| {
            screen.aside(|| term.write_line("before").unwrap());
            for _ in 0..100 {
                let contents = until_shown(term);
                assert!(contents.starts_with("before\nline ") && contents.lines().count() == 2, "{contents}");
            }
        });
        assert_eq!(left, "before");
    }

    #[test]
    fn while_an_output_has_the_word_there_is_no_line() {
        let left = drawn(|screen, term| {
            for number in 0..3 {
                until_shown(term);
                screen.hear(&Event::OutputOperationStarted(output(number)));
                term.write_str(&format!("output {number} ")).unwrap();
                term.write_line("says this").unwrap();
                screen.hear(&Event::OutputOperationCompleted(output(number)));
            }
        });
        assert_eq!(left, "output 0 says this\noutput 1 says this\noutput 2 says this");
    }

    #[test]
    fn while_an_output_waits_for_a_job_the_line_is_back() {
        let left = drawn(|screen, term| {
            screen.hear(&Event::OutputOperationStarted(output(1)));
            term.write_line("first").unwrap();
            for (begun, ended) in [(None, Some(5)), (None, Some(9))] {
                screen.hear(&Event::JobStarted(job(Some(1), begun)));
                // Two at the same time.
                screen.hear(&Event::JobStarted(job(Some(1), begun)));
                screen.hear(&Event::JobCompleted(job(Some(1), ended)));
                until_shown(term);
                screen.hear(&Event::JobCompleted(job(Some(1), ended)));
                term.write_line("then").unwrap();
            }
            screen.hear(&Event::OutputOperationCompleted(output(1)));
        });
        assert_eq!(left, "first\nthen\nthen");
    }

    /// An output that only waits does not keep another one's text from being whole.
    #[test]
    fn one_output_that_writes_is_enough() {
        let left = drawn(|screen, term| {
            screen.hear(&Event::OutputOperationStarted(output(1)));
            screen.hear(&Event::JobStarted(job(Some(1), None)));
            until_shown(term);
            screen.hear(&Event::OutputOperationStarted(output(2)));
            term.write_line("two").unwrap();
            screen.hear(&Event::JobStarted(job(None, None)));
            term.write_line("still two").unwrap();
            screen.hear(&Event::OutputOperationCompleted(output(2)));
            drop(until_shown(term));
        });
        assert_eq!(left, "two\nstill two");
    }

    #[test]
    fn who_asks_has_the_terminal() {
        let left = drawn(|screen, term| {
            until_shown(term);
            let answer = screen.aside(|| {
                term.write_line("a word").unwrap();
                screen.aside(|| term.write_line("and another").unwrap());
                term.write_line("at once").unwrap();
                7
            });
            assert_eq!(answer, 7);
            until_shown(term);
        });
        assert_eq!(left, "a word\nand another\nat once");
    }

    /// A terminal that takes nothing: it is waited for once, and then no more.
    #[derive(Debug)]
    struct Stuck(InMemoryTerm, Arc<Mutex<()>>);

    impl TermLike for Stuck {
        fn width(&self) -> u16 {
            self.0.width()
        }
        fn move_cursor_up(&self, n: usize) -> std::io::Result<()> {
            self.0.move_cursor_up(n)
        }
        fn move_cursor_down(&self, n: usize) -> std::io::Result<()> {
            self.0.move_cursor_down(n)
        }
        fn move_cursor_right(&self, n: usize) -> std::io::Result<()> {
            self.0.move_cursor_right(n)
        }
        fn move_cursor_left(&self, n: usize) -> std::io::Result<()> {
            self.0.move_cursor_left(n)
        }
        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.0.write_line(text)
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.0.write_str(text)
        }
        fn clear_line(&self) -> std::io::Result<()> {
            self.0.clear_line()
        }
        fn flush(&self) -> std::io::Result<()> {
            let _stuck = lock(&self.1);
            self.0.flush()
        }
    }

    #[test]
    fn a_stuck_terminal_holds_nobody_up_for_long() {
        let (term, gate) = (InMemoryTerm::new(20, 40), Arc::new(Mutex::new(())));
        let shut = lock(&gate);
        let stuck = Stuck(term.clone(), gate.clone());
        let screen = Arc::new(Screen::new(ProgressDrawTarget::term_like(Box::new(stuck))));
        let drawing = screen.clone();
        let draw = move || drawing.draw(Duration::ZERO, || "line 1".to_owned());
        let thread = waterclock_base::world::spawn("draw", draw);
        until_shown(&term);
        // Would never end if each waited.
        for number in 0..100_000 {
            screen.hear(&Event::OutputOperationStarted(output(number)));
            screen.hear(&Event::OutputOperationCompleted(output(number)));
        }
        assert!(lock(&screen.state).stuck);
        drop(shut);
        screen.end();
        thread.join().unwrap();
        assert!(!lock(&screen.state).stuck);
        assert_eq!(term.contents(), "");
    }
}
