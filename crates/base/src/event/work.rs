//! What the engine does for a batch: jobs, their stages, the tasks of these, and the time that each operator took.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

use serde::{Deserialize, Serialize};

use crate::ids::{JobId, OutputId, StageId, TaskId};
use crate::time::BatchTime;

/// A place in the program's text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Site {
    /// The file, as the compiler was told it.
    pub file: Cow<'static, str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl From<&'static Location<'static>> for Site {
    fn from(site: &'static Location<'static>) -> Self {
        Site { file: site.file().into(), line: site.line(), column: site.column() }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// For which batch a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobOwner {
    /// The batch.
    pub time: BatchTime,
    /// Its output; none while the datasets of the batch are being made, as by `transform`.
    pub output: Option<OutputId>,
}

/// A job: one action over a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobInfo {
    /// Its number.
    pub id: JobId,
    /// The action.
    pub call: Cow<'static, str>,
    /// Where the program calls it.
    pub site: Site,
    /// The batch that it runs for; none outside of batches.
    pub owner: Option<JobOwner>,
    /// When it began, in microseconds since the epoch.
    pub started_micros: i64,
    /// When it ended.
    pub ended_micros: Option<i64>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// A stage: the tasks of a job between two shuffles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageInfo {
    /// Its job.
    pub job: JobId,
    /// Its number.
    pub id: StageId,
    /// The operation at its end.
    pub operator: Cow<'static, str>,
    /// Where the program calls that.
    pub site: Site,
    /// Stages of the same job whose output it reads.
    pub after: Vec<StageId>,
    /// Tasks that it has to run.
    pub tasks: usize,
    /// When it began, in microseconds since the epoch.
    pub started_micros: i64,
    /// When its last task ended; none while it runs, and where its job was given up.
    pub ended_micros: Option<i64>,
    /// Attempts of tasks that failed.
    pub failed_attempts: u32,
    /// What all its tasks took together, in microseconds.
    pub task_micros: u64,
    /// What the longest of them took, in microseconds.
    pub longest_task_micros: u64,
    /// Bytes that it leaves for the next stage, about; none where it leaves nothing, or nothing that is known.
    pub output_bytes: Option<u64>,
    /// The time of its tasks by operator, the longest first.
    pub operators: Vec<OperatorTime>,
}

/// How long an operator was at work, in all tasks of a stage together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorTime {
    /// The operation.
    pub operator: Cow<'static, str>,
    /// Where the program calls it.
    pub site: Site,
    /// Microseconds.
    pub micros: u64,
}

/// An attempt at a task that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// Which.
    pub id: TaskId,
    /// Microseconds that it ran.
    pub micros: u64,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}
