//! `recoverable_word_count`: files into files.

mod output; // batches that can be seen

use std::path::Path;
use std::time::Duration;

use super::found::Found;
use super::input::Files;
use super::pipeline::{Kind, Pipeline};
use super::plan::{ANY_TIME, BATCH, FILES, Target};
use super::program::{Programs, option};
use output::Output;

pub(super) struct FilesToFiles {
    programs: Programs,
}

impl FilesToFiles {
    pub(super) fn build() -> Result<Self, String> {
        Ok(FilesToFiles { programs: Programs::build("recoverable_word_count", "")? })
    }
}

impl Kind for FilesToFiles {
    fn mode(&self, unsynced: bool) -> String {
        if unsynced { "unsynced" } else { "kill" }.to_owned()
    }

    fn targets(&self) -> Vec<Target> {
        [FILES, BATCH, &[ANY_TIME]].concat()
    }

    fn kills_of_a_check(&self) -> u64 {
        50
    }

    fn checks_of_a_life(&self) -> u64 {
        4
    }

    fn begin(&mut self, place: &Path, seed: u64) -> Result<Box<dyn Pipeline + '_>, String> {
        let (input, output) = (Files::begin(place, seed)?, Output::new(&place.join("out")));
        Ok(Box::new(Way { kind: self, input, output, before: None }))
    }
}

struct Way<'a> {
    kind: &'a FilesToFiles,
    input: Files,
    output: Output,
    /// The newest batch when the program was last started to finish.
    before: Option<Option<i64>>,
}

impl Pipeline for Way<'_> {
    fn programs(&self) -> &Programs {
        &self.kind.programs
    }

    fn args(&self) -> Vec<String> {
        let directories = [option("--input", &self.input.watched), option("--output", self.output.place())];
        [&directories.concat()[..], &["--batch-ms", "50"].map(str::to_owned)].concat()
    }

    fn targets(&self) -> Vec<Target> {
        self.kind.targets()
    }

    fn pass(&mut self, time: Duration) -> Result<(), String> {
        self.input.pass(time)
    }

    fn look(&mut self) -> Result<u64, String> {
        self.output.look()
    }

    fn rest(&mut self) -> Result<(), String> {
        self.before = Some(self.output.newest());
        Ok(())
    }

    fn has_caught_up(&mut self) -> Result<bool, String> {
        Ok(self.before.is_some_and(|before| self.output.newest() > before))
    }

    fn compare(&mut self) -> Result<Found, String> {
        self.output.compare(&self.input.counts()?)
    }
}
