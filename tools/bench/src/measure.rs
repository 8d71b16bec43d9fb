//! Seconds of the wall and of the processor, memory, and the line that tells them.

use std::time::Instant;

use serde_json::{Value, json};

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
    pub(crate) bytes: u64,
    records: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// A figure of the result, the same for every system.
    check: u64,
}

impl Report {
    /// The line that is printed.
    pub(crate) fn json(&self) -> Value {
        json!({
            "system": self.system,
            "job": self.job,
            "bytes": self.bytes,
            "records": self.records,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "mb_per_s": self.bytes as f64 / 1e6 / self.seconds,
            "records_per_s": self.records as f64 / self.seconds,
            "check": self.check,
        })
    }
}

/// The value below which so large a share of the sorted ones is.
pub(crate) fn percentile(sorted: &[i64], share: f64) -> Option<i64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share) as usize).copied()
}

/// Nanoseconds since then.
pub(crate) fn nanos_since(origin: Instant) -> u64 {
    origin.elapsed().as_nanos() as u64
}

/// Makes a text of so many lines of 64 bytes that begin with the time at which they are sent.
pub(crate) fn stamped_lines(text: &mut String, now: u64, lines: u64) {
    text.clear();
    let line = format!("{now:019} imkek ltdi bdkarsc ajrxww alinm ajhgx brvawaj b\n");
    (0..lines).for_each(|_| text.push_str(&line));
}

/// Processor time of all threads of the process.
#[expect(unsafe_code, reason = "the standard library does not tell processor time")]
pub(crate) fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours that lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Memory of the process in MB (10^6 bytes).
pub(crate) struct Memory {
    pub(crate) resident_mb: f64,
    pub(crate) peak_mb: f64,
}

/// What the process holds now, and held at most.
pub(crate) fn memory() -> Result<Memory, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let mb = |name: &str| {
        let kib = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
        let kib = kib.and_then(|kib| kib.parse::<f64>().ok());
        kib.map(|kib| kib * 1.024e-3).ok_or_else(|| format!("/proc/self/status tells no {name}"))
    };
    Ok(Memory { resident_mb: mb("VmRSS:")?, peak_mb: mb("VmHWM:")? })
}

/// Lets the calling thread wake as exactly as the machine can, not some 50 µs late, as Linux does by default.
#[expect(unsafe_code, reason = "the standard library can't ask for it")]
pub(crate) fn wake_on_time() {
    // SAFETY: the call takes numbers only.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1usize, 0, 0, 0) };
}
