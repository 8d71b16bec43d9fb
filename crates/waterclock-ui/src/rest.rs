//! Spark's streaming paths: their answers, field by field.

use serde::Serialize;
use waterclock_base::{BatchStatus, BatchTime, InputStatus, OutputInfo, PaceInfo, Status};

/// `/api/v1/applications`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Application {
    pub(crate) id: String,
    name: String,
    attempts: Vec<ApplicationAttempt>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationAttempt {
    attempt_id: String,
    start_time: Option<String>,
    duration: i64,
    completed: bool,
}

/// `/statistics`. Durations are in milliseconds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Statistics {
    start_time: Option<String>,
    batch_duration: u64,
    num_receivers: usize,
    num_active_receivers: usize,
    num_inactive_receivers: usize,
    num_total_completed_batches: u64,
    num_retained_completed_batches: usize,
    num_active_batches: usize,
    num_processed_records: u64,
    num_received_records: u64,
    avg_input_rate: Option<f64>,
    avg_scheduling_delay: Option<i64>,
    avg_processing_time: Option<i64>,
    avg_total_delay: Option<i64>,
}

/// `/receivers`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receiver {
    pub(crate) stream_id: usize,
    stream_name: String,
    is_active: Option<bool>,
    executor_id: Option<String>,
    executor_host: Option<String>,
    last_error_time: Option<String>,
    last_error_message: Option<String>,
    last_error: Option<String>,
    avg_event_rate: Option<f64>,
    event_rates: Vec<(i64, f64)>,
}

/// `/batches`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Batch {
    batch_id: i64,
    batch_time: String,
    pub(crate) status: &'static str,
    batch_duration: i64,
    input_size: u64,
    scheduling_delay: Option<i64>,
    processing_time: Option<i64>,
    total_delay: Option<i64>,
    num_active_output_ops: usize,
    num_completed_output_ops: usize,
    num_failed_output_ops: usize,
    num_total_output_ops: usize,
    first_failure_reason: Option<String>,
}

/// `/operations`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Operation {
    pub(crate) output_op_id: usize,
    name: String,
    description: String,
    start_time: Option<String>,
    end_time: Option<String>,
    duration: Option<i64>,
    failure_reason: Option<String>,
    job_ids: Vec<u64>,
}

/// A time as Spark writes it.
fn date(at: BatchTime) -> String {
    let (date, time) = at.utc();
    format!("{date}T{time}GMT")
}

/// `/load`, which Spark does not have: whether it keeps up, and how what comes in is held within its limits.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Load {
    keeps_up: bool,
    why: Option<String>,
    slowest_stage: Option<String>,
    strains: Vec<String>,
    pace: Option<Pace>,
    memory: Memory,
    inputs: Vec<InputLoad>,
}

/// Durations are in milliseconds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pace {
    target: u64,
    batch_span: u64,
    most_records: u64,
    left_records: u64,
    overloaded: bool,
}

/// Bytes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    budget: u64,
    used: u64,
    received: u64,
    shuffled: u64,
    cached: u64,
    state: u64,
    on_disk: u64,
    total_spilled: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InputLoad {
    stream_id: usize,
    stream_name: String,
    waiting_records: Option<u64>,
    /// Milliseconds.
    total_held_back: u64,
    /// From 0 to 1.
    held_back_share: f64,
}

fn date_of(micros: i64) -> String {
    date(BatchTime::from_millis(micros.div_euclid(1000)))
}

/// How many processes have run the program, with this one: what Spark calls an attempt.
pub(crate) fn attempt(status: &Status) -> u32 {
    let recovery = status.checkpoint.as_ref().and_then(|checkpoint| checkpoint.recovery.as_ref());
    recovery.map_or(1, |recovery| recovery.starts)
}

pub(crate) fn application(status: &Status) -> Application {
    let attempt = ApplicationAttempt {
        attempt_id: attempt(status).to_string(),
        start_time: status.started_micros.map(date_of),
        duration: status.started_micros.map_or(0, |started| (status.now_micros - started) / 1000),
        completed: status.stopped,
    };
    Application { id: status.app_name.clone(), name: status.app_name.clone(), attempts: vec![attempt] }
}

pub(crate) fn statistics(status: &Status) -> Statistics {
    let active = status.receivers.iter().filter(|receiver| receiver.active).count();
    let completed: Vec<&BatchStatus> = status.completed.iter().map(|batch| &**batch).collect();
    let mean = |values: Vec<i64>| {
        let count = i64::try_from(values.len()).ok().filter(|count| *count > 0)?;
        Some(values.iter().sum::<i64>() / count / 1000)
    };
    let records: u64 = completed.iter().map(|batch| batch.info.records()).sum();
    let covered: i64 = completed.iter().map(|batch| covered_ms(batch)).sum();
    let mean_of =
        |of: fn(&BatchStatus) -> Option<i64>| mean(completed.iter().filter_map(|b| of(b)).collect());
    Statistics {
        start_time: status.started_micros.map(date_of),
        batch_duration: status.batch_interval_ms,
        num_receivers: status.receivers.len(),
        num_active_receivers: active,
        num_inactive_receivers: status.receivers.len() - active,
        num_total_completed_batches: status.completed_batches,
        num_retained_completed_batches: completed.len(),
        num_active_batches: status.waiting.len() + status.running.len(),
        num_processed_records: status.processed_records,
        num_received_records: status.received_records,
        avg_input_rate: (covered > 0).then(|| records as f64 * 1000.0 / covered as f64),
        avg_scheduling_delay: mean_of(|batch| batch.info.scheduling_delay_micros()),
        avg_processing_time: mean_of(|batch| batch.info.processing_delay_micros()),
        avg_total_delay: mean_of(|batch| batch.info.total_delay_micros()),
    }
}

pub(crate) fn load(status: &Status) -> Load {
    let (health, memory) = (&status.health, &status.memory);
    let pace = |pace: &PaceInfo| Pace {
        target: pace.target_ms,
        batch_span: pace.span_ms,
        most_records: pace.most_records,
        left_records: pace.left_records,
        overloaded: pace.overloaded,
    };
    let input = |input: &InputStatus| InputLoad {
        stream_id: input.stream.0,
        stream_name: input.name.clone(),
        waiting_records: input.waiting_records,
        total_held_back: input.held_back_micros / 1000,
        held_back_share: input.held_back,
    };
    Load {
        keeps_up: health.keeps_up,
        why: (!health.keeps_up).then(|| health.why.clone()),
        slowest_stage: health.slowest_stage.clone(),
        strains: health.strains.clone(),
        pace: status.pace.as_ref().map(pace),
        memory: Memory {
            budget: memory.budget,
            used: status.memory_used,
            received: memory.received,
            shuffled: memory.shuffled,
            cached: memory.cached,
            state: memory.state,
            on_disk: memory.on_disk,
            total_spilled: status.spilled_bytes,
        },
        inputs: status.inputs.iter().map(input).collect(),
    }
}

fn covered_ms(batch: &BatchStatus) -> i64 {
    batch.info.interval.to.as_millis() - batch.info.interval.from.as_millis()
}

/// Every input, as in Spark; those without a receiver have no state of one.
pub(crate) fn receivers(status: &Status) -> Vec<Receiver> {
    status.inputs.iter().map(|input| receiver(status, input)).collect()
}

fn receiver(status: &Status, input: &InputStatus) -> Receiver {
    let info = status.receivers.iter().find(|receiver| receiver.stream == input.stream);
    let error = info.filter(|info| !info.last_error.is_empty());
    let rates: Vec<(i64, f64)> = status
        .completed
        .iter()
        .rev()
        .map(|batch| (batch.info.time().as_millis(), rate(batch, input)))
        .collect();
    let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / rates.len().max(1) as f64;
    Receiver {
        stream_id: input.stream.0,
        stream_name: input.name.clone(),
        is_active: info.map(|info| info.active),
        executor_id: info.map(|_| "driver".to_owned()),
        executor_host: info.map(|_| "localhost".to_owned()),
        last_error_time: error.map(|info| date_of(info.last_error_micros)),
        last_error_message: error.map(|info| info.last_error.lines().next().unwrap_or_default().to_owned()),
        last_error: error.map(|info| info.last_error.clone()),
        avg_event_rate: (!rates.is_empty()).then_some(mean),
        event_rates: rates,
    }
}

/// Records a second of one input in a batch.
fn rate(batch: &BatchStatus, input: &InputStatus) -> f64 {
    let of_input = batch.info.inputs.iter().filter(|of| of.stream == input.stream);
    let records: u64 = of_input.map(|of| of.records).sum();
    records as f64 * 1000.0 / covered_ms(batch).max(1) as f64
}

/// All batches that are known, newest first.
pub(crate) fn all_batches(status: &Status) -> impl Iterator<Item = (&BatchStatus, &'static str)> {
    let with = |kind: &'static str| move |batch| (batch, kind);
    let waiting = status.waiting.iter().rev().map(|batch| &**batch).map(with("QUEUED"));
    let running = status.running.iter().rev().map(|batch| &**batch).map(with("PROCESSING"));
    let completed = status.completed.iter().map(|batch| &**batch).map(with("COMPLETED"));
    waiting.chain(running).chain(completed)
}

pub(crate) fn batch(known: &BatchStatus, status: &'static str) -> Batch {
    let outputs = &known.info.outputs;
    let failed = outputs.iter().filter(|output| output.failure.is_some()).count();
    let completed =
        outputs.iter().filter(|output| output.ended_micros.is_some() && output.failure.is_none()).count();
    let millis = |micros: Option<i64>| micros.map(|micros| micros / 1000);
    Batch {
        batch_id: known.info.time().as_millis(),
        batch_time: date(known.info.time()),
        status,
        batch_duration: covered_ms(known),
        input_size: known.info.records(),
        scheduling_delay: millis(known.info.scheduling_delay_micros()),
        processing_time: millis(known.info.processing_delay_micros()),
        total_delay: millis(known.info.total_delay_micros()),
        num_active_output_ops: outputs.len() - failed - completed,
        num_completed_output_ops: completed,
        num_failed_output_ops: failed,
        num_total_output_ops: expected_outputs(known),
        first_failure_reason: known.first_failure().map(str::to_owned),
    }
}

/// Outputs that run for a batch: once it has ended, those that did, as an output runs at the times of its stream only.
pub(crate) fn expected_outputs(known: &BatchStatus) -> usize {
    match known.info.ended_micros {
        Some(_) => known.info.outputs.len(),
        None => known.total_outputs.max(known.info.outputs.len()),
    }
}

pub(crate) fn operations(known: &BatchStatus, status: &Status) -> Vec<Operation> {
    known.info.outputs.iter().map(|output| operation(known, output, status)).collect()
}

fn operation(known: &BatchStatus, output: &OutputInfo, status: &Status) -> Operation {
    let defined = status.graph.outputs.iter().find(|defined| defined.id == output.id);
    let micros = output.started_micros.zip(output.ended_micros).map(|(started, ended)| ended - started);
    Operation {
        output_op_id: output.id.0,
        name: output.name.clone(),
        description: defined
            .map(|defined| format!("{} at {}", defined.operator, defined.site))
            .unwrap_or_default(),
        start_time: output.started_micros.map(date_of),
        end_time: output.ended_micros.map(date_of),
        duration: micros.map(|micros| micros / 1000),
        failure_reason: output.failure.clone(),
        job_ids: known.jobs_of(output.id).map(|job| job.info.id.0).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_spark_does() {
        let date = |ms| date(BatchTime::from_millis(ms));
        assert_eq!(date(0), "1970-01-01T00:00:00.000GMT");
        assert_eq!(date(951_782_400_001), "2000-02-29T00:00:00.001GMT");
        assert_eq!(date(1_793_404_799_999), "2026-10-30T23:59:59.999GMT");
        assert_eq!(date(-1), "1969-12-31T23:59:59.999GMT");
        assert!(date(i64::MAX).ends_with("GMT"));
    }
}
