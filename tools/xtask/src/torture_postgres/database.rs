//! The server: asked by its own client program, killed and started by whoever started it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use super::Counts;
use crate::servers;

const CREATE: &str = "SET client_min_messages = warning; DROP TABLE IF EXISTS word_counts, word_totals;
    CREATE TABLE word_counts (word text, count bigint);
    CREATE TABLE word_totals (word text PRIMARY KEY, total bigint)";

/// Each table, and how its counts are asked for.
const TABLES: &[(&str, &str)] = &[
    ("word_counts", "SELECT word, sum(count) FROM word_counts GROUP BY word"),
    ("word_totals", "SELECT word, total FROM word_totals"),
];

pub(super) struct Database {
    pub(super) url: String,
    /// Whether the server was started by `cargo xtask servers`.
    pub(super) can_be_killed: bool,
    control: Option<String>,
}

impl Database {
    /// What the environment names.
    pub(super) fn of_environment() -> Result<Self, String> {
        let url = std::env::var("WATERCLOCK_POSTGRES").map_err(|_| "WATERCLOCK_POSTGRES is not set")?;
        let control = std::env::var("WATERCLOCK_SERVERS").ok();
        let mut database = Database { url, can_be_killed: false, control };
        // Starting a server that nobody killed is the only question that tells whether it can be.
        database.can_be_killed = database.control.is_some() && database.control("restart").is_ok();
        if !database.can_be_killed {
            println!("the server was not started here: only the program is killed");
        }
        Ok(database)
    }

    /// `kill` or `restart`; returns when it is done.
    pub(super) fn control(&self, verb: &str) -> Result<(), String> {
        let address = self.control.as_ref().ok_or("WATERCLOCK_SERVERS is not set")?;
        let failed = |e: std::io::Error| format!("{address}: {e}");
        let mut control = TcpStream::connect(address).map_err(failed)?;
        writeln!(control, "{verb} postgres").map_err(failed)?;
        let mut answer = String::new();
        control.read_to_string(&mut answer).map_err(failed)?;
        if answer == "done\n" { Ok(()) } else { Err(format!("`{verb} postgres`: {}", answer.trim())) }
    }

    pub(super) fn create_tables(&self) -> Result<(), String> {
        self.ask(CREATE).map(drop)
    }

    /// What is in the tables.
    pub(super) fn tables(&self) -> Result<Vec<(&'static str, Counts)>, String> {
        let read = |(table, sql): &(&'static str, &str)| Ok((*table, counts(&self.ask(sql)?)?));
        TABLES.iter().map(read).collect()
    }

    fn ask(&self, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(servers::postgres_program("psql")?);
        psql.args(["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", &self.url, "-c", sql]);
        psql.env("PGCLIENTENCODING", "UTF8").stderr(Stdio::inherit());
        let output = psql.output().map_err(|e| format!("`psql` can't be started: {e}"))?;
        if !output.status.success() {
            return Err(format!("`psql`: {}", output.status));
        }
        String::from_utf8(output.stdout).map_err(|e| e.to_string())
    }
}

/// Lines `word<TAB>count`. A word that is there twice counts twice.
fn counts(text: &str) -> Result<Counts, String> {
    let mut counts = Counts::new();
    for line in text.lines() {
        let read = line.split_once('\t').and_then(|(word, n)| Some((word, n.parse::<u64>().ok()?)));
        let (word, n) = read.ok_or_else(|| format!("`psql` says `{line}`"))?;
        *counts.entry(word.to_owned()).or_default() += n;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counts() {
        let read = counts("a\t1\n\\N\t20\n").unwrap();
        assert_eq!((read["a"], read["\\N"], read.len()), (1, 20, 2));
        assert!(counts("a\tx\n").unwrap_err().contains("a\tx"));
    }
}
