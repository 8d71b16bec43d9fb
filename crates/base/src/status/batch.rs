//! A batch with everything that is known of it.

use serde::{Deserialize, Serialize};

use crate::event::{BatchInfo, JobInfo, StageInfo};
use crate::ids::OutputId;

/// A batch, its outputs and the work done for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchStatus {
    /// The batch.
    pub info: BatchInfo,
    /// How many outputs the graph has: those that have not begun are not in `info`.
    pub total_outputs: usize,
    /// The jobs that were run for it, in the order of their begin: at most the first 100.
    pub jobs: Vec<JobStatus>,
    /// Jobs beyond that limit.
    pub more_jobs: usize,
}

/// A job of a batch with its stages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// The job.
    pub info: JobInfo,
    /// Its stages, in the order of their begin: at most the first 100.
    pub stages: Vec<StageStatus>,
    /// Stages beyond that limit.
    pub more_stages: usize,
}

/// A stage of a job, and how far it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageStatus {
    /// The stage.
    pub info: StageInfo,
    /// Tasks that ended well.
    pub finished_tasks: usize,
    /// The first failure of an attempt at a task.
    pub failure: Option<String>,
}

impl BatchStatus {
    /// A batch of which no work is known yet.
    pub fn new(info: BatchInfo, total_outputs: usize) -> Self {
        BatchStatus { info, total_outputs, jobs: Vec::new(), more_jobs: 0 }
    }

    /// Whether it ended with a failure.
    pub fn failed(&self) -> bool {
        self.info.outputs.iter().any(|output| output.failure.is_some())
    }

    /// Why it failed: what its first output to fail says.
    pub fn first_failure(&self) -> Option<&str> {
        self.info.outputs.iter().find_map(|output| output.failure.as_deref())
    }

    /// The jobs of one output.
    pub fn jobs_of(&self, output: OutputId) -> impl Iterator<Item = &JobStatus> {
        self.jobs.iter().filter(move |job| job.info.owner.is_some_and(|owner| owner.output == Some(output)))
    }
}
