//! Receivers: sources that push, each on a thread of its own.
//!
//! A [`Receiver`] is a function that stores records until it is told to stop. Everything else is the
//! supervisor's: the thread, restarts with growing pauses, the rate limit, the cutting of blocks, events.
//!
//! The way of a record: [`ReceiverHandle::store`] → rate limit and memory budget → open block → (a tick)
//! → the blocks of the batch → [`ReceiverSupervisor::blocks_at`].

mod limiter; // holding it to that rate
mod rate; // how fast processing lets a receiver go
mod timer; // a recurring tick

mod generator; // records gather into a block
mod handle; // what a receiver stores through
mod intake; // the open block and the queue of a stream
mod lifecycle; // what becomes of a receiver that ended: pure
mod supervisor; // the thread that obeys the life cycle

mod line_buffer; // bytes to whole lines: pure
mod socket; // text, typed and raw sockets

#[cfg(test)]
mod socket_tests;
#[cfg(test)]
mod supervisor_tests;

use std::sync::Arc;

use waterclock_base::{BoxError, Event};

pub use handle::ReceiverHandle;
pub use intake::ReceiverCounts;
pub use limiter::RateLimiter;
pub(crate) use line_buffer::{BadLines, LineBuffer};
pub use rate::PidEstimator;
pub(crate) use rate::SpeedLimit;
pub(crate) use socket::count_bad_lines;
pub use socket::{RawSocket, SocketReader, TextSocket, TypedSocket};
pub use supervisor::{ReceiverControl, ReceiverSetup, ReceiverSupervisor};
pub use timer::RecurringTimer;

/// Where events go. Called on the receiver's thread; it must not block.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// A source that pushes records into a stream.
///
/// The simplest receiver is a closure: it is called on a thread of its own and stores records until
/// [`is_stopped`](ReceiverHandle::is_stopped) holds or a `store` is refused. A type that implements the trait
/// can also have a name and be told at once that it must stop.
///
/// What happens when `run` ends:
///
/// | it | then |
/// |---|---|
/// | returns `Ok(())` | the source has come to its end: it is not started again |
/// | returns an error, or panics | the error is shown, and it is started again after a pause |
/// | was asked to by [`restart`](ReceiverHandle::restart) | the same |
/// | was asked to by [`stop`](ReceiverHandle::stop) | listeners see it stop; then the same, like Spark's |
/// | the context stops | nothing more |
///
/// The pause is two seconds (a setting) and doubles with each failure in a row, up to a minute; a run that
/// stored something begins anew with the short one.
///
/// Records that several threads are to receive: start them in `run` with clones of the handle and join
/// them there.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use waterclock_streaming::{Receiver, ReceiverHandle};
///
/// # use waterclock_base::BoxError;
/// # fn receiver_stream<T>(_: impl Fn(ReceiverHandle<T>) -> Result<(), BoxError>) {}
/// # fn read_sensor() -> std::io::Result<f64> { Ok(21.5) }
/// // A thermometer, read every second.
/// receiver_stream(|out| {
///     while out.pause(Duration::from_secs(1)) {
///         out.store(read_sensor()?)?;
///     }
///     Ok(())
/// });
///
/// // A type, for a receiver that something must unblock.
/// struct Inbox(std::sync::Mutex<std::sync::mpsc::Receiver<String>>);
/// impl Receiver<String> for Inbox {
///     fn run(&self, out: ReceiverHandle<String>) -> Result<(), BoxError> {
///         let inbox = self.0.lock().map_err(|_| "an earlier run panicked")?;
///         while !out.is_stopped() {
///             if let Ok(letter) = inbox.recv_timeout(Duration::from_millis(100)) {
///                 out.store(letter)?;
///             }
///         }
///         Ok(())
///     }
/// }
/// ```
///
/// # Recovery
/// With a checkpoint, what is stored is written ahead. Records that were stored one by one are lost with the
/// process until their block is cut (at the block interval, or with the batch). A receiver whose source can
/// repeat itself stores whole buffers with [`store_many`](ReceiverHandle::store_many), which returns when they
/// are durable, and acknowledges the source then. Without a checkpoint all that is not processed is lost.
pub trait Receiver<T>: Send + Sync + 'static {
    /// Receives. Called on the receiver's own thread, again for each restart, never twice at a time.
    ///
    /// # Errors
    /// Any error ends this run; the supervisor shows it and starts another.
    fn run(&self, out: ReceiverHandle<T>) -> Result<(), BoxError>;

    /// Makes `run` return, if it does not look at [`is_stopped`](ReceiverHandle::is_stopped) often enough.
    ///
    /// Called once for each run: while it runs, on the thread that wants it to end, or after it returned, on
    /// its own thread. `is_stopped` holds by then. It must not block; in particular, whoever calls `restart`
    /// or `stop` of the handle must not hold a lock that this takes.
    fn on_stop(&self) {}

    /// The receiver's name in events and on the page, to which the stream's number is added. By default the
    /// name of its type.
    fn name(&self) -> String {
        let path = std::any::type_name::<Self>();
        let path = path.split('<').next().unwrap_or(path);
        let name = path.rsplit("::").next().unwrap_or(path);
        if name.starts_with('{') { "Receiver".into() } else { name.into() }
    }
}

impl<T, F> Receiver<T> for F
where
    F: Fn(ReceiverHandle<T>) -> Result<(), BoxError> + Send + Sync + 'static,
{
    fn run(&self, out: ReceiverHandle<T>) -> Result<(), BoxError> {
        self(out)
    }
}
