//! Who writes, and when is it answered?
//!
//! One thread, with the only connection that writes. It takes all that is queued, applies it in one
//! transaction, and answers after the commit, so that the cost of reaching the disk is shared:
//!
//! ```text
//!   append ─┐
//!   commit ─┼─▶ queue ─▶ BEGIN IMMEDIATE · apply each, in order · COMMIT ─▶ answer each
//!   park   ─┘                  └ one that fails harms no other; the disk failing fails all
//! ```

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use photinus_contract::store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::checkpoint::Gate;
use crate::error::Error;
use crate::figures::{Counts, Since};
use crate::files::Files;
use crate::lock::Lock;
use crate::queue::{Op, Size, Write};
use crate::readers::Readers;
use crate::schema::Place;
use crate::step::{self, Known, Names, Step};

/// The thread that writes, and all that ends with it.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) place: Arc<Place>,
    pub(crate) names: Names,
    pub(crate) gate: Arc<Gate>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) queue: Receiver<Op>,
    pub(crate) readers: Readers,
    pub(crate) reader_threads: Vec<JoinHandle<()>>,
    pub(crate) files: Files,
    pub(crate) file_threads: Vec<JoinHandle<()>>,
    pub(crate) checkpoint_thread: JoinHandle<()>,
    /// Held until the last connection is closed, see [`Place::file`].
    pub(crate) file: Arc<File>,
    pub(crate) lock: Lock,
}

impl Writer {
    /// Works until it is told to close, then releases everything.
    pub(crate) fn run(mut self) {
        let pages = Arc::new(AtomicU32::new(0));
        let counted = pages.clone();
        let hooked = self.connection.wal_hook(Some(move |_: &mut _, pages: i32| {
            counted.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }));
        if let Err(error) = hooked {
            tracing::error!(%error, "the size of the write-ahead file is not known, it will not be shortened");
        }
        let mut known = Known::committed(&self.names);
        let mut ahead = VecDeque::new();
        let closing = loop {
            let Gathered { group, close } = self.gather(&mut ahead);
            if !group.is_empty() {
                self.gate.enter();
                let since = Since::now();
                let outcome = self.transact(group, &mut known);
                self.counts.transaction(since);
                let pages = pages.load(Ordering::Relaxed);
                self.gate
                    .leave(pages, self.place.config.checkpoint_pages.get());
                outcome.answer();
            }
            if let Some(answer) = close {
                break answer;
            }
        };
        self.close();
        if let Some(closing) = closing {
            let _ = closing.send(());
        }
    }

    /// Waits for something to do and takes what has queued, up to the limits of a group.
    fn gather(&self, ahead: &mut VecDeque<Op>) -> Gathered {
        let config = &self.place.config;
        let mut group: Vec<Box<dyn Write>> = Vec::new();
        let mut total = Size::default();
        loop {
            let next = match ahead.pop_front() {
                Some(op) => op,
                None if group.is_empty() => match self.queue.recv() {
                    Ok(op) => op,
                    Err(_) => {
                        return Gathered {
                            group,
                            close: Some(None),
                        };
                    }
                },
                None => match self.queue.try_recv() {
                    Ok(op) => op,
                    Err(_) => return Gathered { group, close: None },
                },
            };
            match next {
                Op::Write(write) => {
                    let size = write.size();
                    total.records = total.records.saturating_add(size.records);
                    total.bytes = total.bytes.saturating_add(size.bytes);
                    let fits = total.records <= config.group_records_max.get()
                        && total.bytes <= config.group_bytes_max.get();
                    if !fits && !group.is_empty() {
                        ahead.push_front(Op::Write(write));
                        return Gathered { group, close: None };
                    }
                    group.push(write);
                }
                Op::Close(answer) => {
                    let close = Some(answer);
                    return Gathered { group, close };
                }
                #[cfg(test)]
                Op::LimitPages(pages) => {
                    if !group.is_empty() {
                        ahead.push_front(Op::LimitPages(pages));
                        return Gathered { group, close: None };
                    }
                    crate::schema::limit_pages(&self.connection, pages).expect("a page limit");
                }
            }
        }
    }

    /// Applies a group and commits it.
    fn transact(&self, mut group: Vec<Box<dyn Write>>, known: &mut Known) -> Outcome {
        let result = self.apply(&mut group, known);
        match &result {
            Ok(()) => known.publish(&self.names),
            Err(_) => {
                if !self.connection.is_autocommit()
                    && let Err(error) = self.connection.execute_batch("ROLLBACK")
                {
                    tracing::error!(%error, "a failed transaction could not be rolled back");
                }
                *known = Known::committed(&self.names);
            }
        }
        Outcome {
            group,
            result: result.map_err(|error| error.at(&self.place.directory)),
        }
    }

    fn apply(&self, group: &mut [Box<dyn Write>], known: &mut Known) -> Result<(), Error> {
        step::run(&self.connection, "BEGIN IMMEDIATE")?;
        let mut step = Step {
            connection: &self.connection,
            place: &self.place,
            known,
        };
        for write in group {
            write.apply(&mut step)?;
        }
        let since = Since::now();
        let committed = step::run(&self.connection, "COMMIT");
        self.counts.commit(since);
        committed
    }

    /// The last connection to close brings the write-ahead file into the database and removes it.
    fn close(self) {
        drop(self.queue);
        self.readers.stop(self.reader_threads);
        self.files.stop(self.file_threads);
        self.gate.close();
        crate::join(self.checkpoint_thread);
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(directory = %self.place.directory.display(), %error, "the database was not closed cleanly; nothing is lost");
        }
        drop(self.file);
        drop(self.lock);
    }
}

/// What the writer does next.
struct Gathered {
    /// Writes that share one transaction.
    group: Vec<Box<dyn Write>>,
    /// Set if it ends after them, with whom to tell, if anybody waits.
    close: Option<Option<oneshot::Sender<()>>>,
}

/// A group whose transaction is over.
struct Outcome {
    group: Vec<Box<dyn Write>>,
    result: Result<(), StoreError>,
}

impl Outcome {
    fn answer(self) {
        for write in self.group {
            write.answer(self.result.clone());
        }
    }
}
