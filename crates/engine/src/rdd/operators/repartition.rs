//! `repartition` and `coalesce`: the same records in another number of partitions.

use std::panic::Location;

use waterclock_base::{Data, Error, Record};

use crate::chunk::{Sink, Step};
use crate::rdd::{Asked, Compute, Define, Rdd};
use crate::shuffle::routed;
use crate::task::TaskCx;

/// # Partitions
impl<T: Data> Rdd<T> {
    /// The same records in so many partitions of about the same size.
    ///
    /// The record at position j of partition i goes to partition `(i + j) % partitions`, always; there
    /// records are in the order of (i, j). Zero partitions can't hold anything: every action on the result
    /// fails with [`Error::Definition`](waterclock_base::Error::Definition).
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let spread = Engine::local(2).parallelize(vec![1, 2, 3, 4], 1).repartition(2);
    /// assert_eq!(spread.collect_partitions()?, [[1, 3], [2, 4]]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn repartition(&self, partitions: usize) -> Rdd<T>
    where
        T: Record,
    {
        self.repartition_at("repartition", Location::caller(), partitions)
    }

    /// [`repartition`](Rdd::repartition) under another name and place, for operations made of it.
    pub fn repartition_at(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        partitions: usize,
    ) -> Rdd<T>
    where
        T: Record,
    {
        let by = Asked { operator, site };
        if partitions == 0 {
            return self.engine().failing_at(operator, site, no_partitions(by));
        }
        routed(self, by, partitions, move |_, from, position| from.wrapping_add(position) % partitions)
    }

    /// The same records in at most so many partitions, without a shuffle: each is a run of neighbouring
    /// partitions of this dataset, one after the other. The number never grows.
    ///
    /// What is above runs in as few tasks as partitions are left; where that is too few, `repartition`.
    /// Zero partitions can't hold anything: every action on the result fails with
    /// [`Error::Definition`](waterclock_base::Error::Definition).
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let joined = Engine::local(2).parallelize(vec![1, 2, 3, 4], 4).coalesce(2);
    /// assert_eq!(joined.collect_partitions()?, [[1, 2], [3, 4]]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn coalesce(&self, partitions: usize) -> Rdd<T> {
        let by = Asked { operator: "coalesce", site: Location::caller() };
        if partitions == 0 {
            return self.engine().failing_at(by.operator, by.site, no_partitions(by));
        }
        let groups = partitions.min(self.partitions());
        let define = Define::new(by.operator, groups).at(by.site).reads(self);
        define.build(self.engine(), Coalesced { parent: self.clone(), groups })
    }
}

fn no_partitions(by: Asked) -> Error {
    let why = "0 partitions were asked for, but records need at least one".to_owned();
    Error::Definition { call: by.operator, site: by.site, why }
}

struct Coalesced<T: Data> {
    parent: Rdd<T>,
    groups: usize,
}

impl<T: Data> Compute<T> for Coalesced<T> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        let cut = |group: usize| group * self.parent.partitions() / self.groups;
        (cut(partition)..cut(partition + 1)).try_for_each(|part| self.parent.compute(part, cx, out))
    }
}
