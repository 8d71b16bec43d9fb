//! `Rdd<T>`: partitioned datasets with lineage, run as parallel jobs. The batch half of Waterclock.
//!
//! A program builds datasets from datasets; nothing runs until an action asks. Then:
//!
//! 1. [`job`](crate::Rdd) — the action becomes a job: a last stage whose tasks apply it to each partition;
//! 2. `stage/plan.rs` — the lineage is cut at shuffles (and state updates) into stages;
//! 3. `stage/schedule.rs` — pure decisions: which task runs when, what after a failure;
//! 4. [`Executor`] — the seam to threads: tasks go to the pool, small stages run on the caller's thread;
//! 5. `task/run.rs` — a task computes one partition: chunks of records are pushed through the operators;
//! 6. `shuffle/` — records change their partition by key, combined before and after;
//! 7. `block/` — what is kept, in memory or on disk, under one account.
//!
//! This crate knows neither time nor network. It can be used alone:
//!
//! ```
//! use waterclock_engine::Engine;
//! let engine = Engine::local(2);
//! let squares = engine.parallelize((1u64..=4).collect(), 2).map(|n| n * n);
//! assert_eq!(squares.collect()?, [1, 4, 9, 16]);
//! # Ok::<(), waterclock_base::Error>(())
//! ```

mod chunk; // records on their way from operator to operator
mod lines; // whole lines of text on that way
mod partition; // how keys are spread

mod rdd; // datasets, their operations, actions and sources
mod shuffle; // records change their partition
mod table; // keyed rows in insertion order

mod block; // what is kept

mod executor; // the seam to threads
mod job; // an action at work
mod stage; // the work between two shuffles
mod task; // the work on one partition

mod context; // the engine
mod shared; // values for all tasks

pub use block::{Held, Memory, Reservation, Share, SpillFile, StorageLevel};
pub use chunk::{CHUNK, Collect, Emit, Halt, Sink, Step, lend_all, push_all};
pub use context::Engine;
pub use executor::{Executor, Report, Submission};
pub use job::noting;
pub use lines::hand_lines;
pub use partition::{Partitioner, PartitionerId};
pub use rdd::actions::{LocalIterator, Number, Save, StagedFiles, Stats};
pub use rdd::operators::FoldAll;
pub use rdd::operators::keyed::{CombineValues, GroupValues, Keyed, ReduceValues};
pub use rdd::{Compute, Define, Lineage, Parent, Rdd, RddInfo};
pub use shared::{Accumulator, Broadcast, Updates};
pub use shuffle::{Combine, ExpectedKeys, Merge};
pub use stage::{Claim, StageOutput, TaskOutput};
pub use table::Table;
pub use task::{TaskCx, TaskHelper, ThreadPool, panic_message};
