//! Threads, and what the machine has.

use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Does `run` for each number below `count`, on at most so many threads at once, and gives the results in order.
///
/// ```
/// assert_eq!(waterclock_base::world::in_parallel(2, 4, |n| n * n), [0, 1, 4, 9]);
/// ```
///
/// # Panics
/// When `run` does, after the other threads have ended.
pub fn in_parallel<T: Send>(threads: usize, count: usize, run: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        numbers.take_while(|n| *n < count).map(|n| (n, run(n))).collect::<Vec<_>>()
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(count)).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, result)| result).collect()
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
