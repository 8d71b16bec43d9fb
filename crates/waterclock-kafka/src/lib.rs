//! Apache Kafka for Waterclock: streams from topics, and batches into topics, each record exactly once.
//!
//! - [`KafkaSource`] makes a stream from topics, without receivers: a batch is a list of offsets, which is written down
//!   before anything is read, and can be read again; or a dataset of given offsets;
//! - [`KafkaSink`] writes batches into topics, each in a transaction that also says which batch it was.
//!
//! ```no_run
//! use std::time::Duration;
//! use waterclock_kafka::{KafkaSink, KafkaSource, NewRecord};
//! use waterclock_streaming::{Stop, StreamingContext};
//!
//! let ssc = StreamingContext::get_or_create("/var/lib/upper", |builder| {
//!     let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
//!     let (lines, _) = KafkaSource::new("localhost:9092").topics(["lines"]).stream(&ssc);
//!     let upper = lines.named("lines").map(|line| line.value_text().to_uppercase());
//!     upper.write_to(KafkaSink::new("localhost:9092", "upper", |text: String| NewRecord::value(text))).named("upper");
//!     Ok(ssc)
//! })?;
//! ssc.start()?;
//! ssc.await_termination()?;
//! # Ok::<(), waterclock_base::Error>(())
//! ```
//!
//! The client is librdkafka, which is C and is built with this crate.

mod error; // what can go wrong

mod client; // where the brokers are, and how to talk to them

mod record; // what is read

mod offsets; // what a batch reads
mod rates; // how much of what is there that is
mod topics; // which partitions there are, and how far they reach

mod cut; // the offsets of the next batch
mod group; // telling a consumer group
mod reader; // reading the records of a range

mod source; // streams from topics

mod mark; // which batches a topic has
mod new_record; // what is written
mod sink; // batches into topics

pub use cut::Start;
pub use error::KafkaError;
pub use new_record::NewRecord;
pub use offsets::{OffsetRange, OffsetRanges};
pub use record::{KafkaMessage, KafkaRecord};
pub use sink::{KafkaSink, OnLostMark};
pub use source::KafkaSource;
