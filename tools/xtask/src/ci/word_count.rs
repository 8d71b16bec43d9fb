//! The example `word_count` against an independent count, over the project's own text, which is moved into the
//! watched directory while the program runs.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::commands::{cargo_path, shell};
use crate::workspace;

/// The same count by three old programs, in the form of the example's output. `uniq -c` puts the count first.
const INDEPENDENT: &str = r"cat in/* | tr -s ' \t\n\r\f' '\n' | grep -v '^$' | sort | uniq -c \
    | sed -E 's/^ *([0-9]+) (.*)$/(\2,\1)/' | sort";

/// The totals of the newest batch that was saved.
const COUNTED: &str = "cat \"$(ls -d out/totals-* | tail -n 1)\"/part-* | sort";

/// How long the totals may take to be right.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn check() -> Result<(), String> {
    let scratch = workspace::root().join("target").join("ci-word-count");
    if scratch.exists() {
        fs::remove_dir_all(&scratch).map_err(|e| e.to_string())?;
    }
    for name in ["waiting", "in", "out"] {
        fs::create_dir_all(scratch.join(name)).map_err(|e| e.to_string())?;
    }
    let mut program = Running(start(&scratch)?);
    // Files count that are newer than the start of the program.
    while fs::read_dir(scratch.join("out")).map_err(|e| e.to_string())?.next().is_none() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let files = move_in(&scratch)?;
    let expected = shell(INDEPENDENT, &scratch)?;
    if expected.is_empty() {
        return Err("the independent count counted nothing".to_owned());
    }
    let from = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(300));
        if let Some(status) = program.0.try_wait().map_err(|e| e.to_string())? {
            return Err(format!("the program ended too early: {status}"));
        }
        let counted = shell(&format!("{COUNTED} 2>/dev/null || true"), &scratch)?;
        if counted == expected {
            println!("{} files, {} different words, the same totals", files, expected.lines().count());
            return Ok(());
        }
        if from.elapsed() > PATIENCE {
            return Err(format!(
                "the totals differ after {} s; see {}",
                PATIENCE.as_secs(),
                scratch.display()
            ));
        }
    }
}

/// Copies the project's sources, each under a name of its own, and moves every copy into the directory that
/// the program watches. How many those were.
fn move_in(scratch: &Path) -> Result<usize, String> {
    let root = workspace::root();
    let sources = workspace::files(&root, &[".rs"])?;
    for (number, path) in sources.iter().enumerate() {
        let (waiting, name) = (scratch.join("waiting"), format!("{number:04}.txt"));
        let moved = fs::copy(root.join(path), waiting.join(&name))
            .and_then(|_| fs::rename(waiting.join(&name), scratch.join("in").join(&name)));
        moved.map_err(|e| format!("{}: {e}", path.display()))?;
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(sources.len())
}

fn start(scratch: &Path) -> Result<Child, String> {
    let mut command = Command::new(cargo_path());
    command.args([
        "run",
        "--quiet",
        "--release",
        "--example",
        "word_count",
        "--",
        "--batch",
        "200",
        "--files",
    ]);
    command.arg(scratch.join("in")).arg("--out").arg(scratch.join("out").join("totals"));
    command.current_dir(workspace::root()).stdout(Stdio::null()).stdin(Stdio::null());
    command.spawn().map_err(|e| format!("the example can't be started: {e}"))
}

/// The program; it ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
