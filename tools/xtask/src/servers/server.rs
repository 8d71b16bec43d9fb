//! A server that was started here: waiting until it answers, killing it, starting it again.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::guard::Guard;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// How much of its log is shown when it fails.
const LAST_LINES: usize = 30;

/// Ports below those that the system gives to outgoing connections: while a server is down, none of these takes its
/// port, not even that of a client which tries to reach it.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A running server. It ends with this value, and its data is removed.
pub(super) struct Server {
    pub(super) name: &'static str,
    /// What clients are given.
    pub(super) address: String,
    /// What else they may need, by the names of environment variables.
    pub(super) variables: Vec<(&'static str, String)>,
    guard: Guard,
    launch: Command,
    answers: Box<dyn Fn() -> bool + Send>,
}

impl Server {
    /// Runs `launch` in the guard's directory until `answers` says yes.
    pub(super) fn start(
        name: &'static str,
        guard: Guard,
        address: String,
        launch: Command,
        answers: impl Fn() -> bool + Send + 'static,
    ) -> Result<Server, String> {
        let mut server =
            Server { name, address, variables: Vec::new(), guard, launch, answers: Box::new(answers) };
        server.restart()?;
        Ok(server)
    }

    /// SIGKILL to the server and its children. Port and data are kept.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        self.guard.kill().map_err(|e| format!("{}: {e}", self.name))
    }

    /// Starts it on the same port and data, after killing what still runs, and returns when it answers.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        self.kill()?;
        self.guard.spawn(&mut self.launch).map_err(|e| format!("{}: {e}", self.name))?;
        let from = Instant::now();
        while !(self.answers)() {
            if let Some(text) = self.ended() {
                return Err(text);
            }
            if from.elapsed() > PATIENCE {
                let text = format!("{} does not answer after {} s", self.name, PATIENCE.as_secs());
                return Err(with_log(&text, &self.guard));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// How it ended, if it ended by itself; said once.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.guard.ended()?;
        Some(with_log(&format!("{} ended by itself: {status}", self.name), &self.guard))
    }
}

/// Runs a program that prepares the directory of a server.
pub(super) fn prepare(name: &str, guard: &mut Guard, command: &mut Command) -> Result<(), String> {
    guard.spawn(command).map_err(|e| format!("{name}: {e}"))?;
    let status = guard.wait().map_err(|e| format!("{name}: {e}"))?;
    let program = command.get_program().to_string_lossy();
    if status.success() { Ok(()) } else { Err(with_log(&format!("{name}: `{program}`: {status}"), guard)) }
}

fn with_log(text: &str, guard: &Guard) -> String {
    match fs::read(guard.log()) {
        Ok(log) => format!("{text}\n{}", last_lines(&String::from_utf8_lossy(&log))),
        Err(error) => format!("{text}\n{}: {error}", guard.log().display()),
    }
}

/// The end of a log, as an error shows it.
pub(super) fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LAST_LINES)..];
    shown.iter().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

/// A port of the loopback interface that nobody listens at.
pub(super) fn free_port() -> Result<u16, String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let all = u32::from(PORTS.end - PORTS.start);
    // Two programs that start at once begin in different places.
    let first = std::process::id().wrapping_mul(64);
    for _ in 0..all {
        let place = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % all;
        let port = PORTS.start + u16::try_from(place).unwrap_or_default();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(format!("no free port from {} to {}", PORTS.start, PORTS.end))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A server that notes every start, then runs `line`, and answers once for each file `ready` that this leaves.
    pub(in super::super) fn shell(name: &'static str, line: &str) -> Result<Server, String> {
        let guard = Guard::new(name, "KILL").unwrap();
        let ready = guard.directory.join("ready");
        let mut launch = Command::new("sh");
        launch.args(["-c", &format!("echo started >>starts; {line}")]);
        let answers = move || fs::remove_file(&ready).is_ok();
        Server::start(name, guard, "nowhere".to_owned(), launch, answers)
    }

    pub(in super::super) fn starts(server: &Server) -> usize {
        fs::read_to_string(server.guard.directory.join("starts")).unwrap().lines().count()
    }

    #[test]
    fn a_killed_server_starts_again_on_its_data() {
        let mut server = shell("server-test", "touch ready; exec sleep 1000").unwrap();
        assert_eq!(starts(&server), 1);
        server.kill().unwrap();
        assert_eq!(server.ended(), None, "it did not end by itself");
        server.restart().unwrap();
        assert_eq!(starts(&server), 2);
    }

    #[test]
    fn a_failure_to_start_shows_the_log() {
        let Err(text) = shell("server-test", "echo what is wrong; exit 3") else { panic!("it can't start") };
        assert!(text.contains("server-test ended by itself: exit status: 3"), "{text}");
        assert!(text.contains("  | what is wrong"), "{text}");
    }

    #[test]
    fn free_ports_differ() {
        assert_ne!(free_port().unwrap(), free_port().unwrap());
    }
}
