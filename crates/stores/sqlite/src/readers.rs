//! Who reads?
//!
//! A few threads, each with a connection that only reads. They share one queue, so a long read holds up
//! nothing while another thread is free. Every read sees all that was committed before it began.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use photinus_contract::BoxFuture;
use photinus_contract::store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::{self, Error};
use crate::schema::Place;

enum Job {
    Read(Box<dyn FnOnce(&Connection) + Send>),
    Stop,
}

/// The way to the readers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Readers {
    queue: Sender<Job>,
    place: Arc<Place>,
}

impl Readers {
    /// Starts the threads.
    pub(crate) fn start(place: &Arc<Place>) -> Result<(Self, Vec<JoinHandle<()>>), StoreError> {
        let (queue, jobs) = mpsc::channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let mut threads = Vec::new();
        let readers = Self {
            queue,
            place: place.clone(),
        };
        for _ in 0..place.config.readers.get() {
            let started = place.reading().and_then(|connection| {
                let jobs = jobs.clone();
                crate::spawn("sqlite-reader", place, move || run(&connection, &jobs))
            });
            match started {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    readers.stop(threads);
                    return Err(error);
                }
            }
        }
        Ok((readers, threads))
    }

    /// Reads on the next free thread. Not at all, if nobody waits for the answer by then.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Read(Box::new(move |connection| {
            if !answer.is_closed() {
                // It may have stopped waiting meanwhile.
                let _ = answer.send(read(connection));
            }
        }));
        // If the threads are gone, the answer goes with the job, and the wait below ends.
        let _ = self.queue.send(job);
        let place = self.place.clone();
        Box::pin(async move {
            match answered.await {
                Ok(read) => read.map_err(|error| error.at(&place.directory)),
                Err(_) => Err(error::closed()),
            }
        })
    }

    /// Answers what was asked before, then ends the threads.
    pub(crate) fn stop(&self, threads: Vec<JoinHandle<()>>) {
        for _ in &threads {
            let _ = self.queue.send(Job::Stop);
        }
        for thread in threads {
            crate::join(thread);
        }
    }
}

fn run(connection: &Connection, jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: the next thread waits for the lock instead of the queue.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(Job::Read(read)) => read(connection),
            Ok(Job::Stop) | Err(_) => return,
        }
    }
}
