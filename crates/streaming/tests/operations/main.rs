//! Goal: what each operation of streams promises, batch by batch. Method: programs under a clock that the
//! test moves; expected values from the original's tests (named by their T-numbers) and from models.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says so by a panic")]

mod basic; // one batch at a time
mod blocking; // closures that wait, several at once
mod files; // what is saved
mod joins; // two streams
mod kept; // what is remembered, persisted and let go
mod model; // windows against a model, with failures and gaps
mod refusing; // records that closures refuse
mod support;
mod windows; // several batches at a time
