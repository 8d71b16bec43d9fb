//! Who looks at a context while it runs: a page, a progress line.

use std::sync::Arc;

use super::Status;
use crate::error::Result;
use crate::event::Event;

/// A context, as whoever watches it sees it. It may have stopped; then it stays as it was.
pub trait Watched: Send + Sync + 'static {
    /// How it is doing.
    fn status(&self) -> Status;
}

/// Something that watches a context for as long as it runs.
///
/// # Contract
/// 1. `prepare` is called once, when the context is made: what can't work is to be told then.
/// 2. `begin` is called when the context starts; not where that fails.
/// 3. `hear` is called for every event, from before `begin` on, on the thread on which it happens and before that
///    goes on, by several threads at the same time. It waits for nothing: all but those who have to be in time are
///    listeners instead.
/// 4. `end` is called once, when the context has stopped or is let go of, with or without a begin, and returns
///    soon.
pub trait Watcher: Send + Sync + 'static {
    /// Makes ready what may fail.
    ///
    /// # Errors
    /// Whatever makes it impossible to watch: the context is then not made.
    fn prepare(&self) -> Result<()>;

    /// Begins to watch.
    fn begin(&self, watched: Arc<dyn Watched>);

    /// Something happens.
    fn hear(&self, event: &Event) {
        let _ = event;
    }

    /// Ends.
    fn end(&self);
}
