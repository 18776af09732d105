//! How is the write-ahead file kept short without holding up the writer?
//!
//! ```text
//!   passive: copies pages into the database, and syncs it, while the writer goes on ──┐ again while much
//!   ◀──────────────────────────────────────────────────────────────────────────────────┘ is left
//!   pause the writer between two groups ─▶ copy the few pages that are left, begin anew ─▶ let it go on
//! ```

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use crate::error::Error;
use crate::figures::{Counts, Since};

/// Passive rounds before the writer is paused whatever is left.
const ROUNDS_MAX: u32 = 4;
/// The writer is paused as soon as a round left fewer pages than this part of the threshold.
const REST_PART: u32 = 16;
/// How long a paused writer waits for readers of old pages.
const READERS_WAIT: Duration = Duration::from_millis(20);
/// The same when the file has grown to [`FAR_BEYOND`] times the threshold.
const READERS_WAIT_LONG: Duration = Duration::from_millis(200);
/// See [`READERS_WAIT_LONG`].
const FAR_BEYOND: u32 = 4;
/// At so many times the threshold the writer waits for the copying under way, which cannot keep up.
const TOO_FAR: u32 = 8;

/// Where the writer and the checkpointer meet.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    /// Pages in the write-ahead file after the last commit.
    pages: u32,
    /// The writer is in a transaction.
    writing: bool,
    /// The writer is asked to wait.
    paused: bool,
    /// Pages are being copied; the writer waits if it is this many ahead.
    copying: Option<u32>,
    /// The store is being closed.
    closing: bool,
}

impl Gate {
    /// The writer is about to begin; waits while it is asked to.
    pub(crate) fn enter(&self) {
        let mut state = self.lock();
        while state.paused || state.copying.is_some_and(|limit| state.pages >= limit) {
            state = self.wait(state);
        }
        state.writing = true;
    }

    /// The writer has ended a transaction. Wakes the checkpointer where `pages` is what it waits for.
    pub(crate) fn leave(&self, pages: u32, wake_at: u32) {
        let mut state = self.lock();
        state.writing = false;
        state.pages = pages;
        if state.paused || pages >= wake_at {
            self.changed.notify_all();
        }
    }

    /// Ends the checkpointer.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    fn pause(&self) {
        let mut state = self.lock();
        state.paused = true;
        while state.writing {
            state = self.wait(state);
        }
    }

    fn resume(&self) {
        self.lock().paused = false;
        self.changed.notify_all();
    }

    /// A checkpoint has ended; `anew` says whether the next commit begins the file anew.
    fn copied(&self, anew: bool) {
        let mut state = self.lock();
        state.copying = None;
        if anew && !state.writing {
            state.pages = 0;
        }
        self.changed.notify_all();
    }

    // No code between lock and unlock can panic, so a poisoned lock still guards a sound state.
    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, GateState>) -> MutexGuard<'a, GateState> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings pages from the write-ahead file into the database, on a connection of its own.
pub(crate) struct Checkpointer {
    pub(crate) connection: Connection,
    /// The file of the database, to sync it while the writer goes on.
    pub(crate) file: Arc<File>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) threshold: u32,
    pub(crate) directory: PathBuf,
}

/// What a checkpoint found and did, in pages.
#[derive(Clone, Copy)]
struct Progress {
    /// A reader or a stranger was in the way.
    busy: bool,
    /// Pages of the file that are in the database.
    copied: u32,
}

impl Checkpointer {
    /// Works until the gate is closed.
    pub(crate) fn run(self) {
        let mut due = self.threshold;
        loop {
            let pages = {
                let mut state = self.gate.lock();
                while !state.closing && state.pages < due {
                    state = self.gate.wait(state);
                }
                if state.closing {
                    return;
                }
                state.copying = Some(self.threshold.saturating_mul(TOO_FAR));
                state.pages
            };
            let since = Since::now();
            let shortened = self.shorten(pages);
            self.counts.checkpoint(since);
            self.gate.copied(matches!(shortened, Ok(true)));
            due = match shortened {
                Ok(true) => self.threshold,
                // Something was in the way; try again when the file has grown by as much again.
                Ok(false) => pages.saturating_add(self.threshold),
                Err(error) if error.is_failed_sync() => self.end(&error),
                Err(error) => {
                    tracing::warn!(
                        directory = %self.directory.display(), %error, pages,
                        "the write-ahead file could not be brought into the database; it keeps growing until that succeeds"
                    );
                    pages.saturating_add(self.threshold)
                }
            };
        }
    }

    /// Whether the next commit begins the file anew.
    fn shorten(&self, pages: u32) -> Result<bool, Error> {
        for _ in 0..ROUNDS_MAX {
            let progress = self.checkpoint("passive")?;
            // SQLite leaves this to the last checkpoint, and there it would hold up the writer.
            self.sync();
            // What the writer has added meanwhile is not in what SQLite reports.
            let rest = self.gate.lock().pages.saturating_sub(progress.copied);
            if rest <= self.threshold / REST_PART {
                break;
            }
        }
        self.connection
            .busy_timeout(if pages / FAR_BEYOND >= self.threshold {
                READERS_WAIT_LONG
            } else {
                READERS_WAIT
            })?;
        self.gate.pause();
        let progress = self.checkpoint("restart");
        self.gate.resume();
        Ok(!progress?.busy)
    }

    /// Brings to the disk what was copied.
    fn sync(&self) {
        if let Err(error) = self.file.sync_data() {
            self.end(&error);
        }
    }

    /// What a failed sync would have written can be lost, and the next sync succeeds without it: whoever relies on
    /// that one begins the write-ahead file anew, which alone still has those pages. A process that starts copies
    /// all of the file again, so this one ends.
    fn end(&self, error: &dyn std::fmt::Display) -> ! {
        tracing::error!(
            directory = %self.directory.display(), %error,
            "the database could not be synced; the process ends, to copy it again from the write-ahead file at the next start"
        );
        std::process::abort();
    }

    fn checkpoint(&self, mode: &str) -> Result<Progress, Error> {
        let progress =
            self.connection
                .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
                    Ok(Progress {
                        busy: row.get::<_, i64>(0)? != 0,
                        copied: u32::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
                    })
                })?;
        Ok(progress)
    }
}
