//! Records that are kept for later: in memory, as bytes, or on disk, under one account.

mod evict; // which kept partitions make room for others
mod held; // one run of records, wherever it is
mod keep; // the kept partitions of a dataset
mod level; // where kept partitions may go
mod memory; // the account
mod spill; // files for what does not fit

pub use held::Held;
pub(crate) use held::Placement;
pub(crate) use keep::{Keep, Store};
pub use level::StorageLevel;
pub use memory::{Memory, Reservation, Share};
pub use spill::SpillFile;
