//! Stopping: at once, or in order.
//!
//! Gracefully, in this order:
//! 1. sources stop taking in data, after what is on its way was stored;
//! 2. the ticks go on for one more batch, which takes everything that was stored;
//! 3. every batch that was formed is run;
//! 4. listeners are told the last events;
//! 5. the state becomes `Stopped`, and whoever waits is told.

use std::sync::atomic::Ordering;
use std::time::Duration;

use waterclock_base::world::lock;
use waterclock_base::{Error, Result};

use super::start::release_process;
use super::{ContextState, Inner, StreamingContext};
use crate::batch::{Drain, on_job_thread};
use crate::graph::stop_all;
use crate::listen::on_listener_thread;

/// How a context stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Running jobs are cancelled and waiting batches dropped.
    Now,
    /// Everything that was received is processed first.
    Gracefully,
}

impl StreamingContext {
    /// Stops the context for good and waits until it has. Stopping twice, or before `start`, is allowed.
    ///
    /// # Errors
    /// [`Error::Lifecycle`] when called by a listener, whose thread the stop has to wait for;
    /// [`Error::Timeout`] when a graceful stop took longer than `graceful_stop_timeout`: what was left is
    /// then dropped.
    pub fn stop(&self, how: Stop) -> Result<()> {
        if on_listener_thread() {
            let hint = "hand the wish to stop to another thread";
            return Err(Error::Lifecycle { call: "stop", state: "calling this listener", hint });
        }
        if self.inner.halt(how) {
            return Ok(());
        }
        Err(Error::Timeout {
            call: "stop",
            what: "batches were still at work and were dropped".into(),
            waited: self.inner.patience(),
            hint: "raise `graceful_stop_timeout`, or the batch interval if batches take longer than that",
        })
    }
}

impl Inner {
    /// Stops; false when patience ran out.
    pub(super) fn halt(&self, how: Stop) -> bool {
        {
            let mut life = lock(&self.life);
            if life.state == ContextState::Stopped {
                return true;
            }
            if life.stopping {
                drop(life);
                // A job of the context itself can't wait: the stop waits for it.
                if !on_job_thread() {
                    self.waiters.wait_for_stop();
                }
                return true;
            }
            life.stopping = true;
        }
        let running = lock(&self.running).take();
        let mut in_time = true;
        if let Some(running) = running {
            let graceful = how == Stop::Gracefully;
            stop_all(self.graph.sources().iter().map(|source| &**source), graceful);
            let drain = match (graceful, self.graph.settings.spark_rules.stop_after_second_tick) {
                (false, _) => Drain::Now,
                (true, false) => Drain::Ticks(1),
                (true, true) => Drain::Ticks(2),
            };
            running.generator.drain(drain);
            self.sources_stopped.store(true, Ordering::Release);
            running.generator.join();
            if graceful {
                in_time = self.waiters.wait_for_all(self.patience());
            }
            if !graceful || !in_time {
                running.runner.abandon();
                self.graph.engine.cancel_all_jobs();
            }
            running.runner.stop(graceful && in_time);
            if let Some(keeper) = running.runner.keeper()
                && graceful
                && in_time
                && let Some(at) = self.waiters.nothing_left()
                && let Err(error) = keeper.finish(at)
            {
                tracing::warn!(error = ?error, "the next start may have to repeat what is done already");
            }
            self.graph.bus.stop();
        }
        if let Some(checkpoint) = self.graph.checkpoint() {
            checkpoint.close();
        }
        release_process(self);
        self.graph.stop();
        self.graph.bus.progress().end();
        lock(&self.life).state = ContextState::Stopped;
        tracing::info!(in_time, "stopped");
        self.end_watching();
        self.waiters.stopped();
        in_time
    }

    fn patience(&self) -> Duration {
        let settings = &self.graph.settings;
        settings.graceful_stop_timeout.unwrap_or((settings.batch_interval * 10).max(Duration::from_secs(10)))
    }
}
