//! What is known of a target, and who works on it?

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use photinus_contract::outbox::Outboxes;
use photinus_contract::{Callbacks, ConnectionId};
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Target;
use crate::options::Route;

/// A target: what is on its way to it, and how it is.
pub(crate) struct Hub {
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) outboxes: Outboxes<Route>,
    /// There may be something to send.
    pub(crate) wake: Arc<Notify>,
    standing: Standing,
}

/// What all of this transport share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) callbacks: Arc<dyn Callbacks>,
    pub(crate) tasks: TaskTracker,
    /// Nothing is begun any more.
    pub(crate) stop: CancellationToken,
}

impl Hub {
    pub(crate) fn new(name: &str, target: Target, connection: ConnectionId, of: &Shared) -> Self {
        let wake = Arc::new(Notify::new());
        let woken = wake.clone();
        let outboxes = Outboxes::new(connection, of.callbacks.clone(), move || {
            woken.notify_one();
        });
        Self {
            name: name.to_owned(),
            target,
            outboxes,
            wake,
            standing: Standing::default(),
        }
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }
}

/// How something is that runs on a connection.
#[derive(Default)]
pub(crate) struct Standing(Mutex<Shown>);

/// What an operator sees of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    /// `connecting`, `connected`, `blocked` or `down`.
    pub(crate) state: &'static str,
    /// Where it is connected to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) address: String,
    /// Why it is not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    /// How often a connection was made.
    pub(crate) connections: u64,
    /// What the broker has taken, or what was taken from it.
    pub(crate) taken: u64,
    /// What was not.
    pub(crate) refused: u64,
    /// Why it was not, last.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) last_refusal: String,
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
    pub(crate) fn connected(&self, address: &str) {
        let mut shown = self.lock();
        shown.state = "connected";
        shown.reason.clear();
        address.clone_into(&mut shown.address);
        shown.connections += 1;
    }

    pub(crate) fn down(&self, reason: &str) {
        let mut shown = self.lock();
        shown.state = "down";
        shown.address.clear();
        reason.clone_into(&mut shown.reason);
    }

    /// The broker takes nothing for now, or takes something again.
    pub(crate) fn blocked(&self, reason: Option<&str>) {
        let mut shown = self.lock();
        shown.state = match reason {
            Some(_) => "blocked",
            None => "connected",
        };
        reason.unwrap_or_default().clone_into(&mut shown.reason);
    }

    pub(crate) fn took(&self, count: usize) {
        self.lock().taken += count as u64;
    }

    pub(crate) fn refused(&self, reason: &str) {
        let mut shown = self.lock();
        shown.refused += 1;
        reason.clone_into(&mut shown.last_refusal);
    }

    pub(crate) fn shown(&self) -> Shown {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
