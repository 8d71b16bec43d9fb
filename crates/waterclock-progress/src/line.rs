//! What a program says of its progress line, and the thread that draws it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::ProgressDrawTarget;
use waterclock_base::world::{JoinHandle, lock, spawn};
use waterclock_base::{Error, Event, Result, Watched, Watcher};

use crate::said::said;
use crate::screen::Screen;

/// How often the line is drawn: often enough to be seen between batches, seldom enough to be read.
const EVERY: Duration = Duration::from_millis(200);

/// A line at the end of the terminal: handed to `Builder::watch`, it is there while the context runs.
///
/// It has the time of the newest batch in UTC, records a second, how long the batch took and was on its way, how many
/// batches wait, the stage that runs, and why the job does not keep up, if it does not. Like Spark's
/// `spark.ui.showConsoleProgress`, and for programs that somebody looks at: where standard error is not a terminal,
/// nothing is written.
///
/// Handles are cheap to clone and mean the same line.
///
/// # Beside what the program writes
/// The line is away while an output's own code runs, so `print` and `println!` in `foreach_rdd` find the cursor where
/// they left it; it is back while that code waits for a job, and between batches. What else writes to the terminal
/// while the context runs, as a log does, writes [`aside`](Self::aside). Where code on the workers prints by itself,
/// its text is whole, but may have an old line above it. A terminal that takes nothing holds up a batch once, for a
/// second.
///
/// # Cost
/// One thread, and one look at the status five times a second; without a terminal, nothing.
#[derive(Clone)]
pub struct ProgressLine(Arc<Inner>);

struct Inner {
    screen: Screen,
    every: Duration,
    is_taken: AtomicBool,
    drawing: Mutex<Option<JoinHandle<()>>>,
}

impl Default for ProgressLine {
    fn default() -> Self {
        ProgressLine::new()
    }
}

impl ProgressLine {
    /// A line on standard error.
    ///
    /// ```
    /// use waterclock_progress::ProgressLine;
    /// use waterclock_streaming::StreamingContext;
    /// let ssc = StreamingContext::builder("app").watch(ProgressLine::new()).build()?;
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::on(ProgressDrawTarget::stderr(), EVERY)
    }

    fn on(target: ProgressDrawTarget, every: Duration) -> Self {
        let screen = Screen::new(target);
        ProgressLine(Arc::new(Inner {
            screen,
            every,
            is_taken: AtomicBool::new(false),
            drawing: Mutex::default(),
        }))
    }

    /// Runs what writes to the terminal, with the line away.
    ///
    /// ```
    /// let line = waterclock_progress::ProgressLine::new();
    /// line.aside(|| eprintln!("the server is back"));
    /// ```
    pub fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        self.0.screen.aside(write)
    }
}

impl Watcher for ProgressLine {
    fn prepare(&self) -> Result<()> {
        if self.0.is_taken.swap(true, Ordering::Relaxed) {
            let why = "the line shows another context already".into();
            return Err(Error::Setting { setting: "progress", why });
        }
        self.0.screen.renew();
        Ok(())
    }

    fn begin(&self, watched: Arc<dyn Watched>) {
        if self.0.screen.is_hidden() {
            return;
        }
        let inner = self.0.clone();
        let thread = spawn("progress", move || inner.screen.draw(inner.every, || said(&watched.status())));
        *lock(&self.0.drawing) = Some(thread);
    }

    fn hear(&self, event: &Event) {
        if !self.0.screen.is_hidden() {
            self.0.screen.hear(event);
        }
    }

    fn end(&self) {
        self.0.screen.end();
        let drawing = lock(&self.0.drawing).take();
        if drawing.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the progress line's thread panicked");
        }
        self.0.is_taken.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use indicatif::{InMemoryTerm, TermLike};
    use waterclock_streaming::testing::manual;
    use waterclock_streaming::{Stop, StreamingContext};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Standard output, on the same terminal.
    struct Stdout(InMemoryTerm);

    impl io::Write for Stdout {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // A byte at a time is as bad as it gets.
            for line in String::from_utf8_lossy(bytes).split_inclusive('\n') {
                line.trim_end().chars().try_for_each(|letter| self.0.write_str(&letter.to_string()))?;
                if line.ends_with('\n') {
                    self.0.write_line("")?;
                }
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `print` and the program itself write stays whole, while the line is drawn as often as can be.
    #[test]
    fn what_outputs_write_stays_whole() {
        let term = InMemoryTerm::new(100, 80);
        let line = ProgressLine::on(ProgressDrawTarget::term_like(Box::new(term.clone())), Duration::ZERO);
        let builder = StreamingContext::builder("beside").batch_interval(SECOND).watch(line.clone());
        let (ssc, clock) = manual(builder.print_to(Stdout(term.clone()))).unwrap();
        let words = ssc.queue_stream((0..5).map(|n| vec![n, n + 1]));
        words.print();
        let own = Mutex::new(Stdout(term.clone()));
        let sums = words.map(|n| n * 10);
        sums.foreach_rdd(move |rdd, time| {
            let sum = rdd.sum()?;
            let said = io::Write::write_all(&mut *lock(&own), format!("{time}: {sum}\n").as_bytes());
            Ok(said?)
        });
        ssc.start().unwrap();
        for _ in 0..5 {
            // It is there between the batches, too.
            while !term.contents().ends_with(" 0 wait") {
                std::thread::yield_now();
            }
            clock.advance_batches(1);
        }
        ssc.stop(Stop::Now).unwrap();
        let rule = "-------------------------------------------";
        let expected = (1..=5).map(|n| {
            let sum = (2 * n - 1) * 10;
            format!("{rule}\nTime: {n}000 ms\n{rule}\n{}\n{n}\n\n{n}000 ms: {sum}\n", n - 1)
        });
        assert_eq!(term.contents() + "\n", expected.collect::<String>());
    }

    #[test]
    fn a_line_is_of_one_context_at_a_time() {
        let line = ProgressLine::on(ProgressDrawTarget::hidden(), EVERY);
        let build = || manual(StreamingContext::builder("one").batch_interval(SECOND).watch(line.clone()));
        let first = build().unwrap();
        assert!(build().err().unwrap().to_string().contains("another context"));
        drop(first);
        build().unwrap();
    }

    #[test]
    fn without_a_terminal_there_is_no_thread() {
        let line = ProgressLine::on(ProgressDrawTarget::hidden(), EVERY);
        let (ssc, clock) = manual(StreamingContext::builder("none").watch(line.clone())).unwrap();
        ssc.queue_stream(vec![vec![1]]).register();
        ssc.start().unwrap();
        clock.advance_batches(1);
        assert!(lock(&line.0.drawing).is_none());
        assert_eq!(line.aside(|| 7), 7);
        ssc.stop(Stop::Now).unwrap();
    }
}
