//! Does the store keep what the contract asks of every store?
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod suite;

use photinus_store_memory::MemoryStore;

fn open() -> (MemoryStore, ()) {
    (MemoryStore::new(), ())
}

store_suite!(open);
