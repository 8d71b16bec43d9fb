//! `postgres_word_count`: files into tables.

mod database; // the tables

use std::path::Path;
use std::time::Duration;

use super::found::Found;
use super::input::Files;
use super::pipeline::{Kind, Pipeline};
use super::plan::{ANY_TIME, BATCH, POSTGRES, Target, server};
use super::program::{Programs, option};
use super::server::can_be_killed;
pub(super) use database::Database;

pub(super) struct FilesToTables {
    programs: Programs,
    database: Database,
    can_be_killed: bool,
}

impl FilesToTables {
    pub(super) fn build() -> Result<Self, String> {
        Ok(FilesToTables {
            programs: Programs::build("postgres_word_count", "postgres")?,
            database: Database::of_environment()?,
            can_be_killed: can_be_killed("postgres"),
        })
    }
}

impl Kind for FilesToTables {
    fn mode(&self, unsynced: bool) -> String {
        if unsynced { "postgres-unsynced" } else { "postgres" }.to_owned()
    }

    fn targets(&self) -> Vec<Target> {
        let server: &[Target] = if self.can_be_killed { &[server("postgres", 7)] } else { &[] };
        [POSTGRES, server, BATCH, &[ANY_TIME]].concat()
    }

    fn kills_of_a_check(&self) -> u64 {
        25
    }

    fn checks_of_a_life(&self) -> u64 {
        8
    }

    fn begin(&mut self, place: &Path, seed: u64) -> Result<Box<dyn Pipeline + '_>, String> {
        self.database.create_tables()?;
        Ok(Box::new(Way { kind: self, input: Files::begin(place, seed)? }))
    }
}

struct Way<'a> {
    kind: &'a FilesToTables,
    input: Files,
}

impl Pipeline for Way<'_> {
    fn programs(&self) -> &Programs {
        &self.kind.programs
    }

    fn args(&self) -> Vec<String> {
        let more = ["--url", &self.kind.database.url, "--batch-ms", "50"].map(str::to_owned);
        [&option("--input", &self.input.watched)[..], &more].concat()
    }

    fn targets(&self) -> Vec<Target> {
        self.kind.targets()
    }

    fn pass(&mut self, time: Duration) -> Result<(), String> {
        self.input.pass(time)
    }

    fn has_caught_up(&mut self) -> Result<bool, String> {
        Ok(self.compare()?.lost == 0)
    }

    fn compare(&mut self) -> Result<Found, String> {
        self.kind.database.compare(&self.input.counts()?)
    }
}
