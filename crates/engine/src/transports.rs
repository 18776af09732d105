//! Which transports run?
//!
//! Every call into one goes through here, because a transport may panic, and that must harm nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use photinus_contract::retry::Policy;
use photinus_contract::secrets::SecretPlaces;
use photinus_contract::transport::{Exchange, HttpMount, Rotation};
use photinus_contract::{
    Batch, Capabilities, ChangeEvent, CodedError, ConnectionId, Data, DeliveryId, Event, HandOver,
    Run, Subscription, SubscriptionId, SubscriptionOptions, Transport, VoidReason,
};
use serde_json::Value;
use tracing::error;

use crate::metrics::{ANSWERS, Histogram};

/// How long a transport may take to stop.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// A transport that runs.
pub(crate) struct RunningTransport {
    name: &'static str,
    /// The name, for all its subscriptions.
    shared_name: Arc<str>,
    capabilities: Capabilities,
    secret_places: SecretPlaces,
    /// The names of its own options.
    option_names: BTreeSet<String>,
    /// From the hand-over of a delivery to its outcome.
    pub(crate) ack_latency: Histogram,
    transport: Arc<dyn Transport>,
}

impl RunningTransport {
    pub(crate) fn new(name: &'static str, transport: Arc<dyn Transport>) -> Self {
        let capabilities =
            contained(name, "capabilities", || transport.capabilities()).unwrap_or_default();
        let schema = contained(name, "options_schema", || transport.options_schema());
        let schema = schema.unwrap_or_default();
        let secret_places = SecretPlaces::of_schema(&schema);
        let options = schema["properties"].as_object();
        Self {
            name,
            shared_name: name.into(),
            capabilities,
            secret_places,
            option_names: options
                .into_iter()
                .flat_map(|o| o.keys().cloned())
                .collect(),
            ack_latency: Histogram::new(ANSWERS),
            transport,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The name, kept once however many subscriptions have it.
    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.shared_name.clone()
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The shape of its own options.
    pub(crate) fn options_schema(&self) -> Option<Value> {
        self.contained("options_schema", || self.transport.options_schema())
    }

    /// Which of its options are secret.
    pub(crate) fn secret_places(&self) -> &SecretPlaces {
        &self.secret_places
    }

    /// Whether it has an option of its own with this name.
    pub(crate) fn has_option(&self, name: &str) -> bool {
        self.option_names.contains(name)
    }

    /// Hands over a run. What comes back is about the last delivery that was taken out.
    pub(crate) fn deliver_run(&self, run: &mut Run) -> HandOver {
        self.contained("deliver", || self.transport.deliver_run(run))
            .unwrap_or_else(panicked)
    }

    pub(crate) fn deliver_batch(&self, batch: Batch) -> HandOver {
        self.contained("deliver_batch", || self.transport.deliver_batch(batch))
            .unwrap_or_else(panicked)
    }

    pub(crate) fn voided(
        &self,
        connection: &ConnectionId,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        reason: VoidReason,
    ) {
        self.contained("voided", || {
            self.transport
                .voided(connection, subscription, delivery, reason);
        });
    }

    pub(crate) fn change_event(&self, connection: &ConnectionId, change: &ChangeEvent) -> HandOver {
        self.contained("change_event", || {
            self.transport.change_event(connection, change)
        })
        .unwrap_or_else(panicked)
    }

    pub(crate) fn validate(&self, options: &mut SubscriptionOptions) -> Result<(), CodedError> {
        self.contained("validate", || self.transport.validate(options))
            .unwrap_or_else(|| Err(self.failed("check options")))
    }

    /// Has it fill in what a subscription leaves to it.
    pub(crate) fn complete(&self, options: &mut SubscriptionOptions) -> Result<(), CodedError> {
        self.contained("complete", || self.transport.complete(options))
            .ok_or_else(|| self.failed("complete options"))
    }

    /// What becomes of events that fail.
    pub(crate) fn retry_policy(&self, options: &SubscriptionOptions) -> Policy {
        self.contained("retry_policy", || self.transport.retry_policy(options))
            .unwrap_or_else(|| options.policy().unwrap_or_default())
    }

    /// Whether deliveries carry the values of their messages.
    pub(crate) fn needs_data(&self, options: &SubscriptionOptions) -> bool {
        self.contained("needs_data", || self.transport.needs_data(options))
            .unwrap_or(options.with_data == Some(true))
    }

    /// Where an event goes; `None` if it has no addresses.
    pub(crate) fn address(
        &self,
        options: &SubscriptionOptions,
        event: &Event,
        data: &[Data],
    ) -> Option<Result<String, String>> {
        self.contained("address", || self.transport.address(options, event, data))
            .flatten()
    }

    /// Replaces a secret among the options, and returns the new one.
    pub(crate) fn rotate_secret(
        &self,
        options: &mut SubscriptionOptions,
        rotation: Rotation,
    ) -> Result<String, CodedError> {
        self.contained("rotate_secret", || {
            self.transport.rotate_secret(options, rotation)
        })
        .unwrap_or_else(|| Err(self.failed("replace a secret")))
    }

    /// Tries a subscription; `None` if it cannot.
    pub(crate) async fn test_delivery(
        &self,
        subscription: Arc<Subscription>,
        event: Event,
        data: Option<Arc<[Data]>>,
    ) -> Option<Result<Exchange, CodedError>> {
        let tried = self.contained("test_delivery", || {
            self.transport.test_delivery(subscription, event, data)
        });
        let Some(tried) = tried else {
            return Some(Err(self.failed("try a subscription")));
        };
        let exchange = AssertUnwindSafe(tried?).catch_unwind().await;
        Some(exchange.unwrap_or_else(|_| Err(self.failed("try a subscription"))))
    }

    fn failed(&self, what: &str) -> CodedError {
        CodedError::internal(format!("transport '{}' failed to {what}", self.name))
    }

    pub(crate) fn http_mounts(&self) -> Vec<HttpMount> {
        self.contained("http_mounts", || self.transport.http_mounts())
            .unwrap_or_default()
    }

    pub(crate) fn status(&self) -> Option<Value> {
        self.contained("status", || self.transport.status())
            .flatten()
    }

    /// Stops it, within [`SHUTDOWN_MAX`]: one that hangs or panics must not keep the others' positions from being
    /// written.
    pub(crate) async fn shutdown(&self) {
        let Some(done) = self.contained("shutdown", || self.transport.shutdown()) else {
            return;
        };
        let done = AssertUnwindSafe(done).catch_unwind();
        match tokio::time::timeout(SHUTDOWN_MAX, done).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => error!(
                transport = self.name,
                "a transport panicked while it stopped"
            ),
            Err(_) => error!(
                transport = self.name,
                "a transport does not stop; going on without it"
            ),
        }
    }

    fn contained<T>(&self, call: &str, body: impl FnOnce() -> T) -> Option<T> {
        contained(self.name, call, body)
    }
}

fn panicked() -> HandOver {
    HandOver::Failed("the transport panicked".to_owned())
}

/// Runs a piece of a transport's code. A panic ends there and is reported.
pub(crate) fn contained<T>(name: &str, call: &str, body: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => Some(value),
        Err(payload) => {
            let text = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("no text");
            error!(transport = name, call, panic = text, "a transport panicked");
            None
        }
    }
}

/// The transports that run, by name.
#[derive(Default)]
pub(crate) struct TransportMap {
    running: RwLock<BTreeMap<&'static str, Arc<RunningTransport>>>,
}

impl TransportMap {
    pub(crate) fn insert(&self, transport: Arc<RunningTransport>) {
        let mut running = self.running.write().unwrap_or_else(PoisonError::into_inner);
        running.insert(transport.name(), transport);
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<RunningTransport>> {
        self.running
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<RunningTransport>> {
        let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
        running.values().cloned().collect()
    }
}
