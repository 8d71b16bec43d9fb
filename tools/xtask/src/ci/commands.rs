//! Starting a program of the outer ring, and reading what it says.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::workspace;

/// Runs `cargo` with these arguments; what it prints is seen.
pub(crate) fn cargo(args: &[&str]) -> Result<(), String> {
    cargo_with(args, &[])
}

/// The same with variables of the environment set.
pub(crate) fn cargo_with(args: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let mut command = Command::new(cargo_path());
    command.args(args).envs(environment.iter().copied()).current_dir(workspace::root());
    let status = command.status().map_err(|e| format!("`cargo` can't be started: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {}`: {status}", args.join(" "))) }
}

/// Runs `cargo` and gives what it printed on standard output, which is shown too.
pub(super) fn cargo_output(args: &[&str], show: bool) -> Result<String, String> {
    let mut command = Command::new(cargo_path());
    command.args(args).current_dir(workspace::root()).stderr(Stdio::inherit());
    let output = command.output().map_err(|e| format!("`cargo` can't be started: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if show || !output.status.success() {
        print!("{text}");
    }
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!("`cargo {}`: {}", args.join(" "), output.status))
    }
}

/// Runs a line of shell in `directory` and gives what it printed.
pub(super) fn shell(line: &str, directory: &Path) -> Result<String, String> {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(directory).env("LC_ALL", "C").stderr(Stdio::inherit());
    let output = command.output().map_err(|e| format!("`sh` can't be started: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(text) } else { Err(format!("`{line}`: {}", output.status)) }
}

/// The cargo that runs this tool.
pub(super) fn cargo_path() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
