//! What is known of a target, and who works on it?

use std::sync::Arc;

use photinus_contract::outbox::Outboxes;
use photinus_contract::standing::Standing;
use photinus_contract::{Callbacks, ConnectionId, targets};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::config::Target;
use crate::connect::Client;
use crate::options::Route;

/// How many answers the broker hands over that were not looked at yet.
const ANSWERS_MAX: u16 = 1_000;

/// A target: what is on its way to it, and how it is.
pub(crate) struct Hub {
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) outboxes: Outboxes<Route>,
    /// There may be something to send.
    pub(crate) wake: Arc<Notify>,
    pub(crate) client: Client,
    /// Where applications answer. Nobody can guess it.
    pub(crate) answers: String,
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
        let made_up = Uuid::new_v4().simple().to_string();
        let id = match target.client_id.as_str() {
            "" => format!("photinus-{}", &made_up[..12]),
            given => given.to_owned(),
        };
        Self {
            answers: format!("{}/{}", target.answers_topic, Uuid::new_v4().simple()),
            client: Client {
                id,
                kept: None,
                receive_max: ANSWERS_MAX,
            },
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
