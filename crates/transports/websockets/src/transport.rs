//! What does the engine call?

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use photinus_contract::delivery::BatchItem;
use photinus_contract::transport::HttpMount;
use photinus_contract::{
    Batch, BoxFuture, Callbacks, Capabilities, ChangeEvent, CodedError, ConnectionId, Delivery,
    DeliveryId, HandOver, Run, SubscriptionId, SubscriptionOptions, Transport, TransportPlugin,
    VoidReason,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::buffers::Buffers;
use crate::config::Config;
use crate::connection::Connection;
use crate::inflight::InFlight;
use crate::session::with_data_refused;
use crate::status::{ConnectionStatus, Status};
use crate::upgrade::Upgrade;

/// The transport `websockets`.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebSockets;

impl TransportPlugin for WebSockets {
    fn name(&self) -> &'static str {
        "websockets"
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
            let transport: Arc<dyn Transport> = Arc::new(Running {
                hub: Arc::new(Hub::new(config, callbacks)),
            });
            transport
        });
        Box::pin(std::future::ready(started))
    }
}

/// What all connections share.
pub(crate) struct Hub {
    pub(crate) config: Config,
    pub(crate) callbacks: Arc<dyn Callbacks>,
    /// One permit for each connection that may still be opened.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    /// What closed connections left unanswered, and what ran out of its ack timeout. Locked after the state
    /// of a connection, never before.
    pub(crate) left: Mutex<InFlight>,
    pub(crate) buffers: Buffers,
    connections: RwLock<HashMap<ConnectionId, Arc<Connection>>>,
    opened: AtomicU64,
}

impl Hub {
    fn new(config: Config, callbacks: Arc<dyn Callbacks>) -> Self {
        let room = config.connections_max.min(Semaphore::MAX_PERMITS);
        Self {
            callbacks,
            room: Arc::new(Semaphore::new(room)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            left: Mutex::new(InFlight::new(config.late_answers_max)),
            buffers: Buffers::default(),
            connections: RwLock::default(),
            opened: AtomicU64::new(0),
            config,
        }
    }

    /// The next number in the order of connections.
    pub(crate) fn next_opened(&self) -> u64 {
        self.opened.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn add(&self, connection: &Arc<Connection>) {
        self.connections
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(connection.id.clone(), connection.clone());
    }

    /// Closes a connection, and tells the engine once.
    pub(crate) fn remove(&self, connection: &Connection) {
        if !connection.close(&self.left) {
            return;
        }
        self.connections
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&connection.id);
        self.callbacks.connection_closed(&connection.id);
    }

    fn connection(&self, id: &ConnectionId) -> Option<Arc<Connection>> {
        self.connections
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }
}

/// The transport while it runs.
struct Running {
    hub: Arc<Hub>,
}

impl Transport for Running {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.change_events = true;
        capabilities.batches = true;
        capabilities.ordering_keys = true;
        capabilities
    }

    fn options_schema(&self) -> Value {
        json!({"type": "object", "properties": {}})
    }

    fn validate(&self, options: &mut SubscriptionOptions) -> Result<(), CodedError> {
        if options.with_data == Some(true) {
            return Err(with_data_refused());
        }
        options.with_data = Some(false);
        Ok(())
    }

    fn deliver(&self, delivery: Delivery) -> HandOver {
        let mut item = BatchItem::new(delivery.id, delivery.attempt, delivery.event);
        item.data = delivery.data;
        let (connection, subscription) = (delivery.connection, delivery.subscription);
        self.deliver_run(&mut Run::new(connection, subscription, vec![item]))
    }

    fn deliver_run(&self, run: &mut Run) -> HandOver {
        match self.hub.connection(run.connection()) {
            Some(connection) => connection.deliver_run(run),
            None => HandOver::Closed,
        }
    }

    fn deliver_batch(&self, batch: Batch) -> HandOver {
        match self.hub.connection(&batch.connection) {
            Some(connection) => connection.deliver_batch(batch),
            None => HandOver::Closed,
        }
    }

    fn voided(
        &self,
        connection: &ConnectionId,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        reason: VoidReason,
    ) {
        // What a closed connection left is with the other leftovers already.
        if let Some(connection) = self.hub.connection(connection) {
            connection.void(subscription, delivery, reason, &self.hub.left);
        }
    }

    fn change_event(&self, connection: &ConnectionId, change: &ChangeEvent) -> HandOver {
        match self.hub.connection(connection) {
            Some(connection) => connection.tell_change(change),
            None => HandOver::Closed,
        }
    }

    fn http_mounts(&self) -> Vec<HttpMount> {
        let upgrade = Arc::new(Upgrade {
            hub: self.hub.clone(),
        });
        vec![
            HttpMount::new("/ws", upgrade.clone()),
            HttpMount::new("/api/v1/namespaces/{ns}/ws", upgrade),
        ]
    }

    fn status(&self) -> Option<Value> {
        let mut connections: Vec<_> = self
            .hub
            .connections
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        connections.sort_by_key(|connection| connection.opened);
        serde_json::to_value(Status {
            enabled: true,
            connections: connections
                .iter()
                .map(|connection| ConnectionStatus::from(&**connection))
                .collect(),
        })
        .ok()
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        let hub = self.hub.clone();
        Box::pin(async move {
            hub.stop.cancel();
            hub.tasks.close();
            hub.tasks.wait().await;
        })
    }
}
