//! A line at the end of the terminal that says how a running context is doing.
//!
//! ```no_run
//! # use std::time::Duration;
//! use waterclock_progress::ProgressLine;
//! use waterclock_streaming::StreamingContext;
//!
//! let ssc = StreamingContext::builder("words").watch(ProgressLine::new()).build()?;
//! ssc.socket_text_stream("127.0.0.1:9999")?.words().count_by_value().print();
//! ssc.start()?;
//! ssc.await_termination()?;
//! # Ok::<(), waterclock_base::Error>(())
//! ```
//!
//! ```text
//! 12:03:05.500  9,993 records/s, took 12 ms of 500 ms, delay 14 ms, 0 wait; count at main.rs:24:10, 3 of 8 tasks
//! ```
//!
//! Where standard error is no terminal there is no line, and nothing is written: see [`ProgressLine`].

mod line; // what a program says of it, and the thread that draws
mod said; // what it says: pure
mod screen; // the terminal, and who else writes there

pub use line::ProgressLine;
