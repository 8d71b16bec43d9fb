//! Rows out of the value lists of a cogroup, without making a collection for each key.

use waterclock_base::{Data, Key};

use crate::chunk::{Emit, Sink, Step};
use crate::rdd::{Asked, Compute, Rdd};
use crate::task::TaskCx;

/// What `expand` emits for each key and its lists; the result is spread by key as `parent` is.
pub(super) fn expanded<K: Key, C: Data, R: Data>(
    parent: &Rdd<(K, C)>,
    by: Asked,
    expand: impl Fn(C, &mut dyn FnMut(R) -> Step) -> Step + Send + Sync + 'static,
) -> Rdd<(K, R)> {
    let define = parent.derive(by.operator).at(by.site).partitioned(parent.partitioner().copied());
    define.build(parent.engine(), Expand { parent: parent.clone(), expand })
}

struct Expand<K: Key, C: Data, F> {
    parent: Rdd<(K, C)>,
    expand: F,
}

impl<K, C, R, F> Compute<(K, R)> for Expand<K, C, F>
where
    K: Key,
    C: Data,
    R: Data,
    F: Fn(C, &mut dyn FnMut(R) -> Step) -> Step + Send + Sync + 'static,
{
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<(K, R)>) -> Step {
        let mut expanding = Expanding { cx, expand: &self.expand, emit: Emit::new(out) };
        self.parent.compute(partition, cx, &mut expanding)?;
        expanding.emit.flush()
    }
}

struct Expanding<'a, K: Key, R: Data, F> {
    cx: &'a TaskCx,
    expand: &'a F,
    emit: Emit<'a, (K, R)>,
}

impl<K, C, R, F> Sink<(K, C)> for Expanding<'_, K, R, F>
where
    K: Key,
    C: Data,
    R: Data,
    F: Fn(C, &mut dyn FnMut(R) -> Step) -> Step,
{
    fn push(&mut self, chunk: &mut Vec<(K, C)>) -> Step {
        for (key, lists) in chunk.drain(..) {
            let (cx, emit) = (self.cx, &mut self.emit);
            // A key with many values on both sides gives more rows than all others together.
            (self.expand)(lists, &mut |row| cx.check().and_then(|()| emit.push((key.clone(), row))))?;
        }
        Ok(())
    }
}
