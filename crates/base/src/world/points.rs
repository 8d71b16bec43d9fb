//! Named points of the code at which a test may end the process.

/// Says that the process has come to the point of this name.
///
/// It does nothing, and is compiled away, without the feature `kill-points`. With it, a process whose environment
/// has `WATERCLOCK_KILL_AT=NAME:N:MS` ends here at the `N`-th time, as if killed from outside: nothing is unwound
/// or flushed. The thread that has come here is held up for `MS` milliseconds before that, while the others go
/// on. A test of crashes can so kill a program between any two steps that have a point between them. With
/// `NAME:N:+MS` it goes on like the others, so that the end comes in the middle of the step behind the point.
///
/// ```
/// waterclock_base::world::at_point("before-stage");
/// ```
#[cfg(not(feature = "kill-points"))]
#[inline(always)]
pub fn at_point(_name: &str) {}

#[cfg(feature = "kill-points")]
pub use kill::at_point;

#[cfg(feature = "kill-points")]
mod kill {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use nix::sys::signal::{Signal, raise};

    use crate::world::spawn;

    /// Where this process is to end.
    struct Target {
        name: String,
        left: AtomicU64,
        delay: Duration,
        /// Whether the thread goes on meanwhile.
        goes_on: bool,
    }

    static TARGET: OnceLock<Option<Target>> = OnceLock::new();

    /// Says that the process has come to the point of this name, and ends it there if it is to.
    ///
    /// `WATERCLOCK_KILL_AT=NAME:N:MS` in the environment names the point, says at which time it counts, and for
    /// how long the thread is held up before; with `+MS` it goes on meanwhile.
    ///
    /// ```
    /// waterclock_base::world::at_point("before-stage");
    /// ```
    #[expect(clippy::disallowed_methods, reason = "a test holds the thread up in real time")]
    pub fn at_point(name: &str) {
        let Some(target) = TARGET.get_or_init(target) else { return };
        if target.name != name || target.left.fetch_sub(1, Ordering::Relaxed) != 1 {
            return;
        }
        let end = move || {
            std::thread::sleep(target.delay);
            // It only comes back where the system refuses, and then the test says that nobody was killed.
            let _ = raise(Signal::SIGKILL);
        };
        if target.goes_on {
            spawn("kill", end);
        } else {
            end();
        }
    }

    fn target() -> Option<Target> {
        let said = std::env::var("WATERCLOCK_KILL_AT").ok()?;
        let mut parts = said.split(':');
        let (name, count, delay) = (parts.next()?, parts.next()?, parts.next()?);
        let goes_on = delay.starts_with('+');
        let (left, delay) = (AtomicU64::new(count.parse().ok()?), Duration::from_millis(delay.parse().ok()?));
        Some(Target { name: name.to_owned(), left, delay, goes_on })
    }
}
