//! How long each operator of a task was at work.
//!
//! Records move by calls: an operator computes, hands a chunk on, and goes on when that call comes back. So the
//! time belongs to whoever was called last, and is looked at where control passes: once a chunk, not a record.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use waterclock_base::world::Clock;
use waterclock_base::{Data, RddId};

use crate::chunk::{Sink, Step};

/// The account of one task.
pub(crate) struct Times {
    clock: Arc<dyn Clock>,
    began: i64,
    /// Whose the time is since `since`: an operator's, or of the stage itself.
    at_work: Cell<Option<RddId>>,
    since: Cell<i64>,
    micros: RefCell<Vec<(Option<RddId>, u64)>>,
}

impl Times {
    /// An account that begins now.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let began = clock.now_micros();
        let (at_work, micros) = Default::default();
        Times { clock, began, at_work, since: Cell::new(began), micros }
    }

    /// From now on the time is `operator`'s; tells whose it was.
    pub(crate) fn pass_to(&self, operator: Option<RddId>) -> Option<RddId> {
        let before = self.at_work.replace(operator);
        let now = self.clock.now_micros();
        let spent = u64::try_from(now - self.since.replace(now)).unwrap_or_default();
        if spent > 0 {
            let mut micros = self.micros.borrow_mut();
            match micros.iter_mut().find(|(other, _)| *other == before) {
                Some((_, sum)) => *sum += spent,
                None => micros.push((before, spent)),
            }
        }
        before
    }

    /// Closes the account: the time of each, and of all together.
    pub(crate) fn close(self) -> (Vec<(Option<RddId>, u64)>, u64) {
        self.pass_to(None);
        let all = u64::try_from(self.since.get() - self.began).unwrap_or_default();
        (self.micros.into_inner(), all)
    }
}

/// Where `operator` hands on its records: until each call comes back, the time is the next one's.
pub(crate) struct Timed<'a, T: Data> {
    pub(crate) times: &'a Times,
    pub(crate) operator: RddId,
    pub(crate) next: Option<RddId>,
    pub(crate) out: &'a mut dyn Sink<T>,
}

impl<T: Data> Timed<'_, T> {
    fn hand_on(&mut self, hand: impl FnOnce(&mut dyn Sink<T>) -> Step) -> Step {
        self.times.pass_to(self.next);
        let step = hand(self.out);
        self.times.pass_to(Some(self.operator));
        step
    }
}

impl<T: Data> Sink<T> for Timed<'_, T> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.hand_on(|out| out.push(chunk))
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        self.hand_on(|out| out.lend(records))
    }

    fn wants_blocks(&self) -> bool {
        self.out.wants_blocks()
    }

    fn block(&mut self, lines: &str) -> Step {
        self.hand_on(|out| out.block(lines))
    }
}
