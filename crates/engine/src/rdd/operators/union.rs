//! `union`: the records of several datasets.

use std::panic::Location;

use waterclock_base::Data;

use crate::chunk::{Sink, Step};
use crate::context::Engine;
use crate::rdd::{Compute, Define, Rdd};
use crate::task::TaskCx;

/// # Several datasets
impl<T: Data> Rdd<T> {
    /// The records of this dataset and of `other`, duplicates and all.
    ///
    /// This dataset's partitions come first, then the other's. Where both are partitioned by key in the
    /// same way, so is the result: partition n holds partition n of both.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let both = engine.parallelize(vec![1, 2], 1).union(&engine.parallelize(vec![2, 3], 1));
    /// assert_eq!(both.collect()?, [1, 2, 2, 3]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn union(&self, other: &Rdd<T>) -> Rdd<T> {
        self.engine().union_at("union", Location::caller(), &[self.clone(), other.clone()])
    }
}

impl Engine {
    /// The records of all datasets, in their order; see [`Rdd::union`]. Of none: an empty dataset without
    /// partitions. Datasets without partitions are left out.
    #[track_caller]
    pub fn union<T: Data>(&self, datasets: &[Rdd<T>]) -> Rdd<T> {
        self.union_at("union", Location::caller(), datasets)
    }

    /// [`union`](Engine::union) under another name and place, for operations made of it.
    pub fn union_at<T: Data>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        datasets: &[Rdd<T>],
    ) -> Rdd<T> {
        let parents: Vec<Rdd<T>> = datasets.iter().filter(|rdd| rdd.partitions() > 0).cloned().collect();
        let common = parents.first().and_then(|first| first.partitioner().copied());
        let common = common.filter(|common| parents.iter().all(|rdd| rdd.partitioner() == Some(common)));
        let partitions = match common {
            Some(common) => common.partitions(),
            None => parents.iter().map(Rdd::partitions).sum(),
        };
        let mut define = Define::new(operator, partitions).at(site).partitioned(common);
        for parent in &parents {
            define = define.reads(parent);
        }
        if parents.is_empty() {
            define = define.bytes(0);
        }
        define.build(self, Union { parents, by_key: common.is_some() })
    }
}

struct Union<T: Data> {
    parents: Vec<Rdd<T>>,
    /// Whether partition n holds partition n of every parent.
    by_key: bool,
}

impl<T: Data> Compute<T> for Union<T> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        if self.by_key {
            return self.parents.iter().try_for_each(|parent| parent.compute(partition, cx, out));
        }
        let mut partition = partition;
        for parent in &self.parents {
            if partition < parent.partitions() {
                return parent.compute(partition, cx, out);
            }
            partition -= parent.partitions();
        }
        Ok(())
    }
}
