//! Real servers for tests: started, used by a command, stopped.

mod browser; // Chromium, driven from outside
mod control; // killing and restarting while the command runs
mod guard; // a directory and a process that outlive nobody
mod kafka; // Apache Kafka
mod maven; // Java programs, fetched once
mod postgres; // PostgreSQL
mod server; // starting, waiting, killing

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use kafka::program as kafka_program;
pub(crate) use postgres::program as postgres_program;
use server::Server;

const USAGE: &str = "\
cargo xtask servers [kafka] [postgres] [browser] -- COMMAND ARGS..

Starts the servers that are named, or all, runs COMMAND, stops them, and ends with COMMAND's exit code.
COMMAND finds them in its environment. A server whose address is set there before is not started.

  WATERCLOCK_KAFKA      bootstrap server, HOST:PORT
  WATERCLOCK_KAFKA_TLS  the same by TLS with the password that WATERCLOCK_KAFKA_USER has, USER:PASSWORD, and the
                        certificate (a PEM file) that WATERCLOCK_KAFKA_CA names
  WATERCLOCK_POSTGRES   URL of a database whose user may do everything
  WATERCLOCK_WEBDRIVER  URL of a WebDriver with Chromium
  WATERCLOCK_SERVERS    HOST:PORT that takes a line, `kill kafka` or `restart kafka`, and answers `done` or an error:
                        SIGKILL, and a start on the same port and data

Kafka needs Java 17 and Maven, PostgreSQL the package `postgresql`, the browser
`chromium` and `chromium-driver`; packages are installed with apt-get if they are missing.";

/// A server that can be started.
struct Kind {
    name: &'static str,
    /// Where the command finds the address.
    variable: &'static str,
    start: fn() -> Result<Server, String>,
}

impl Kind {
    fn is_given(&self) -> bool {
        std::env::var_os(self.variable).is_some_and(|value| !value.is_empty())
    }
}

const KINDS: &[Kind] = &[
    Kind { name: "kafka", variable: "WATERCLOCK_KAFKA", start: kafka::start },
    Kind { name: "postgres", variable: "WATERCLOCK_POSTGRES", start: postgres::start },
    Kind { name: "browser", variable: "WATERCLOCK_WEBDRIVER", start: browser::start },
];

/// Whether the environment names a server of this kind.
pub(crate) fn is_given(name: &str) -> bool {
    KINDS.iter().any(|kind| kind.name == name && kind.is_given())
}

/// Runs a command with servers; gives its exit code.
pub(crate) fn run(args: &[String]) -> Result<ExitCode, String> {
    let (kinds, command) = parse(args)?;
    let mut servers = Vec::new();
    let mut process = Command::new(&command[0]);
    process.args(&command[1..]);
    for kind in kinds {
        if kind.is_given() {
            eprintln!("servers: {} is set, so {} is not started", kind.variable, kind.name);
            continue;
        }
        let server = (kind.start)()?;
        eprintln!("servers: {} at {}", kind.name, server.address);
        process.env(kind.variable, &server.address).envs(server.variables.iter().cloned());
        servers.push(server);
    }
    let servers = Arc::new(Mutex::new(servers));
    process.env("WATERCLOCK_SERVERS", control::serve(Arc::clone(&servers))?);
    let status = process.status().map_err(|e| format!("`{}` can't be started: {e}", command[0]));
    // The thread of the control holds the list too, so that the servers are taken out of it to end here.
    let mut servers = std::mem::take(&mut *servers.lock().unwrap_or_else(PoisonError::into_inner));
    let ended: Vec<_> = servers.iter_mut().filter_map(Server::ended).collect();
    drop(servers);
    let code = exit_code(status?);
    for text in &ended {
        eprintln!("{text}");
    }
    // A server that went down makes every success doubtful.
    Ok(ExitCode::from(if ended.is_empty() { code } else { code.max(1) }))
}

/// The servers and the command; without names every server.
fn parse(args: &[String]) -> Result<(Vec<&'static Kind>, &[String]), String> {
    let usage = |text: &str| format!("servers: {text}\n\n{USAGE}");
    let at = args.iter().position(|arg| arg == "--").ok_or_else(|| usage("no `--` with a command"))?;
    let (names, command) = (&args[..at], &args[at + 1..]);
    if command.is_empty() {
        return Err(usage("no command behind `--`"));
    }
    if let Some(unknown) = names.iter().find(|name| KINDS.iter().all(|kind| kind.name != **name)) {
        return Err(usage(&format!("no server `{unknown}`")));
    }
    let is_wanted = |kind: &&Kind| names.is_empty() || names.iter().any(|name| name == kind.name);
    Ok((KINDS.iter().filter(is_wanted).collect(), command))
}

/// As a shell gives it: 128 and more for a signal.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(Vec<&'static str>, usize), String> {
        let args: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let (kinds, command) = parse(&args)?;
        Ok((kinds.iter().map(|kind| kind.name).collect(), command.len()))
    }

    #[test]
    fn names_choose_the_servers() {
        assert_eq!(parsed("postgres -- psql -l").unwrap(), (vec!["postgres"], 2));
        assert_eq!(parsed("postgres kafka -- x").unwrap(), (vec!["kafka", "postgres"], 1));
        assert_eq!(parsed("-- x -- y").unwrap(), (vec!["kafka", "postgres", "browser"], 3));
        for (line, why) in [("kafka", "no `--`"), ("kafka --", "no command"), ("redis -- x", "`redis`")] {
            assert!(parsed(line).unwrap_err().contains(why), "{line}");
        }
    }

    #[test]
    fn the_exit_code_is_the_commands() {
        let code = |line| exit_code(Command::new("sh").args(["-c", line]).status().unwrap());
        assert_eq!((code("exit 0"), code("exit 7"), code("kill -s KILL $$")), (0, 7, 137));
    }
}
