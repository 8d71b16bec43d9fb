//! `StatsReportListener`: how the delays of the latest batches are spread, told in the log.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Mutex;

use waterclock_base::world::lock;
use waterclock_base::{Event, Listener};

/// Hundredths of the batches that are at most as slow as what is told.
const PERCENTILES: [usize; 9] = [0, 5, 10, 25, 50, 75, 90, 95, 100];

/// Tells in the log, whenever a batch ends, how the delays of the latest batches are spread. Like Spark's listener of
/// this name.
///
/// Two lines at the level `info`, from the target `waterclock_streaming::stats`, so that a filter can have them alone:
///
/// ```text
/// total delay of the latest 10: mean 21.4 ms; 0% 18.9 ms, 5% 18.9 ms, 10% 19.2 ms, .. 100% 30.6 ms
/// processing time of the latest 10: mean 20.1 ms; 0% 17.5 ms, 5% 17.5 ms, 10% 17.9 ms, .. 100% 29.0 ms
/// ```
///
/// ```
/// # use std::time::Duration;
/// use waterclock_streaming::{StatsReportListener, StreamingContext};
/// let ssc = StreamingContext::builder("app").build()?;
/// ssc.add_listener(StatsReportListener::new(10));
/// # Ok::<(), waterclock_base::Error>(())
/// ```
pub struct StatsReportListener {
    batches: usize,
    /// Total delay and processing time of the latest ones, in microseconds, oldest first.
    latest: Mutex<VecDeque<(i64, i64)>>,
}

impl StatsReportListener {
    /// Of the latest `batches`, or one.
    pub fn new(batches: usize) -> Self {
        StatsReportListener { batches: batches.max(1), latest: Mutex::default() }
    }
}

/// Of the latest ten.
impl Default for StatsReportListener {
    fn default() -> Self {
        Self::new(10)
    }
}

impl Listener for StatsReportListener {
    fn on_event(&self, event: &Event) {
        let Event::BatchCompleted(batch) = event else { return };
        let (Some(total), Some(processing)) = (batch.total_delay_micros(), batch.processing_delay_micros())
        else {
            return; // It never began.
        };
        let (total, processing) = {
            let mut latest = lock(&self.latest);
            latest.push_back((total, processing));
            if latest.len() > self.batches {
                latest.pop_front();
            }
            (spread(latest.iter().map(|of| of.0)), spread(latest.iter().map(|of| of.1)))
        };
        tracing::info!(target: "waterclock_streaming::stats", batch = %batch.time(), "total delay of {total}");
        tracing::info!(target: "waterclock_streaming::stats", batch = %batch.time(), "processing time of {processing}");
    }
}

/// How these times are spread, for people. There is at least one.
fn spread(micros: impl Iterator<Item = i64>) -> String {
    let mut sorted: Vec<i64> = micros.collect();
    sorted.sort_unstable();
    let count = sorted.len().max(1);
    let millis = |micros: f64| format!("{:.1} ms", micros / 1000.0);
    let mean = sorted.iter().sum::<i64>() as f64 / count as f64;
    let mut text = format!("the latest {count}: mean {}", millis(mean));
    let mut separator = "; ";
    for percentile in PERCENTILES {
        let at = sorted.get((percentile * count / 100).min(count - 1)).copied().unwrap_or_default();
        let _ = write!(text, "{separator}{percentile}% {}", millis(at as f64));
        separator = ", ";
    }
    text
}

#[cfg(test)]
mod tests {
    use waterclock_base::{BatchInfo, BatchInterval, BatchOrigin, BatchPhases, BatchTime};

    use super::*;

    /// What is logged while `run` runs.
    fn logged(run: impl FnOnce()) -> String {
        let paper = tempfile::NamedTempFile::new().unwrap();
        let log = tracing_subscriber::fmt().with_ansi(false).without_time();
        let log = log.with_writer(paper.reopen().unwrap()).finish();
        tracing::subscriber::with_default(log, run);
        std::fs::read_to_string(paper.path()).unwrap()
    }

    /// A batch that waited for a millisecond and then took so many.
    fn ended(number: i64, took: Option<i64>) -> Event {
        let at = |seconds: i64| BatchTime::from_millis(seconds * 1000);
        Event::BatchCompleted(BatchInfo {
            interval: BatchInterval { from: at(number - 1), to: at(number) },
            inputs: Vec::new(),
            submitted_micros: 0,
            started_micros: took.map(|_| 1000),
            ended_micros: took.map(|took| (1 + took) * 1000),
            outputs: Vec::new(),
            origin: BatchOrigin::Ticked,
            phases: BatchPhases::default(),
        })
    }

    #[test]
    fn the_spread_of_the_latest_batches_is_told_with_each() {
        let listener = StatsReportListener::new(4);
        let first = logged(|| listener.on_event(&ended(1, Some(7))));
        let all = |ms: &str| PERCENTILES.map(|of| format!("{of}% {ms}")).join(", ");
        let expected = [
            format!("total delay of the latest 1: mean 8.0 ms; {}", all("8.0 ms")),
            format!("processing time of the latest 1: mean 7.0 ms; {}", all("7.0 ms")),
        ];
        let lines: Vec<_> = first.lines().collect();
        assert_eq!(lines.len(), 2, "{first}");
        for (line, expected) in lines.iter().zip(&expected) {
            assert!(line.contains("INFO waterclock_streaming::stats: ") && line.contains(expected), "{line}");
            assert!(line.contains("batch=1000 ms"), "{line}");
        }
        // The seven is forgotten.
        (2..=4).for_each(|number| listener.on_event(&ended(number, Some(number * 10))));
        let last = logged(|| listener.on_event(&ended(5, Some(10))));
        assert!(
            last.contains(
                "processing time of the latest 4: mean 25.0 ms; 0% 10.0 ms, 5% 10.0 ms, 10% 10.0 ms, 25% 20.0 ms, \
                 50% 30.0 ms, 75% 40.0 ms, 90% 40.0 ms, 95% 40.0 ms, 100% 40.0 ms"
            ),
            "{last}"
        );
    }

    #[test]
    fn a_batch_that_never_began_has_no_delays() {
        let listener = StatsReportListener::new(0);
        assert_eq!(logged(|| listener.on_event(&ended(1, None))), "");
        assert!(logged(|| listener.on_event(&ended(2, Some(1)))).contains("the latest 1: "));
        assert!(logged(|| listener.on_event(&ended(3, Some(3)))).contains("the latest 1: mean 3.0 ms"));
    }
}
