//! A case as its file has it (GOLDEN.md, section 1).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;

/// The families of a release that still waits for its means.
pub(crate) const WAITING: &[&str] = &["recovery"];

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
    /// Whether it waits for means that this release does not have.
    pub(crate) fn waits(&self) -> bool {
        WAITING.contains(&self.family.as_str())
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
