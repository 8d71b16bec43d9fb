//! Runs a task without effect to see whether it does the same every time, and says which operation does not.
//!
//! A task is rehearsed twice, the second time with what earlier stages left read in the opposite order, and the
//! hashes of what it makes are compared: as sums, so that the order of records makes no difference. Where they
//! differ, the records of every dataset of the task are noted once, and the task is rehearsed again and again with
//! fewer and fewer datasets given from the notes, from its end towards its sources: the first that makes the
//! difference come back is the one to blame.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use waterclock_base::{Data, Error, PartitionIndex, RddId, TaskId};

use super::TaskCx;
use super::run::inside;
use crate::chunk::{Collect, Sink, Step, push_all};
use crate::context::Engine;
use crate::rdd::{Lineage, Parent};
use crate::stage::StageOutput;

/// The records of each dataset and partition, as one rehearsal had them.
type Notes = Rc<RefCell<HashMap<(RddId, usize), Box<dyn Any>>>>;

/// How a rehearsal differs from the task.
#[derive(Default)]
pub(crate) struct Rehearsal {
    /// What earlier stages left is read in the opposite order.
    reversed: bool,
    /// Whether every dataset is noted.
    noting: bool,
    notes: Notes,
    /// Datasets that are given from the notes.
    given: HashSet<RddId>,
}

impl Rehearsal {
    /// Hands the records of a partition to `out`: those of the notes, or what `compute` makes.
    pub(crate) fn through<T: Data>(
        &self,
        place: (RddId, usize),
        out: &mut dyn Sink<T>,
        compute: impl FnOnce(&mut dyn Sink<T>) -> Step,
    ) -> Step {
        if self.given.contains(&place.0) {
            let noted = self.notes.borrow().get(&place).and_then(|noted| noted.downcast_ref().cloned());
            if let Some(records) = noted {
                return push_all::<T>(records, out);
            }
        }
        if !self.noting {
            return compute(out);
        }
        let mut records = Collect(Vec::new());
        compute(&mut records)?;
        self.notes.borrow_mut().insert(place, Box::new(records.0.clone()));
        push_all(records.0, out)
    }
}

impl TaskCx {
    /// The places of the tasks of an earlier stage, in the order in which what they left is to be read.
    pub(crate) fn in_order(&self, tasks: usize) -> impl Iterator<Item = usize> {
        let reversed = self.rehearsal.as_ref().is_some_and(|rehearsal| rehearsal.reversed);
        (0..tasks).map(move |task| if reversed { tasks - 1 - task } else { task })
    }
}

/// A task that is to be looked at.
struct Suspect<'a> {
    stage: &'a dyn StageOutput,
    id: TaskId,
    engine: &'a Engine,
    cancelled: &'a Arc<AtomicBool>,
}

/// Whether the task makes the same every time, as far as that can be told.
///
/// # Errors
/// [`Error::Determinism`] naming the operation that does not.
pub(crate) fn check(
    stage: &dyn StageOutput,
    id: TaskId,
    engine: &Engine,
    cancelled: &Arc<AtomicBool>,
) -> Result<(), Error> {
    let suspect = Suspect { stage, id, engine, cancelled };
    if suspect.same(&Notes::default(), &[], true) {
        return Ok(());
    }
    let ordered = suspect.same(&Notes::default(), &[], false);
    Err(suspect.blame(ordered))
}

impl Suspect<'_> {
    /// What a rehearsal makes, as a number; none where it fails, or nothing can be said.
    fn rehearse(&self, rehearsal: Rehearsal) -> Option<u64> {
        let mut cx = TaskCx::new(self.id, self.engine.clone(), self.cancelled.clone());
        cx.rehearsal = Some(rehearsal);
        inside(&cx, || self.stage.rehearse(self.id.partition.0, &cx)).ok()?.ok()?
    }

    /// Whether two rehearsals make the same, with these datasets as they are noted.
    fn same(&self, notes: &Notes, given: &[Arc<dyn Lineage>], reversed: bool) -> bool {
        let given: HashSet<RddId> = given.iter().map(|rdd| rdd.info().id).collect();
        let run = |reversed| {
            let (notes, given) = (notes.clone(), given.clone());
            self.rehearse(Rehearsal { reversed, noting: false, notes, given })
        };
        match (run(false), run(reversed)) {
            (Some(once), Some(again)) => once == again,
            // The task itself will tell.
            _ => true,
        }
    }

    /// Finds the operation whose result differs. `ordered`: only in another order.
    fn blame(&self, ordered: bool) -> Error {
        let datasets = self.datasets();
        let notes = Notes::default();
        self.rehearse(Rehearsal { noting: true, notes: notes.clone(), ..Rehearsal::default() });
        let differs = |given: &[Arc<dyn Lineage>]| !self.same(&notes, given, true);
        let guilty = (0..=datasets.len()).find(|&first| differs(&datasets[first..]));
        let (operator, site) = match guilty.and_then(|first| datasets.get(first.checked_sub(1)?)) {
            Some(rdd) => (rdd.info().operator.to_string(), rdd.info().site),
            None => (self.stage.operator().into_owned(), self.stage.site()),
        };
        let why = match ordered {
            true => "the result depends on the order in which the partitions before it are read",
            false => "it makes something else of the same records each time",
        };
        Error::Determinism { operator, site, partition: PartitionIndex(self.id.partition.0), why }
    }

    /// The datasets that the task computes, each before those that it is made from.
    fn datasets(&self) -> Vec<Arc<dyn Lineage>> {
        fn visit(parent: Parent, seen: &mut HashSet<RddId>, found: &mut Vec<Arc<dyn Lineage>>) {
            if let Parent::Narrow(rdd) = parent
                && seen.insert(rdd.info().id)
            {
                rdd.info().parents.iter().cloned().for_each(|parent| visit(parent, seen, found));
                found.push(rdd);
            }
        }
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        self.stage.parents().into_iter().for_each(|parent| visit(parent, &mut seen, &mut found));
        found.reverse();
        found
    }
}
