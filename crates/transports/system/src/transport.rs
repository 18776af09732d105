//! What does the engine call, and where does a listener come from?

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use photinus_contract::{
    BoxFuture, Callbacks, Capabilities, CodedError, ConnectionId, Delivery, DeliveryId, HandOver,
    SubscriptionFilter, SubscriptionId, SubscriptionOptions, Transport, TransportPlugin,
    VoidReason,
};
use serde_json::Value;

use crate::config::Config;
use crate::connection::{Connection, Listener};

/// The name of the transport.
const NAME: &str = "system";

/// The transport `system`. Clones share everything.
#[derive(Clone, Default)]
pub struct System {
    hub: Arc<Hub>,
}

/// The way to listen. Cheap to clone; there before the transport runs, and refusing until then.
#[derive(Clone)]
pub struct Listeners {
    hub: Arc<Hub>,
}

impl System {
    /// A transport that does not run yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What code in this process listens with.
    pub fn listeners(&self) -> Listeners {
        Listeners {
            hub: self.hub.clone(),
        }
    }
}

impl Listeners {
    /// Starts to listen: what is committed from now on and matches is heard, or, by `options.firstEvent`, what
    /// is older, too. Acknowledged is what was heard before when the next is asked for; see
    /// [`Listener::explicit`].
    ///
    /// Refused with `PH00503` while the transport does not run, with `PH00434` if there are too many listeners,
    /// and as an ephemeral subscription is.
    pub fn listen(
        &self,
        namespace: &str,
        filter: SubscriptionFilter,
        options: SubscriptionOptions,
    ) -> Result<Listener, CodedError> {
        let (connection, callbacks) = self.hub.open()?;
        // From here on the listener's end takes the connection out again.
        let listener = Listener::new(self.hub.clone(), connection.clone(), callbacks.clone());
        callbacks.ephemeral_subscription(&connection.id, namespace, filter, options)?;
        Ok(listener)
    }

    /// Ends all listeners, now and for good: they hear nothing more, and new ones are refused. For a server
    /// that is about to stop, before it waits for whoever listens.
    pub fn close(&self) {
        self.hub.close();
    }
}

/// What all listeners share.
#[derive(Default)]
pub(crate) struct Hub {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<(Config, Arc<dyn Callbacks>)>,
    closed: bool,
    opened: u64,
    connections: HashMap<ConnectionId, Arc<Connection>>,
}

impl Hub {
    fn open(&self) -> Result<(Arc<Connection>, Arc<dyn Callbacks>), CodedError> {
        let mut state = self.lock();
        if state.closed {
            return Err(CodedError::unavailable("The server is stopping"));
        }
        let Some((config, callbacks)) = state.running.clone() else {
            let text = "Transport 'system' does not run yet";
            return Err(CodedError::unavailable(text));
        };
        if state.connections.len() >= config.listeners_max {
            let max = config.listeners_max;
            let text = format!(
                "There are {max} listeners within the server already ([transports.system] listeners_max)"
            );
            return Err(CodedError::new("PH00434", 503, text));
        }
        state.opened += 1;
        let id = ConnectionId::new(format!("{NAME}-{}", state.opened));
        let connection = Arc::new(Connection::new(id.clone(), config.queue_events_max));
        state.connections.insert(id, connection.clone());
        Ok((connection, callbacks))
    }

    /// Takes a connection out. Whether it was there.
    pub(crate) fn remove(&self, id: &ConnectionId) -> bool {
        self.lock().connections.remove(id).is_some()
    }

    fn close(&self) {
        let (connections, callbacks) = {
            let mut state = self.lock();
            state.closed = true;
            let callbacks = state.running.take().map(|(_, callbacks)| callbacks);
            (std::mem::take(&mut state.connections), callbacks)
        };
        for connection in connections.into_values() {
            connection.close();
            if let Some(callbacks) = &callbacks {
                callbacks.connection_closed(&connection.id);
            }
        }
    }

    fn connection(&self, id: &ConnectionId) -> Option<Arc<Connection>> {
        self.lock().connections.get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // It is changed in one step, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TransportPlugin for System {
    fn name(&self) -> &'static str {
        NAME
    }

    fn config_schema(&self) -> Value {
        schemars::schema_for!(Config).to_value()
    }

    fn check_config(&self, config: &Value) -> Result<(), String> {
        Config::from_section(config).map(drop)
    }

    fn init(
        &self,
        config: Value,
        callbacks: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        let started = Config::from_section(&config).map(|config| {
            self.hub.lock().running = Some((config, callbacks));
            let transport: Arc<dyn Transport> = Arc::new(Running {
                hub: self.hub.clone(),
            });
            transport
        });
        Box::pin(std::future::ready(started))
    }
}

/// The transport while it runs.
struct Running {
    hub: Arc<Hub>,
}

impl Transport for Running {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.replies = true;
        capabilities.ordering_keys = true;
        capabilities
    }

    fn deliver(&self, delivery: Delivery) -> HandOver {
        match self.hub.connection(&delivery.connection) {
            Some(connection) => connection.deliver(delivery),
            None => HandOver::Closed,
        }
    }

    fn voided(
        &self,
        connection: &ConnectionId,
        _subscription: SubscriptionId,
        delivery: DeliveryId,
        _reason: VoidReason,
    ) {
        if let Some(connection) = self.hub.connection(connection) {
            connection.void(delivery);
        }
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        self.hub.close();
        Box::pin(std::future::ready(()))
    }
}
