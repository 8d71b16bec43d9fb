//! `map`: one record for each record.

use std::panic::Location;

use waterclock_base::{Data, RddId};

use crate::chunk::{CHUNK, Sink, Step};
use crate::rdd::{Compute, Rdd};
use crate::task::TaskCx;

/// # Element by element
impl<T: Data> Rdd<T> {
    /// Applies `f` to each record; the order stays.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let doubled = Engine::local(2).parallelize(vec![1, 2, 3], 2).map(|n| 2 * n);
    /// assert_eq!(doubled.collect()?, [2, 4, 6]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn map<U: Data>(&self, f: impl Fn(T) -> U + Send + Sync + 'static) -> Rdd<U> {
        self.map_at("map", Location::caller(), f)
    }

    /// [`map`](Rdd::map) under another name and place, for operations made of it.
    pub fn map_at<U: Data>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        f: impl Fn(T) -> U + Send + Sync + 'static,
    ) -> Rdd<U> {
        let id = self.engine().next_rdd_id();
        self.derive(operator).at(site).build_with(self.engine(), id, Map { parent: self.clone(), id, f })
    }
}

struct Map<T: Data, F> {
    parent: Rdd<T>,
    id: RddId,
    f: F,
}

impl<T: Data, U: Data, F: Fn(T) -> U + Send + Sync + 'static> Compute<U> for Map<T, F> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<U>) -> Step {
        let mut mapper = Mapper { id: self.id, cx, f: &self.f, mapped: Vec::new(), out };
        self.parent.compute(partition, cx, &mut mapper)
    }
}

struct Mapper<'a, U: Data, F> {
    id: RddId,
    cx: &'a TaskCx,
    f: &'a F,
    mapped: Vec<U>,
    out: &'a mut dyn Sink<U>,
}

impl<T: Data, U: Data, F: Fn(T) -> U> Sink<T> for Mapper<'_, U, F> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        let before = self.cx.enter(self.id);
        if self.mapped.capacity() == 0 {
            self.mapped.reserve_exact(chunk.len().max(CHUNK.min(chunk.capacity())));
        }
        self.mapped.extend(chunk.drain(..).map(self.f));
        self.cx.leave(before);
        self.out.push(&mut self.mapped)
    }
}
