//! Who does what may take its time?
//!
//! A few threads, each with something of its own, share one queue, so that what takes long holds up nothing while
//! another thread is free.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use photinus_contract::BoxFuture;
use photinus_contract::store::StoreError;
use tokio::sync::oneshot;

use crate::error;
use crate::schema::Place;

enum Job<C> {
    Work(Box<dyn FnOnce(&C) + Send>),
    Stop,
}

/// The way to threads that have a `C` each. Cheap to clone.
pub(crate) struct Threads<C>(Sender<Job<C>>);

impl<C> Clone for Threads<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: Send + 'static> Threads<C> {
    /// Starts `count` threads.
    pub(crate) fn start(
        name: &str,
        count: usize,
        place: &Place,
        own: impl Fn() -> Result<C, StoreError>,
    ) -> Result<(Self, Vec<JoinHandle<()>>), StoreError> {
        let (queue, jobs) = mpsc::channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let (this, mut started) = (Self(queue), Vec::with_capacity(count));
        for _ in 0..count {
            let thread = own().and_then(|own| {
                let jobs = jobs.clone();
                crate::spawn(name, place, move || run(&own, &jobs))
            });
            match thread {
                Ok(thread) => started.push(thread),
                Err(error) => {
                    this.stop(started);
                    return Err(error);
                }
            }
        }
        Ok((this, started))
    }

    /// Works on the next free thread. Not at all, if nobody waits for the answer by then.
    pub(crate) fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&C) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (answer, answered) = oneshot::channel();
        self.leave(move |own| {
            if !answer.is_closed() {
                // It may have stopped waiting meanwhile.
                let _ = answer.send(work(own));
            }
        });
        // If the threads are gone, the answer goes with the job.
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(error::closed())) })
    }

    /// Leaves something to be done, for which nobody waits.
    pub(crate) fn leave(&self, work: impl FnOnce(&C) + Send + 'static) {
        let _ = self.0.send(Job::Work(Box::new(work)));
    }

    /// Does what was asked before, then ends the threads.
    pub(crate) fn stop(&self, threads: Vec<JoinHandle<()>>) {
        for _ in &threads {
            let _ = self.0.send(Job::Stop);
        }
        for thread in threads {
            crate::join(thread);
        }
    }
}

fn run<C>(own: &C, jobs: &Mutex<Receiver<Job<C>>>) {
    loop {
        // The lock is held while waiting: the next thread waits for the lock instead of the queue.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(Job::Work(work)) => work(own),
            Ok(Job::Stop) | Err(_) => return,
        }
    }
}
