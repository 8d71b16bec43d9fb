//! What a job tells of itself: its begin and end, its stages, its tasks, and how long each operator was at work.

use std::collections::HashSet;
use std::sync::Arc;

use waterclock_base::{
    Error, Event, JobId, JobInfo, OperatorTime, RddId, Result, Site, StageId, StageInfo, TaskId, TaskInfo,
};

use crate::context::Engine;
use crate::rdd::{Lineage, Parent};
use crate::stage::StageOutput;

/// Operators of a stage that are told apart; what others took counts for the last of these.
const OPERATORS: usize = 50;

/// A job that tells how it goes.
pub(super) struct Told<'e> {
    engine: &'e Engine,
    info: JobInfo,
    stages: Vec<Stage>,
}

/// A stage that runs.
struct Stage {
    output: Arc<dyn StageOutput>,
    info: StageInfo,
    times: Vec<(Option<RddId>, u64)>,
}

impl<'e> Told<'e> {
    /// The job begins.
    pub(super) fn begin(engine: &'e Engine, id: JobId, target: &dyn StageOutput) -> Self {
        let (owner, ended_micros, failure) = Default::default();
        let (call, site) = (target.operator(), Site::from(target.site()));
        let started_micros = engine.world().clock.now_micros();
        let info = JobInfo { id, call, site, owner, started_micros, ended_micros, failure };
        engine.tell(Event::JobStarted(info.clone()));
        Told { engine, info, stages: Vec::new() }
    }

    /// The job is over.
    pub(super) fn end(mut self, outcome: &Result<()>) {
        self.info.ended_micros = Some(self.engine.world().clock.now_micros());
        self.info.failure = outcome.as_ref().err().map(Error::full_text);
        self.engine.tell(Event::JobCompleted(self.info));
    }

    /// A stage begins to run tasks.
    pub(super) fn stage_began(&mut self, output: &Arc<dyn StageOutput>, after: Vec<StageId>, tasks: usize) {
        let info = StageInfo {
            job: self.info.id,
            id: output.id(),
            operator: output.operator(),
            site: output.site().into(),
            after,
            tasks,
            started_micros: self.engine.world().clock.now_micros(),
            ended_micros: None,
            failed_attempts: 0,
            task_micros: 0,
            longest_task_micros: 0,
            output_bytes: None,
            operators: Vec::new(),
        };
        self.engine.tell(Event::StageStarted(info.clone()));
        // A job that is planned again begins some of its stages again.
        self.stages.retain(|stage| stage.info.id != info.id);
        self.stages.push(Stage { output: output.clone(), info, times: Vec::new() });
    }

    /// An attempt at a task ended.
    pub(super) fn task_ended(
        &mut self,
        id: TaskId,
        micros: u64,
        times: &[(Option<RddId>, u64)],
        failure: Option<&Error>,
    ) {
        if let Some(stage) = self.stages.iter_mut().find(|stage| stage.info.id == id.stage) {
            stage.info.failed_attempts += u32::from(failure.is_some());
            stage.info.task_micros += micros;
            stage.info.longest_task_micros = stage.info.longest_task_micros.max(micros);
            for (operator, micros) in times {
                match stage.times.iter_mut().find(|(other, _)| other == operator) {
                    Some((_, sum)) => *sum += micros,
                    None => stage.times.push((*operator, *micros)),
                }
            }
        }
        self.engine.tell(Event::TaskCompleted(TaskInfo {
            id,
            micros,
            failure: failure.map(Error::full_text),
        }));
    }

    /// All tasks of a stage are done.
    pub(super) fn stage_ended(&mut self, id: StageId) {
        let Some(at) = self.stages.iter().position(|stage| stage.info.id == id) else { return };
        let Stage { output, mut info, times } = self.stages.swap_remove(at);
        info.ended_micros = Some(self.engine.world().clock.now_micros());
        info.output_bytes = output.bytes();
        info.operators = operators(&*output, times);
        self.engine.tell(Event::StageCompleted(info));
    }
}

/// Names the operators of a stage. Datasets that one call of the program defined count together.
fn operators(output: &dyn StageOutput, mut times: Vec<(Option<RddId>, u64)>) -> Vec<OperatorTime> {
    let mut named: Vec<OperatorTime> = Vec::new();
    let mut add = |operator: std::borrow::Cow<'static, str>, site: Site, micros| {
        let full = named.len() >= OPERATORS;
        let last = named.len().saturating_sub(1);
        let known = |known: &OperatorTime| known.operator == operator && known.site == site;
        match named.iter().position(known).or(full.then_some(last)) {
            Some(at) => named[at].micros += micros,
            None => named.push(OperatorTime { operator, site, micros }),
        }
    };
    let (mut seen, mut left) = (HashSet::new(), Vec::<Arc<dyn Lineage>>::new());
    let narrow = |parent| match parent {
        Parent::Narrow(rdd) => Some(rdd),
        Parent::Stage(_) => None,
    };
    left.extend(output.parents().into_iter().filter_map(narrow));
    while let Some(rdd) = left.pop() {
        let info = rdd.info();
        if let Some(at) = times.iter().position(|(id, _)| *id == Some(info.id)) {
            let (_, micros) = times.swap_remove(at);
            add(info.operator.clone(), info.site.into(), micros);
        }
        if times.iter().all(|(id, _)| id.is_none()) {
            break;
        }
        let parents = info.parents.iter().cloned().filter_map(narrow);
        left.extend(parents.filter(|parent| seen.insert(parent.info().id)));
    }
    // What the stage does itself, and datasets inside of others that nobody knows by name.
    for (_, micros) in times {
        add(output.operator(), output.site().into(), micros);
    }
    named.sort_by_key(|operator| std::cmp::Reverse(operator.micros));
    named
}
