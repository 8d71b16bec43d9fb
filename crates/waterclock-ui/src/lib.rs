//! A live page of a running context, with REST for programs and metrics for Prometheus.
//!
//! ```no_run
//! # use std::time::Duration;
//! use waterclock_streaming::StreamingContext;
//! use waterclock_ui::Page;
//!
//! let page = Page::new();
//! let ssc = StreamingContext::builder("words").watch(page.clone()).build()?;
//! ssc.socket_text_stream("127.0.0.1:9999")?.words().count_by_value().show("words");
//! println!("see {}", page.url());
//! ssc.start()?;
//! ssc.await_termination()?;
//! # Ok::<(), waterclock_base::Error>(())
//! ```
//!
//! | path | what |
//! |---|---|
//! | `/` | the page: whether the job keeps up, where the time goes, the results |
//! | `/api/v1/applications/{name}/streaming/..` | Spark's `statistics`, `receivers`, `batches` with their `operations`; and `results` |
//! | `/metrics` | counters, gauges and histograms, as Prometheus reads them |
//! | `/api/overview`, `/api/batches/{ms}`, `/api/live` | what the page itself reads; it may change with each release |
//!
//! Nobody is let in from another machine without a secret: see [`Page`].

mod access; // who may come in: pure
mod assets; // the page itself
mod connection; // connections, their limits and time-outs
mod live; // what the page is told
mod metrics; // for Prometheus
mod page; // what a program says of it
mod rest; // Spark's paths and names
mod routes; // which path is what
#[cfg(feature = "tls")]
mod tls; // certificates

pub use page::Page;
