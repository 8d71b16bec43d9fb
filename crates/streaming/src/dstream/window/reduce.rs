//! `reduce_by_window`: one record from all records of a window.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use waterclock_base::{Data, RddId, Record};
use waterclock_engine::{Compute, Define, Engine, Rdd, Sink, Step, TaskCx};

use super::fold::{Merger, WindowFold};
use crate::dstream::DStream;

impl<T: Data> DStream<T> {
    /// All records of the last `length`, combined by `f`, every `slide`: one record, none for a window
    /// without records. `f` must be associative; it is called with the earlier record first.
    ///
    /// Each batch is reduced once, and a slide costs a few calls of `f`, however long the window is.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterclock_streaming::testing::check_stream;
    /// let second = Duration::from_secs(1);
    /// check_stream(
    ///     vec![vec![1, 2], vec![30], vec![]],
    ///     move |s| s.reduce_by_window(|a, b| a + b, 2 * second, second),
    ///     vec![vec![3], vec![33], vec![30], vec![]],
    /// );
    /// ```
    #[track_caller]
    pub fn reduce_by_window(
        &self,
        f: impl Fn(T, T) -> T + Send + Sync + 'static,
        length: Duration,
        slide: Duration,
    ) -> DStream<T>
    where
        T: Record,
    {
        let (operator, site, f) = ("reduce_by_window", Location::caller(), Arc::new(f));
        let each = f.clone();
        let reduced = self.reduce_all_as(operator, site, move |a, b| each(a, b));
        let (parent, merger) = (reduced.node.clone(), InOrder { operator, site, f });
        reduced.over(operator, site, length, slide, |bounds| WindowFold::new(parent, bounds, merger))
    }
}

/// Merges datasets of at most one record.
struct InOrder<F> {
    operator: &'static str,
    site: &'static Location<'static>,
    f: Arc<F>,
}

impl<T: Record, F: Fn(T, T) -> T + Send + Sync + 'static> Merger<T> for InOrder<F> {
    fn merge(&self, engine: &Engine, parts: &[Rdd<T>], _whole: bool) -> Rdd<T> {
        let define = Define::new(self.operator, 1).at(self.site);
        let define = if parts.is_empty() { define.bytes(0) } else { define };
        let define = parts.iter().fold(define, |define, part| define.reads(part));
        let id = engine.next_rdd_id();
        define.build_with(engine, id, Reduced { id, parts: parts.to_vec(), f: self.f.clone() })
    }
}

struct Reduced<T: Record, F> {
    id: RddId,
    parts: Vec<Rdd<T>>,
    f: Arc<F>,
}

impl<T: Record, F: Fn(T, T) -> T + Send + Sync + 'static> Compute<T> for Reduced<T, F> {
    fn compute(&self, _partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        let mut reducing = Reducing { cx, id: self.id, f: &*self.f, sofar: None };
        for part in &self.parts {
            for partition in 0..part.partitions() {
                part.compute(partition, cx, &mut reducing)?;
            }
        }
        match reducing.sofar {
            None => Ok(()),
            Some(all) => out.push(&mut vec![all]),
        }
    }
}

struct Reducing<'a, T, F> {
    cx: &'a TaskCx,
    id: RddId,
    f: &'a F,
    sofar: Option<T>,
}

impl<T: Record, F: Fn(T, T) -> T> Sink<T> for Reducing<'_, T, F> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.cx.check()?;
        let before = self.cx.enter(self.id);
        for record in chunk.drain(..) {
            self.sofar = Some(match self.sofar.take() {
                None => record,
                Some(sofar) => (self.f)(sofar, record),
            });
        }
        self.cx.leave(before);
        Ok(())
    }
}
