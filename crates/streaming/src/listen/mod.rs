//! Telling listeners what happens, without ever holding up a batch.

mod batches; // batches on their way and over, with their work
mod bus; // one thread, one bounded queue
mod health; // whether it keeps up: pure
mod log; // which events are worth a line in the log
mod owner; // whose the jobs of a thread are
mod progress; // the running totals
mod shelf; // results of streams that are shown
mod stats_report; // how delays are spread, in the log

pub(crate) use bus::{Bus, on_listener_thread};
pub(crate) use health::strains;
pub(crate) use owner::on_behalf_of;
pub(crate) use progress::Progress;
pub use stats_report::StatsReportListener;
