//! Events reach listeners in order, on one thread, through a bounded queue.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

use waterclock_base::world::{JoinHandle, lock, spawn};
use waterclock_base::{Event, Listener};

use super::Progress;

/// Events that may wait; more are dropped and counted.
const QUEUE: usize = 10_000;

thread_local! {
    static ON_BUS: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is the one that calls listeners.
pub(crate) fn on_listener_thread() -> bool {
    ON_BUS.get()
}

enum Message {
    Event(Event),
    Stop,
}

#[derive(Default)]
struct Listeners {
    all: Mutex<Vec<(u64, Arc<dyn Listener>)>>,
    any: AtomicBool,
    next: AtomicU64,
    dropped: AtomicU64,
}

/// Hands events to the totals at once and to listeners in its own time. Handles are cheap to clone.
#[derive(Clone)]
pub(crate) struct Bus {
    progress: Arc<Progress>,
    listeners: Arc<Listeners>,
    queue: Arc<Mutex<Option<(SyncSender<Message>, JoinHandle<()>)>>>,
}

impl Bus {
    pub(crate) fn new(progress: Arc<Progress>) -> Self {
        Bus { progress, listeners: Arc::default(), queue: Arc::default() }
    }

    /// The running totals.
    pub(crate) fn progress(&self) -> &Progress {
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
        lock(&self.listeners.all).retain(|(other, _)| *other != number);
    }

    /// Something happened.
    pub(crate) fn post(&self, event: Event) {
        self.progress.take_in(&event);
        if !self.listeners.any.load(Ordering::Relaxed) {
            return;
        }
        let queue = lock(&self.queue);
        if let Some((sender, _)) = &*queue
            && let Err(TrySendError::Full(_)) = sender.try_send(Message::Event(event))
        {
            // A listener that can't keep up loses events, not the stream its pace.
            if self.listeners.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!("listeners are too slow: events are dropped");
            }
        }
    }

    /// Starts to call listeners.
    pub(crate) fn start(&self) {
        let (sender, receiver) = sync_channel(QUEUE);
        let listeners = self.listeners.clone();
        let thread = spawn("listeners", move || deliver(&receiver, &listeners));
        *lock(&self.queue) = Some((sender, thread));
    }

    /// Delivers what waits, then ends. Later events reach nobody.
    pub(crate) fn stop(&self) {
        if let Some((sender, thread)) = lock(&self.queue).take() {
            // Both fail only when the thread is gone, which is what is wanted.
            let _ = sender.send(Message::Stop);
            let _ = thread.join();
        }
    }
}

fn deliver(receiver: &Receiver<Message>, listeners: &Listeners) {
    ON_BUS.set(true);
    while let Ok(Message::Event(event)) = receiver.recv() {
        let all = lock(&listeners.all).clone();
        for (_, listener) in all {
            if catch_unwind(AssertUnwindSafe(|| listener.on_event(&event))).is_err() {
                tracing::error!("a listener panicked; it will be called again for the next event");
            }
        }
    }
}
