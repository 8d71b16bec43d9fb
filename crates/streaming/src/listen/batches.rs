//! The batches that are on their way or over, with the work done for each.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use waterclock_base::{
    BatchInfo, BatchStatus, BatchTime, JobId, JobInfo, JobStatus, OutputInfo, StageInfo, StageStatus,
    TaskInfo, shorten,
};

/// Jobs of a batch, and stages of a job, that are kept.
const WORK: usize = 100;
/// Bytes of a text that are kept: an error may have a record of any size in it.
const TEXT: usize = 4000;

/// The text, no longer than it may be.
pub(super) fn kept(mut text: String) -> String {
    shorten(&mut text, TEXT);
    text
}

/// The batch, with texts no longer than they may be.
fn kept_batch(info: &BatchInfo) -> BatchInfo {
    let mut info = info.clone();
    for output in &mut info.outputs {
        output.failure = output.failure.take().map(kept);
    }
    for input in &mut info.inputs {
        shorten(&mut input.description, TEXT);
    }
    info
}

/// Batches by how far they are.
#[derive(Default)]
pub(super) struct Batches {
    retained: usize,
    outputs: usize,
    on_way: BTreeMap<BatchTime, BatchStatus>,
    /// The batches of the jobs that run.
    jobs: HashMap<JobId, BatchTime>,
    /// Newest first.
    completed: VecDeque<Arc<BatchStatus>>,
}

impl Batches {
    /// From now on so many outputs are expected, and so many batches kept.
    pub(super) fn begin(&mut self, outputs: usize, retained: usize) {
        (self.outputs, self.retained) = (outputs, retained);
    }

    /// A batch was formed, or began.
    pub(super) fn note(&mut self, info: &BatchInfo) {
        match self.on_way.get_mut(&info.time()) {
            Some(batch) => batch.info = kept_batch(info),
            None => drop(self.on_way.insert(info.time(), BatchStatus::new(kept_batch(info), self.outputs))),
        }
    }

    /// A batch is over.
    pub(super) fn complete(&mut self, info: &BatchInfo) -> Arc<BatchStatus> {
        let (known, info) = (self.on_way.remove(&info.time()), kept_batch(info));
        let mut batch = known.unwrap_or_else(|| BatchStatus::new(info.clone(), self.outputs));
        batch.info = info;
        // A job that was given up never tells its end.
        for job in &batch.jobs {
            self.jobs.remove(&job.info.id);
        }
        let batch = Arc::new(batch);
        self.completed.push_front(batch.clone());
        self.completed.truncate(self.retained);
        batch
    }

    /// The waiting batches will never run.
    pub(super) fn clear(&mut self) {
        self.on_way.clear();
        self.jobs.clear();
    }

    pub(super) fn output(&mut self, info: &OutputInfo) {
        let Some(batch) = self.on_way.get_mut(&info.time) else { return };
        let info = OutputInfo { failure: info.failure.clone().map(kept), ..info.clone() };
        match batch.info.outputs.iter_mut().find(|known| known.id == info.id) {
            Some(known) => *known = info,
            None => batch.info.outputs.push(info),
        }
    }

    pub(super) fn job_started(&mut self, info: &JobInfo) {
        let Some(owner) = info.owner else { return };
        let Some(batch) = self.on_way.get_mut(&owner.time) else { return };
        if batch.jobs.len() >= WORK {
            batch.more_jobs += 1;
            return;
        }
        batch.jobs.push(JobStatus { info: info.clone(), stages: Vec::new(), more_stages: 0 });
        self.jobs.insert(info.id, owner.time);
    }

    pub(super) fn job_completed(&mut self, info: &JobInfo) {
        if let Some(job) = self.job(info.id) {
            job.info = JobInfo { failure: info.failure.clone().map(kept), ..info.clone() };
        }
        self.jobs.remove(&info.id);
    }

    pub(super) fn stage(&mut self, info: &StageInfo) {
        let Some(job) = self.job(info.job) else { return };
        if let Some(known) = job.stages.iter_mut().rev().find(|known| known.info.id == info.id) {
            known.info = info.clone();
        } else if job.stages.len() < WORK {
            job.stages.push(StageStatus { info: info.clone(), finished_tasks: 0, failure: None });
        } else {
            job.more_stages += 1;
        }
    }

    pub(super) fn task(&mut self, info: &TaskInfo) {
        let Some(job) = self.job(info.id.job) else { return };
        let Some(stage) = job.stages.iter_mut().rev().find(|stage| stage.info.id == info.id.stage) else {
            return;
        };
        match &info.failure {
            None => stage.finished_tasks += 1,
            Some(why) if stage.failure.is_none() => stage.failure = Some(kept(why.clone())),
            Some(_) => {}
        }
    }

    fn job(&mut self, id: JobId) -> Option<&mut JobStatus> {
        let batch = self.on_way.get_mut(self.jobs.get(&id)?)?;
        batch.jobs.iter_mut().rev().find(|job| job.info.id == id)
    }

    /// The batches that wait, then those that run: oldest first.
    pub(super) fn on_way(&self) -> (Vec<Arc<BatchStatus>>, Vec<Arc<BatchStatus>>) {
        let all = self.on_way.values().map(|batch| Arc::new(batch.clone()));
        all.partition(|batch| batch.info.started_micros.is_none())
    }

    /// The newest that are over, newest first.
    pub(super) fn completed(&self) -> Vec<Arc<BatchStatus>> {
        self.completed.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use waterclock_base::{BatchInterval, BatchOrigin, BatchPhases, JobOwner, Site};

    use super::*;

    fn batch(ms: i64) -> BatchInfo {
        let at = BatchTime::from_millis;
        BatchInfo {
            interval: BatchInterval { from: at(ms - 1), to: at(ms) },
            inputs: Vec::new(),
            submitted_micros: 0,
            started_micros: None,
            ended_micros: None,
            outputs: Vec::new(),
            origin: BatchOrigin::Ticked,
            phases: BatchPhases::default(),
        }
    }

    fn job(id: u64, ms: i64) -> JobInfo {
        JobInfo {
            id: JobId(id),
            call: "count".into(),
            site: Site::default(),
            owner: Some(JobOwner { time: BatchTime::from_millis(ms), output: None }),
            started_micros: 0,
            ended_micros: None,
            failure: None,
        }
    }

    /// T-271: what is told in another order than it should be changes nothing, and nothing is left of it.
    #[test]
    fn another_order_leaves_nothing_behind() {
        let mut batches = Batches::default();
        batches.begin(1, 10);
        batches.job_started(&job(1, 5));
        batches.job_completed(&job(2, 5));
        assert!(batches.jobs.is_empty());
        batches.note(&batch(5));
        batches.job_started(&job(3, 5));
        assert_eq!(batches.jobs.len(), 1);
        // The batch ends before its job does.
        assert_eq!(batches.complete(&batch(5)).jobs.len(), 1);
        batches.job_completed(&job(3, 5));
        batches.job_started(&job(4, 5));
        assert!(batches.jobs.is_empty() && batches.on_way.is_empty());
        assert_eq!(batches.completed().len(), 1);
    }

    /// A batch keeps its first jobs, and counts the others.
    #[test]
    fn a_batch_keeps_only_so_many_jobs() {
        let mut batches = Batches::default();
        batches.begin(1, 10);
        batches.note(&batch(5));
        for id in 0..250 {
            batches.job_started(&job(id, 5));
        }
        let over = batches.complete(&batch(5));
        assert_eq!((over.jobs.len(), over.more_jobs, batches.jobs.len()), (WORK, 150, 0));
    }
}
