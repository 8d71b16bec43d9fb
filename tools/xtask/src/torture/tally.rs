//! What was killed and what was found, over all runs that share a state file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::found::Found;
use super::plan::Target;

/// Counts by name. The file has one `mode<TAB>name<TAB>count` a line.
pub(super) struct Tally {
    file: Option<PathBuf>,
    mode: String,
    counts: BTreeMap<(String, String), u64>,
}

impl Tally {
    /// Reads what earlier runs counted; nothing where there is no file.
    pub(super) fn read(file: Option<&Path>, mode: &str) -> Result<Self, String> {
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
        Ok(Tally { file: file.map(Path::to_owned), mode: mode.to_owned(), counts })
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
        *self.counts.entry((self.mode.clone(), name.to_owned())).or_default() += count;
    }

    /// How often something was counted.
    pub(super) fn get(&self, name: &str) -> u64 {
        self.counts.get(&(self.mode.clone(), name.to_owned())).copied().unwrap_or(0)
    }

    /// A kill of this name.
    pub(super) fn killed(&mut self, name: &str) {
        self.count(&format!("kills {name}"), 1);
    }

    /// The program never came to this point.
    pub(super) fn missed(&mut self, name: &str) {
        self.count(&format!("missed {name}"), 1);
    }

    /// How often it was killed there.
    pub(super) fn kills_at(&self, name: &str) -> u64 {
        self.get(&format!("kills {name}"))
    }

    /// How often its turn was: in vain counts too, but less, so that what is hard to reach is tried more often.
    pub(super) fn used(&self, name: &str) -> u64 {
        self.kills_at(name) + self.get(&format!("missed {name}")) / 4
    }

    /// All kills.
    pub(super) fn kills(&self) -> u64 {
        let mine =
            self.counts.iter().filter(|((mode, name), _)| *mode == self.mode && name.starts_with("kills "));
        mine.map(|(_, count)| count).sum()
    }

    /// A comparison, in which so many words had not been compared before.
    pub(super) fn compared(&mut self, found: &Found, new: u64) {
        self.count("checks", 1);
        self.count("words", new);
        self.count("lost", found.lost);
        self.count("doubled", found.doubled);
    }

    /// Everything in one line.
    pub(super) fn line(&self) -> String {
        let (kills, mode) = (self.kills(), &self.mode);
        let [batches, words, checks, lost, doubled, faults] =
            ["batches", "words", "checks", "lost", "doubled", "faults"].map(|name| self.get(name));
        let batches = if batches > 0 { format!("{batches} batches, ") } else { String::new() };
        format!(
            "{mode}: {kills} kills, {batches}{words} words in {checks} checks: {lost} words lost, {doubled} doubled, \
             {faults} faults"
        )
    }

    /// Everything, with the kills of each kind.
    pub(super) fn table(&self, targets: &[Target]) -> String {
        let mut lines = vec![format!("{:<24} {:>6}", "killed at", "times")];
        for target in targets {
            lines.push(format!("{:<24} {:>6}", target.name, self.kills_at(target.name)));
        }
        lines.push(self.line());
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_share_a_file_are_summed_by_mode() {
        let file = std::env::temp_dir().join(format!("waterclock-tally-{}", std::process::id()));
        for (mode, kills) in [("one", 1), ("two", 1), ("one", 3)] {
            let mut tally = Tally::read(Some(&file), mode).unwrap();
            tally.killed("here");
            tally.killed("there");
            (1..kills).for_each(|_| tally.killed("here"));
            tally.write().unwrap();
        }
        let tally = Tally::read(Some(&file), "one").unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!((tally.kills(), tally.kills_at("here"), tally.kills_at("there")), (6, 4, 2));
    }
}
