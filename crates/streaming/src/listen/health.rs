//! Whether a context keeps up with its input, and what holds it back if not. Pure.

use std::collections::HashMap;

use waterclock_base::{BatchStatus, Health, JobStatus, PaceInfo, Status};

/// Completed batches that are looked at.
const LATEST: usize = 10;

/// Fewer say nothing about how long batches take.
const ENOUGH: usize = 5;

/// A batch may be this late, whatever the interval: threads are not always run at once.
const GRACE_MICROS: i64 = 200_000;

/// An input may be held back for this share of the time before that is worth a note: now and then one is.
const HELD_BACK: f64 = 0.1;

/// What is short, and what happens because of it. Without figures that change with every look: it is read out.
pub(crate) fn strains(status: &Status) -> Vec<String> {
    let mut strains = Vec::new();
    if status.memory.on_disk > 0 {
        strains.push("memory is short: data is on disk".to_owned());
    }
    if status.memory.state_over_limit {
        strains.push("state takes more than half of the memory for data".to_owned());
    }
    for input in status.inputs.iter().filter(|input| input.held_back > HELD_BACK) {
        let tens = (input.held_back * 10.0).round() * 10.0;
        strains.push(format!("input {} is held back {tens} % of the time", input.name));
    }
    strains
}

/// Judges by the batches on their way, oldest first, and those that are over, newest first.
pub(super) fn judge<'b>(
    interval_micros: i64,
    now_micros: i64,
    pace: Option<&PaceInfo>,
    on_way: impl Iterator<Item = &'b BatchStatus> + Clone,
    completed: impl Iterator<Item = &'b BatchStatus>,
) -> Health {
    let completed: Vec<&BatchStatus> = completed.take(LATEST).collect();
    let waiting = on_way.clone().filter(|batch| batch.info.started_micros.is_none()).count();
    let oldest = on_way.clone().map(|batch| now_micros - batch.info.submitted_micros).max();
    let late = oldest.filter(|&late| late > (2 * interval_micros).max(interval_micros + GRACE_MICROS));
    let (took, lasted) = times(&completed);
    let why = match late {
        Some(late) if waiting > 0 => {
            format!("{waiting} batches wait, the oldest one for {}", seconds(late))
        }
        Some(late) => format!("a batch is at work since {}", seconds(late)),
        // Under a latency target a batch begins when the one before is over: then both are about the same.
        None if pace.is_none() && completed.len() >= ENOUGH && took > lasted => {
            let each = completed.len() as i64;
            format!(
                "batches take {} on average, and come every {}",
                seconds(took / each),
                seconds(lasted / each)
            )
        }
        None => match pace.filter(|pace| pace.overloaded) {
            Some(pace) => format!("more comes in than can be processed within {} ms", pace.target_ms),
            None => return Health::default(),
        },
    };
    let running = on_way.filter(|batch| batch.info.started_micros.is_some());
    let (slowest_stage, share) = slowest(running.chain(completed), now_micros);
    let mut health = Health::default();
    (health.keeps_up, health.why, health.slowest_stage, health.share) = (false, why, slowest_stage, share);
    health
}

/// What batches took together, and how much time they cover.
fn times(batches: &[&BatchStatus]) -> (i64, i64) {
    let took = batches.iter().filter_map(|batch| batch.info.processing_delay_micros()).sum();
    let covered = |batch: &&BatchStatus| {
        (batch.info.interval.to.as_millis() - batch.info.interval.from.as_millis()) * 1000
    };
    (took, batches.iter().map(covered).sum())
}

/// The stage that takes the longest, and its share of all: or the output that does outside of any stage.
fn slowest<'b>(batches: impl Iterator<Item = &'b BatchStatus>, now: i64) -> (Option<String>, f64) {
    let (mut all, mut by_name) = (0, HashMap::<String, i64>::new());
    for batch in batches {
        let since = |started: Option<i64>, ended: Option<i64>| ended.unwrap_or(now) - started.unwrap_or(now);
        all += since(batch.info.started_micros, batch.info.ended_micros);
        for stage in batch.jobs.iter().flat_map(|job| &job.stages) {
            let name = format!("{} at {}", stage.info.operator, stage.info.site);
            *by_name.entry(name).or_default() +=
                since(Some(stage.info.started_micros), stage.info.ended_micros);
        }
        for output in &batch.info.outputs {
            let of_job = |job: &JobStatus| since(Some(job.info.started_micros), job.info.ended_micros);
            let in_jobs: i64 = batch.jobs_of(output.id).map(of_job).sum();
            let outside = since(output.started_micros, output.ended_micros) - in_jobs;
            *by_name.entry(format!("{}, outside of its jobs", output.name)).or_default() += outside.max(0);
        }
    }
    // By name where they are equal, so that the answer does not change from look to look.
    let longest = by_name.into_iter().max_by(|(a, x), (b, y)| x.cmp(y).then_with(|| b.cmp(a)));
    match longest.filter(|(_, micros)| *micros > 0 && all > 0) {
        Some((name, micros)) => (Some(name), (micros as f64 / all as f64).min(1.0)),
        None => (None, 0.0),
    }
}

fn seconds(micros: i64) -> String {
    let micros = micros.max(0);
    if micros < 1_000_000 {
        format!("{:.1} ms", micros as f64 / 1e3)
    } else {
        format!("{:.1} s", micros as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use waterclock_base::{
        BatchInfo, BatchInterval, BatchOrigin, BatchPhases, BatchTime, JobId, JobInfo, JobOwner, OutputId,
        OutputInfo, Site, StageId, StageInfo, StageStatus,
    };

    use super::*;

    const SECOND: i64 = 1_000_000;

    /// A batch of a second, cut at its end, with the stages of its only output.
    fn batch(
        at: i64,
        started: Option<i64>,
        ended: Option<i64>,
        stages: &[(&'static str, i64)],
    ) -> BatchStatus {
        let time = BatchTime::from_millis(at / 1000);
        let output = OutputInfo {
            time,
            id: OutputId(0),
            name: "out".into(),
            started_micros: started,
            ended_micros: ended,
            failure: None,
        };
        let info = BatchInfo {
            interval: BatchInterval { from: BatchTime::from_millis(at / 1000 - 1000), to: time },
            inputs: Vec::new(),
            submitted_micros: at,
            started_micros: started,
            ended_micros: ended,
            outputs: started.map(|_| output).into_iter().collect(),
            origin: BatchOrigin::Ticked,
            phases: BatchPhases::default(),
        };
        let mut status = BatchStatus::new(info, 1);
        let begun = started.unwrap_or(at);
        let job = JobInfo {
            id: JobId(1),
            call: "count".into(),
            site: Site::default(),
            owner: Some(JobOwner { time, output: Some(OutputId(0)) }),
            started_micros: begun,
            ended_micros: Some(begun + stages.iter().map(|(_, took)| took).sum::<i64>()),
            failure: None,
        };
        let stage = |(operator, took): &(&'static str, i64)| {
            let info = StageInfo {
                job: JobId(1),
                id: StageId(1),
                operator: (*operator).into(),
                site: Site::default(),
                after: Vec::new(),
                tasks: 1,
                started_micros: begun,
                ended_micros: Some(begun + took),
                failed_attempts: 0,
                task_micros: 0,
                longest_task_micros: 0,
                output_bytes: None,
                operators: Vec::new(),
            };
            StageStatus { info, finished_tasks: 1, failure: None }
        };
        let stages = stages.iter().map(stage).collect();
        status.jobs.push(JobStatus { info: job, stages, more_stages: 0 });
        status
    }

    fn completed(took: i64) -> Vec<BatchStatus> {
        let done = |n: i64| {
            let at = n * SECOND;
            let stages = [("map", took / 4), ("reduce_by_key", took / 2)];
            batch(at, Some(at), Some(at + took), &stages)
        };
        (1..=10).rev().map(done).collect()
    }

    fn judged(on_way: &[BatchStatus], over: &[BatchStatus], now: i64) -> Health {
        judge(SECOND, now, None, on_way.iter(), over.iter())
    }

    /// Under a latency target what counts is whether it can be met.
    #[test]
    fn a_target_that_can_not_be_met_is_told() {
        let mut pace = PaceInfo { target_ms: 100, ..PaceInfo::default() };
        let over = completed(2 * SECOND);
        let judged = |pace: &PaceInfo| judge(SECOND, 11 * SECOND, Some(pace), [].iter(), over.iter());
        assert!(judged(&pace).keeps_up);
        pace.overloaded = true;
        let health = judged(&pace);
        assert_eq!(health.why, "more comes in than can be processed within 100 ms");
        assert!(health.slowest_stage.unwrap().starts_with("reduce_by_key at "));
    }

    #[test]
    fn batches_that_are_fast_enough_keep_up() {
        assert!(judged(&[], &[], SECOND).keeps_up);
        let waiting = batch(11 * SECOND, None, None, &[]);
        assert!(judged(&[waiting], &completed(SECOND / 2), 12 * SECOND).keeps_up);
    }

    #[test]
    fn batches_that_take_longer_than_they_last_do_not() {
        let health = judged(&[], &completed(2 * SECOND), 11 * SECOND);
        assert!(!health.keeps_up);
        assert_eq!(health.why, "batches take 2.0 s on average, and come every 1.0 s");
        assert!(health.slowest_stage.unwrap().starts_with("reduce_by_key at "));
        assert_eq!(health.share, 0.5);
        assert!(judged(&[], &completed(2 * SECOND)[..4], 11 * SECOND).keeps_up, "four say nothing");
    }

    #[test]
    fn a_batch_that_hangs_is_seen_while_it_does() {
        let stuck = batch(SECOND, Some(SECOND), None, &[]);
        let health = judged(&[stuck, batch(2 * SECOND, None, None, &[])], &[], 31 * SECOND);
        assert_eq!(health.why, "1 batches wait, the oldest one for 30.0 s");
        assert_eq!(health.slowest_stage.unwrap(), "out, outside of its jobs");
    }
}
