//! What the page is told: an overview at first, then what is new, several times a second.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval};
use waterclock_base::{BatchOrigin, BatchStatus, BatchTime, ShownResult, Status, Watched};

use crate::rest::expected_outputs;

/// How often the status is looked at while somebody watches.
const EVERY: Duration = Duration::from_millis(150);
/// Completed batches that each look tells; a page that missed more begins anew.
const NEWEST: usize = 200;
/// Looks that may wait for a slow visitor.
const BEHIND: usize = 16;

/// What is sent: the kind of a message, and its content.
pub(crate) type Message = (&'static str, Arc<str>);

/// One look for all who watch.
pub(crate) type Looks = broadcast::Sender<Message>;

/// A batch in the time lines and lists: time, records, the three delays in microseconds, whether it failed, outputs
/// that succeeded, outputs, why it was formed, and the milliseconds that it covers.
#[derive(Serialize)]
struct Point(i64, u64, Option<i64>, Option<i64>, Option<i64>, bool, usize, usize, BatchOrigin, i64);

fn point(batch: &BatchStatus) -> Point {
    let (info, outputs) = (&batch.info, &batch.info.outputs);
    let (waited, took) = (info.scheduling_delay_micros(), info.processing_delay_micros());
    let succeeded = outputs.iter().filter(|of| of.ended_micros.is_some() && of.failure.is_none()).count();
    let covered = info.interval.to.as_millis() - info.interval.from.as_millis();
    let (time, total) = (info.time().as_millis(), info.total_delay_micros());
    let expected = expected_outputs(batch);
    Point(
        time,
        info.records(),
        waited,
        took,
        total,
        batch.failed(),
        succeeded,
        expected,
        info.origin,
        covered,
    )
}

/// Everything but what never changes and the results, with so many completed batches.
fn overview(status: &Status, batches: usize) -> Value {
    let points =
        |batches: &[Arc<BatchStatus>]| -> Vec<Point> { batches.iter().map(|batch| point(batch)).collect() };
    let completed = &status.completed[..status.completed.len().min(batches)];
    json!({
        "app": status.app_name,
        "now": status.now_micros,
        "started": status.started_micros,
        "stopped": status.stopped,
        "interval": status.batch_interval_ms,
        "health": status.health,
        "counts": {
            "completed": status.completed_batches,
            "failed": status.failed_batches,
            "merged": status.merged_ticks,
            "received": status.received_records,
            "processed": status.processed_records,
            "skipped": status.skipped_records,
            "dropped": status.dropped_records,
            "events": status.dropped_events,
        },
        "pace": status.pace,
        "memory": { "used": status.memory_used, "shares": status.memory, "spilled": status.spilled_bytes },
        "inputs": status.inputs,
        "receivers": status.receivers,
        "waiting": points(&status.waiting),
        "running": points(&status.running),
        "completed": points(completed),
        "phases": status.last_completed.as_ref().map(|batch| batch.phases),
        "retained": status.completed.len(),
        "operators": &status.operators[..status.operators.len().min(100)],
        "states": status.states,
        "checkpoint": status.checkpoint,
        "notices": status.notices,
        "results": status.results.iter().map(|result| &*result.name).collect::<Vec<_>>(),
    })
}

/// A result with the newest `points` of its history.
pub(crate) fn result(result: &ShownResult, place: usize, points: usize) -> Value {
    let history = &result.history[result.history.len().saturating_sub(points)..];
    let points = history.iter().map(|point| json!([point.time.as_millis(), point.values]));
    json!({
        "place": place,
        "name": result.name,
        "stream": result.stream.0,
        "time": result.time.map(BatchTime::as_millis),
        "columns": result.columns,
        "rows": result.rows,
        "more": result.more,
        "history": points.collect::<Vec<_>>(),
    })
}

fn message(kind: &'static str, content: &Value) -> Message {
    (kind, content.to_string().into())
}

/// What a page is told that knows nothing yet.
pub(crate) fn beginning(status: &Status) -> Vec<Message> {
    let known = json!({ "graph": &*status.graph, "settings": status.settings });
    let results = status.results.iter().enumerate();
    let results = results.map(|(place, of)| message("result", &result(of, place, usize::MAX)));
    let first = [message("known", &known), message("live", &overview(status, usize::MAX))];
    first.into_iter().chain(results).collect()
}

/// Everything at once, for whoever does not want to be told more.
pub(crate) fn whole(status: &Status) -> Value {
    let results = status.results.iter().enumerate().map(|(place, of)| result(of, place, usize::MAX));
    json!({
        "graph": &*status.graph,
        "settings": status.settings,
        "live": overview(status, usize::MAX),
        "results": results.collect::<Vec<_>>(),
    })
}

/// Looks as long as there is somebody to tell, and as the task is not ended.
pub(crate) async fn look(watched: Arc<dyn Watched>, looks: Looks) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Vec<Option<BatchTime>> = Vec::new();
    loop {
        ticks.tick().await;
        if looks.receiver_count() == 0 {
            continue;
        }
        let status = watched.status();
        // Where sending fails, whoever watched has gone.
        let _ = looks.send(message("live", &overview(&status, NEWEST)));
        told.resize(status.results.len(), None);
        for (place, (of, told)) in status.results.iter().zip(&mut told).enumerate() {
            if of.time != *told {
                *told = of.time;
                let _ = looks.send(message("result", &result(of, place, 1)));
            }
        }
    }
}

/// Looks for as many as come.
pub(crate) fn looks(results: usize) -> Looks {
    broadcast::channel(BEHIND * (results + 1)).0
}
