//! What the line says: pure.

use std::fmt::Write as _;

use waterclock_base::{BatchInfo, StageStatus, Status};

/// One line about a context, for people.
pub(crate) fn said(status: &Status) -> String {
    let mut text = match &status.last_completed {
        Some(batch) => of_batch(batch, status),
        None => format!("no batch yet, one comes every {} ms", status.batch_interval_ms),
    };
    let _ = write!(text, ", {} wait", number(status.waiting_batches as f64));
    if status.failed_batches > 0 {
        let _ = write!(text, ", {} failed", number(status.failed_batches as f64));
    }
    if let Some(stage) = at_work(status) {
        let (info, of) = (&stage.info, stage.info.tasks);
        let file = info.site.file.rsplit(['/', '\\']).next().unwrap_or_default();
        let (line, column) = (info.site.line, info.site.column);
        let _ = write!(text, "; {} at {file}:{line}:{column}", info.operator);
        let _ = write!(text, ", {} of {of} tasks", stage.finished_tasks);
    }
    if !status.health.keeps_up {
        let _ = write!(text, "; does not keep up: {}", status.health.why);
    }
    text
}

fn of_batch(batch: &BatchInfo, status: &Status) -> String {
    let rate: f64 = status.inputs.iter().map(|input| input.records_per_second).sum();
    let covered = batch.interval.to.since(batch.interval.from).as_millis();
    let (took, delay) = (batch.processing_delay_micros(), batch.total_delay_micros());
    format!(
        "{}  {} records/s, took {} of {covered} ms, delay {}",
        batch.time().utc().1,
        number(rate),
        millis(took),
        millis(delay)
    )
}

/// The stage that runs: of the oldest batch that does, the one that began last.
fn at_work(status: &Status) -> Option<&StageStatus> {
    let stages = status.running.iter().flat_map(|batch| &batch.jobs).flat_map(|job| {
        let runs = job.info.ended_micros.is_none();
        job.stages.iter().filter(move |stage| runs && stage.info.ended_micros.is_none())
    });
    stages.max_by_key(|stage| stage.info.started_micros)
}

/// Milliseconds: tenths where they tell something.
fn millis(micros: Option<i64>) -> String {
    let millis = micros.unwrap_or_default().max(0) as f64 / 1000.0;
    if millis < 10.0 { format!("{millis:.1} ms") } else { format!("{} ms", number(millis)) }
}

/// A whole number, its thousands apart.
fn number(of: f64) -> String {
    let digits = format!("{:.0}", of.max(0.0));
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use waterclock_base::{
        BatchInterval, BatchOrigin, BatchPhases, BatchStatus, BatchTime, InputStatus, JobId, JobInfo,
        JobStatus, Site, StageId, StageInfo, StreamId,
    };

    use super::*;

    fn batch(started: i64, ended: Option<i64>) -> BatchInfo {
        let at = |millis| BatchTime::from_millis(millis);
        BatchInfo {
            interval: BatchInterval { from: at(43_384_500), to: at(43_385_000) },
            inputs: Vec::new(),
            submitted_micros: 1000,
            started_micros: Some(started),
            ended_micros: ended,
            outputs: Vec::new(),
            origin: BatchOrigin::Ticked,
            phases: BatchPhases::default(),
        }
    }

    fn input(records_per_second: f64) -> InputStatus {
        let (name, description) = Default::default();
        InputStatus {
            stream: StreamId(0),
            name,
            records: 0,
            records_per_second,
            waiting_records: None,
            held_back: 0.0,
            held_back_micros: 0,
            description,
        }
    }

    fn stage(operator: &'static str, started_micros: i64, ended_micros: Option<i64>) -> StageStatus {
        let info = StageInfo {
            job: JobId(1),
            id: StageId(1),
            operator: operator.into(),
            site: Site { file: "examples/main.rs".into(), line: 24, column: 10 },
            after: Vec::new(),
            tasks: 8,
            started_micros,
            ended_micros,
            failed_attempts: 0,
            task_micros: 0,
            longest_task_micros: 0,
            output_bytes: None,
            operators: Vec::new(),
        };
        StageStatus { info, finished_tasks: 3, failure: None }
    }

    fn job(ended_micros: Option<i64>, stages: Vec<StageStatus>) -> JobStatus {
        let (owner, failure) = Default::default();
        let (id, call, site) = (JobId(1), "collect".into(), Site::default());
        let info = JobInfo { id, call, site, owner, started_micros: 0, ended_micros, failure };
        JobStatus { info, stages, more_stages: 0 }
    }

    #[test]
    fn a_context_that_waits_for_its_first_batch_says_so() {
        let mut status = Status::default();
        status.batch_interval_ms = 500;
        assert_eq!(said(&status), "no batch yet, one comes every 500 ms, 0 wait");
    }

    #[test]
    fn the_newest_batch_is_told() {
        let mut status = Status::default();
        status.inputs = vec![input(1_234_000.4), input(567.0)];
        status.last_completed = Some(batch(3_500, Some(15_700)));
        (status.waiting_batches, status.failed_batches) = (2, 1);
        assert_eq!(
            said(&status),
            "12:03:05.000  1,234,567 records/s, took 12 ms of 500 ms, delay 15 ms, 2 wait, 1 failed"
        );
        status.last_completed = Some(batch(1_000, Some(1_250)));
        assert!(said(&status).contains("took 0.2 ms of 500 ms, delay 0.2 ms"), "{}", said(&status));
    }

    #[test]
    fn the_stage_that_runs_is_told() {
        let mut status = Status::default();
        let mut running = BatchStatus::new(batch(0, None), 1);
        let over = stage("map", 1, Some(5));
        running.jobs.push(job(Some(9), vec![stage("given_up", 7, None)]));
        running.jobs.push(job(None, vec![over, stage("reduce_by_key", 6, None)]));
        status.running = vec![Arc::new(running)];
        let text = said(&status);
        assert!(text.ends_with("0 wait; reduce_by_key at main.rs:24:10, 3 of 8 tasks"), "{text}");
    }

    #[test]
    fn a_context_that_falls_behind_says_how() {
        let mut status = Status::default();
        (status.health.keeps_up, status.health.why) = (false, "3 batches wait".into());
        assert!(said(&status).ends_with("; does not keep up: 3 batches wait"));
    }
}
