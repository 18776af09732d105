//! Does the store keep what the contract asks of every store?
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use photinus_conformance::store::Rig;
use photinus_contract::store::Store;
use photinus_store_memory::MemoryStore;

struct InMemory(MemoryStore);

impl Rig for InMemory {
    fn new() -> Self {
        Self(MemoryStore::new())
    }

    fn open(&mut self) -> Arc<dyn Store> {
        // A clone shares the data and is open by itself, as another process would be.
        Arc::new(self.0.clone())
    }

    /// What was durable is there; what was queued is lost.
    fn crash(&mut self) -> bool {
        self.0 = self.0.crash();
        true
    }

    fn hold(&mut self) -> Option<Box<dyn FnOnce()>> {
        self.0.hold_writes();
        let held = self.0.clone();
        Some(Box::new(move || held.release_all()))
    }
}

photinus_conformance::store_suite!(InMemory);
