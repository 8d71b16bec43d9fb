//! Goal: who opens the page sees what the job does, while it does it, with whatever they have: a small window, dark
//! colours, a keyboard alone.
//!
//! Method: `cargo xtask servers browser -- cargo test -p waterclock-ui --features browser-tests --test browser`. Jobs
//! that really run under virtual time, so that the test says when a batch comes; each test has a job and a browser of
//! its own and waits for what is to be seen.
#![cfg(feature = "browser-tests")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access; // keyboard, landmarks, names, small windows
mod jobs; // what is looked at
mod pages; // each page
mod pictures; // of a program that runs elsewhere
mod trouble; // what fails, falls behind, ends, or is hostile
mod visitor; // who looks
