//! What was killed and what was found, over all runs that share a state file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::plan::points;

/// Counts by name. The file has one `mode<TAB>name<TAB>count` a line.
pub(super) struct Tally {
    file: Option<PathBuf>,
    mode: &'static str,
    counts: BTreeMap<(String, String), u64>,
}

impl Tally {
    /// Reads what earlier runs counted; nothing where there is no file.
    pub(super) fn read(file: Option<&Path>, mode: &'static str) -> Result<Self, String> {
        let text = match file.filter(|file| file.exists()) {
            Some(file) => fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?,
            None => String::new(),
        };
        let mut counts = BTreeMap::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [of, name, count] = fields[..] else { return Err(format!("`{line}` is not a count")) };
            let count = count.parse().map_err(|_| format!("`{line}` is not a count"))?;
            counts.insert((of.to_owned(), name.to_owned()), count);
        }
        Ok(Tally { file: file.map(Path::to_owned), mode, counts })
    }

    /// Writes everything for later runs.
    pub(super) fn write(&self) -> Result<(), String> {
        let Some(file) = &self.file else { return Ok(()) };
        let lines = self.counts.iter().map(|((mode, name), count)| format!("{mode}\t{name}\t{count}\n"));
        let beside = file.with_extension("tmp");
        let written = fs::write(&beside, lines.collect::<String>()).and_then(|()| fs::rename(&beside, file));
        written.map_err(|e| format!("{}: {e}", file.display()))
    }

    /// Counts.
    pub(super) fn count(&mut self, name: &str, count: u64) {
        *self.counts.entry((self.mode.to_owned(), name.to_owned())).or_default() += count;
    }

    /// How often something was counted.
    pub(super) fn get(&self, name: &str) -> u64 {
        self.counts.get(&(self.mode.to_owned(), name.to_owned())).copied().unwrap_or(0)
    }

    /// All kills.
    pub(super) fn kills(&self) -> u64 {
        let mine =
            self.counts.iter().filter(|((mode, name), _)| mode == self.mode && name.starts_with("kills "));
        mine.map(|(_, count)| count).sum()
    }

    /// Everything in one line.
    pub(super) fn line(&self) -> String {
        let (kills, mode) = (self.kills(), self.mode);
        let [batches, checks, lost, doubled, faults] =
            ["batches", "checks", "lost", "doubled", "faults"].map(|name| self.get(name));
        format!(
            "{mode}: {kills} kills, {batches} batches, {checks} checks: {lost} words lost, {doubled} doubled, \
             {faults} faults"
        )
    }

    /// Everything, with the kills at each point.
    pub(super) fn table(&self) -> String {
        let mut lines = vec![format!("{:<24} {:>6}", "killed at", "times")];
        for name in points().into_iter().chain(["any time"]) {
            lines.push(format!("{name:<24} {:>6}", self.get(&format!("kills {name}"))));
        }
        lines.push(self.line());
        lines.join("\n")
    }
}
