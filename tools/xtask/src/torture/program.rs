//! The program as a process: built, started, killed, stopped.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::ci::commands::cargo;
use crate::workspace;

const NAME: &str = "recoverable_word_count";

/// How long an end that was asked for may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets time pass, in which the program runs.
pub(super) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// The program as its users have it, and the one that ends at a named point.
pub(super) struct Programs {
    plain: PathBuf,
    points: PathBuf,
}

impl Programs {
    /// Builds both, and keeps them in a directory.
    pub(super) fn build(place: &Path) -> Result<Self, String> {
        fs::create_dir_all(place).map_err(|e| format!("{}: {e}", place.display()))?;
        let build = |name: &str, features: &[&str]| {
            let args = ["build", "--quiet", "--release", "-p", "waterclock-examples", "--example", NAME];
            cargo(&[&args[..], features].concat())?;
            let (built, kept) =
                (workspace::target().join("release").join("examples").join(NAME), place.join(name));
            fs::copy(&built, &kept).map_err(|e| format!("{}: {e}", built.display()))?;
            Ok::<_, String>(kept)
        };
        let points = build("points", &["--features", "kill-points"])?;
        Ok(Programs { plain: build("plain", &[])?, points })
    }

    /// Starts one; `target` is where it ends by itself.
    pub(super) fn start(
        &self,
        place: &Path,
        threads: u64,
        target: Option<&str>,
        unsynced: bool,
    ) -> Result<Started, String> {
        let program = if target.is_some() || unsynced { &self.points } else { &self.plain };
        let said = place.join("said");
        let file = fs::File::create(&said).map_err(|e| format!("{}: {e}", said.display()))?;
        let mut command = Command::new(program);
        for name in ["input", "checkpoint", "output"] {
            let directory = if name == "checkpoint" { name } else { name.trim_end_matches("put") };
            command.arg(format!("--{name}")).arg(place.join(directory));
        }
        command.args(["--batch-ms", "50", "--snapshot-bytes", "4096", "--threads", &threads.to_string()]);
        command.envs(target.map(|target| ("WATERCLOCK_KILL_AT", target)));
        command.envs(unsynced.then_some(("WATERCLOCK_UNSYNCED", "1")));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().map_err(|e| format!("{}: {e}", program.display()))?;
        Ok(Started { child, said, started: format!("{command:?}") })
    }
}

/// A running program; it ends with this.
pub(super) struct Started {
    child: Child,
    said: PathBuf,
    started: String,
}

impl Started {
    /// Whether it is over.
    pub(super) fn is_over(&mut self) -> Result<bool, String> {
        Ok(self.child.try_wait().map_err(|e| e.to_string())?.is_some())
    }

    /// Whether it was killed; an error if it ended in any other way, but for a stop that was asked for.
    pub(super) fn was_killed(&mut self) -> Result<bool, String> {
        match self.child.try_wait().map_err(|e| e.to_string())? {
            None => Ok(false),
            // It dies of the wish to stop, too, before it listens to it.
            Some(status) if matches!(status.signal(), Some(9 | 15)) => Ok(true),
            Some(status) if status.success() => Ok(false),
            Some(status) => Err(self.ended(status)),
        }
    }

    /// Kills it; false if it had come to a good end before.
    pub(super) fn kill(mut self) -> Result<bool, String> {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().map_err(|e| e.to_string())?;
        self.was_killed()
    }

    /// Asks it to stop.
    pub(super) fn interrupt(&self) -> Result<(), String> {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &self.child.id().to_string()]).stderr(Stdio::null());
        kill.status().map(|_| ()).map_err(|e| format!("`kill` can't be started: {e}"))
    }

    /// Waits until it is over, which must be a good end.
    pub(super) fn end_well(mut self) -> Result<(), String> {
        let from = Instant::now();
        while !self.is_over()? {
            if from.elapsed() > PATIENCE {
                return Err(format!("it was asked to stop and did not: {}", self.started));
            }
            pause(Duration::from_millis(5));
        }
        let status = self.child.wait().map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(self.ended(status)) }
    }

    fn ended(&self, status: ExitStatus) -> String {
        let said = fs::read_to_string(&self.said).unwrap_or_default();
        format!("it ended by itself, {status}: {said}\n{}", self.started)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It has ended already, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
