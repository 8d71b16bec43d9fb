//! What Prometheus reads: names end with their unit, times are seconds, counters end with `_total`.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use waterclock_base::{BatchInfo, InputStatus, Spread, Status};

/// What is asked for by those who read OpenMetrics.
const OPEN_METRICS: &str = "application/openmetrics-text";

/// All metrics and the type of their text, which is OpenMetrics where that is accepted, else Prometheus's own format.
pub(crate) fn text(status: Status, accepted: &str) -> Result<(&'static str, String), fmt::Error> {
    let text = open_metrics(status)?;
    if accepted.contains(OPEN_METRICS) {
        return Ok(("application/openmetrics-text; version=1.0.0; charset=utf-8", text));
    }
    Ok(("text/plain; version=0.0.4; charset=utf-8", plain(&text)))
}

/// OpenMetrics in Prometheus's own format: there a counter is described by the name that its samples have, and neither
/// units nor the end have a line.
fn plain(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_counter = |family: &str| lines.contains(&&*format!("# TYPE {family} counter"));
    let mut plain = String::with_capacity(text.len());
    for line in &lines {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("EOF" | "UNIT"), ..) => continue,
            (Some("#"), Some(kind), Some(family), Some(rest)) if is_counter(family) => {
                plain.push_str(&format!("# {kind} {family}_total {rest}"));
            }
            _ => plain.push_str(line),
        }
        plain.push('\n');
    }
    plain
}

fn open_metrics(status: Status) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("waterclock");
    registry.register_collector(Box::new(Scrape(status)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape(Status);

/// Writes metrics one after the other.
struct Writer<'e>(DescriptorEncoder<'e>);

impl Writer<'_> {
    fn counter(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A counter or gauge of which there may be several, told apart by `label`.
    fn several(
        &mut self,
        kind: MetricType,
        name: &str,
        help: &str,
        label: &str,
        unit: Option<&Unit>,
        values: &[(String, f64)],
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        for (of, value) in values {
            let labels = [(label, of.as_str())];
            let mut one = encoder.encode_family(&labels)?;
            match kind {
                MetricType::Counter => one.encode_counter::<NoLabelSet, _, f64>(value, None)?,
                _ => one.encode_gauge(value)?,
            }
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, spread: &Spread) -> fmt::Result {
        let bound = |micros: u64| if micros == u64::MAX { f64::INFINITY } else { micros as f64 / 1e6 };
        let buckets: Vec<(f64, u64)> =
            spread.buckets().map(|(micros, count)| (bound(micros), count)).collect();
        let mut encoder =
            self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(spread.sum_micros as f64 / 1e6, spread.count(), &buckets, None)
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (status, mut to) = (&self.0, Writer(encoder));
        batches(status, &mut to)?;
        records(status, &mut to)?;
        parts(status, &mut to)?;
        newest(status, &mut to)?;
        to.counter(
            "events_dropped",
            "Events that listeners missed, as they were too slow",
            None,
            status.dropped_events as f64,
        )?;
        load(status, &mut to)
    }
}

/// How what comes in is held within its limits.
fn load(status: &Status, to: &mut Writer<'_>) -> fmt::Result {
    let memory = &status.memory;
    let bytes = Some(&Unit::Bytes);
    let shares = [
        ("received", memory.received),
        ("shuffled", memory.shuffled),
        ("cached", memory.cached),
        ("state", memory.state),
    ];
    let shares = shares.map(|(share, bytes)| (share.to_owned(), bytes as f64));
    to.several(MetricType::Gauge, "memory_used", "Memory that data takes", "share", bytes, &shares)?;
    to.gauge("memory_budget", "Memory that data may take", bytes, memory.budget as f64)?;
    to.gauge("memory_on_disk", "Data that is on disk, as memory is short", bytes, memory.on_disk as f64)?;
    to.counter("spilled", "Data moved to disk, as memory was short", bytes, status.spilled_bytes as f64)?;
    let held = |input: &InputStatus| (input.name.clone(), input.held_back_micros as f64 / 1e6);
    let held: Vec<_> = status.inputs.iter().map(held).collect();
    to.several(
        MetricType::Counter,
        "input_held_back",
        "Time in which an input was held back: memory was short, or the latency target in danger",
        "input",
        Some(&Unit::Seconds),
        &held,
    )?;
    let waiting = |input: &InputStatus| Some((input.name.clone(), input.waiting_records? as f64));
    let waiting: Vec<_> = status.inputs.iter().filter_map(waiting).collect();
    to.several(
        MetricType::Gauge,
        "input_waiting_records",
        "Records of an input that wait for a batch, where that is known",
        "input",
        None,
        &waiting,
    )?;
    let Some(pace) = &status.pace else { return Ok(()) };
    let seconds = |millis: u64| millis as f64 / 1e3;
    to.gauge("latency_target", "What records may take", Some(&Unit::Seconds), seconds(pace.target_ms))?;
    to.gauge("batch_span", "What a batch covers", Some(&Unit::Seconds), seconds(pace.span_ms))?;
    to.gauge("batch_most_records", "Records that a batch takes at most", None, pace.most_records as f64)?;
    to.gauge(
        "batch_left_records",
        "Records that the newest batch left to later ones",
        None,
        pace.left_records as f64,
    )?;
    to.gauge(
        "overloaded",
        "1 where the latency target can't be met, 0 where it can",
        None,
        i64::from(pace.overloaded),
    )
}

fn batches(status: &Status, to: &mut Writer<'_>) -> fmt::Result {
    let interval = status.batch_interval_ms as f64 / 1e3;
    to.gauge("batch_interval", "Time between batches", Some(&Unit::Seconds), interval)?;
    to.gauge(
        "keeps_up",
        "1 where batches are as fast as their input, 0 where not",
        None,
        i64::from(status.health.keeps_up),
    )?;
    to.gauge("batches_waiting", "Batches that wait for their turn", None, status.waiting_batches as f64)?;
    to.gauge("batches_running", "Batches at work", None, status.running_batches as f64)?;
    to.counter(
        "batches_completed",
        "Batches that ended, failed ones included",
        None,
        status.completed_batches as f64,
    )?;
    to.counter("batches_failed", "Batches that failed", None, status.failed_batches as f64)?;
    to.counter(
        "ticks_merged",
        "Ticks without a batch of their own, as too many waited",
        None,
        status.merged_ticks as f64,
    )?;
    to.histogram(
        "batch_scheduling_delay",
        "How long batches waited for their turn",
        &status.scheduling_delays,
    )?;
    to.histogram("batch_processing_time", "How long the jobs of batches took", &status.processing_delays)?;
    to.histogram("batch_total_delay", "From the cut of a batch to the end of its jobs", &status.total_delays)
}

/// The newest completed batch and the newest one that was cut: what is not known yet is left out.
fn newest(status: &Status, to: &mut Writer<'_>) -> fmt::Result {
    let mut gauge = |name: &str, help: &str, micros: Option<i64>| match micros {
        Some(micros) => to.gauge(name, help, Some(&Unit::Seconds), micros as f64 / 1e6),
        None => Ok(()),
    };
    let cut = [status.waiting.last(), status.running.last(), status.completed.first()];
    let newest = cut.into_iter().flatten().map(|batch| &batch.info).max_by_key(|info| info.time());
    let received = newest.map(|batch| (batch, "last_received_batch", "the newest batch"));
    let completed = status.last_completed.as_ref();
    let completed = completed.map(|batch| (batch, "last_completed_batch", "the newest completed batch"));
    for (batch, name, what) in received.into_iter().chain(completed) {
        let at = |moment: &str| format!("{name}_{moment}_timestamp");
        let when = |how: &str| format!("When {what} {how}, since the epoch");
        gauge(&at("submitted"), &when("was cut"), Some(batch.submitted_micros))?;
        gauge(&at("started"), &when("began"), batch.started_micros)?;
        gauge(&at("ended"), &when("ended"), batch.ended_micros)?;
    }
    if let Some((batch, name, _)) = completed {
        gauge(&format!("{name}_scheduling_delay"), "How long it waited", batch.scheduling_delay_micros())?;
        gauge(&format!("{name}_processing_time"), "How long its jobs took", batch.processing_delay_micros())?;
        gauge(&format!("{name}_total_delay"), "Both together", batch.total_delay_micros())?;
    }
    let records = newest.map_or(0, BatchInfo::records);
    to.gauge("last_received_batch_records", "Records of the newest batch", None, records as f64)?;
    let (retained, receivers) = (status.completed.len(), status.receivers.len());
    to.gauge("batches_retained", "Completed batches that are kept in detail", None, retained as f64)?;
    to.gauge("receivers", "Receivers, running or not", None, receivers as f64)
}

fn records(status: &Status, to: &mut Writer<'_>) -> fmt::Result {
    to.counter("records_received", "Records that batches took in", None, status.received_records as f64)?;
    to.counter(
        "records_processed",
        "Records of batches that succeeded",
        None,
        status.processed_records as f64,
    )?;
    to.counter(
        "records_skipped",
        "Records of batches that failed and were skipped",
        None,
        status.skipped_records as f64,
    )?;
    to.counter("records_dropped", "Records dropped by a rule", None, status.dropped_records as f64)?;
    let inputs: Vec<_> =
        status.inputs.iter().map(|input| (input.name.clone(), input.records as f64)).collect();
    to.several(
        MetricType::Counter,
        "input_records",
        "Records that batches took from an input",
        "input",
        None,
        &inputs,
    )
}

/// Receivers, operators, state, checkpoints. Labels that are the same would be an error: numbers make them differ.
fn parts(status: &Status, to: &mut Writer<'_>) -> fmt::Result {
    let active = |receiver: &waterclock_base::ReceiverInfo| {
        (receiver.name.clone(), f64::from(u8::from(receiver.active)))
    };
    let receivers: Vec<_> = status.receivers.iter().map(active).collect();
    to.several(
        MetricType::Gauge,
        "receiver_active",
        "1 where a receiver runs, 0 where not",
        "receiver",
        None,
        &receivers,
    )?;
    let time = |of: &waterclock_base::OperatorStatus| {
        (format!("{} at {}", of.operator, of.site), of.micros as f64 / 1e6)
    };
    let operators: Vec<_> = status.operators.iter().map(time).collect();
    to.several(
        MetricType::Counter,
        "operator_time",
        "Time of an operator in all tasks",
        "operator",
        Some(&Unit::Seconds),
        &operators,
    )?;
    let of_state = |of: fn(&waterclock_base::StateStatus) -> u64| -> Vec<_> {
        status
            .states
            .iter()
            .map(|state| (format!("{} ({})", state.name, state.stream), of(state) as f64))
            .collect()
    };
    to.several(
        MetricType::Gauge,
        "state_keys",
        "Keys of a state",
        "state",
        None,
        &of_state(|state| state.keys),
    )?;
    to.several(
        MetricType::Gauge,
        "state_size",
        "Memory of a state",
        "state",
        Some(&Unit::Bytes),
        &of_state(|state| state.bytes),
    )?;
    let Some(checkpoint) = &status.checkpoint else { return Ok(()) };
    to.counter("checkpoints_written", "Snapshots that were written", None, checkpoint.written as f64)?;
    to.counter("checkpoints_failed", "Snapshots that could not be written", None, checkpoint.failed as f64)?;
    let bytes = checkpoint.history.iter().find(|info| info.failure.is_none()).map_or(0, |info| info.bytes);
    to.gauge("checkpoint_size", "The newest snapshot", Some(&Unit::Bytes), bytes as f64)
}
