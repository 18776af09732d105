//! Does the store keep what the contract asks of every store?
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::sync::Arc;

use photinus_conformance::store::Rig;
use photinus_contract::store::Store;
use photinus_store_sqlite::{Config, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

/// A data directory.
struct OnDisk {
    directory: TempDir,
    /// Those of which a crash has made a copy; the stores in them may still be at work.
    left: Vec<TempDir>,
}

impl Rig for OnDisk {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            left: Vec::new(),
        }
    }

    fn open(&mut self) -> Arc<dyn Store> {
        let store = SqliteStore::open(self.directory.path(), Config::default());
        Arc::new(store.unwrap())
    }

    /// The files as they are while the store is at work: what the operating system has of a process that is killed
    /// at this moment. (Not a power cut: what was written counts, synced or not.) The write-ahead file only grows
    /// while nothing is checkpointed, and the rules write less than that takes, so that the copy of it is a
    /// beginning of it, torn at worst in its last frame.
    fn crash(&mut self) -> bool {
        let copy = tempfile::tempdir().unwrap();
        for file in ["photinus.db", "photinus.db-wal"] {
            let from = self.directory.path().join(file);
            fs::copy(from, copy.path().join(file)).unwrap();
        }
        // After the rows: what a row says of a file on its way stays true.
        if let Ok(files) = fs::read_dir(self.directory.path().join("blobs")) {
            fs::create_dir(copy.path().join("blobs")).unwrap();
            for file in files {
                let file = file.unwrap();
                // One that is being removed may be gone.
                let _ = fs::copy(
                    file.path(),
                    copy.path().join("blobs").join(file.file_name()),
                );
            }
        }
        self.left.push(std::mem::replace(&mut self.directory, copy));
        true
    }

    /// A stranger has the lock that writing takes; the store waits for it.
    fn hold(&mut self) -> Option<Box<dyn FnOnce()>> {
        let stranger = Connection::open(self.directory.path().join("photinus.db")).unwrap();
        stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
        Some(Box::new(move || drop(stranger)))
    }
}

photinus_conformance::store_suite!(OnDisk);
