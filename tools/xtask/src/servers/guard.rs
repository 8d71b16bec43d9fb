//! A directory and the process that works in it, which both end with this program, however it ends.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The end of a process is asked for by a signal, which the standard library can't send to a group.
const GUARD: &str = include_str!("guard.sh");

/// Prints the children of `$1` and stops it, so that no further one comes. PostgreSQL's are in groups of their own.
const HOLD: &str = "kill -s STOP \"$1\"; cat \"/proc/$1/task/$1/children\"";

/// How long killed processes may take to be gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of its own, at most one process at a time, and the shell that ends both.
pub(super) struct Guard {
    pub(super) directory: PathBuf,
    shell: Child,
    process: Option<Child>,
}

impl Guard {
    /// A new directory for temporary files; `end` is the signal that ends the process and its children.
    pub(super) fn new(name: &str, end: &str) -> Result<Guard, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (own, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(format!("waterclock-{name}-{own}-{count}"));
        fs::create_dir(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "guard", end]).arg(&directory);
        // In a group of its own Ctrl-C doesn't reach it.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let shell = command.spawn().map_err(|e| format!("`sh` can't be started: {e}"))?;
        Ok(Guard { directory, shell, process: None })
    }

    /// Where the processes write what they have to say.
    pub(super) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Starts a process in the directory and in a group of its own.
    pub(super) fn spawn(&mut self, command: &mut Command) -> Result<(), String> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log());
        let log = log.map_err(|e| format!("{}: {e}", self.log().display()))?;
        let same = log.try_clone().map_err(|e| e.to_string())?;
        command.current_dir(&self.directory).process_group(0);
        command.stdin(Stdio::null()).stdout(log).stderr(same);
        let program = Path::new(command.get_program()).display().to_string();
        let process = command.spawn().map_err(|e| format!("`{program}` can't be started: {e}"))?;
        let group = process.id().to_string();
        self.process = Some(process);
        self.tell(&group)
    }

    /// Waits for the process.
    pub(super) fn wait(&mut self) -> Result<ExitStatus, String> {
        let process = self.process.as_mut().ok_or("no process runs")?;
        let status = process.wait().map_err(|e| e.to_string())?;
        self.process = None;
        self.tell("")?;
        Ok(status)
    }

    /// How the process ended, if it ended by itself; said once.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.process.as_mut()?.try_wait().ok()??;
        // From here on its number may be another's. A shell that is gone sends no signal either.
        self.process = None;
        let _ = self.tell("");
        Some(status)
    }

    /// Ends the process and its children with SIGKILL, leaves the directory, and returns when they are gone.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        if self.ended().is_some() {
            return Ok(());
        }
        let Some(process) = &mut self.process else { return Ok(()) };
        let held = Command::new("sh").args(["-c", HOLD, "hold", &process.id().to_string()]).output();
        let held = held.map_err(|e| format!("`sh` can't be started: {e}"))?;
        let children = String::from_utf8_lossy(&held.stdout).into_owned();
        process.kill().map_err(|e| e.to_string())?;
        self.wait()?;
        let children: Vec<_> = children.split_whitespace().collect();
        // One that has ended meanwhile makes `kill` fail, which is no failure.
        let kill = Command::new("sh")
            .args(["-c", "kill -s KILL \"$@\" 2>/dev/null", "kill"])
            .args(&children)
            .status();
        kill.map_err(|e| format!("`sh` can't be started: {e}"))?;
        let from = Instant::now();
        while let Some(child) = children.iter().find(|child| lives(child)) {
            if from.elapsed() > PATIENCE {
                return Err(format!("process {child} outlives SIGKILL"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Says which group the shell has to end.
    fn tell(&mut self, group: &str) -> Result<(), String> {
        let pipe = self.shell.stdin.as_mut().ok_or("the guard is gone")?;
        writeln!(pipe, "{group}").map_err(|e| format!("the guard is gone: {e}"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Whoever is waited for has been told to end, or has ended before.
        if let Some(mut process) = self.process.take() {
            let _ = process.wait();
        }
        let _ = self.shell.wait();
    }
}

/// Whether a process runs; one that only waits to be asked for its status doesn't.
fn lives(process: &str) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    !status.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A guard with a process that has a child in another group, as PostgreSQL's are, and the child's number.
    fn running() -> (Guard, String) {
        let mut guard = Guard::new("guard-test", "KILL").unwrap();
        let line = "setsid sleep 1000 & echo $! >child.new; mv child.new child; wait";
        guard.spawn(Command::new("sh").args(["-c", line])).unwrap();
        let child = guard.directory.join("child");
        while !child.exists() {
            std::thread::yield_now();
        }
        (guard, fs::read_to_string(child).unwrap().trim().to_owned())
    }

    #[test]
    fn kill_ends_the_children_and_keeps_the_directory() {
        let (mut guard, child) = running();
        assert!(lives(&child));
        guard.kill().unwrap();
        assert!(!lives(&child));
        assert!(guard.directory.join("child").exists());
    }

    #[test]
    fn process_and_directory_end_with_the_guard() {
        let mut guard = Guard::new("guard-test", "TERM").unwrap();
        guard.spawn(Command::new("sleep").arg("1000")).unwrap();
        let process = guard.process.as_ref().unwrap().id().to_string();
        let directory = guard.directory.clone();
        assert!(lives(&process) && directory.exists());
        drop(guard);
        assert!(!lives(&process) && !directory.exists());
    }
}
