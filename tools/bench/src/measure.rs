//! Seconds of the wall and of the processor, and the line that tells them.

use std::fmt;
use std::time::Instant;

/// A measurement that is under way.
pub(crate) struct Measure {
    wall: Instant,
    cpu: f64,
}

impl Measure {
    /// Begins.
    pub(crate) fn start() -> Self {
        Measure { cpu: cpu_seconds(), wall: Instant::now() }
    }

    /// Ends, and says what `job` did meanwhile.
    pub(crate) fn stop(&self, job: &str, bytes: u64, records: u64, check: u64) -> Report {
        Report {
            system: "waterclock",
            job: job.to_owned(),
            bytes,
            records,
            seconds: self.wall.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds() - self.cpu,
            check,
        }
    }
}

/// What was measured.
pub(crate) struct Report {
    pub(crate) system: &'static str,
    job: String,
    bytes: u64,
    records: u64,
    seconds: f64,
    cpu_seconds: f64,
    /// A figure of the result, the same for every system.
    check: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = serde_json::json!({
            "system": self.system,
            "job": self.job,
            "bytes": self.bytes,
            "records": self.records,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "mb_per_s": self.bytes as f64 / 1e6 / self.seconds,
            "records_per_s": self.records as f64 / self.seconds,
            "check": self.check,
        });
        line.fmt(f)
    }
}

/// Processor time of all threads of the process.
#[expect(unsafe_code, reason = "the standard library does not tell processor time")]
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours that lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
