//! PostgreSQL, from the package of the system.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::guard::Guard;
use super::server::{Server, free_port, prepare};
use crate::packages::{install, is_root};

/// Where Debian has the servers, one directory for each version; they are not on the path.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Starts it; the address is the URL of its database.
pub(super) fn start() -> Result<Server, String> {
    let programs = programs()?;
    let port = free_port()?;
    // Of its signals the one that ends at once, with all children.
    let mut guard = Guard::new("postgres", "QUIT")?;
    let user = unprivileged()?;
    if let Some((user, group)) = user {
        let owned = std::os::unix::fs::chown(&guard.directory, Some(user), Some(group));
        owned.map_err(|e| format!("{}: {e}", guard.directory.display()))?;
    }
    let program = |name: &str| {
        let mut command = Command::new(programs.join(name));
        command.env("LC_ALL", "C");
        if let Some((user, group)) = user {
            command.uid(user).gid(group);
        }
        command
    };
    let mut initdb = program("initdb");
    initdb.args(["-D", "data", "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--no-locale"]);
    prepare("postgres", &mut guard, &mut initdb)?;
    let mut launch = program("postgres");
    launch.args(["-D", "data", "-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
    // What was written outlives SIGKILL without `fsync`, which is for machines that lose power.
    launch.args(["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "wal_level=logical"]);
    // Shared memory in the directory goes with it where a server was killed and not started again.
    launch.args(["-c", "dynamic_shared_memory_type=mmap"]);
    let ready = programs.join("pg_isready");
    let answers = move || {
        let mut asked = Command::new(&ready);
        asked.args(["-q", "-U", "postgres", "-h", "127.0.0.1", "-p", &port.to_string()]);
        asked.status().is_ok_and(|status| status.success())
    };
    let address = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    Server::start("postgres", guard, address, launch, answers)
}

/// One of the programs that come with the server.
pub(crate) fn program(name: &str) -> Result<PathBuf, String> {
    programs().map(|programs| programs.join(name))
}

/// The directory of the server's programs, installed if there is none.
fn programs() -> Result<PathBuf, String> {
    if let Some(found) = find() {
        return Ok(found);
    }
    install("postgresql", "postgres: `initdb` is not there")?;
    find().ok_or_else(|| format!("postgres: `initdb` is neither on the path nor below {DEBIAN}"))
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    places.extend(newest_first(Path::new(DEBIAN)));
    // On the path it may be a link to where the others are.
    let found = places.iter().find_map(|place| fs::canonicalize(place.join("initdb")).ok())?;
    Some(found.parent()?.to_path_buf())
}

/// `15/bin` and its like.
fn newest_first(root: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut versions: Vec<u32> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.iter().map(|version| root.join(version.to_string()).join("bin")).collect()
}

/// User and group to run as, where it is not the own: PostgreSQL refuses to run as root.
fn unprivileged() -> Result<Option<(u32, u32)>, String> {
    if !is_root()? {
        return Ok(None);
    }
    let id = |what: &str| {
        let output = Command::new("id").args([what, "nobody"]).output();
        let output = output.map_err(|e| format!("`id` can't be started: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse::<u32>().map_err(|_| "postgres: there is no user `nobody` to run it as".to_owned())
    };
    Ok(Some((id("-u")?, id("-g")?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_found_by_number() {
        let guard = Guard::new("postgres-test", "KILL").unwrap();
        for version in ["9", "15", "common"] {
            fs::create_dir(guard.directory.join(version)).unwrap();
        }
        let found = newest_first(&guard.directory);
        assert_eq!(found, [guard.directory.join("15/bin"), guard.directory.join("9/bin")]);
        assert!(newest_first(&guard.directory.join("nowhere")).is_empty());
    }
}
