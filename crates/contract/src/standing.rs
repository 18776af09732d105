//! How is something that runs on a connection?
//!
//! What a transport shows an operator of each of its targets and sources.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// How something is that runs on a connection.
#[derive(Default)]
pub struct Standing(Mutex<Shown>);

/// What an operator sees of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Shown {
    /// `connecting`, `connected`, `blocked` or `down`.
    pub state: &'static str,
    /// Where it is connected to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Why it is not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How often a connection was made.
    pub connections: u64,
    /// What the broker has taken, or what was taken from it.
    pub taken: u64,
    /// What was not.
    pub refused: u64,
    /// Why it was not, last.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_refusal: String,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            state: "connecting",
            address: String::new(),
            reason: String::new(),
            connections: 0,
            taken: 0,
            refused: 0,
            last_refusal: String::new(),
        }
    }
}

impl Standing {
    /// It is connected to this address.
    pub fn connected(&self, address: &str) {
        let mut shown = self.lock();
        shown.state = "connected";
        shown.reason.clear();
        address.clone_into(&mut shown.address);
        shown.connections += 1;
    }

    /// It is not connected, for this reason.
    pub fn down(&self, reason: &str) {
        let mut shown = self.lock();
        shown.state = "down";
        shown.address.clear();
        reason.clone_into(&mut shown.reason);
    }

    /// The broker takes nothing for now, or takes something again.
    pub fn blocked(&self, reason: Option<&str>) {
        let mut shown = self.lock();
        shown.state = match reason {
            Some(_) => "blocked",
            None => "connected",
        };
        reason.unwrap_or_default().clone_into(&mut shown.reason);
    }

    /// So much was taken.
    pub fn took(&self, count: usize) {
        self.lock().taken += count as u64;
    }

    /// Something was refused, for this reason.
    pub fn refused(&self, reason: &str) {
        let mut shown = self.lock();
        shown.refused += 1;
        reason.clone_into(&mut shown.last_refusal);
    }

    /// How it is now.
    pub fn shown(&self) -> Shown {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
