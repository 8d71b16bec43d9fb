//! Numbers that name things, each its own type so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($word, " {}"), self.0)
            }
        }
    };
}

id!(/// A stream of the graph, numbered from 0 in the order of definition.
    StreamId(usize), "stream");
id!(/// An output of the graph, numbered from 0 in the order of definition.
    OutputId(usize), "output");
id!(/// A dataset, numbered from 0 in one engine.
    RddId(u64), "rdd");
id!(/// One run of an action over a dataset.
    JobId(u64), "job");
id!(/// The tasks of a job between two shuffles.
    StageId(u64), "stage");
id!(/// A partition of a dataset, from 0.
    PartitionIndex(usize), "partition");
id!(/// Which try of a task this is, from 0.
    Attempt(u32), "attempt");

/// A block of received records: the stream that it came in by and a number unique in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockId {
    /// The input stream.
    pub stream: StreamId,
    /// Counts the stream's blocks, from 0.
    pub number: u64,
}

/// One attempt at one partition of one stage: what the engine hands to an executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// The job.
    pub job: JobId,
    /// The stage of the job.
    pub stage: StageId,
    /// The partition of the stage.
    pub partition: PartitionIndex,
    /// The try.
    pub attempt: Attempt,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}, {}", self.job, self.stage, self.partition, self.attempt)
    }
}
