//! Stages: the work of a job, cut where records must change their partition or state must be installed.

mod output; // what a stage leaves behind
pub(crate) mod plan; // pure: from lineage to stages
pub(crate) mod schedule; // pure: which task when, what after a failure

pub use output::{Claim, StageOutput, TaskOutput};
