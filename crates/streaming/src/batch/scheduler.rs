//! Whose turn it is: batches in order of time, the outputs of a batch in order of definition. Pure.
//!
//! A batch goes `waiting → making → running → done`. Its datasets are made (the program's `transform`
//! closures run) only when the batch before was made; with state in the graph only when the batch before is
//! done, so that it sees the state that this one left.

use std::collections::{BTreeMap, VecDeque};

use waterclock_base::BatchTime;

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Make the batch's jobs.
    Make(BatchTime),
    /// Run one of them.
    Run(BatchTime, usize),
}

#[derive(Debug)]
struct Running {
    jobs: usize,
    begun: usize,
    ended: usize,
}

/// Batches on their way.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Whether a batch may be made while another runs.
    overlap: bool,
    waiting: VecDeque<BatchTime>,
    making: Option<BatchTime>,
    running: BTreeMap<BatchTime, Running>,
}

impl Schedule {
    pub(crate) fn new(overlap: bool) -> Self {
        Schedule { overlap, waiting: VecDeque::new(), making: None, running: BTreeMap::new() }
    }

    /// A batch takes its place in line.
    pub(crate) fn submit(&mut self, t: BatchTime) {
        self.waiting.push_back(t);
    }

    /// The next turn, if there is one; it is taken.
    pub(crate) fn next(&mut self) -> Option<Turn> {
        for (t, batch) in &mut self.running {
            if batch.begun < batch.jobs {
                batch.begun += 1;
                return Some(Turn::Run(*t, batch.begun - 1));
            }
        }
        let may_make = self.making.is_none() && (self.overlap || self.running.is_empty());
        if !may_make {
            return None;
        }
        self.making = self.waiting.pop_front();
        self.making.map(Turn::Make)
    }

    /// The batch being made has so many jobs. True when it is done already, having none.
    pub(crate) fn made(&mut self, t: BatchTime, jobs: usize) -> bool {
        self.making = None;
        if jobs > 0 {
            self.running.insert(t, Running { jobs, begun: 0, ended: 0 });
        }
        jobs == 0
    }

    /// A job ended. True when it was the batch's last.
    pub(crate) fn ended(&mut self, t: BatchTime) -> bool {
        let Some(batch) = self.running.get_mut(&t) else { return false };
        batch.ended += 1;
        batch.ended == batch.jobs
    }

    /// The batch is done with, its state settled.
    pub(crate) fn settled(&mut self, t: BatchTime) {
        self.running.remove(&t);
    }

    /// Drops the batches that wait; how many, and their times.
    pub(crate) fn clear(&mut self) -> Vec<BatchTime> {
        self.waiting.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> BatchTime {
        BatchTime::from_millis(ms)
    }

    #[test]
    fn outputs_run_in_order_and_batches_one_after_the_other() {
        let mut s = Schedule::new(false);
        s.submit(at(1));
        s.submit(at(2));
        assert_eq!(s.next(), Some(Turn::Make(at(1))));
        assert_eq!(s.next(), None);
        assert!(!s.made(at(1), 2));
        assert_eq!(s.next(), Some(Turn::Run(at(1), 0)));
        assert!(!s.ended(at(1)));
        assert_eq!(s.next(), Some(Turn::Run(at(1), 1)));
        assert_eq!(s.next(), None);
        assert!(s.ended(at(1)));
        s.settled(at(1));
        assert_eq!(s.next(), Some(Turn::Make(at(2))));
        assert!(s.made(at(2), 0));
    }

    #[test]
    fn without_state_the_next_batch_is_made_while_one_runs() {
        let mut s = Schedule::new(true);
        s.submit(at(1));
        s.submit(at(2));
        assert_eq!(s.next(), Some(Turn::Make(at(1))));
        s.made(at(1), 1);
        assert_eq!(s.next(), Some(Turn::Run(at(1), 0)));
        assert_eq!(s.next(), Some(Turn::Make(at(2))));
    }
}
