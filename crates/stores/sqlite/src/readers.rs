//! Who reads?
//!
//! A few threads, each with a connection that only reads. Every read sees all that was committed before it began.

use std::sync::Arc;
use std::thread::JoinHandle;

use photinus_contract::BoxFuture;
use photinus_contract::store::StoreError;
use rusqlite::Connection;

use crate::error::Error;
use crate::schema::Place;
use crate::threads::Threads;

/// The way to the readers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Readers {
    threads: Threads<Connection>,
    place: Arc<Place>,
}

impl Readers {
    /// Starts the threads.
    pub(crate) fn start(place: &Arc<Place>) -> Result<(Self, Vec<JoinHandle<()>>), StoreError> {
        let count = place.config.readers.get();
        let (threads, started) = Threads::start("sqlite-reader", count, place, || place.reading())?;
        let place = place.clone();
        Ok((Self { threads, place }, started))
    }

    /// Reads on the next free thread. Not at all, if nobody waits for the answer by then.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let place = self.place.clone();
        self.threads
            .work(move |connection| read(connection).map_err(|error| error.at(&place.directory)))
    }

    /// Answers what was asked before, then ends the threads.
    pub(crate) fn stop(&self, threads: Vec<JoinHandle<()>>) {
        self.threads.stop(threads);
    }
}
