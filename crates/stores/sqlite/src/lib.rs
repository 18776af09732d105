//! How does Photinus keep its data in SQLite?
//!
//! One database in a data directory of its own, one thread that writes and a few that read:
//!
//! ```text
//!   Store methods ─▶ writer: one transaction for all that has queued ─▶ photinus.db-wal ─┐ checkpointer
//!                 ├▶ readers: a connection each, read only ◀── photinus.db ◀─────────────┘
//!                 └▶ blob threads: a file each ◀─▶ blobs/
//! ```
//!
//! Invariants: only the writer thread writes rows, apart from the checkpointer, which changes no content; nothing
//! is answered before its transaction is committed; the lock on the directory is held from before the first
//! look at the data until after the last.

mod append;
mod blobs;
mod checkpoint;
mod config;
mod datatypes;
mod error;
mod figures;
mod files;
mod lock;
mod log;
mod migration;
mod namespaces;
mod newest;
mod offsets;
mod parked;
mod queue;
mod readers;
mod row;
mod schema;
mod step;
mod stored;
mod subscriptions;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod threads;
mod trial;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::thread::{self, JoinHandle};

use photinus_contract::store::{Store, StoreError, StoreErrorKind, StoreFigures};
use photinus_contract::{BoxFuture, Namespace};
use tokio::sync::oneshot;

use self::checkpoint::{Checkpointer, Gate};
pub use self::config::{Config, Synchronous};
use self::figures::Counts;
use self::files::Files;
use self::lock::Lock;
use self::queue::{Op, Queue};
use self::readers::Readers;
use self::schema::Place;
use self::step::Names;
use self::writer::Writer;

/// The store. Dropping it waits until everything that was called is done, as [`close`](Store::close) does.
pub struct SqliteStore {
    place: Arc<Place>,
    queue: Queue,
    readers: Readers,
    files: Files,
    names: Names,
    counts: Arc<Counts>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens the data in `directory`, which is created if it is not there, and starts the threads.
    ///
    /// The kind of the error tells what is wrong: another process has the directory
    /// ([`InUse`](StoreErrorKind::InUse)), a later version wrote it ([`Newer`](StoreErrorKind::Newer)), what is
    /// there is no database of ours ([`Corrupt`](StoreErrorKind::Corrupt)), or it cannot be written
    /// ([`Inaccessible`](StoreErrorKind::Inaccessible)). Nothing is changed in these cases.
    pub fn open(directory: &Path, config: Config) -> Result<Self, StoreError> {
        let place = Arc::new(Place::make(directory, &config)?);
        let lock = Lock::take(directory)?;
        trial::remove(directory);
        place.prepare()?;
        let connection = place.writing()?;
        let found = namespaces::numbers(&connection)
            .and_then(|names| offsets::forget_ephemeral(&connection).map(|()| names))
            .map_err(|error| error.at(directory))?;
        let names: Names = Arc::new(RwLock::new(found));
        let blob_bytes = blobs::sweep(&connection, &place)?;

        let gate = Arc::new(Gate::default());
        let counts = Arc::new(Counts::default());
        let file = Arc::new(place.file()?);
        let checkpointer = Checkpointer {
            connection: place.writing()?,
            file: file.clone(),
            gate: gate.clone(),
            counts: counts.clone(),
            threshold: config.checkpoint_pages.get(),
            directory: directory.to_owned(),
        };
        let (readers, reader_threads) = Readers::start(&place)?;
        let (files, file_threads) = match Files::start(&place, blob_bytes) {
            Ok(started) => started,
            Err(error) => {
                readers.stop(reader_threads);
                return Err(error);
            }
        };
        let checkpoint_thread = match spawn("sqlite-copier", &place, || checkpointer.run()) {
            Ok(thread) => thread,
            Err(error) => {
                readers.stop(reader_threads);
                files.stop(file_threads);
                return Err(error);
            }
        };
        let (sender, queue) = mpsc::channel();
        let writer = Writer {
            connection,
            place: place.clone(),
            names: names.clone(),
            gate,
            counts: counts.clone(),
            queue,
            readers: readers.clone(),
            reader_threads,
            files: files.clone(),
            file_threads,
            checkpoint_thread,
            file,
            lock,
        };
        let writer = spawn("sqlite-writer", &place, || writer.run())?;
        Ok(Self {
            place,
            queue: Queue(sender),
            readers,
            files,
            names,
            counts,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// The number of a namespace, if it was created.
    fn namespace(&self, name: &Namespace) -> Option<i64> {
        self.names
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .copied()
    }
}

impl Store for SqliteStore {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn location(&self) -> String {
        self.place
            .directory
            .join(schema::FILE)
            .display()
            .to_string()
    }

    fn trial_write(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.queue.write_one(trial::write)
    }

    fn figures(&self) -> StoreFigures {
        let mut figures = self.counts.read(&self.place.directory);
        figures.blob_bytes = Some(self.files.bytes());
        figures
    }

    fn close(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        let (answer, answered) = oneshot::channel();
        // If the writer is gone, the answer goes with the request, and the wait below ends.
        let _ = self.queue.0.send(Op::Close(Some(answer)));
        Box::pin(async move { answered.await.map_err(|_| error::closed()) })
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        let _ = self.queue.0.send(Op::Close(None));
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            join(writer);
        }
    }
}

fn spawn(
    name: &str,
    place: &Place,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|error| {
            StoreError::new(
                StoreErrorKind::Other,
                format!(
                    "{}: the thread {name} was not started: {error}",
                    place.directory.display()
                ),
            )
        })
}

/// Waits for a thread to end. One that panicked has printed why.
fn join(thread: JoinHandle<()>) {
    let name = thread.thread().name().unwrap_or_default().to_owned();
    if thread.join().is_err() {
        tracing::error!(thread = name, "a thread of the store panicked");
    }
}
