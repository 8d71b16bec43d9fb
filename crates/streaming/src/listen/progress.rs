//! Running totals of a context, kept from its events.

use std::sync::Mutex;

use waterclock_base::world::lock;
use waterclock_base::{BatchInfo, Event, ReceiverInfo, Status};

/// The totals; [`snapshot`](Progress::snapshot) copies them.
#[derive(Default)]
pub(crate) struct Progress(Mutex<Status>);

impl Progress {
    /// Counts an event.
    pub(crate) fn take_in(&self, event: &Event) {
        let mut status = lock(&self.0);
        match event {
            Event::ReceiverStarted(info) | Event::ReceiverError(info) | Event::ReceiverStopped(info) => {
                note_receiver(&mut status, info);
            }
            Event::BatchSubmitted(batch) => {
                status.waiting_batches += 1;
                status.received_records += batch.records();
            }
            Event::BatchStarted(_) => {
                status.waiting_batches = status.waiting_batches.saturating_sub(1);
                status.running_batches += 1;
            }
            Event::BatchCompleted(batch) => note_completed(&mut status, batch),
            Event::PaceChanged(pace) => status.pace = Some(pace.clone()),
            Event::TicksMerged { .. } => status.merged_ticks += 1,
            Event::RecordsDropped { records, .. } => status.dropped_records += records,
            Event::StreamingStarted { .. }
            | Event::OutputOperationStarted(_)
            | Event::OutputOperationCompleted(_)
            | Event::Warning { .. }
            | _ => {}
        }
    }

    /// The totals as they are now.
    pub(crate) fn snapshot(&self) -> Status {
        lock(&self.0).clone()
    }
}

fn note_receiver(status: &mut Status, info: &ReceiverInfo) {
    match status.receivers.iter_mut().find(|other| other.stream == info.stream) {
        Some(known) => *known = info.clone(),
        None => status.receivers.push(info.clone()),
    }
}

fn note_completed(status: &mut Status, batch: &BatchInfo) {
    status.running_batches = status.running_batches.saturating_sub(1);
    status.completed_batches += 1;
    if batch.outputs.iter().any(|output| output.failure.is_some()) {
        status.failed_batches += 1;
        status.skipped_records += batch.records();
    } else {
        status.processed_records += batch.records();
    }
    status.last_completed = Some(batch.clone());
}
