//! Source and sink against a real broker:
//! `cargo xtask servers kafka -- cargo test -p waterclock-kafka --features server-tests`.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod broker; // the other side: topics, and a plain client
mod losses; // what is gone when it is to be read
mod lost_marks; // brokers that forgot which batches a topic has
mod rates; // how much a batch reads
mod recovery; // restarts, of the program and the broker
mod sink; // batches into topics
mod source; // streams from topics
mod tls; // the same behind TLS and a password
