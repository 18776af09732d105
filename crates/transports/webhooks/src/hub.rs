//! What do all webhooks share?

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use photinus_contract::{
    Callbacks, CodedError, ConnectionId, DeliveryId, Subscription, SubscriptionId,
    SubscriptionOptions,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::Clients;
use crate::config::{Config, Understood};
use crate::receiver::Limits;
use crate::route::Route;
use crate::sender::Sender;
use crate::settings::{Reader, Settings};
use crate::stations::{Shown, Stations, Telling};

/// How often senders are looked at that nothing was sent on.
const SWEEP: Duration = Duration::from_secs(60);
/// How long requests that are under way have at the end, so that their receivers need not be asked again.
const GRACE: Duration = Duration::from_secs(3);

/// The one connection of this transport, and all that runs on it.
pub(crate) struct Hub {
    config: Config,
    understood: Understood,
    telling: Arc<Telling>,
    /// Those that send.
    requests: TaskTracker,
    /// Nothing is begun any more.
    closing: CancellationToken,
    clients: Clients,
    stations: Stations,
    senders: RwLock<Senders>,
}

#[derive(Default)]
struct Senders {
    known: HashMap<SubscriptionId, Arc<Sender>>,
    /// A task looks for those that are over.
    are_swept: bool,
    is_closed: bool,
}

impl Hub {
    pub(crate) fn new(
        config: Config,
        connection: ConnectionId,
        callbacks: Arc<dyn Callbacks>,
    ) -> Result<Self, String> {
        let understood = config.understood()?;
        let telling = Arc::new(Telling {
            connection,
            callbacks,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let limits = Limits {
            failures: config.breaker_failures,
            delay: config.breaker_delay.value(),
            delay_max: config.breaker_delay_max.value(),
            window_max: config.requests_per_receiver_max,
        };
        let tls = config.tls.clone();
        Ok(Self {
            clients: Clients::new(understood.allowed.clone(), tls, telling.tasks.clone()),
            stations: Stations::new(telling.clone(), limits),
            senders: RwLock::default(),
            requests: TaskTracker::new(),
            closing: CancellationToken::new(),
            config,
            understood,
            telling,
        })
    }

    pub(crate) fn connection(&self) -> &ConnectionId {
        &self.telling.connection
    }

    pub(crate) fn callbacks(&self) -> &Arc<dyn Callbacks> {
        &self.telling.callbacks
    }

    fn tasks(&self) -> &TaskTracker {
        &self.telling.tasks
    }

    /// Where those run that send.
    pub(crate) fn requests(&self) -> &TaskTracker {
        &self.requests
    }

    /// Whether nothing is begun any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.telling.stop
    }

    pub(crate) fn response_bytes_max(&self) -> usize {
        self.config.response_bytes_max
    }

    /// The names of certificates that an operator has set.
    pub(crate) fn tls_names(&self) -> impl Iterator<Item = &str> {
        self.config.tls.keys().map(String::as_str)
    }

    /// Whether a `url` may be relative.
    pub(crate) fn has_base_url(&self) -> bool {
        self.understood.base_url.is_some()
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            config: &self.config,
            understood: &self.understood,
        }
    }

    /// Understands options, which have their secrets.
    pub(crate) fn settings(&self, options: &SubscriptionOptions) -> Result<Settings, CodedError> {
        self.reader().read(options)
    }

    /// Where a subscription leads now.
    pub(crate) fn route(&self, subscription: Arc<Subscription>) -> Result<Route, CodedError> {
        Route::new(subscription, &self.reader(), &self.clients, &self.stations)
    }

    /// The sender of a subscription; `None` after the end.
    pub(crate) fn sender(self: &Arc<Self>, id: SubscriptionId) -> Option<Arc<Sender>> {
        if let Some(sender) = self.known_sender(id) {
            return Some(sender);
        }
        let mut senders = self.senders.write().unwrap_or_else(PoisonError::into_inner);
        if senders.is_closed {
            return None;
        }
        let sender = senders.known.entry(id);
        let sender = sender
            .or_insert_with(|| Arc::new(Sender::new(id, self.clone())))
            .clone();
        if !std::mem::replace(&mut senders.are_swept, true) {
            let hub = self.clone();
            self.tasks().spawn(hub.sweep());
        }
        Some(sender)
    }

    pub(crate) fn void(&self, id: SubscriptionId, delivery: DeliveryId) {
        if let Some(sender) = self.known_sender(id) {
            sender.void(delivery);
        }
    }

    fn known_sender(&self, id: SubscriptionId) -> Option<Arc<Sender>> {
        let senders = self.senders.read().unwrap_or_else(PoisonError::into_inner);
        senders.known.get(&id).cloned()
    }

    /// The receivers that are in use.
    pub(crate) fn receivers(&self) -> Vec<Shown> {
        self.stations.shown()
    }

    /// Takes nothing any more, waits a while for what is under way, and gives up the rest.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        let senders = {
            let mut senders = self.senders.write().unwrap_or_else(PoisonError::into_inner);
            senders.is_closed = true;
            std::mem::take(&mut senders.known)
        };
        self.requests.close();
        let _ = tokio::time::timeout(GRACE, self.requests.wait()).await;
        self.stop().cancel();
        self.requests.wait().await;
        // With them go the clients, and with these the connections that are kept.
        drop(senders);
        self.tasks().close();
        self.tasks().wait().await;
    }

    /// Forgets senders that are over, for as long as there are any.
    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.stop().cancelled() => return,
                () = tokio::time::sleep(SWEEP) => {}
            }
            let mut senders = self.senders.write().unwrap_or_else(PoisonError::into_inner);
            // Whoever holds one is about to hand something over.
            senders
                .known
                .retain(|_, sender| Arc::strong_count(sender) > 1 || !sender.is_over());
            if senders.known.is_empty() {
                senders.are_swept = false;
                return;
            }
        }
    }
}
