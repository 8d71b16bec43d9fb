//! Results of a stream that the program wants to be seen.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::StreamId;
use crate::time::BatchTime;

/// The newest results of a stream, as a table and, where they are numbers, as a chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownResult {
    /// What the program calls them.
    pub name: String,
    /// The stream.
    pub stream: StreamId,
    /// The batch that they are of; none before the first.
    pub time: Option<BatchTime>,
    /// The names of the columns; empty where the record type has none.
    pub columns: Vec<String>,
    /// The first records, each as one text for each column. Texts have a limit.
    pub rows: Vec<Vec<String>>,
    /// Whether the batch has more records than these.
    pub more: bool,
    /// What the numbers were in the latest batches, oldest first; empty where records are neither numbers nor
    /// pairs of a key and a number.
    pub history: Vec<Arc<ChartPoint>>,
}

/// The numbers of one batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChartPoint {
    /// The batch.
    pub time: BatchTime,
    /// The largest numbers with their keys; the key is empty where records are numbers alone.
    pub values: Vec<(String, f64)>,
}
