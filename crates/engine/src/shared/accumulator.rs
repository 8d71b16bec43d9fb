//! A value that tasks only add to, counted once however often a task is tried.

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex};

use waterclock_base::Data;
use waterclock_base::world::lock;

use crate::task::with_current_updates;

/// A sum over all tasks, read at the driver.
///
/// What a task adds is counted when the task's result is taken: attempts that failed, copies that lost a
/// race and cancelled tasks count nothing. A dataset that is computed twice (two actions, no
/// `persist`) counts twice.
///
/// ```
/// use waterclock_engine::Engine;
/// let engine = Engine::local(2);
/// let odd = engine.accumulator("odd numbers", 0u64, |sum, n: u64| *sum += n);
/// let counter = odd.clone();
/// engine.parallelize((0u64..10).collect(), 3).for_each(move |n| if n % 2 == 1 { counter.add(1) })?;
/// assert_eq!(odd.value(), 5);
/// # Ok::<(), waterclock_base::Error>(())
/// ```
pub struct Accumulator<A, V = A> {
    inner: Arc<Inner<A, V>>,
}

struct Inner<A, V> {
    id: u64,
    name: String,
    total: Mutex<A>,
    add: Box<dyn Fn(&mut A, V) + Send + Sync>,
}

impl<A, V> Clone for Accumulator<A, V> {
    fn clone(&self) -> Self {
        Accumulator { inner: self.inner.clone() }
    }
}

impl<A: Data, V: Send + 'static> Accumulator<A, V> {
    pub(crate) fn new(
        id: u64,
        name: String,
        zero: A,
        add: impl Fn(&mut A, V) + Send + Sync + 'static,
    ) -> Self {
        Accumulator { inner: Arc::new(Inner { id, name, total: Mutex::new(zero), add: Box::new(add) }) }
    }

    /// Adds; from a task, once the task's result is taken.
    pub fn add(&self, value: V) {
        let mut value = Some(value);
        let in_task = with_current_updates(|updates| {
            let pending = updates.0.entry(self.inner.id).or_insert_with(|| {
                Box::new(Pending { target: self.inner.clone(), values: Vec::new() }) as Box<dyn Update>
            });
            if let Some(pending) = pending.as_any().downcast_mut::<Pending<A, V>>() {
                pending.values.extend(value.take());
            }
        });
        if let (None, Some(value)) = (in_task, value) {
            (self.inner.add)(&mut lock(&self.inner.total), value);
        }
    }

    /// The sum so far. Inside a task it does not show what running tasks added.
    pub fn value(&self) -> A {
        lock(&self.inner.total).clone()
    }

    /// Starts again from `zero`.
    pub fn reset(&self, zero: A) {
        *lock(&self.inner.total) = zero;
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }
}

/// What one task added to accumulators, by accumulator.
#[derive(Default)]
pub struct Updates(BTreeMap<u64, Box<dyn Update>>);

impl Updates {
    /// Takes what another thread of the same task added later.
    pub(crate) fn append(&mut self, later: Updates) {
        for (id, mut update) in later.0 {
            match self.0.entry(id) {
                Entry::Occupied(known) => known.into_mut().append(update.as_any()),
                Entry::Vacant(free) => {
                    free.insert(update);
                }
            }
        }
    }

    /// Adds everything to the totals.
    pub(crate) fn apply(self) {
        for update in self.0.into_values() {
            update.apply();
        }
    }
}

trait Update: Send {
    fn as_any(&mut self) -> &mut dyn Any;
    /// Takes the values of another one for the same accumulator.
    fn append(&mut self, later: &mut dyn Any);
    fn apply(self: Box<Self>);
}

struct Pending<A, V> {
    target: Arc<Inner<A, V>>,
    values: Vec<V>,
}

impl<A: Data, V: Send + 'static> Update for Pending<A, V> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn append(&mut self, later: &mut dyn Any) {
        if let Some(later) = later.downcast_mut::<Self>() {
            self.values.append(&mut later.values);
        }
    }

    fn apply(self: Box<Self>) {
        let mut total = lock(&self.target.total);
        for value in self.values {
            (self.target.add)(&mut total, value);
        }
    }
}
