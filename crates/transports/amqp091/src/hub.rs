//! What is known of a target, and who works on it?

use std::sync::Arc;

use photinus_contract::outbox::Outboxes;
use photinus_contract::standing::Standing;
use photinus_contract::{Callbacks, ConnectionId, targets};
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
    pub(crate) standing: Standing,
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
}

impl targets::Target for Hub {
    type Route = Route;

    fn outboxes(&self) -> &Outboxes<Route> {
        &self.outboxes
    }

    fn standing(&self) -> &Standing {
        &self.standing
    }
}
