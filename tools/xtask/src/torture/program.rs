//! The program as a process: built, started, killed, stopped.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::ci::commands::cargo;
use crate::workspace;

/// How long an end that was asked for may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets time pass, in which the program runs.
pub(super) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// An example as its users have it, and the one that ends at a named point.
pub(super) struct Programs {
    plain: PathBuf,
    points: PathBuf,
}

impl Programs {
    /// Builds both, and keeps them in a directory of the target directory.
    pub(super) fn build(example: &str, features: &str) -> Result<Self, String> {
        let place = workspace::target().join("torture").join("programs");
        fs::create_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))?;
        let build = |form: &str, more: &str| {
            let features = [features, more].join(",");
            let package = ["build", "--quiet", "--release", "-p", "waterclock-examples"];
            cargo(&[&package[..], &["--example", example, "--features", &features]].concat())?;
            let built = workspace::target().join("release").join("examples").join(example);
            let kept = place.join(format!("{example}-{form}"));
            // Another run may be using the one that is there: it keeps what it has open.
            let beside = kept.with_extension(std::process::id().to_string());
            let copied = fs::copy(&built, &beside).and_then(|_| fs::rename(&beside, &kept));
            copied.map_err(|e| format!("{}: {e}", built.display()))?;
            Ok::<_, String>(kept)
        };
        let points = build("points", "kill-points")?;
        Ok(Programs { plain: build("plain", "")?, points })
    }

    /// Starts one; `target` is where it ends by itself. What it says goes into a file.
    pub(super) fn start(
        &self,
        args: &[String],
        said: PathBuf,
        target: Option<&str>,
        unsynced: bool,
    ) -> Result<Started, String> {
        let program = if target.is_some() || unsynced { &self.points } else { &self.plain };
        let file = fs::File::create(&said).map_err(|e| format!("{}: {e}", said.display()))?;
        let mut command = Command::new(program);
        command.args(args);
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

/// `--name value`, as the programs take it.
pub(super) fn option(name: &str, value: &Path) -> [String; 2] {
    [name.to_owned(), value.display().to_string()]
}
