//! The example as a process that is killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::workspace;

const NAME: &str = "postgres_word_count";

/// Builds it.
pub(super) fn build() -> Result<(), String> {
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    cargo.args(["build", "--quiet", "--release", "-p", "waterclock-examples", "--features", "postgres"]);
    cargo.args(["--example", NAME]).current_dir(workspace::root());
    let status = cargo.status().map_err(|e| format!("`cargo` can't be started: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("the example `{NAME}`: {status}")) }
}

/// Where cargo puts it, in the same directory as this tool.
fn path() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let target = own.parent().and_then(Path::parent).ok_or("this tool is in no directory of cargo's")?;
    Ok(target.join("release").join("examples").join(NAME))
}

/// The running program; it ends with this at the latest.
pub(super) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    pub(super) fn start(scratch: &Path, url: &str) -> Result<Self, String> {
        let path = path()?;
        let log = scratch.join("log");
        let output = fs::OpenOptions::new().create(true).append(true).open(&log);
        let output = output.map_err(|e| format!("{}: {e}", log.display()))?;
        let mut command = Command::new(&path);
        command.arg("--input").arg(scratch.join("in"));
        command.arg("--checkpoint").arg(scratch.join("checkpoint"));
        command.args(["--url", url, "--batch-ms", "50"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        let child = command.spawn().map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Program { child, log })
    }

    /// It has no reason to end by itself, not even while the server is away.
    pub(super) fn must_run(&mut self) -> Result<(), String> {
        match self.child.try_wait().map_err(|e| e.to_string())? {
            None => Ok(()),
            Some(status) => Err(format!("the program ended by itself: {status}\n{}", self.said())),
        }
    }

    /// SIGKILL.
    pub(super) fn kill(mut self) -> Result<(), String> {
        self.must_run()?;
        self.child.kill().map_err(|e| e.to_string())?;
        self.child.wait().map(drop).map_err(|e| e.to_string())
    }

    /// Ctrl-C, and a good end.
    pub(super) fn interrupt(mut self) -> Result<(), String> {
        let id = self.child.id().to_string();
        let asked = Command::new("sh").args(["-c", "kill -s INT \"$1\"", "kill", &id]).status();
        asked.map_err(|e| format!("`sh` can't be started: {e}"))?;
        let status = self.child.wait().map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("a clean stop: {status}\n{}", self.said())) }
    }

    fn said(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already where it was killed or interrupted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
