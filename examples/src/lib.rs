//! What the example programs share: their command lines, how they run and end, and a feed of messages.
//!
//! The programs are in `examples/examples`; `cargo run --release --example hashtags` runs one.

mod args; // command lines
mod feed; // generated messages over TCP
mod run; // from start to Ctrl-C
mod terminal; // what it says beside its results
mod tuning; // how a program runs

pub use args::Args;
pub use feed::{Feed, Messages};
pub use run::{clock_time, run};
pub use terminal::{log, progress_line};
pub use tuning::Tuning;

/// The library sets no allocator for its users; programs that care choose one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
