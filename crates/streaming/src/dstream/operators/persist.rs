//! `persist`, `cache`, `checkpoint`: how long and where a stream's datasets are kept.

use std::panic::Location;
use std::time::Duration;

use waterclock_base::{Data, Error, Record, millis};
use waterclock_engine::StorageLevel;

use crate::dstream::DStream;

/// # Kept
impl<T: Data> DStream<T> {
    /// Keeps the datasets of this stream at `level` while they are remembered, so that several readers do
    /// not compute them again. Applies to every handle of the stream.
    ///
    /// A second, different level is refused, as is one that comes after `start`. The datasets of a window
    /// are made of its parent's: keeping a window keeps the parent instead.
    ///
    /// ```
    /// use waterclock_engine::StorageLevel;
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec![1]], |s| s.map(|n| n + 1).persist(StorageLevel::MemoryAndDisk), vec![vec![2]]);
    /// ```
    #[track_caller]
    pub fn persist(&self, level: StorageLevel) -> DStream<T>
    where
        T: Record,
    {
        let site = Location::caller();
        if let Err(error) = self.graph.may_define("persist") {
            self.graph.refuse(error);
        } else if let Err(now) = self.node.persist(level) {
            let why = format!("the stream is kept as {now:?} already and can't be changed to {level:?}");
            self.graph.refuse(Error::Definition { call: "persist", site, why });
        }
        self.clone()
    }

    /// [`persist`](DStream::persist) as bytes in memory.
    #[track_caller]
    pub fn cache(&self) -> DStream<T>
    where
        T: Record,
    {
        self.persist(StorageLevel::MemoryOnlySer)
    }

    /// Sets Spark's checkpoint interval: a multiple of the slide, validated at `start`. It decides how long the
    /// stream's datasets are remembered (two intervals); what a restart needs is written down in every batch.
    #[track_caller]
    pub fn checkpoint(&self, interval: Duration) -> DStream<T> {
        let checked = self.graph.may_define("checkpoint").and_then(|()| millis("checkpoint", interval));
        match checked {
            Ok(interval) => crate::graph::AnyNode::set_checkpoint_interval(&*self.node, interval),
            Err(error) => {
                self.graph.refuse(error);
            }
        }
        self.clone()
    }

    /// Where the stream's datasets are kept, if they are.
    pub fn storage_level(&self) -> Option<StorageLevel> {
        self.node.storage_level()
    }
}
