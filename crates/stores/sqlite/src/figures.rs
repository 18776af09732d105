//! How large is the data, and how busy is who writes it?
//!
//! The one room of this crate that looks at a clock, and only to tell how long something took.

use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use photinus_contract::store::{StoreFigures, Work};

use crate::schema::{FILE, FILE_WAL};

/// What is counted, shared by the threads that do it.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<Sums>);

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    transactions: Work,
    commits: Duration,
    checkpoints: Work,
}

/// Since when something is done.
#[derive(Clone, Copy)]
pub(crate) struct Since(Instant);

impl Since {
    #[expect(
        clippy::disallowed_methods,
        reason = "only how long it took is told, and nothing depends on it"
    )]
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }
}

impl Counts {
    pub(crate) fn transaction(&self, since: Since) {
        add(&mut self.lock().transactions, since);
    }

    /// A transaction was brought to the disk, or that was tried.
    pub(crate) fn commit(&self, since: Since) {
        self.lock().commits += since.0.elapsed();
    }

    pub(crate) fn checkpoint(&self, since: Since) {
        add(&mut self.lock().checkpoints, since);
    }

    pub(crate) fn read(&self, directory: &Path) -> StoreFigures {
        let sums = *self.lock();
        let size = |name| std::fs::metadata(directory.join(name)).ok();
        let mut figures = StoreFigures::default();
        figures.database_bytes = size(FILE).map(|file| file.len());
        figures.write_ahead_bytes = size(FILE_WAL).map(|file| file.len());
        figures.transactions = Some(sums.transactions);
        figures.commits = Some(sums.commits);
        figures.checkpoints = Some(sums.checkpoints);
        figures
    }

    // Taken a few times for a transaction, by one thread, and when somebody asks.
    fn lock(&self) -> std::sync::MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(work: &mut Work, since: Since) {
    work.count += 1;
    work.time += since.0.elapsed();
}
