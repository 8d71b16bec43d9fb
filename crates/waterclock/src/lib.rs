//! Waterclock cuts a live stream into a series of small, deterministic batches and runs each as an ordinary
//! parallel job: Spark Streaming's model, in one process, without a JVM.
//!
//! A stream is written as a collection would be:
//!
//! ```no_run
//! use std::time::Duration;
//! use waterclock::prelude::*;
//!
//! fn main() -> waterclock::Result<()> {
//!     let ssc = StreamingContext::builder("NetworkWordCount")
//!         .batch_interval(Duration::from_millis(100))
//!         .build()?;
//!     let lines = ssc.socket_text_stream("127.0.0.1:9999")?;
//!     lines
//!         .flat_map(|line| line.split_whitespace().map(Text::from).collect::<Vec<_>>())
//!         .map(|word| (word, 1u64))
//!         .reduce_by_key(|a, b| a + b)
//!         .print();
//!     ssc.start()?;
//!     ssc.await_termination()
//! }
//! ```
//!
//! - [`StreamingContext`] holds the sources, is started and stopped;
//! - [`DStream`] is a live stream: one dataset for each batch;
//! - [`Rdd`] is a dataset, which can also be used without any stream, from an [`Engine`];
//! - [`Text`] is the record type of text sources;
//! - `kafka`, with the feature of this name, has streams from topics of Apache Kafka and batches into topics;
//! - [`Error`] tells what was wrong, where, and what to do.
//!
//! With the feature `postgres`, `waterclock::postgres` writes batches into PostgreSQL; with the feature `ui`,
//! `waterclock::ui` shows a running context on a live page, with its results; with the feature `progress`,
//! `waterclock::progress` says in a line of the terminal how it is doing.
//!
//! This crate has no code of its own: it gathers what a program needs.

pub use waterclock_base::*;
pub use waterclock_engine::*;
#[cfg(feature = "postgres")]
pub use waterclock_postgres as postgres;
#[cfg(feature = "progress")]
pub use waterclock_progress as progress;
pub use waterclock_streaming::*;
#[cfg(feature = "ui")]
pub use waterclock_ui as ui;

#[cfg(feature = "kafka")]
pub use waterclock_kafka as kafka;

/// What nearly every program needs.
pub mod prelude {
    pub use crate::{
        BatchTime, BoxError, ContextState, DStream, Data, Engine, Key, Keyed, Rdd, Record, Stop,
        StorageLevel, StreamingContext, Text,
    };
}
