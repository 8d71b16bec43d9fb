//! Running totals of a context, kept from its events.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{
    BatchInfo, BatchStatus, CheckpointInfo, CheckpointStatus, Event, GraphStatus, InputStatus, Notice,
    OperatorStatus, PaceInfo, ReceiverInfo, RecoveryInfo, Settings, Site, Spread, Status,
};

use super::batches::{Batches, kept};
use super::health::judge;
use super::shelf::Shelf;

/// Checkpoints and notices that are kept.
const KEPT: usize = 100;
/// Operators whose time is counted.
const OPERATORS: usize = 1000;
/// Batches that the rates of inputs are of.
const RATES: usize = 10;

/// The totals; [`snapshot`](Progress::snapshot) copies them, all at the same moment.
#[derive(Default)]
pub(crate) struct Progress(Mutex<Totals>);

#[derive(Default)]
struct Totals {
    /// Counts, and what changes rarely.
    status: Status,
    batches: Batches,
    operators: HashMap<(Cow<'static, str>, Site), OperatorStatus>,
    checkpoints: VecDeque<CheckpointInfo>,
    written: u64,
    failed: u64,
    recovery: Option<RecoveryInfo>,
    shelf: Shelf,
    /// The latest time that an event told.
    now_micros: i64,
}

impl Progress {
    /// The context starts with these streams and outputs.
    pub(crate) fn begin(&self, graph: GraphStatus, settings: &Settings) {
        let mut totals = lock(&self.0);
        totals.batches.begin(graph.outputs.len(), settings.retained_batches);
        let inputs = graph.streams.iter().filter(|stream| stream.is_input);
        totals.status.inputs = inputs
            .map(|stream| InputStatus {
                stream: stream.id,
                name: stream.name.clone().unwrap_or_else(|| format!("{}-{}", stream.operator, stream.id.0)),
                records: 0,
                records_per_second: 0.0,
                description: String::new(),
                waiting_records: None,
                held_back_micros: 0,
                held_back: 0.0,
            })
            .collect();
        totals.status.graph = Arc::new(graph);
    }

    /// Counts an event.
    pub(crate) fn take_in(&self, event: &Event) {
        let mut totals = lock(&self.0);
        let totals = &mut *totals;
        let status = &mut totals.status;
        match event {
            Event::StreamingStarted { at_micros } => {
                status.started_micros = Some(*at_micros);
                totals.now_micros = *at_micros;
            }
            Event::ReceiverStarted(info) | Event::ReceiverError(info) | Event::ReceiverStopped(info) => {
                note_receiver(status, info);
            }
            Event::BatchSubmitted(batch) => {
                status.waiting_batches += 1;
                status.received_records += batch.records();
                totals.batches.note(batch);
                totals.note_inputs(batch);
            }
            Event::BatchStarted(batch) => {
                status.waiting_batches = status.waiting_batches.saturating_sub(1);
                status.running_batches += 1;
                totals.batches.note(batch);
            }
            Event::BatchCompleted(batch) => totals.note_completed(batch),
            Event::OutputOperationStarted(output) | Event::OutputOperationCompleted(output) => {
                totals.batches.output(output);
            }
            Event::JobStarted(job) => totals.batches.job_started(job),
            Event::JobCompleted(job) => totals.batches.job_completed(job),
            Event::StageStarted(stage) | Event::StageCompleted(stage) => totals.batches.stage(stage),
            Event::TaskCompleted(task) => totals.batches.task(task),
            Event::TicksMerged { .. } => status.merged_ticks += 1,
            Event::RecordsDropped { records, .. } => status.dropped_records += records,
            Event::Warning { text } => totals.notice(text.clone()),
            Event::CheckpointCompleted(info) => totals.note_checkpoint(info),
            Event::Recovered(info) => totals.recovery = Some(info.clone()),
            // The pace is noted batch by batch, and told only where it changes.
            Event::PaceChanged(_) | Event::StateSettled(_) | Event::EventsDropped { .. } | _ => {}
        }
    }

    /// How batches are formed from now on.
    pub(crate) fn pace(&self, pace: PaceInfo) {
        lock(&self.0).status.pace = Some(pace);
    }

    /// Listeners missed so many events.
    pub(crate) fn dropped_events(&self, events: u64) {
        let mut totals = lock(&self.0);
        if totals.status.dropped_events == 0 {
            totals.notice("listeners are too slow: they miss events, which are counted".into());
        }
        totals.status.dropped_events += events;
    }

    /// What is shown of streams.
    pub(crate) fn shelf<R>(&self, change: impl FnOnce(&mut Shelf) -> R) -> R {
        change(&mut lock(&self.0).shelf)
    }

    /// The context is over: what waits will not run.
    pub(crate) fn end(&self) {
        let mut totals = lock(&self.0);
        totals.status.stopped = true;
        (totals.status.waiting_batches, totals.status.running_batches) = (0, 0);
        totals.batches.clear();
    }

    /// The totals as they are at `now_micros`.
    pub(crate) fn snapshot(&self, settings: &Settings, now_micros: i64) -> Status {
        let totals = lock(&self.0);
        let mut status = totals.status.clone();
        (status.waiting, status.running) = totals.batches.on_way();
        status.completed = totals.batches.completed();
        status.operators = totals.operators.values().cloned().collect();
        status.results = totals.shelf.results();
        let checkpoint = CheckpointStatus {
            dir: String::new(),
            written: totals.written,
            failed: totals.failed,
            history: totals.checkpoints.iter().cloned().collect(),
            recovery: totals.recovery.clone(),
        };
        drop(totals);
        status.checkpoint = Some(checkpoint);
        status.operators.sort_by(|a, b| b.micros.cmp(&a.micros).then_with(|| a.site.cmp(&b.site)));
        status.now_micros = now_micros;
        let interval = i64::try_from(settings.batch_interval.as_micros()).unwrap_or(i64::MAX / 4);
        let pace = status.pace.as_ref();
        // Under a latency target a batch spans many steps, and has the target's time.
        let interval = interval.max(pace.map_or(0, |pace| pace.target_ms.cast_signed() * 1000));
        let on_way = status.running.iter().chain(&status.waiting).map(|batch| &**batch);
        let completed = status.completed.iter().map(|batch| &**batch);
        status.health = judge(interval, now_micros, pace, on_way, completed);
        set_rates(&mut status.inputs, &status.completed);
        status
    }
}

impl Totals {
    fn note_inputs(&mut self, batch: &BatchInfo) {
        self.now_micros = batch.submitted_micros;
        for input in &batch.inputs {
            if let Some(known) = self.status.inputs.iter_mut().find(|known| known.stream == input.stream) {
                known.records += input.records;
                known.description = kept(input.description.clone());
            }
        }
    }

    fn note_completed(&mut self, info: &BatchInfo) {
        let batch = self.batches.complete(info);
        let status = &mut self.status;
        // One that never began, as its context had to stop, was waiting.
        status.running_batches = status.running_batches.saturating_sub(1);
        status.completed_batches += 1;
        if batch.failed() {
            status.failed_batches += 1;
            status.skipped_records += info.records();
        } else {
            status.processed_records += info.records();
        }
        self.now_micros = info.ended_micros.unwrap_or(self.now_micros);
        let count = |spread: &mut Spread, micros: Option<i64>| {
            micros
                .and_then(|micros| u64::try_from(micros).ok())
                .into_iter()
                .for_each(|micros| spread.add(micros));
        };
        count(&mut status.scheduling_delays, info.scheduling_delay_micros());
        count(&mut status.processing_delays, info.processing_delay_micros());
        count(&mut status.total_delays, info.total_delay_micros());
        if let Some(why) = batch.first_failure() {
            self.notice(format!("batch {}: {why}", info.time()));
        }
        self.count_operators(&batch);
        self.status.last_completed = Some(batch.info.clone());
    }

    fn count_operators(&mut self, batch: &BatchStatus) {
        let mut seen = Vec::new();
        let stages = batch.jobs.iter().flat_map(|job| &job.stages);
        for time in stages.flat_map(|stage| &stage.info.operators) {
            let key = (time.operator.clone(), time.site.clone());
            if !self.operators.contains_key(&key) && self.operators.len() >= OPERATORS {
                continue;
            }
            let known = self.operators.entry(key.clone()).or_insert_with(|| OperatorStatus {
                operator: time.operator.clone(),
                site: time.site.clone(),
                micros: 0,
                last_micros: 0,
            });
            if !seen.contains(&key) {
                known.last_micros = 0;
                seen.push(key);
            }
            known.micros += time.micros;
            known.last_micros += time.micros;
        }
    }

    fn note_checkpoint(&mut self, info: &CheckpointInfo) {
        match &info.failure {
            None => self.written += 1,
            Some(why) => {
                self.failed += 1;
                self.notice(format!("no snapshot could be written: {why}"));
            }
        }
        self.checkpoints
            .push_front(CheckpointInfo { failure: info.failure.clone().map(kept), ..info.clone() });
        self.checkpoints.truncate(KEPT);
    }

    fn notice(&mut self, text: String) {
        let notices = &mut self.status.notices;
        notices.insert(0, Notice { at_micros: self.now_micros, text: kept(text) });
        notices.truncate(KEPT);
    }
}

fn note_receiver(status: &mut Status, info: &ReceiverInfo) {
    let info = ReceiverInfo { last_error: kept(info.last_error.clone()), ..info.clone() };
    match status.receivers.iter_mut().find(|other| other.stream == info.stream) {
        Some(known) => *known = info,
        None => status.receivers.push(info),
    }
}

/// The records of the latest batches over the time that these cover.
fn set_rates(inputs: &mut [InputStatus], completed: &[Arc<BatchStatus>]) {
    let latest = &completed[..completed.len().min(RATES)];
    let covered =
        |batch: &Arc<BatchStatus>| batch.info.interval.to.as_millis() - batch.info.interval.from.as_millis();
    let millis: i64 = latest.iter().map(covered).sum();
    for input in inputs {
        let of_input = latest.iter().flat_map(|batch| &batch.info.inputs);
        let records: u64 = of_input.filter(|of| of.stream == input.stream).map(|of| of.records).sum();
        input.records_per_second = if millis > 0 { records as f64 * 1000.0 / millis as f64 } else { 0.0 };
    }
}
