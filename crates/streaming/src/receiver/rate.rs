//! Back-pressure: how fast a receiver may go so that processing keeps up.

use std::time::Duration;

use waterclock_base::{BatchInfo, BatchInterval, Error, Result, Settings, StreamId};

/// Estimates, after each batch, at which rate records can be processed: a PID controller.
///
/// The error term is the difference between the rate that was allowed and the rate at which the batch was
/// processed; the integral term is the backlog, which the scheduling delay shows; the derivative term is
/// the change of the error. Pure: it is told the times. Like Spark's `PIDRateEstimator`, but in
/// microseconds, so that intervals of a millisecond have a rate too.
///
/// ```
/// use std::time::Duration;
/// use waterclock_streaming::PidEstimator;
/// let mut pid = PidEstimator::new(Duration::from_millis(20), 1.0, 0.0, 0.0, 10.0)?;
/// assert_eq!(pid.compute(0, 10, 10_000, 0), None); // nothing to compare with yet
/// assert_eq!(pid.compute(10_000, 10, 10_000, 0), Some(1000.0));
/// # Ok::<(), waterclock_base::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PidEstimator {
    interval_micros: f64,
    proportional: f64,
    integral: f64,
    derivative: f64,
    min_rate: f64,
    latest: Option<Latest>,
}

/// What the last batch told.
#[derive(Clone, Copy, Debug)]
struct Latest {
    micros: i64,
    rate: f64,
    error: f64,
}

impl PidEstimator {
    /// An estimator with these weights for batches of `interval`; it never answers less than `min_rate`
    /// records a second.
    ///
    /// # Errors
    /// [`Error::Setting`] names the argument: the interval and the minimal rate must be positive, the weights
    /// not negative, and all of them finite.
    pub fn new(
        interval: Duration,
        proportional: f64,
        integral: f64,
        derivative: f64,
        min_rate: f64,
    ) -> Result<Self> {
        if interval.is_zero() {
            return Err(Error::Setting {
                setting: "batch_interval",
                why: "it must be at least one millisecond".into(),
            });
        }
        for (setting, weight) in [
            ("proportional weight", proportional),
            ("integral weight", integral),
            ("derived weight", derivative),
        ] {
            if !weight.is_finite() || weight < 0.0 {
                return Err(Error::Setting {
                    setting,
                    why: format!("it is {weight}, but must be 0 or a positive number"),
                });
            }
        }
        if !min_rate.is_finite() || min_rate <= 0.0 {
            return Err(Error::Setting {
                setting: "minimal rate",
                why: format!("it is {min_rate}, but must be a positive number of records a second"),
            });
        }
        let interval_micros = interval.as_micros() as f64;
        Ok(PidEstimator { interval_micros, proportional, integral, derivative, min_rate, latest: None })
    }

    /// The estimator that the settings ask for.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of(settings: &Settings) -> Result<Self> {
        let pid = settings.backpressure_pid;
        // With a latency target a backlog is to be gone within it.
        let interval = settings.latency.unwrap_or(settings.batch_interval);
        Self::new(interval, pid.proportional, pid.integral, pid.derived, pid.min_rate)
    }

    /// The rate in records a second that the next batches can bear, after a batch that ended at
    /// `ended_micros`, took `processing_micros` for its `records` and had waited `scheduling_micros` before.
    ///
    /// None for the first batch, and where the numbers tell nothing: no records, no processing time, or a
    /// time that is not after the last one.
    pub fn compute(
        &mut self,
        ended_micros: i64,
        records: u64,
        processing_micros: i64,
        scheduling_micros: i64,
    ) -> Option<f64> {
        let before = self.latest.map_or(-1, |latest| latest.micros);
        if ended_micros <= before || records == 0 || processing_micros <= 0 {
            return None;
        }
        let processed = records as f64 * 1e6 / processing_micros as f64;
        let Some(latest) = self.latest else {
            self.latest = Some(Latest { micros: ended_micros, rate: processed, error: 0.0 });
            return None;
        };
        let seconds = (ended_micros - latest.micros) as f64 / 1e6;
        let error = latest.rate - processed;
        let backlog = scheduling_micros as f64 * processed / self.interval_micros;
        let change = (error - latest.error) / seconds;
        let rate =
            latest.rate - self.proportional * error - self.integral * backlog - self.derivative * change;
        let rate = rate.max(self.min_rate);
        self.latest = Some(Latest { micros: ended_micros, rate, error });
        Some(rate)
    }

    /// The rate for the receiver of `stream` after a completed batch; none if the batch tells nothing.
    pub fn after_batch(&mut self, stream: StreamId, batch: &BatchInfo) -> Option<f64> {
        let records = batch.inputs.iter().filter(|input| input.stream == stream).map(|input| input.records);
        let records = records.sum();
        self.compute(
            batch.ended_micros?,
            records,
            batch.processing_delay_micros()?,
            batch.scheduling_delay_micros()?,
        )
    }
}

/// Records a second before anything was measured, where the program says nothing.
const INITIAL_RATE: f64 = 10_000.0;

/// The rate of each input before the first estimate, where there is back-pressure; infinity for no limit. `most` is
/// the limit that holds for it always.
pub(crate) fn initial_rate(settings: &Settings, most: Option<f64>) -> Option<f64> {
    let given = settings.backpressure_initial_rate.filter(|rate| *rate > 0.0);
    settings.backpressure.then(|| given.or(most).unwrap_or(INITIAL_RATE))
}

/// How much each batch may read so that processing keeps up: an estimated rate, over the interval of the batch.
pub(crate) struct SpeedLimit {
    pid: PidEstimator,
    rate: f64,
    /// What is left of a record: at a low rate some batches read nothing, but not all of them.
    part: f64,
}

impl SpeedLimit {
    /// The limit that the settings ask for.
    ///
    /// # Errors
    /// As [`PidEstimator::of`].
    pub(crate) fn of(settings: &Settings) -> Result<Self> {
        let rate = initial_rate(settings, None).unwrap_or(f64::INFINITY);
        Ok(SpeedLimit { pid: PidEstimator::of(settings)?, rate, part: 0.0 })
    }

    /// The new rate after a completed batch, if it tells anything.
    pub(crate) fn after_batch(&mut self, stream: StreamId, batch: &BatchInfo) -> Option<f64> {
        self.rate = self.pid.after_batch(stream, batch)?;
        Some(self.rate)
    }

    /// What the batch may read; none for everything.
    pub(crate) fn records_in(&mut self, interval: BatchInterval) -> Option<u64> {
        if !self.rate.is_finite() {
            return None;
        }
        let records = self.rate * interval.to.since(interval.from).as_secs_f64() + self.part;
        self.part = records.fract();
        Some(records as u64)
    }
}

#[cfg(test)]
mod tests {
    use waterclock_base::{BatchOrigin, BatchPhases, BatchTime, InputInfo};

    use super::*;

    const B: Duration = Duration::from_millis(20);

    fn pid(p: f64, i: f64, d: f64, min: f64) -> PidEstimator {
        PidEstimator::new(B, p, i, d, min).unwrap()
    }

    /// The golden vectors are in milliseconds.
    fn compute(pid: &mut PidEstimator, time: i64, records: u64, proc: i64, sched: i64) -> Option<f64> {
        pid.compute(time * 1000, records, proc * 1000, sched * 1000)
    }

    /// T-253: the settings give the PID estimator, which is the only one.
    #[test]
    fn the_settings_give_an_estimator() {
        let pid = PidEstimator::of(&Settings::default()).unwrap();
        assert_eq!((pid.proportional, pid.integral, pid.derivative, pid.min_rate), (1.0, 0.2, 0.0, 100.0));
    }

    /// T-254: the ranges of the arguments.
    #[test]
    fn arguments_are_checked() {
        for (interval, p, i, d, min) in [
            (Duration::ZERO, 0.0, 0.0, 0.0, 10.0),
            (B, -1.0, 0.0, 0.0, 10.0),
            (B, 0.0, -1.0, 0.0, 10.0),
            (B, 0.0, 0.0, -1.0, 10.0),
            (B, f64::NAN, 0.0, 0.0, 10.0),
            (B, 0.0, 0.0, 0.0, 0.0),
            (B, 0.0, 0.0, 0.0, -10.0),
            (B, 0.0, 0.0, 0.0, f64::INFINITY),
        ] {
            let error = PidEstimator::new(interval, p, i, d, min).unwrap_err();
            assert!(matches!(error, Error::Setting { .. }), "{error}");
        }
        assert!(PidEstimator::new(B, 0.0, 0.0, 0.0, 0.1).is_ok());
    }

    /// T-255: the first estimate is none.
    #[test]
    fn the_first_estimate_is_none() {
        assert_eq!(compute(&mut pid(1.0, 0.0, 0.0, 10.0), 0, 10, 10, 0), None);
    }

    /// T-256: the second estimate is the rate of processing.
    #[test]
    fn the_second_estimate_is_some() {
        let mut pid = pid(1.0, 0.0, 0.0, 10.0);
        compute(&mut pid, 0, 10, 10, 0);
        assert_eq!(compute(&mut pid, 10, 10, 10, 0), Some(1000.0));
    }

    /// T-257: no time has passed.
    #[test]
    fn no_estimate_without_a_time_difference() {
        let mut pid = pid(1.0, 0.0, 0.0, 10.0);
        compute(&mut pid, 0, 10, 10, 0);
        compute(&mut pid, 10, 10, 10, 0);
        assert_eq!(compute(&mut pid, 10, 10, 10, 0), None);
        assert_eq!(compute(&mut pid, 9, 10, 10, 0), None);
    }

    /// T-258: no records were processed.
    #[test]
    fn no_estimate_without_records() {
        let mut pid = pid(1.0, 0.0, 0.0, 10.0);
        compute(&mut pid, 0, 10, 10, 0);
        assert_eq!(compute(&mut pid, 10, 0, 10, 0), None);
    }

    /// T-259: processing took no time.
    #[test]
    fn no_estimate_without_processing_time() {
        let mut pid = pid(1.0, 0.0, 0.0, 10.0);
        compute(&mut pid, 0, 10, 10, 0);
        assert_eq!(compute(&mut pid, 10, 10, 0, 0), None);
    }

    /// T-260: the rate never falls below the minimum.
    #[test]
    fn the_minimum_holds() {
        let mut pid = pid(1.0, 1.0, 0.0, 5.0);
        assert_eq!(compute(&mut pid, 20, 1, 20, 100), None);
        for call in 2..=50 {
            assert_eq!(compute(&mut pid, call * 20, 1, 20, 100), Some(5.0));
        }
    }

    /// T-261: without delay the rate follows a rising speed.
    #[test]
    fn a_rising_speed_is_followed() {
        let mut pid = pid(1.0, 1.0, 0.0, 10.0);
        assert_eq!(compute(&mut pid, 20, 20, 20, 0), None);
        for call in 2..=50 {
            let speed = call as f64 * 1000.0;
            assert_eq!(compute(&mut pid, call * 20, call as u64 * 20, 20, 0), Some(speed));
        }
    }

    /// T-262: without delay the rate follows a falling speed.
    #[test]
    fn a_falling_speed_is_followed() {
        let mut pid = pid(1.0, 1.0, 0.0, 10.0);
        assert_eq!(compute(&mut pid, 20, 50 * 20, 20, 0), None);
        for call in 2..=50 {
            let left = 51 - call;
            assert_eq!(compute(&mut pid, call * 20, left as u64 * 20, 20, 0), Some(left as f64 * 1000.0));
        }
    }

    /// T-263: with a backlog the rate stays below the speed of processing, and not below the minimum.
    #[test]
    fn a_backlog_slows_down() {
        let mut pid = pid(1.0, 1.0, 0.0, 10.0);
        let mut random = waterclock_base::world::Rng::new(7);
        assert_eq!(compute(&mut pid, 20, 50 * 20, 20, 0), None);
        for call in 2..=50u64 {
            let records = 1 + random.below(1000);
            let processing = 1 + i64::try_from(random.below(20)).unwrap();
            let speed = records as f64 * 1000.0 / processing as f64;
            let rate = compute(&mut pid, call as i64 * 20, records, processing, 5).unwrap();
            assert!(rate < speed.max(10.1), "{rate} {speed}");
            assert!(rate >= 10.0);
        }
    }

    /// T-238 (estimator side): completed batches give the rate of their stream.
    #[test]
    fn completed_batches_are_read() {
        let batch = |end: i64| BatchInfo {
            interval: BatchInterval { from: BatchTime::ZERO, to: BatchTime::from_millis(20) },
            inputs: [(3, 10), (4, 99)]
                .map(|(stream, records)| InputInfo {
                    stream: StreamId(stream),
                    records,
                    description: String::new(),
                })
                .to_vec(),
            submitted_micros: end - 10_000,
            started_micros: Some(end - 10_000),
            ended_micros: Some(end),
            outputs: Vec::new(),
            origin: BatchOrigin::Ticked,
            phases: BatchPhases::default(),
        };
        let mut pid = pid(1.0, 0.0, 0.0, 10.0);
        assert_eq!(pid.after_batch(StreamId(3), &batch(20_000)), None);
        assert_eq!(pid.after_batch(StreamId(3), &batch(40_000)), Some(1000.0));
        assert_eq!(pid.after_batch(StreamId(5), &batch(60_000)), None);
        assert_eq!(pid.after_batch(StreamId(3), &BatchInfo { ended_micros: None, ..batch(60_000) }), None);
    }

    /// A rate of less than a record a batch reads one now and then; the first batch is bounded, too.
    #[test]
    fn a_low_rate_is_never_zero_for_ever() {
        let mut settings = Settings::default();
        settings.backpressure = true;
        let at = BatchTime::from_millis;
        let tick = |n| BatchInterval { from: at(n), to: at(n + 1) };
        assert_eq!(SpeedLimit::of(&settings).unwrap().records_in(tick(0)), Some(10));
        settings.backpressure_initial_rate = Some(400.0);
        let mut limit = SpeedLimit::of(&settings).unwrap();
        let read: Vec<_> = (0..10).map(|n| limit.records_in(tick(n)).unwrap()).collect();
        assert_eq!(read, [0, 0, 1, 0, 1, 0, 0, 1, 0, 1]);
        settings.backpressure_initial_rate = Some(f64::INFINITY);
        assert_eq!(SpeedLimit::of(&settings).unwrap().records_in(tick(0)), None);
    }
}
