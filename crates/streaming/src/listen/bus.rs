//! Events reach listeners in order, on one thread, through a bounded queue; and watchers at once.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use waterclock_base::world::{lock, spawn};
use waterclock_base::{Event, Listener, Watcher};
use waterclock_engine::panic_message;

use super::Progress;
use super::log::log;
use super::owner::sign;

/// Events that may wait; more are dropped and counted.
const QUEUE: usize = 10_000;

/// How long the end waits for listeners that are at work.
const PATIENCE: Duration = Duration::from_secs(10);

thread_local! {
    static ON_BUS: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is the one that calls listeners.
pub(crate) fn on_listener_thread() -> bool {
    ON_BUS.get()
}

#[derive(Default)]
struct Listeners {
    all: Mutex<Vec<(u64, Arc<dyn Listener>)>>,
    any: AtomicBool,
    next: AtomicU64,
}

/// The way to the thread that calls listeners.
struct Queue {
    sender: SyncSender<Event>,
    /// Answers when that thread has ended.
    ended: Receiver<()>,
    /// Events that found no room since the last one that did.
    missed: u64,
}

/// Hands events to the totals and to watchers at once and to listeners in its own time. Handles are cheap to clone.
#[derive(Clone)]
pub(crate) struct Bus {
    progress: Arc<Progress>,
    watchers: Arc<OnceLock<Vec<Arc<dyn Watcher>>>>,
    listeners: Arc<Listeners>,
    queue: Arc<Mutex<Option<Queue>>>,
}

impl Bus {
    pub(crate) fn new(progress: Arc<Progress>) -> Self {
        Bus { progress, watchers: Arc::default(), listeners: Arc::default(), queue: Arc::default() }
    }

    /// Who is told at once. The first call counts.
    pub(crate) fn watched_by(&self, watchers: Vec<Arc<dyn Watcher>>) {
        self.watchers.get_or_init(|| watchers);
    }

    /// Those.
    pub(crate) fn watchers(&self) -> impl Iterator<Item = &Arc<dyn Watcher>> {
        self.watchers.get().into_iter().flatten()
    }

    /// The running totals.
    pub(crate) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Adds a listener and gives the number under which it can be removed.
    pub(crate) fn add(&self, listener: Arc<dyn Listener>) -> u64 {
        let number = self.listeners.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.listeners.all).push((number, listener));
        self.listeners.any.store(true, Ordering::Relaxed);
        number
    }

    /// Removes a listener.
    pub(crate) fn remove(&self, number: u64) {
        let mut all = lock(&self.listeners.all);
        all.retain(|(other, _)| *other != number);
        self.listeners.any.store(!all.is_empty(), Ordering::Relaxed);
    }

    /// Something happened.
    pub(crate) fn post(&self, mut event: Event) {
        sign(&mut event);
        log(&event);
        self.progress.take_in(&event);
        for watcher in self.watchers() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| watcher.hear(&event))) {
                let panic = panic_message(panic);
                tracing::error!(panic, "a watcher panicked; it will be called again for the next event");
            }
        }
        if !self.listeners.any.load(Ordering::Relaxed) {
            return;
        }
        if let Some(queue) = &mut *lock(&self.queue) {
            let missed = queue.send(event);
            if missed > 0 {
                self.progress.dropped_events(missed);
            }
        }
    }

    /// Starts to call listeners.
    pub(crate) fn start(&self) {
        let (sender, receiver) = sync_channel(QUEUE);
        let (tell_end, ended) = channel();
        let listeners = self.listeners.clone();
        spawn("listeners", move || {
            deliver(&receiver, &listeners);
            // Nobody waits any more for a thread that took too long.
            let _ = tell_end.send(());
        });
        *lock(&self.queue) = Some(Queue { sender, ended, missed: 0 });
    }

    /// Delivers what waits, then ends. Later events reach nobody. A listener that hangs is left behind.
    pub(crate) fn stop(&self) {
        let Some(Queue { sender, ended, .. }) = lock(&self.queue).take() else { return };
        drop(sender);
        if ended.recv_timeout(PATIENCE).is_err() {
            tracing::error!("a listener did not come back; it is left behind");
        }
    }
}

impl Queue {
    /// Sends an event, or drops it where a listener can't keep up: it loses events, not the stream its pace. Tells
    /// how many were dropped now.
    fn send(&mut self, event: Event) -> u64 {
        if self.missed > 0 {
            let gap = Event::EventsDropped { events: self.missed };
            if self.sender.try_send(gap).is_ok() {
                self.missed = 0;
            }
        }
        match self.sender.try_send(event) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => 0,
            Err(TrySendError::Full(_)) => {
                if self.missed == 0 {
                    tracing::warn!("listeners are too slow: events are dropped");
                }
                self.missed += 1;
                1
            }
        }
    }
}

fn deliver(receiver: &Receiver<Event>, listeners: &Listeners) {
    ON_BUS.set(true);
    while let Ok(event) = receiver.recv() {
        let all = lock(&listeners.all).clone();
        for (_, listener) in all {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| listener.on_event(&event))) {
                let panic = panic_message(panic);
                tracing::error!(panic, "a listener panicked; it will be called again for the next event");
            }
        }
    }
}
