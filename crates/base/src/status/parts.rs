//! The parts of a context: inputs, operators, state, the graph.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::event::Site;
use crate::ids::{OutputId, StreamId};

/// An input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputStatus {
    /// Its stream.
    pub stream: StreamId,
    /// Its name, or its kind and number where the program gave none.
    pub name: String,
    /// Records that batches have taken from it.
    pub records: u64,
    /// Records a second of the latest batches, up to ten.
    pub records_per_second: f64,
    /// What the newest batch read of it, for people.
    pub description: String,
    /// Records that wait for a batch, where that is known.
    pub waiting_records: Option<u64>,
    /// Microseconds in which it was held back: memory was short, or a latency target can't be met.
    pub held_back_micros: u64,
    /// The share of the last few seconds in which it was held back, from 0 to 1.
    pub held_back: f64,
}

/// How long an operator was at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorStatus {
    /// The operation.
    pub operator: Cow<'static, str>,
    /// Where the program calls it.
    pub site: Site,
    /// Microseconds in all tasks of all batches.
    pub micros: u64,
    /// Microseconds in all tasks of the newest completed batch in which it was at work.
    pub last_micros: u64,
}

/// The state of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateStatus {
    /// The stream's number.
    pub stream: usize,
    /// Its name, or its operation where the program gave none.
    pub name: String,
    /// Keys, about.
    pub keys: u64,
    /// Bytes in memory, about: what a sample of the rows takes, for all of them.
    pub bytes: u64,
}

/// What the program defined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphStatus {
    /// The streams that outputs read, parents first.
    pub streams: Vec<StreamStatus>,
    /// The outputs, in the order of definition.
    pub outputs: Vec<OutputStatus>,
}

/// A stream of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStatus {
    /// Its number.
    pub id: StreamId,
    /// The operation that defines it.
    pub operator: String,
    /// The name that the program gave it.
    pub name: Option<String>,
    /// Where the program defines it.
    pub site: Site,
    /// The streams that it is made from.
    pub parents: Vec<StreamId>,
    /// How far apart in time its datasets are, in milliseconds.
    pub slide_ms: u64,
    /// Whether it keeps state.
    pub has_state: bool,
    /// Whether batches get their input here.
    pub is_input: bool,
}

/// An output of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputStatus {
    /// Its number.
    pub id: OutputId,
    /// Its name, or its operation and place where the program gave none.
    pub name: String,
    /// The operation.
    pub operator: String,
    /// Where the program defines it.
    pub site: Site,
    /// The stream that it reads.
    pub stream: StreamId,
}
