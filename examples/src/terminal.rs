//! What a program says beside its results, on standard error: a log, and where somebody looks a progress line.

use std::io::{self, Write};
use std::sync::LazyLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use waterclock::progress::ProgressLine;

static LINE: LazyLock<ProgressLine> = LazyLock::new(ProgressLine::new);

/// The progress line of this process, for `Builder::watch`: nothing where standard error is not a terminal.
pub fn progress_line() -> ProgressLine {
    LINE.clone()
}

/// Has what the library has to say written to standard error from now on: warnings and errors, or what `RUST_LOG` asks
/// for, as `info` or `warn,waterclock_streaming=debug`.
pub fn log() {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = match asked.trim() {
        "" => Ok(Targets::new().with_default(LevelFilter::WARN)),
        asked => asked.parse::<Targets>(),
    };
    let filter = filter.unwrap_or_else(|error| {
        eprintln!("RUST_LOG is {asked:?}, which is no filter ({error}): warnings and errors are shown");
        Targets::new().with_default(LevelFilter::WARN)
    });
    let is_terminal = io::IsTerminal::is_terminal(&io::stderr());
    let text = tracing_subscriber::fmt::layer().with_ansi(is_terminal).with_writer(|| Aside);
    // Where the program has set up a log of its own, that one is it.
    let _ = tracing_subscriber::registry().with(filter).with(text).try_init();
}

/// Standard error, beside the progress line.
struct Aside;

impl Write for Aside {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        LINE.aside(|| io::stderr().write(text))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
