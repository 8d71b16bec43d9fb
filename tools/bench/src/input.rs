//! Files in memory.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Options;

/// The files of a folder, each to be a batch.
pub(crate) struct Input {
    pub(crate) files: Vec<Arc<str>>,
}

impl Input {
    /// The text files of the folder, in the order of their names.
    pub(crate) fn text(folder: &str) -> Result<Self, String> {
        let files = read(folder, "txt")?;
        if files.is_empty() {
            return Err(format!("there is no *.txt in {folder:?}"));
        }
        Ok(Input { files })
    }

    /// The files of JSON lines of the folder, or made ones.
    pub(crate) fn records(options: &Options) -> Result<Self, String> {
        let files = read(&options.input, "jsonl")?;
        let files = if files.is_empty() { (0..4).map(made).collect() } else { files };
        Ok(Input { files })
    }

    /// The same text in pieces of whole lines, each of about so many bytes.
    pub(crate) fn in_pieces(&self, bytes: usize) -> Self {
        let mut files = Vec::new();
        for file in &self.files {
            let mut rest: &str = file;
            while !rest.is_empty() {
                let after = rest.as_bytes().iter().skip(bytes).position(|byte| *byte == b'\n');
                let (piece, next) = rest.split_at(after.map_or(rest.len(), |at| bytes + at + 1));
                files.push(Arc::from(piece));
                rest = next;
            }
        }
        Input { files }
    }

    /// Bytes of the batches from `first` to `last`.
    pub(crate) fn bytes(&self, first: usize, last: usize) -> u64 {
        (first..last).map(|n| self.file(n).len() as u64).sum()
    }

    /// Lines of the batches from `first` to `last`.
    pub(crate) fn lines(&self, first: usize, last: usize) -> u64 {
        let lines: Vec<u64> = self
            .files
            .iter()
            .map(|file| memchr::memchr_iter(b'\n', file.as_bytes()).count() as u64)
            .collect();
        (first..last).map(|n| lines[n % lines.len()]).sum()
    }

    /// The file of a batch; after the last one the first again.
    pub(crate) fn file(&self, batch: usize) -> &Arc<str> {
        &self.files[batch % self.files.len()]
    }
}

fn read(folder: &str, extension: &str) -> Result<Vec<Arc<str>>, String> {
    let told = |error| format!("can't read {folder:?}: {error}");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).map_err(told)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == extension));
    paths.sort();
    let read = |path| std::fs::read_to_string(path).map(Arc::from).map_err(told);
    paths.iter().map(read).collect()
}

/// A record of the records job.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) customer: u32,
    pub(crate) product: String,
    pub(crate) category: String,
    pub(crate) quantity: u32,
    pub(crate) price: f64,
    pub(crate) discount: f64,
    pub(crate) paid: bool,
    pub(crate) country: String,
    pub(crate) time: i64,
}

/// A file of 200,000 orders, always the same.
fn made(file: u64) -> Arc<str> {
    let mut rng = waterclock::world::Rng::new(file);
    let mut text = String::new();
    for line in 0..200_000 {
        let order = Order {
            id: file * 200_000 + line,
            customer: rng.below(50_000) as u32,
            product: format!("product-{:05}", rng.below(20_000)),
            category: format!("category-{:03}", rng.below(400)),
            quantity: 1 + rng.below(9) as u32,
            price: rng.below(100_000) as f64 / 100.0,
            discount: rng.below(30) as f64 / 100.0,
            paid: rng.below(10) > 0,
            country: ["de", "fr", "it", "es", "pl", "nl"][rng.below(6) as usize].to_owned(),
            time: 1_700_000_000_000 + rng.below(86_400_000) as i64,
        };
        text.push_str(&serde_json::to_string(&order).expect("an order is always written"));
        text.push('\n');
    }
    text.into()
}
