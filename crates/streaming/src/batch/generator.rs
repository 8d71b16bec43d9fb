//! The tick: at every batch interval the input of a batch is fixed and the batch takes its place in line.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::world::{JoinHandle, Signal, lock, spawn};
use waterclock_base::{BatchInfo, BatchInterval, BatchOrigin, BatchPhases, BatchTime, Event};

use super::pacer::Shares;
use super::{Pacer, Runner, Waiters};
use crate::graph::{Graph, Source};

/// What is left to do before the ticks end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drain {
    /// Nothing: at once.
    Now,
    /// So many more ticks.
    Ticks(u32),
}

/// Decides what each tick means. Pure.
struct Ticker {
    interval: Duration,
    /// The end of the last batch that was formed.
    from: BatchTime,
    max_waiting: Option<usize>,
}

impl Ticker {
    /// What the batch of the tick at `t` covers; none when it is merged into the next, because too many
    /// wait. All its input is then the next batch's.
    fn tick(&mut self, t: BatchTime, waiting: usize) -> Option<BatchInterval> {
        if self.max_waiting.is_some_and(|most| waiting >= most) {
            return None;
        }
        let interval = BatchInterval { from: self.from, to: t };
        self.from = t;
        Some(interval)
    }
}

/// The thread that ticks.
pub(crate) struct Generator {
    signal: Arc<Signal>,
    waiters: Arc<Waiters>,
    drain: Arc<Mutex<Option<Drain>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Generator {
    /// Starts ticking: the first batch begins at `from`. Where that is more than an interval ago, batches are
    /// formed for the time since, as `missed` has it, before the clock is looked at.
    pub(crate) fn start(
        graph: Arc<Graph>,
        runner: Arc<Runner>,
        waiters: Arc<Waiters>,
        pacer: Option<Arc<Pacer>>,
        from: BatchTime,
        missed: Vec<BatchInterval>,
    ) -> Self {
        let signal = Signal::new();
        let drain = Arc::<Mutex<Option<Drain>>>::default();
        let settings = &graph.settings;
        let ticker = Ticker {
            interval: settings.batch_interval,
            from,
            max_waiting: (!settings.spark_rules.one_batch_per_tick).then_some(settings.max_waiting_batches),
        };
        let ticking = Ticking {
            graph,
            runner,
            waiters: waiters.clone(),
            pacer,
            ticker,
            signal: signal.clone(),
            drain: drain.clone(),
        };
        let thread = spawn("generator", move || ticking.run(from, missed));
        Generator { signal, waiters, drain, thread: Mutex::new(Some(thread)) }
    }

    /// Says what is left to do before the ticks end. A tick that is at work already is not counted.
    pub(crate) fn drain(&self, how: Drain) {
        *lock(&self.drain) = Some(how);
        self.waiters.stopping();
        self.signal.raise();
    }

    /// Waits for the end of the ticks.
    pub(crate) fn join(&self) {
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the generator panicked");
        }
    }
}

struct Ticking {
    graph: Arc<Graph>,
    runner: Arc<Runner>,
    waiters: Arc<Waiters>,
    /// Where batches follow a latency target.
    pacer: Option<Arc<Pacer>>,
    ticker: Ticker,
    signal: Arc<Signal>,
    drain: Arc<Mutex<Option<Drain>>>,
}

impl Ticking {
    fn run(mut self, from: BatchTime, missed: Vec<BatchInterval>) {
        let clock = self.graph.engine.world().clock.clone();
        let mut next = missed.last().map_or(from, |last| last.to) + self.ticker.interval;
        let settings = &self.graph.settings;
        // In a simulation one after the other, so that the order of everything is the same every time.
        let room = if settings.inline_log { 1 } else { settings.max_waiting_batches };
        for interval in missed {
            // Nobody waits for these batches: they come as fast as they are run, no faster. A stop leaves what
            // is missing to one more batch, or to the next start.
            if !self.waiters.wait_for_room(room) {
                break;
            }
            self.ticker.from = interval.to;
            // Under a latency target what has queued up meanwhile is left to later batches, too.
            let shares = self.pacer.as_ref().map(|pacer| pacer.shares()).unwrap_or_default();
            self.form(interval, clock.now_micros(), &shares, BatchOrigin::CaughtUp);
            self.waiters.ticked(interval.to);
        }
        while !self.is_over() {
            let due = next.as_millis().saturating_mul(1000);
            // Not where there is nothing left to do: that may have been said since it was asked above.
            if matches!(*lock(&self.drain), Some(Drain::Ticks(_))) {
                clock.pass_until(due);
            }
            if clock.wait(Some(due), &self.signal) {
                continue;
            }
            // A tick that began before the sources stopped may have cut before the last records came.
            let counts = lock(&self.drain).is_some();
            self.tick(next, clock.now_micros());
            self.waiters.ticked(next);
            next = next + self.ticker.interval;
            if counts && let Some(Drain::Ticks(left)) = &mut *lock(&self.drain) {
                *left = left.saturating_sub(1);
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(*lock(&self.drain), Some(Drain::Now | Drain::Ticks(0)))
    }

    fn tick(&mut self, t: BatchTime, now_micros: i64) {
        // The last tick of a graceful stop takes what was received, however many batches wait.
        let draining = lock(&self.drain).is_some();
        let waiting = if draining { 0 } else { self.waiters.unfinished() };
        let due = |pacer: &Arc<Pacer>| pacer.is_due(BatchInterval { from: self.ticker.from, to: t }, waiting);
        if !draining && !self.pacer.as_ref().is_none_or(due) {
            return;
        }
        let shares = |pacer: &Arc<Pacer>| if draining { pacer.last_shares() } else { pacer.shares() };
        let shares = self.pacer.as_ref().map(shares).unwrap_or_default();
        let Some(interval) = self.ticker.tick(t, waiting) else {
            self.graph.bus.post(Event::TicksMerged { time: t, waiting });
            return;
        };
        self.form(interval, now_micros, &shares, BatchOrigin::Ticked);
    }

    /// Fixes what a batch reads, and gives it its place in line.
    fn form(&self, interval: BatchInterval, now_micros: i64, shares: &Shares, origin: BatchOrigin) {
        let t = interval.to;
        if interval.from + self.ticker.interval < t {
            let nodes = self.graph.reachable();
            nodes.iter().filter_map(|node| node.state()).for_each(|state| state.pass_over(interval));
        }
        let fixed = match self.runner.keeper() {
            Some(keeper) => keeper.cut(interval, shares).map(|(inputs, ticket)| (inputs, Some(ticket))),
            None => {
                let cut = |source: &Arc<dyn Source>| source.cut(interval, shares.of(source.stream())).info;
                Ok((self.graph.sources().iter().map(cut).collect(), None))
            }
        };
        let (inputs, logged) = match fixed {
            Ok(fixed) => fixed,
            Err(error) => {
                // Batches that can't be written down can't be run.
                tracing::error!(batch = %t, error = ?error, "a batch can't be written down");
                self.waiters.failed(error);
                self.runner.halt();
                return;
            }
        };
        if let Some(pacer) = &self.pacer {
            pacer.cut(interval, &inputs, shares);
        }
        let batch = BatchInfo {
            interval,
            inputs,
            submitted_micros: now_micros,
            started_micros: None,
            ended_micros: None,
            outputs: Vec::new(),
            origin,
            phases: BatchPhases::default(),
        };
        self.waiters.formed(t);
        self.graph.bus.post(Event::BatchSubmitted(batch.clone()));
        self.runner.submit(batch, logged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_merge_while_too_many_batches_wait() {
        let at = BatchTime::from_millis;
        let mut ticker = Ticker { interval: Duration::from_millis(10), from: at(0), max_waiting: Some(2) };
        assert_eq!(ticker.tick(at(10), 0), Some(BatchInterval { from: at(0), to: at(10) }));
        assert_eq!(ticker.tick(at(20), 2), None);
        assert_eq!(ticker.tick(at(30), 3), None);
        assert_eq!(ticker.tick(at(40), 1), Some(BatchInterval { from: at(10), to: at(40) }));
    }
}
