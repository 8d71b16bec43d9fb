//! The tables, asked by the server's own client program.

use std::process::{Command, Stdio};

use crate::servers;
use crate::torture::found::{Counts, Found};
use crate::torture::server::address;

const CREATE: &str = "SET client_min_messages = warning; DROP TABLE IF EXISTS word_counts, word_totals;
    CREATE TABLE word_counts (word text, count bigint);
    CREATE TABLE word_totals (word text PRIMARY KEY, total bigint)";

/// Each table, and how its counts are asked for.
const TABLES: &[(&str, &str)] = &[
    ("word_counts", "SELECT word, sum(count) FROM word_counts GROUP BY word"),
    ("word_totals", "SELECT word, total FROM word_totals"),
];

/// A database with the tables of the examples.
pub(in crate::torture) struct Database {
    pub(in crate::torture) url: String,
}

impl Database {
    /// The one that the environment names.
    pub(in crate::torture) fn of_environment() -> Result<Self, String> {
        Ok(Database { url: address("WATERCLOCK_POSTGRES")? })
    }

    /// Makes the tables anew.
    pub(in crate::torture) fn create_tables(&self) -> Result<(), String> {
        self.ask(CREATE).map(drop)
    }

    /// Compares what is in the tables with what is expected.
    pub(in crate::torture) fn compare(&self, expected: &Counts) -> Result<Found, String> {
        let table =
            |(table, sql): &(&str, &str)| Ok(Found::compare(table, expected, &counts(&self.ask(sql)?)?));
        let found: Vec<Found> = TABLES.iter().map(table).collect::<Result<_, String>>()?;
        Ok(found.into_iter().reduce(Found::and).unwrap_or_default())
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
