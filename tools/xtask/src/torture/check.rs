//! What the output says, against the input. Nothing here knows how it was made: files are read, words counted.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

/// The batches that were seen, each with its content.
pub(super) struct Output {
    place: PathBuf,
    seen: BTreeMap<i64, u64>,
}

impl Output {
    pub(super) fn new(place: &Path) -> Self {
        Output { place: place.to_owned(), seen: BTreeMap::new() }
    }

    /// The newest batch that is there.
    pub(super) fn newest(&self) -> Option<i64> {
        batches(&self.place).ok().and_then(|batches| batches.keys().next_back().copied())
    }

    /// Looks at everything; how many batches are new.
    ///
    /// # Errors
    /// What was there has gone or has changed, or a batch is not complete.
    pub(super) fn look(&mut self) -> Result<u64, String> {
        let found = batches(&self.place)?;
        if let Some(gone) = self.seen.keys().find(|time| !found.contains_key(time)) {
            return Err(format!("the batch {gone} was there and has gone"));
        }
        let before = self.seen.len();
        for (time, directory) in found {
            let parts = parts(&directory)?;
            if parts.is_empty() || !directory.join("_SUCCESS").is_file() {
                return Err(format!("the batch {time} is seen and not complete: {}", directory.display()));
            }
            let mut hasher = DefaultHasher::new();
            parts.hash(&mut hasher);
            let hash = hasher.finish();
            if *self.seen.entry(time).or_insert(hash) != hash {
                return Err(format!("the batch {time} was there and has changed: {}", directory.display()));
            }
        }
        Ok((self.seen.len() - before) as u64)
    }
}

/// The directories of batches that can be seen, by time.
fn batches(place: &Path) -> Result<BTreeMap<i64, PathBuf>, String> {
    let mut found = BTreeMap::new();
    // The program makes it.
    if !place.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(place).map_err(|e| format!("{}: {e}", place.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(['.', '_']) {
            continue;
        }
        let time = name.strip_prefix("counts-").and_then(|time| time.parse().ok());
        found.insert(time.ok_or_else(|| format!("`{name}` is not called after a batch"))?, path);
    }
    Ok(found)
}

/// The files of a batch that can be seen: name and content.
fn parts(directory: &Path) -> Result<BTreeMap<String, String>, String> {
    let said = |e: std::io::Error| format!("{}: {e}", directory.display());
    let mut parts = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(said)? {
        let path = entry.map_err(said)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with(['.', '_']) {
            parts.insert(name, fs::read_to_string(path).map_err(said)?);
        }
    }
    Ok(parts)
}

/// What a comparison found.
pub(super) struct Found {
    /// Words that were not counted, and that were counted more than once.
    pub(super) lost: u64,
    pub(super) doubled: u64,
    /// The first differences.
    shown: Vec<String>,
}

impl Found {
    /// # Errors
    /// Says what differs.
    pub(super) fn verdict(self) -> Result<(), String> {
        if self.shown.is_empty() {
            return Ok(());
        }
        let Found { lost, doubled, shown } = self;
        Err(format!("{lost} words lost, {doubled} doubled:\n{}", shown.join("\n")))
    }
}

/// Compares the newest total of every word with the words of all files.
pub(super) fn compare(input: &Path, output: &Path) -> Result<Found, String> {
    let mut expected: HashMap<String, u64> = HashMap::new();
    for entry in fs::read_dir(input).map_err(|e| format!("{}: {e}", input.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        text.split_whitespace().for_each(|word| *expected.entry(word.to_owned()).or_default() += 1);
    }
    let mut shown = Vec::new();
    let mut counted: HashMap<String, u64> = HashMap::new();
    for (time, directory) in batches(output)? {
        for line in parts(&directory)?.values().flat_map(|text| text.lines()) {
            let (word, total) = line.split_once('\t').ok_or_else(|| format!("batch {time}: `{line}`"))?;
            let total: u64 = total.parse().map_err(|_| format!("batch {time}: `{line}`"))?;
            let before = counted.insert(word.to_owned(), total).unwrap_or(0);
            if total <= before {
                shown.push(format!("batch {time}: `{word}` has {total} after {before}"));
            }
        }
    }
    let (mut lost, mut doubled) = (0, 0);
    for word in expected.keys().chain(counted.keys().filter(|word| !expected.contains_key(*word))) {
        let expected = expected.get(word).copied().unwrap_or(0);
        let counted = counted.get(word).copied().unwrap_or(0);
        lost += expected.saturating_sub(counted);
        doubled += counted.saturating_sub(expected);
        if expected != counted {
            shown.push(format!("`{word}` was counted {counted} times and is there {expected} times"));
        }
    }
    shown.truncate(20);
    Ok(Found { lost, doubled, shown })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own that is gone at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let place = std::env::temp_dir().join(format!("waterclock-{name}-{}", std::process::id()));
            fs::create_dir_all(&place).unwrap();
            Scratch(place)
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn what_is_lost_and_doubled_is_found() {
        let scratch = Scratch::new("compared");
        let compared = || compare(&scratch.0.join("in"), &scratch.0.join("out")).unwrap();
        scratch.write("in/1", "a b\n");
        scratch.write("in/2", "a");
        scratch.write("out/counts-1000/part-00000", "a\t1\nb\t1\n");
        scratch.write("out/.counts-2000/part-00000", "a\t7\n");
        assert_eq!((compared().lost, compared().doubled), (1, 0));
        scratch.write("out/counts-2000/part-00000", "a\t2\n");
        assert_eq!(compared().verdict(), Ok(()));
        scratch.write("out/counts-3000/part-00000", "a\t3\n");
        assert_eq!((compared().lost, compared().doubled), (0, 1));
        assert!(compared().verdict().unwrap_err().contains("`a` was counted 3 times"));
    }

    #[test]
    fn what_was_seen_must_stay_as_it_was() {
        let scratch = Scratch::new("looked-at");
        let mut output = Output::new(&scratch.0);
        scratch.write("counts-1000/part-00000", "a\t1\n");
        assert!(output.look().unwrap_err().contains("not complete"));
        scratch.write("counts-1000/_SUCCESS", "");
        assert_eq!((output.look(), output.look()), (Ok(1), Ok(0)));
        scratch.write("counts-1000/part-00000", "a\t2\n");
        assert!(output.look().unwrap_err().contains("changed"));
        fs::remove_dir_all(scratch.0.join("counts-1000")).unwrap();
        assert!(output.look().unwrap_err().contains("gone"));
    }
}
