//! `Rdd<T>`: an immutable, partitioned dataset that knows how to compute itself.
//!
//! A handle is thin and typed; the planner sees only [`Lineage`]. Each operation is a file of
//! `operators/`, each action one of `actions/`, each way to begin one of `sources/`.

pub(crate) mod lineage; // the erased side

pub(crate) mod actions; // what brings a result to the driver
pub(crate) mod operators; // datasets from datasets
pub(crate) mod sources; // datasets from the world

mod object; // records as bytes in files

use std::any::Any;
use std::borrow::Cow;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use waterclock_base::{Data, Error, Key, RddId, Result};

use crate::block::{Keep, Store};
use crate::chunk::{Halt, Sink, Step};
use crate::context::Engine;
use crate::partition::{Partitioner, PartitionerId};
use crate::task::{TaskCx, Timed};

pub use lineage::{Lineage, Parent, RddInfo};

/// How the partitions of a dataset are computed.
///
/// # Contract
/// 1. `compute` hands on the same records in the same order each time it is called for a partition.
/// 2. It calls [`TaskCx::check`] at least once a chunk, unless it only reacts to its parent's chunks.
/// 3. It names itself by [`TaskCx::enter`] around calls of the user's closure.
pub trait Compute<T: Data>: Send + Sync + 'static {
    /// Hands the partition's records to `out`.
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step;
}

/// Which operation is asked for, and where the program calls it.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) operator: &'static str,
    pub(crate) site: &'static Location<'static>,
}

/// An immutable, partitioned dataset, computed when an action asks for it.
///
/// Operations are lazy and give new datasets; actions (`collect`, `count`, ...) run a job. A dataset that
/// is used twice is computed twice, unless it is [`persist`](Rdd::persist)ed. Handles are cheap to clone.
///
/// ```
/// use waterclock_engine::Engine;
/// let engine = Engine::local(2);
/// let words = engine.parallelize(vec!["to be", "or not to be"], 2).flat_map(|line| {
///     line.split(' ').map(str::to_owned).collect::<Vec<_>>()
/// });
/// let mut counts = words.map(|w| (w, 1)).reduce_by_key(|a, b| a + b).collect()?;
/// counts.sort();
/// assert_eq!(counts, [("be".into(), 2), ("not".into(), 1), ("or".into(), 1), ("to".into(), 2)]);
/// # Ok::<(), waterclock_base::Error>(())
/// ```
pub struct Rdd<T: Data> {
    node: Arc<Node<T>>,
}

struct Node<T: Data> {
    info: RddInfo,
    engine: Engine,
    body: Box<dyn Compute<T>>,
    keep: OnceLock<Keep<T>>,
}

impl<T: Data> Clone for Rdd<T> {
    fn clone(&self) -> Self {
        Rdd { node: self.node.clone() }
    }
}

impl<T: Data> Lineage for Node<T> {
    fn info(&self) -> &RddInfo {
        &self.info
    }

    fn is_kept(&self) -> bool {
        self.keep.get().is_some_and(Keep::is_whole)
    }

    fn kept_bytes(&self) -> Option<u64> {
        self.keep.get()?.bytes()
    }
}

/// What an operation says about the dataset that it defines. Made by [`Rdd::derive`] or [`Define::new`].
pub struct Define {
    operator: Cow<'static, str>,
    site: &'static Location<'static>,
    partitions: usize,
    partitioner: Option<PartitionerId>,
    spread: Option<Arc<dyn Any + Send + Sync>>,
    parents: Vec<Parent>,
    bytes: Option<u64>,
}

impl Define {
    /// A dataset with this many partitions, made by the calling operation.
    #[track_caller]
    pub fn new(operator: impl Into<Cow<'static, str>>, partitions: usize) -> Self {
        Define {
            operator: operator.into(),
            site: Location::caller(),
            partitions,
            partitioner: None,
            spread: None,
            parents: Vec::new(),
            bytes: None,
        }
    }

    /// Says where the program asked for it, if that is not the caller.
    pub fn at(mut self, site: &'static Location<'static>) -> Self {
        self.site = site;
        self
    }

    /// Says how many partitions it has, if that was not known at the beginning.
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.partitions = partitions;
        self
    }

    /// Adds a parent that is read in the same task.
    pub fn reads<P: Data>(mut self, parent: &Rdd<P>) -> Self {
        self.parents.push(Parent::Narrow(parent.lineage()));
        self
    }

    /// Adds an earlier stage whose output is read.
    pub fn after(mut self, stage: Arc<dyn crate::stage::StageOutput>) -> Self {
        self.parents.push(Parent::Stage(stage));
        self
    }

    /// Says how keys are spread.
    pub fn partitioned(mut self, by: Option<PartitionerId>) -> Self {
        self.partitioner = by;
        self
    }

    /// Says how keys are spread, so that later operations can spread others in the same way.
    pub fn partitioned_by<K: 'static>(mut self, by: &Partitioner<K>) -> Self {
        self.partitioner = Some(by.id());
        self.spread = Some(Arc::new(by.clone()));
        self
    }

    /// Says how many bytes the source holds.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// The dataset.
    pub fn build<T: Data>(self, engine: &Engine, body: impl Compute<T>) -> Rdd<T> {
        let id = engine.next_rdd_id();
        self.build_with(engine, id, body)
    }

    /// The dataset, whose number was drawn before.
    pub fn build_with<T: Data>(self, engine: &Engine, id: RddId, body: impl Compute<T>) -> Rdd<T> {
        let spread = self.spread.or_else(|| inherited_spread(self.partitioner?, &self.parents));
        let info = RddInfo {
            id,
            spread,
            operator: self.operator,
            site: self.site,
            partitions: self.partitions,
            partitioner: self.partitioner,
            parents: self.parents,
            bytes: self.bytes,
        };
        let node = Node { info, engine: engine.clone(), body: Box::new(body), keep: OnceLock::new() };
        Rdd { node: Arc::new(node) }
    }
}

/// The partitioner of a parent that is spread in the same way.
fn inherited_spread(id: PartitionerId, parents: &[Parent]) -> Option<Arc<dyn Any + Send + Sync>> {
    parents.iter().find_map(|parent| match parent {
        Parent::Narrow(rdd) if rdd.info().partitioner == Some(id) => rdd.info().spread.clone(),
        Parent::Narrow(_) | Parent::Stage(_) => None,
    })
}

impl<T: Data> Rdd<T> {
    /// Begins the definition of a dataset with as many partitions as this one, made from it.
    #[track_caller]
    pub fn derive(&self, operator: impl Into<Cow<'static, str>>) -> Define {
        Define::new(operator, self.partitions()).reads(self)
    }

    /// The engine that it belongs to.
    pub fn engine(&self) -> &Engine {
        &self.node.engine
    }

    /// Its number.
    pub fn id(&self) -> RddId {
        self.node.info.id
    }

    /// How many partitions it has.
    pub fn partitions(&self) -> usize {
        self.node.info.partitions
    }

    /// How its keys are spread over the partitions, if that is known.
    pub fn partitioner(&self) -> Option<&PartitionerId> {
        self.node.info.partitioner.as_ref()
    }

    /// The operation that defines it.
    pub fn operator(&self) -> &str {
        &self.node.info.operator
    }

    /// The dataset without its record type.
    pub fn lineage(&self) -> Arc<dyn Lineage> {
        self.node.clone()
    }

    /// A drawing of how it is made, one dataset a line, for people.
    pub fn to_debug_string(&self) -> String {
        lineage::debug_string(&*self.node)
    }

    /// The same dataset, known to be spread by key as `other` is. Only for operations that leave every key
    /// in its place.
    pub(crate) fn keeping_partitioner_of<U: Data>(self, other: &Rdd<U>) -> Rdd<T> {
        let Some(partitioner) = other.partitioner().copied() else { return self };
        match Arc::try_unwrap(self.node) {
            Ok(mut node) => {
                node.info.partitioner = Some(partitioner);
                node.info.spread = other.node.info.spread.clone();
                Rdd { node: Arc::new(node) }
            }
            Err(shared) => Rdd { node: shared },
        }
    }

    /// The partitioner by which its keys are spread, if that is known and can be used again.
    pub(crate) fn spread<K: Key>(&self) -> Option<Partitioner<K>> {
        if let Some(known) = &self.node.info.spread {
            return known.downcast_ref::<Partitioner<K>>().cloned();
        }
        match *self.partitioner()? {
            PartitionerId::Hash { partitions, groups } => Some(Partitioner::hash(partitions, groups)),
            PartitionerId::Own { .. } => None,
        }
    }

    pub(crate) fn keep(&self) -> &OnceLock<Keep<T>> {
        &self.node.keep
    }

    /// Hands the records of a partition to `out`: kept ones, or computed anew. For use in tasks.
    pub fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        cx.check()?;
        if partition >= self.partitions() {
            let what = format!("{} has no partition {partition}", self.operator());
            return Err(Halt::from(Error::Internal { what }));
        }
        match &cx.rehearsal {
            None => self.read(partition, cx, out),
            Some(rehearsal) => {
                rehearsal.through((self.id(), partition), out, |out| self.read(partition, cx, out))
            }
        }
    }

    fn read(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        let next = cx.times.pass_to(Some(self.id()));
        let out = &mut Timed { times: &cx.times, operator: self.id(), next, out };
        let step = match self.node.keep.get() {
            None => self.node.body.compute(partition, cx, out),
            Some(keep) => keep.compute(partition, &*self.node.body, cx, out),
        };
        cx.times.pass_to(next);
        step
    }

    /// Marks the dataset to be kept once it is computed.
    pub(crate) fn keep_in(&self, store: Store<T>) -> Result<()> {
        let keep = Keep::new(store, self.partitions(), self.engine().memory());
        let level = keep.level();
        if self.node.keep.set(keep).is_err() {
            let now = self.node.keep.get().map(Keep::level);
            if now != Some(level) {
                return Err(Error::Action {
                    call: "persist",
                    why: format!(
                        "{} is kept as {now:?} already and can't be changed to {level:?}",
                        self.operator()
                    ),
                });
            }
        }
        Ok(())
    }
}
