//! The example `word_count` against an independent count, over the project's own text, which is moved into the
//! watched directory while the program runs.

use std::fs;
use std::path::{Path, PathBuf};
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
    let files = prepare(&scratch)?;
    let mut program = Running(start(&scratch)?);
    // The program has to be watching before the first file arrives.
    std::thread::sleep(Duration::from_secs(1));
    for file in &files {
        let name = file.file_name().ok_or("a file has no name")?;
        fs::rename(file, scratch.join("in").join(name)).map_err(|e| e.to_string())?;
        std::thread::sleep(Duration::from_millis(5));
    }
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
            println!("{} files, {} different words, the same totals", files.len(), expected.lines().count());
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

/// Copies the project's sources to where they wait, under names of their own.
fn prepare(scratch: &Path) -> Result<Vec<PathBuf>, String> {
    let root = workspace::root();
    let mut files = Vec::new();
    for (number, path) in workspace::files(&root, &[".rs"])?.iter().enumerate() {
        let copy = scratch.join("waiting").join(format!("{number:04}.txt"));
        fs::copy(root.join(path), &copy).map_err(|e| format!("{}: {e}", path.display()))?;
        files.push(copy);
    }
    Ok(files)
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
