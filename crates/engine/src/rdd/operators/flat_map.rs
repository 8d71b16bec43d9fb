//! `flat_map`: any number of records for each record.

use std::panic::Location;

use waterclock_base::{Data, RddId};

use crate::chunk::{Emit, Sink, Step};
use crate::rdd::{Compute, Rdd};
use crate::task::{TaskCx, emit_made};

impl<T: Data> Rdd<T> {
    /// Applies `f` to each record and puts what it gives one after the other.
    ///
    /// [`flat_map_into`](Rdd::flat_map_into) does the same without making a collection for each record.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let twice = Engine::local(2).parallelize(vec![1, 2], 1).flat_map(|n| vec![n; 2]);
    /// assert_eq!(twice.collect()?, [1, 1, 2, 2]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn flat_map<U: Data, I: IntoIterator<Item = U>>(
        &self,
        f: impl Fn(T) -> I + Send + Sync + 'static,
    ) -> Rdd<U> {
        self.flat_map_at("flat_map", Location::caller(), f)
    }

    /// [`flat_map`](Rdd::flat_map) under another name and place, for operations made of it.
    pub fn flat_map_at<U: Data, I: IntoIterator<Item = U>>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        f: impl Fn(T) -> I + Send + Sync + 'static,
    ) -> Rdd<U> {
        let id = self.engine().next_rdd_id();
        self.derive(operator).at(site).build_with(self.engine(), id, FlatMap { parent: self.clone(), id, f })
    }

    /// Shows each record to `f`, which emits any number of records.
    ///
    /// The cheapest form over text: a line is shown where it lies in its block.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let words = Engine::local(2).parallelize(vec!["to be".to_owned()], 1).flat_map_into(|line, out| {
    ///     line.split(' ').for_each(|word| out(word.to_owned()));
    /// });
    /// assert_eq!(words.collect()?, ["to", "be"]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn flat_map_into<U: Data>(
        &self,
        f: impl Fn(&T, &mut dyn FnMut(U)) + Send + Sync + 'static,
    ) -> Rdd<U> {
        self.flat_map_into_at("flat_map_into", Location::caller(), f)
    }

    /// [`flat_map_into`](Rdd::flat_map_into) under another name and place, for operations made of it.
    pub fn flat_map_into_at<U: Data>(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        f: impl Fn(&T, &mut dyn FnMut(U)) + Send + Sync + 'static,
    ) -> Rdd<U> {
        let id = self.engine().next_rdd_id();
        let body = FlatMapInto { parent: self.clone(), id, f };
        self.derive(operator).at(site).build_with(self.engine(), id, body)
    }
}

struct FlatMap<T: Data, F> {
    parent: Rdd<T>,
    id: RddId,
    f: F,
}

impl<T, U, I, F> Compute<U> for FlatMap<T, F>
where
    T: Data,
    U: Data,
    I: IntoIterator<Item = U>,
    F: Fn(T) -> I + Send + Sync + 'static,
{
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<U>) -> Step {
        let mut mapper = FlatMapper { id: self.id, cx, f: &self.f, emit: Emit::new(out) };
        self.parent.compute(partition, cx, &mut mapper)?;
        mapper.emit.flush()
    }
}

struct FlatMapper<'a, U: Data, F> {
    id: RddId,
    cx: &'a TaskCx,
    f: &'a F,
    emit: Emit<'a, U>,
}

impl<T: Data, U: Data, I: IntoIterator<Item = U>, F: Fn(T) -> I> Sink<T> for FlatMapper<'_, U, F> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        for record in chunk.drain(..) {
            emit_made(self.cx, self.id, || (self.f)(record), &mut self.emit)?;
        }
        Ok(())
    }
}

struct FlatMapInto<T: Data, F> {
    parent: Rdd<T>,
    id: RddId,
    f: F,
}

impl<T, U, F> Compute<U> for FlatMapInto<T, F>
where
    T: Data,
    U: Data,
    F: Fn(&T, &mut dyn FnMut(U)) + Send + Sync + 'static,
{
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<U>) -> Step {
        let mut mapper = IntoMapper { id: self.id, cx, f: &self.f, gathered: Vec::new(), out };
        self.parent.compute(partition, cx, &mut mapper)?;
        mapper.flush()
    }
}

struct IntoMapper<'a, U: Data, F> {
    id: RddId,
    cx: &'a TaskCx,
    f: &'a F,
    gathered: Vec<U>,
    out: &'a mut dyn Sink<U>,
}

impl<U: Data, F> IntoMapper<'_, U, F> {
    fn flush(&mut self) -> Step {
        if self.gathered.is_empty() { Ok(()) } else { self.out.push(&mut self.gathered) }
    }

    /// Runs `f` on records, handing on what was gathered between two of them.
    fn each<'r, T: Data>(&mut self, records: impl IntoIterator<Item = &'r T>) -> Step
    where
        F: Fn(&T, &mut dyn FnMut(U)),
    {
        for record in records {
            let before = self.cx.enter(self.id);
            let gathered = &mut self.gathered;
            (self.f)(record, &mut |made| gathered.push(made));
            self.cx.leave(before);
            if self.gathered.len() >= crate::chunk::CHUNK {
                self.flush()?;
            }
        }
        Ok(())
    }
}

impl<T: Data, U: Data, F: Fn(&T, &mut dyn FnMut(U))> Sink<T> for IntoMapper<'_, U, F> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.each(chunk.iter())?;
        chunk.clear();
        Ok(())
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        self.each(records.iter().copied())
    }
}
