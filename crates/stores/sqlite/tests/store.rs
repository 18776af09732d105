//! Does the store keep what the contract asks of every store?
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

// The suite stands with the memory store, so that every store passes the same one.
#[path = "../../memory/tests/suite/mod.rs"]
mod suite;

use photinus_store_sqlite::{Config, SqliteStore};
use tempfile::TempDir;

fn open() -> (SqliteStore, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path(), Config::default()).unwrap();
    (store, directory)
}

store_suite!(open);
