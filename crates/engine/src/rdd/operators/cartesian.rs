//! `cartesian`: every record of one dataset with every record of another.

use std::panic::Location;

use waterclock_base::Data;

use crate::chunk::{Collect, Emit, Sink, Step};
use crate::rdd::{Compute, Define, Rdd};
use crate::task::TaskCx;

impl<T: Data> Rdd<T> {
    /// Every record of this dataset with every record of `other`.
    ///
    /// Partition `i * q + j`, where `other` has q partitions, holds partition i of this dataset with
    /// partition j of the other, which is in memory meanwhile. Each partition of either is computed as often
    /// as the other has partitions: [`persist`](Rdd::persist) what is costly.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let engine = Engine::local(2);
    /// let pairs = engine.parallelize(vec![1, 2], 1).cartesian(&engine.parallelize(vec!['a', 'b'], 1));
    /// assert_eq!(pairs.collect()?, [(1, 'a'), (1, 'b'), (2, 'a'), (2, 'b')]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn cartesian<U: Data>(&self, other: &Rdd<U>) -> Rdd<(T, U)> {
        let partitions = self.partitions() * other.partitions();
        let define = Define::new("cartesian", partitions).at(Location::caller()).reads(self).reads(other);
        define.build(self.engine(), Cartesian { left: self.clone(), right: other.clone() })
    }
}

struct Cartesian<T: Data, U: Data> {
    left: Rdd<T>,
    right: Rdd<U>,
}

impl<T: Data, U: Data> Compute<(T, U)> for Cartesian<T, U> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<(T, U)>) -> Step {
        let across = self.right.partitions();
        let mut others = Collect(Vec::new());
        self.right.compute(partition % across, cx, &mut others)?;
        let mut pairing = Pairing { cx, others: others.0, emit: Emit::new(out) };
        self.left.compute(partition / across, cx, &mut pairing)?;
        pairing.emit.flush()
    }
}

struct Pairing<'a, T: Data, U: Data> {
    cx: &'a TaskCx,
    others: Vec<U>,
    emit: Emit<'a, (T, U)>,
}

impl<T: Data, U: Data> Sink<T> for Pairing<'_, T, U> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        for record in chunk.drain(..) {
            self.cx.check()?;
            for other in &self.others {
                self.emit.push((record.clone(), other.clone()))?;
            }
        }
        Ok(())
    }
}
