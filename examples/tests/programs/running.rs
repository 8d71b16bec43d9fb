//! A program that was started, and what it printed or saved.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long a program may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running example; it ends with this at the latest.
pub(crate) struct Program {
    child: Child,
    /// What it prints, line by line, with their ends.
    lines: Receiver<String>,
}

impl Program {
    pub(crate) fn start(name: &str, args: &[&str]) -> Self {
        let mut command = Command::new(path_of(name));
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().expect("`cargo test -p waterclock-examples` builds the examples first");
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        // A thread of its own, so that a program that prints nothing does not hold up the test.
        std::thread::spawn(move || {
            let mut line = String::new();
            while output.read_line(&mut line).is_ok_and(|read| read > 0) {
                // Nobody listens any more when the test is over.
                let _ = tell.send(std::mem::take(&mut line));
            }
        });
        Self { child, lines }
    }

    /// Its standard input, to be written and closed.
    pub(crate) fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Reads what it prints up to a line with `text`.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(text) {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("it ended, or waits, before it printed `{text}`:\n{seen}")
            };
            seen.push_str(&line);
        }
        seen
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let status = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Kills it: it can't do anything about it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end and gives what it printed since.
    pub(crate) fn finish(mut self) -> String {
        let rest: String = self.lines.iter().collect();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}:\n{rest}");
        rest
    }

    /// How it ended, if it has.
    pub(crate) fn code(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().and_then(|status| status.code())
    }

    /// Waits for its end; whether it said that something was wrong.
    pub(crate) fn fails(mut self) -> bool {
        !self.child.wait().unwrap().success()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already where `finish` was called.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where cargo puts the example of this name, beside the directory of this test.
pub(crate) fn path_of(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples").join(name)
}

/// Asks again and again until the answer is yes.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let from = Instant::now();
    while !holds() {
        assert!(from.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes a file beside `directory` and moves it in, as the file source asks for.
pub(crate) fn move_in(directory: &Path, name: &str, text: &str) {
    let beside = directory.with_extension("new");
    fs::create_dir_all(&beside).unwrap();
    let mut file = fs::File::create(beside.join(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    drop(file);
    fs::rename(beside.join(name), directory.join(name)).unwrap();
}

/// The lines that were saved in `directory`, part by part; none while it is not there.
pub(crate) fn saved(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut parts: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    parts.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("part-"));
    parts.sort();
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap();
    parts.iter().flat_map(|part| text(part).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}
