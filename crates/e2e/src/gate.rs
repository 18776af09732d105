//! How does a receiver wait for what a test does next?

use std::sync::{Arc, Condvar, Mutex};

use crate::waiting::PATIENCE;

/// Whoever waits before it goes on when it is opened. Clones are the same gate.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// One that is closed.
    pub fn closed() -> Self {
        Self::default()
    }

    /// Lets everybody through from now on.
    pub fn open(&self) {
        let (is_open, changed) = &*self.0;
        *is_open.lock().expect(NOT_POISONED) = true;
        changed.notify_all();
    }

    /// Returns when it is open; after the longest time that anything may take in any case.
    pub fn wait(&self) {
        let (is_open, changed) = &*self.0;
        let is_open = is_open.lock().expect(NOT_POISONED);
        let waited = changed.wait_timeout_while(is_open, PATIENCE, |is_open| !*is_open);
        drop(waited);
    }
}

const NOT_POISONED: &str = "no thread panics while it holds this";
