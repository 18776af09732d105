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
use crate::connection::Connection;
use crate::listener::Listener;

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
        let connection = self.hub.open()?;
        // From here on the listener's end is the connection's.
        let listener = Listener::new(self.hub.clone(), connection.clone());
        connection
            .callbacks
            .ephemeral_subscription(&connection.id, namespace, filter, options)?;
        Ok(listener)
    }

    /// Ends all listeners, now and for good: they hear nothing more, and new ones are refused. For a server
    /// that is about to stop, before it waits for whoever listens.
    pub fn close(&self) {
        self.hub.close();
    }
}

/// What all listeners share: the transport, before it runs and while it does.
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
    fn open(&self) -> Result<Arc<Connection>, CodedError> {
        let mut state = self.lock();
        if state.closed {
            return Err(CodedError::unavailable("The server is stopping"));
        }
        let Some((config, callbacks)) = &state.running else {
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
        let id = ConnectionId::new(format!("{NAME}-{}", state.opened + 1));
        let connection = Arc::new(Connection::new(id.clone(), callbacks.clone(), config));
        state.opened += 1;
        state.connections.insert(id, connection.clone());
        Ok(connection)
    }

    /// Ends a connection, and tells the engine, unless it has ended already.
    pub(crate) fn end(&self, id: &ConnectionId) {
        // The lock is free again: the engine is called.
        let ended = self.lock().connections.remove(id);
        if let Some(connection) = ended {
            end(&connection);
        }
    }

    /// Ends all connections, for good.
    fn close(&self) {
        let (connections, running) = {
            let mut state = self.lock();
            state.closed = true;
            let connections = std::mem::take(&mut state.connections);
            (connections, state.running.take())
        };
        for connection in connections.values() {
            end(connection);
        }
        // It may be the last hold on the engine, which is not to go under the lock.
        drop(running);
    }

    fn connection(&self, id: &ConnectionId) -> Option<Arc<Connection>> {
        self.lock().connections.get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // It is changed in one step, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For whoever took it from the hub, so that the engine is told once.
fn end(connection: &Connection) {
    connection.close();
    connection.callbacks.connection_closed(&connection.id);
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
            self.hub.clone() as Arc<dyn Transport>
        });
        Box::pin(std::future::ready(started))
    }
}

impl Transport for Hub {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.replies = true;
        capabilities.ordering_keys = true;
        capabilities
    }

    fn deliver(&self, delivery: Delivery) -> HandOver {
        match self.connection(&delivery.connection) {
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
        if let Some(connection) = self.connection(connection) {
            connection.void(delivery);
        }
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        self.close();
        Box::pin(std::future::ready(()))
    }
}
