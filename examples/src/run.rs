//! From start to Ctrl-C.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use waterclock::{BatchTime, Event, Result, Stop, StreamingContext};

use crate::progress_line;

/// Starts the batches, waits, and stops gracefully: at Ctrl-C, or when `batches` are done. A second Ctrl-C
/// ends the process at once.
///
/// # Errors
/// The first failure of a batch, or what [`StreamingContext::start`] and [`StreamingContext::stop`] say.
pub fn run(ssc: &StreamingContext, batches: Option<u64>) -> Result<()> {
    let (end, ended) = mpsc::channel();

    let (interrupted, on_interrupt) = (AtomicBool::new(false), end.clone());
    let handler = ctrlc::set_handler(move || {
        if interrupted.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        progress_line().aside(|| eprintln!("stopping, after what was received; again to end at once"));
        // Nobody listens any more when the program is about to end anyway.
        let _ = on_interrupt.send(());
    });
    if let Err(error) = handler {
        eprintln!("Ctrl-C will end the program without finishing its batches: {error}");
    }

    if let Some(batches) = batches {
        let (done, on_batch) = (AtomicU64::new(0), end.clone());
        ssc.add_listener(move |event: &Event| {
            if matches!(event, Event::BatchCompleted(_))
                && done.fetch_add(1, Ordering::Relaxed) + 1 == batches
            {
                let _ = on_batch.send(());
            }
        });
    }

    ssc.start()?;
    let waiting = ssc.clone();
    waterclock::world::spawn("await", move || {
        // What failed is asked for again below.
        let _ = waiting.await_termination();
        let _ = end.send(());
    });
    // An end of the channel would be an end of the wait, too.
    let _ = ended.recv();
    let stopped = ssc.stop(Stop::Gracefully);
    ssc.await_termination().and(stopped)
}

/// The time of day of a batch, in UTC.
pub fn clock_time(time: BatchTime) -> String {
    let seconds = time.as_millis().div_euclid(1000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
