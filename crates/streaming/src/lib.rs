//! Soon.

mod block; // received records: blocks, and which batch has them
mod receiver; // sources that push, each on a thread of its own

pub use block::{Lines, ReceivedBlock, ReceivedBytes, Records, gather};
pub use receiver::{
    EventSink, PidEstimator, RateLimiter, RawSocket, Receiver, ReceiverControl, ReceiverCounts,
    ReceiverHandle, ReceiverSetup, ReceiverSupervisor, RecurringTimer, SocketReader, TextSocket, TypedSocket,
};
