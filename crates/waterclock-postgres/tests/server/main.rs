//! Goal: what the documentation promises of batches in PostgreSQL holds with a real server.
//!
//! Method: `cargo xtask servers postgres -- cargo test -p waterclock-postgres --features server-tests`. Every test has
//! tables of its own; the one that kills the server keeps the others out meanwhile. What is in a table is read by the
//! client library alone.
#![cfg(feature = "server-tests")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batches; // sinks by themselves
mod database; // the server, tables, marks
mod restarts; // programs and servers that end in the middle
