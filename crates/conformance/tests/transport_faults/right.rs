//! Which transport keeps every promise?
//!
//! One without a protocol: its clients call it. It has every part that a transport can have, so that no rule
//! is skipped.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::*;
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

/// The plugin. Clones share the office that runs, where the far end finds it.
#[derive(Clone, Default)]
pub(crate) struct Right {
    office: Arc<Mutex<Option<Arc<Office>>>>,
}

impl Right {
    /// Where clients go.
    pub(crate) fn office(&self) -> Arc<Office> {
        self.office.lock().unwrap().clone().unwrap()
    }
}

impl TransportPlugin for Right {
    fn name(&self) -> &'static str {
        "right"
    }

    fn config_schema(&self) -> Value {
        json!({"type": "object", "additionalProperties": false, "properties": {
            "queue_bytes_max": {"type": "integer", "minimum": 1, "default": 1 << 18,
                "description": "How many bytes wait for one client."},
        }})
    }

    fn check_config(&self, config: &Value) -> Result<(), String> {
        for (key, value) in config.as_object().ok_or("expected a table")? {
            if key != "queue_bytes_max" {
                return Err(format!("{key}: unknown, expected queue_bytes_max"));
            }
            if value.as_u64().is_none_or(|bytes| bytes == 0) {
                return Err(format!("{key}: expected a number above 0"));
            }
        }
        Ok(())
    }

    fn init(
        &self,
        config: Value,
        callbacks: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        let office = Arc::new(Office {
            callbacks,
            queue_bytes_max: config["queue_bytes_max"].as_u64().unwrap_or(1 << 18) as usize,
            clients: Mutex::default(),
        });
        *self.office.lock().unwrap() = Some(office.clone());
        Box::pin(async move {
            let transport: Arc<dyn Transport> = office;
            Ok(transport)
        })
    }
}

/// The transport while it runs.
pub(crate) struct Office {
    callbacks: Arc<dyn Callbacks>,
    queue_bytes_max: usize,
    clients: Mutex<HashMap<ConnectionId, Arc<Client>>>,
}

/// One connection.
#[derive(Default)]
pub(crate) struct Client {
    wanted: Mutex<HashSet<String>>,
    state: Mutex<State>,
    more: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Parcel>,
    bytes: usize,
    busy: bool,
    closed: bool,
}

/// What a client receives.
#[derive(Clone)]
pub(crate) enum Parcel {
    Event(Delivery),
    Batch(Batch),
    Change(ChangeEvent),
}

/// About how many bytes a change takes.
const CHANGE_BYTES: usize = 200;

impl Parcel {
    fn size(&self) -> usize {
        match self {
            Parcel::Event(delivery) => delivery.event.size(),
            Parcel::Batch(batch) => batch.items.iter().map(|item| item.event.size()).sum(),
            Parcel::Change(_) => CHANGE_BYTES,
        }
    }

    fn is(&self, subscription: SubscriptionId, id: DeliveryId) -> bool {
        match self {
            Parcel::Event(it) => it.subscription.id == subscription && it.id == id,
            Parcel::Batch(it) => it.subscription.id == subscription && it.id == id,
            Parcel::Change(_) => false,
        }
    }
}

impl Office {
    /// What a client does to open a connection.
    pub(crate) fn open(&self) -> ConnectionId {
        let id = ConnectionId::new(format!("right-{}", Uuid::new_v4()));
        let mut clients = self.clients.lock().unwrap();
        clients.insert(id.clone(), Arc::default());
        id
    }

    /// What a client does to get a durable subscription.
    pub(crate) fn attach(&self, id: &ConnectionId, name: &str) -> Result<(), CodedError> {
        let client = self.client(id).unwrap();
        client.wanted.lock().unwrap().insert(name.to_owned());
        let matcher = Arc::new(move |subscription: &Subscription| {
            client.wanted.lock().unwrap().contains(&*subscription.name)
        });
        self.callbacks.register_connection(id, matcher)
    }

    /// What a client does to be told of changes.
    pub(crate) fn attach_changes(
        &self,
        id: &ConnectionId,
        namespace: &str,
        filter: ChangeFilter,
    ) -> Result<(), CodedError> {
        self.callbacks.change_events(id, namespace, filter)
    }

    /// What a client does to get a subscription of its own.
    pub(crate) fn attach_ephemeral(
        &self,
        id: &ConnectionId,
        namespace: &str,
        filter: SubscriptionFilter,
        options: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError> {
        self.callbacks
            .ephemeral_subscription(id, namespace, filter, options)
    }

    /// What a client does to get the next event; `None` when the connection has ended.
    pub(crate) async fn receive(&self, id: &ConnectionId) -> Option<Parcel> {
        let client = self.client(id)?;
        loop {
            let (taken, ready) = {
                let mut state = client.state.lock().unwrap();
                if state.closed {
                    return None;
                }
                let taken = state.queue.pop_front();
                state.bytes -= taken.as_ref().map_or(0, Parcel::size);
                let ready = state.busy && state.bytes <= self.queue_bytes_max / 2;
                state.busy &= !ready;
                (taken, ready)
            };
            if ready {
                self.callbacks
                    .connection_state(id, Scope::All, ConnectionState::Ready);
            }
            if taken.is_some() {
                return taken;
            }
            client.more.notified().await;
        }
    }

    /// What a client does to answer.
    pub(crate) fn answer(&self, id: &ConnectionId, response: Response) {
        self.callbacks.respond(id, response);
    }

    /// What is left of a client that is gone.
    pub(crate) fn close(&self, id: &ConnectionId) {
        let client = self.clients.lock().unwrap().remove(id);
        if let Some(client) = client {
            let mut state = client.state.lock().unwrap();
            state.closed = true;
            state.queue.clear();
            client.more.notify_one();
            drop(state);
            self.callbacks.connection_closed(id);
        }
    }

    fn client(&self, id: &ConnectionId) -> Option<Arc<Client>> {
        self.clients.lock().unwrap().get(id).cloned()
    }

    fn hand_over(&self, id: &ConnectionId, parcel: Parcel) -> HandOver {
        let Some(client) = self.client(id) else {
            return HandOver::Closed;
        };
        let mut state = client.state.lock().unwrap();
        if state.closed {
            return HandOver::Closed;
        }
        if state.bytes > 0 && state.bytes + parcel.size() > self.queue_bytes_max {
            state.busy = true;
            return HandOver::Busy(Wait::Connection);
        }
        state.bytes += parcel.size();
        state.queue.push_back(parcel);
        client.more.notify_one();
        HandOver::Ok
    }
}

impl Transport for Office {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.batches = true;
        capabilities.replies = true;
        capabilities.change_events = true;
        capabilities
    }

    fn options_schema(&self) -> Value {
        json!({"type": "object", "required": ["mode"], "properties": {
            "mode": {"enum": ["fast", "safe"], "description": "How it is sent."},
            "rate": {"type": "integer", "minimum": 1, "maximum": 100, "description": "How often."},
            "password": {"type": "string", "minLength": 4, "maxLength": 64, "writeOnly": true,
                "description": "Kept and never shown."},
        }})
    }

    fn validate(&self, options: &mut SubscriptionOptions) -> Result<(), CodedError> {
        let refuse = |text: &str| Err(CodedError::bad_request("PH00999", text));
        match options.other.get("mode").and_then(Value::as_str) {
            Some("fast" | "safe") => {}
            _ => return refuse("mode: expected fast or safe"),
        }
        // A number such as 1.0 is an integer as well, says JSON Schema.
        let rate = options.other.get("rate");
        if rate.is_some_and(|rate| {
            !rate
                .as_f64()
                .is_some_and(|n| n.fract() == 0.0 && (1.0..=100.0).contains(&n))
        }) {
            return refuse("rate: expected a number of 1 to 100");
        }
        let fits = |text: &str| (4..=64).contains(&text.chars().count());
        let password = options.other.get("password");
        if password.is_some_and(|password| !password.as_str().is_some_and(fits)) {
            return refuse("password: expected a text of 4 to 64 characters");
        }
        Ok(())
    }

    fn deliver(&self, delivery: Delivery) -> HandOver {
        let connection = delivery.connection.clone();
        self.hand_over(&connection, Parcel::Event(delivery))
    }

    fn deliver_batch(&self, batch: Batch) -> HandOver {
        let connection = batch.connection.clone();
        self.hand_over(&connection, Parcel::Batch(batch))
    }

    fn voided(
        &self,
        connection: &ConnectionId,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        _reason: VoidReason,
    ) {
        if let Some(client) = self.client(connection) {
            let mut state = client.state.lock().unwrap();
            state
                .queue
                .retain(|parcel| !parcel.is(subscription, delivery));
            state.bytes = state.queue.iter().map(Parcel::size).sum();
        }
    }

    fn change_event(&self, connection: &ConnectionId, change: &ChangeEvent) -> HandOver {
        self.hand_over(connection, Parcel::Change(change.clone()))
    }

    fn status(&self) -> Option<Value> {
        Some(json!({"connections": self.clients.lock().unwrap().len()}))
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        let ids: Vec<_> = self.clients.lock().unwrap().keys().cloned().collect();
        for id in ids {
            self.close(&id);
        }
        Box::pin(std::future::ready(()))
    }
}
