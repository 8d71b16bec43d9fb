//! What all streams with state share: the store, its versions, and how data is spread to meet it.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{BatchTime, Data, Key, Record};
use waterclock_engine::{Define, Engine, Keyed, Partitioner, Rdd};

use crate::state::{Emitted, Snapshot, StateStage, StateStore, Update, Versions};

/// The state of one stream and the versions that it is at.
pub(crate) struct StateStream<K: Key, S: Data, M: Data> {
    pub(crate) operator: &'static str,
    pub(crate) site: &'static Location<'static>,
    partitioner: Partitioner<K>,
    pub(crate) versions: Versions<K, S, M>,
}

impl<K: Key, S: Data, M: Data> StateStream<K, S, M> {
    pub(crate) fn new(
        operator: &'static str,
        site: &'static Location<'static>,
        partitioner: Partitioner<K>,
        engine: &Engine,
        with_timeouts: bool,
    ) -> Self {
        let store = StateStore::new(partitioner.partitions(), engine.seed(), with_timeouts);
        StateStream { operator, site, partitioner, versions: Versions::new(store) }
    }

    /// The dataset spread as the state is.
    pub(crate) fn spread<V: Record>(&self, rdd: &Rdd<(K, V)>) -> Rdd<(K, V)> {
        let options = Keyed::new().partitioner(self.partitioner.clone());
        rdd.partition_by_at(self.operator, self.site, &options)
    }

    /// The stage that makes the version of `time`.
    pub(crate) fn stage(
        &self,
        time: BatchTime,
        before: Option<Arc<StateStage<K, S, M>>>,
        engine: &Engine,
        update: impl Update<K, S, M>,
    ) -> Arc<StateStage<K, S, M>> {
        let store = self.versions.store().clone();
        StateStage::new(engine, self.operator, self.site, time, store, before, update)
    }

    fn define(&self, stage: &Arc<StateStage<K, S, M>>) -> Define {
        Define::new(self.operator, self.partitioner.partitions()).at(self.site).after(stage.clone())
    }
}

/// The whole state of time `t`, of each key what `show` makes of it.
pub(crate) fn snapshot<K: Key, S: Data, M: Data, O: Data>(
    stream: &StateStream<K, S, M>,
    stage: Arc<StateStage<K, S, M>>,
    t: BatchTime,
    engine: &Engine,
    show: impl Fn(&K, &S) -> Option<(K, O)> + Send + Sync + 'static,
) -> Rdd<(K, O)> {
    let define = stream.define(&stage).partitioned(Some(stream.partitioner.id()));
    let pin = stream.versions.store().pin(t);
    define.build(engine, Snapshot { pin, stage, show })
}

/// The records that the tasks of the stage emitted.
pub(crate) fn emitted<K: Key, S: Data, M: Data>(
    stream: &StateStream<K, S, M>,
    stage: Arc<StateStage<K, S, M>>,
    engine: &Engine,
) -> Rdd<M> {
    stream.define(&stage).build(engine, Emitted(stage))
}
