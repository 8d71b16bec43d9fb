//! What the log says of events: one place decides what is worth a line, and how loud.
//!
//! - `warn`: something is wrong, or soon may be, and the context goes on;
//! - `info`: the life of the context: what begins, ends, or is tried or done again;
//! - `debug`: every batch and snapshot.
//!
//! Failures are told as `error` where they are noticed, with the whole story.

use waterclock_base::{BatchInfo, BatchOrigin, Event};

/// Writes a line, or none.
pub(super) fn log(event: &Event) {
    match event {
        Event::StreamingStarted { .. } => tracing::info!("batches begin"),
        Event::Recovered(of) => {
            let (redone, missed) = (of.redone, of.missed);
            let millis = (of.restored_micros - of.started_micros) / 1000;
            tracing::info!(
                start = of.starts,
                redone,
                missed,
                millis,
                "goes on from a checkpoint, after batch {}",
                of.ended
            );
        }
        Event::ReceiverStarted(of) => tracing::info!(stream = of.stream.0, "receiver {} runs", of.name),
        Event::ReceiverStopped(of) => tracing::info!(stream = of.stream.0, "receiver {} has ended", of.name),
        Event::BatchSubmitted(batch) if batch.origin == BatchOrigin::Redone => {
            let records = batch.records();
            tracing::info!(records, "batch {} was begun before, and is run again", batch.time());
        }
        Event::BatchCompleted(batch) => completed(batch),
        Event::TaskCompleted(task) => {
            if let Some(why) = &task.failure {
                let (job, stage, attempt) = (task.id.job.0, task.id.stage.0, task.id.attempt.0);
                tracing::info!(job, stage, partition = task.id.partition.0, attempt, "{why}");
            }
        }
        Event::CheckpointCompleted(of) if of.failure.is_none() => {
            let millis = (of.ended_micros - of.started_micros) / 1000;
            tracing::debug!(bytes = of.bytes, millis, "a snapshot was written, up to batch {}", of.time);
        }
        Event::TicksMerged { time, waiting } => {
            tracing::info!(waiting, "too many batches wait: the input of {time} goes to a later one");
        }
        Event::PaceChanged(pace) => {
            let (span, left) = (pace.span_ms, pace.left_records);
            tracing::debug!(
                overloaded = pace.overloaded,
                left,
                "batches span {span} ms from {} on",
                pace.time
            );
        }
        Event::RecordsDropped { stream, why, records } => {
            tracing::info!(stream = stream.0, records, "records were dropped: {why}");
        }
        Event::Warning { text } => tracing::warn!("{text}"),
        _ => {}
    }
}

fn completed(batch: &BatchInfo) {
    let failed = batch.outputs.iter().filter(|output| output.failure.is_some()).count();
    tracing::debug!(
        records = batch.records(),
        waited_micros = batch.scheduling_delay_micros(),
        took_micros = batch.processing_delay_micros(),
        failed_outputs = failed,
        "batch {} is over",
        batch.time()
    );
}
