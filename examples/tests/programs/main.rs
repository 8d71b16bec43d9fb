//! Goal: the example programs do what their help says, as a user starts them.
//!
//! Method: each runs as a process of its own, against loopback servers and directories of this test; what it
//! prints or saves is compared with a count by std's maps. Real time is only a limit of patience. The programs
//! are built by `cargo test`, whose job it is to build a package's examples.
#![expect(clippy::disallowed_methods, reason = "these tests are the outside world of the programs")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch_join;
mod clean_stop;
mod hashtags;
mod recoverable_word_count;
mod running; // a started program
mod said;
mod simulated_orders;
mod word_count;
