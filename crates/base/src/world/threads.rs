//! Threads, and what the machine has.

use std::thread;

pub use std::thread::JoinHandle;

/// Starts a named thread.
///
/// # Panics
/// When the system has no thread to give, as there is no way to go on without it.
pub fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    match thread::Builder::new().name(format!("wc-{name}")).spawn(run) {
        Ok(handle) => handle,
        Err(error) => panic!("the system refuses to start the thread {name}: {error}"),
    }
}

/// Bytes of memory that this process may use: the control group's limit or the machine's memory,
/// 4 GiB where neither can be read.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub fn memory_bytes() -> u64 {
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = limits.iter().filter_map(|path| std::fs::read(path).ok()).find_map(|text| number(&text));
    let machine = std::fs::read("/proc/meminfo").ok().and_then(|text| number(&text)).map(|kib| kib * 1024);
    limit.into_iter().chain(machine).min().unwrap_or(4 << 30)
}

/// The first number in the text.
fn number(text: &[u8]) -> Option<u64> {
    let digits: Vec<u8> =
        text.iter().copied().skip_while(|b| !b.is_ascii_digit()).take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_first_number() {
        assert_eq!(number(b"MemTotal:       24000000 kB\n"), Some(24_000_000));
        assert_eq!(number(b"max\n"), None);
        assert!(memory_bytes() > 0);
    }
}
