//! The local executor: a fixed set of worker threads and one queue.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use waterclock_base::JobId;
use waterclock_base::world::{JoinHandle, lock, spawn};

use crate::executor::{Executor, Submission};
use crate::task::panic_message;

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Submission>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// Worker threads that take tasks in the order in which they were submitted.
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Mutex<Vec<JoinHandle<()>>>,
    threads: usize,
}

impl ThreadPool {
    /// Starts `threads` workers.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::<Shared>::default();
        let workers = (0..threads.max(1))
            .map(|number| {
                let shared = shared.clone();
                spawn(&format!("worker-{number}"), move || work(&shared))
            })
            .collect();
        ThreadPool { shared, workers: Mutex::new(workers), threads: threads.max(1) }
    }
}

fn work(shared: &Shared) {
    loop {
        let mut queue = lock(&shared.queue);
        let submission = loop {
            if let Some(submission) = queue.tasks.pop_front() {
                break submission;
            }
            if queue.closed {
                return;
            }
            queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        };
        drop(queue);
        // The task itself catches. A result that nobody wants any more is dropped here, and that is the
        // program's code, too.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| submission.run())) {
            tracing::error!(panic = panic_message(panic), "a record panicked while it was dropped");
        }
    }
}

impl Executor for ThreadPool {
    fn slots(&self) -> usize {
        self.threads
    }

    fn submit(&self, submission: Submission) {
        lock(&self.shared.queue).tasks.push_back(submission);
        self.shared.changed.notify_one();
    }

    /// Takes the job's waiting tasks out of the queue; running ones see the cancellation themselves.
    fn cancel(&self, job: JobId) {
        let dropped: VecDeque<Submission> = {
            let mut queue = lock(&self.shared.queue);
            let (dropped, kept) = queue.tasks.drain(..).partition(|task| task.id.job == job);
            queue.tasks = kept;
            dropped
        };
        // Outside the lock: a submission may hold the last handle of something of the program's.
        drop(dropped);
    }

    fn shut_down(&self) {
        {
            let mut queue = lock(&self.shared.queue);
            queue.closed = true;
            queue.tasks.clear();
        }
        self.shared.changed.notify_all();
        let me = std::thread::current().id();
        for worker in lock(&self.workers).drain(..) {
            // The last handle of an engine may be dropped by one of its own tasks.
            if worker.thread().id() != me {
                // A worker never panics: it catches.
                let _ = worker.join();
            }
        }
    }
}
