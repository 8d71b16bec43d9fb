//! A case as its file has it (GOLDEN.md, section 1).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;

/// One line of a family's file.
#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) family: String,
    #[serde(default)]
    pub(crate) batch_ms: u64,
    #[serde(default)]
    pub(crate) num_batches: u32,
    #[serde(default)]
    pub(crate) inputs: BTreeMap<String, Input>,
    #[serde(default)]
    pub(crate) pipeline: Vec<Json>,
    #[serde(default)]
    pub(crate) checkpoint: bool,
    /// After how many batches the context is stopped and made again from its checkpoint.
    #[serde(default)]
    pub(crate) restart_after: Option<u32>,
    #[serde(default)]
    pub(crate) restart_clock_ms: i64,
    #[serde(default)]
    pub(crate) remember_ms: Option<u64>,
    #[serde(default)]
    pub(crate) ordered: bool,
    #[serde(default)]
    pub(crate) output: Option<Vec<Json>>,
    #[serde(default)]
    pub(crate) slices: Vec<(i64, i64)>,
    #[serde(default)]
    pub(crate) script: Option<Vec<Vec<Json>>>,
    #[serde(default)]
    pub(crate) expected: Json,
    #[serde(default)]
    pub(crate) expected_slices: Json,
    #[serde(default)]
    pub(crate) expected_files: Json,
    #[serde(default)]
    pub(crate) expected_stdout: Json,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
}

/// What one source gives, batch by batch.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Input {
    /// `long`, `string` or `kv`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) partitions: usize,
    /// None: no dataset at that time.
    pub(crate) batches: Vec<Option<Vec<Json>>>,
    #[serde(default)]
    empty: Option<String>,
}

impl Input {
    /// Whether an empty batch is a dataset without partitions.
    pub(crate) fn empty_has_no_partitions(&self) -> bool {
        self.empty.as_deref() == Some("no_partitions")
    }

    /// A source that a case speaks of without giving it anything.
    pub(crate) fn nothing() -> Self {
        Input { kind: "long".into(), partitions: 2, batches: Vec::new(), empty: None }
    }
}

impl Case {
    /// The runs that it is made of: how many batches each, and the clock at its begin. `killed`: it is made
    /// again after every batch.
    pub(crate) fn runs(&self, killed: bool) -> Vec<(u32, i64)> {
        let refused = self.expected.get("setup_error").is_some();
        let step = i64::try_from(self.batch_ms).unwrap_or(i64::MAX);
        match self.restart_after {
            Some(first) => vec![(first, 0), (self.num_batches - first, self.restart_clock_ms)],
            None if killed && !refused => (0..self.num_batches).map(|n| (1, i64::from(n) * step)).collect(),
            None => vec![(self.num_batches, 0)],
        }
    }

    /// What is expected, as far as it is ours to do: batches that Spark runs again after a restart, though
    /// they were done, are not, and which run a batch is of is not told.
    pub(crate) fn expected(&self) -> Json {
        let (Some(first), Json::Array(entries)) = (self.restart_after, &self.expected) else {
            return self.expected.clone();
        };
        let done = i64::from(first) * i64::try_from(self.batch_ms).unwrap_or(i64::MAX);
        let again =
            |entry: &&Json| entry["run"] == 2 && entry["time_ms"].as_i64().is_some_and(|time| time <= done);
        let entries = entries.iter().filter(|entry| !again(entry)).cloned();
        let without_run = entries.map(|mut entry| {
            entry.as_object_mut().map(|fields| fields.remove("run"));
            entry
        });
        Json::Array(without_run.collect())
    }
}

/// The cases of every `.jsonl` file of a directory, file by file in the order of their names.
pub(crate) fn load(dir: &Path) -> io::Result<Vec<Case>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        for (line, text) in std::fs::read_to_string(&file)?.lines().enumerate() {
            if !text.trim().is_empty() {
                cases.push(serde_json::from_str(text).map_err(|error| {
                    io::Error::other(format!("{}, line {}: {error}", file.display(), line + 1))
                })?);
            }
        }
    }
    Ok(cases)
}
