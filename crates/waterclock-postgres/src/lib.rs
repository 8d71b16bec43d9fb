//! Batches of a stream into a table of PostgreSQL, each exactly once.
//!
//! [`PostgresSink`] is a sink for [`DStream::write_to`](waterclock_streaming::DStream::write_to): the records of a
//! batch and the batch's mark are written in one transaction, so that a batch that is run again after a crash is
//! known and left as it is.
//!
//! ```no_run
//! use std::time::Duration;
//! use waterclock_postgres::PostgresSink;
//! use waterclock_streaming::StreamingContext;
//!
//! let url = std::env::var("DATABASE_URL")?;
//! let ssc = StreamingContext::get_or_create("checkpoints/words", |builder| {
//!     let ssc = builder.app_name("words").batch_interval(Duration::from_secs(1)).build()?;
//!     let words = ssc.text_file_stream("/var/spool/messages")?.named("messages").words();
//!     // CREATE TABLE words (word text, count bigint)
//!     let sink = PostgresSink::new(&url, "words", ["word", "count"], |(word, count), row| {
//!         row.value(word).value(count);
//!     })?;
//!     words.count_by_value().write_to(sink).named("words");
//!     Ok(ssc)
//! })?;
//! ssc.start()?;
//! ssc.await_termination()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The feature `tls` adds `PostgresSink::tls`, for encrypted connections.

mod error; // what can go wrong
mod row; // a record as a line of COPY
mod table; // names, and the statements made of them

#[cfg(feature = "tls")]
mod tls; // encryption

mod server; // where the database is, and connections to it

mod sink; // batches as transactions

pub use error::PostgresError;
pub use row::Row;
pub use sink::PostgresSink;
