//! What the output says, against the input. Nothing here knows how it was made: files are read, words counted.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::torture::found::{Counts, Found};

/// The batches that were seen, each with its content.
pub(super) struct Output {
    place: PathBuf,
    seen: BTreeMap<i64, u64>,
}

impl Output {
    pub(super) fn new(place: &Path) -> Self {
        Output { place: place.to_owned(), seen: BTreeMap::new() }
    }

    /// Where they are.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Compares the newest total of every word with what is expected.
    pub(super) fn compare(&self, expected: &Counts) -> Result<Found, String> {
        let (mut strange, mut counted) = (Vec::new(), Counts::new());
        for (time, directory) in batches(&self.place)? {
            for line in parts(&directory)?.values().flat_map(|text| text.lines()) {
                let (word, total) = line.split_once('\t').ok_or_else(|| format!("batch {time}: `{line}`"))?;
                let total: u64 = total.parse().map_err(|_| format!("batch {time}: `{line}`"))?;
                let before = counted.insert(word.to_owned(), total).unwrap_or(0);
                if total <= before {
                    strange.push(format!("batch {time}: `{word}` has {total} after {before}"));
                }
            }
        }
        let mut found = Found::compare("files", expected, &counted);
        strange.into_iter().for_each(|what| found.strange(what));
        Ok(found)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::input::counts;

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
        scratch.write("in/1", "a b\n");
        scratch.write("in/2", "a");
        let expected = counts(&scratch.0.join("in")).unwrap();
        let compared = || Output::new(&scratch.0.join("out")).compare(&expected).unwrap();
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
