//! Streams of pairs, by key: each batch on its own, or with state across batches.

// Each batch on its own.
mod combine;
mod join;
mod map_values;

// State across batches.
mod map_with_state;
mod state_input;
mod state_options;
mod state_spec;
mod state_stream;
mod update_partition;
mod update_state;

pub use map_with_state::MapWithState;
pub use state_options::StateOptions;
pub use state_spec::{State, StateSpec};
pub(crate) use state_stream::{StateStream, snapshot};
