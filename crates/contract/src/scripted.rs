//! How does one test against a transport without writing one?
//!
//! [`Scripted`] is a transport with every optional part. It records all that it is asked to do, answers as it
//! is told, and hands its [`Callbacks`] to whoever drives it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::BoxFuture;
use crate::address::Template;
use crate::change::ChangeEvent;
use crate::data::Data;
use crate::delivery::{Batch, Delivery, DeliveryId, HandOver, VoidReason};
use crate::error::CodedError;
use crate::event::Event;
use crate::id::{ConnectionId, SubscriptionId};
use crate::options::SubscriptionOptions;
use crate::subscription::Subscription;
use crate::transport::{
    Callbacks, Capabilities, Exchange, ExchangeSide, HttpMount, HttpService, Rotation, Transport,
    TransportPlugin,
};

/// Something that a [`Scripted`] transport was asked to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Seen {
    /// An event was handed over.
    Delivery(Delivery),
    /// A batch was handed over.
    Batch(Batch),
    /// A delivery was voided.
    Voided(ConnectionId, SubscriptionId, DeliveryId, VoidReason),
    /// A change was told, and taken.
    Change(ConnectionId, ChangeEvent),
    /// It was shut down.
    Shutdown,
}

/// A transport that does what a test tells it. Clones share everything.
#[derive(Clone, Default)]
pub struct Scripted {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    callbacks: Option<Arc<dyn Callbacks>>,
    seen: VecDeque<Seen>,
    hand_overs: VecDeque<HandOver>,
    changes: VecDeque<HandOver>,
    refuse_options: Option<CodedError>,
    makes_secret: Option<String>,
    on_seen: Option<Arc<dyn Fn() + Send + Sync>>,
    mounts: Vec<HttpMount>,
}

impl Scripted {
    /// A transport that takes everything and answers nothing by itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the engine gave at init; `None` before.
    pub fn callbacks(&self) -> Option<Arc<dyn Callbacks>> {
        self.lock().callbacks.clone()
    }

    /// The oldest thing seen that was not taken yet.
    pub fn take_seen(&self) -> Option<Seen> {
        self.lock().seen.pop_front()
    }

    /// The next hand-overs are answered with these, in order; afterwards `Ok` again.
    pub fn answer_hand_overs(&self, answers: impl IntoIterator<Item = HandOver>) {
        self.lock().hand_overs.extend(answers);
    }

    /// The next changes are answered with these, in order; afterwards `Ok` again.
    pub fn answer_changes(&self, answers: impl IntoIterator<Item = HandOver>) {
        self.lock().changes.extend(answers);
    }

    /// Options are refused with this error from now on; `None` accepts them again.
    pub fn refuse_options(&self, error: Option<CodedError>) {
        self.lock().refuse_options = error;
    }

    /// From now on a subscription without a secret is given this one.
    pub fn make_secret(&self, secret: &str) {
        self.lock().makes_secret = Some(secret.to_owned());
    }

    /// `wake` is called after each thing seen.
    pub fn on_seen(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.lock().on_seen = Some(Arc::new(wake));
    }

    /// Serves `service` at `path` once it runs.
    pub fn mount(&self, path: &str, service: Arc<dyn HttpService>) {
        self.lock().mounts.push(HttpMount::new(path, service));
    }

    fn saw(&self, seen: Seen) {
        let wake = {
            let mut state = self.lock();
            state.seen.push_back(seen);
            state.on_seen.clone()
        };
        if let Some(wake) = wake {
            wake();
        }
    }

    fn hand_over(&self, seen: Seen) -> HandOver {
        let answer = self.lock().hand_overs.pop_front().unwrap_or(HandOver::Ok);
        self.saw(seen);
        answer
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked while it held the lock has failed already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TransportPlugin for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn config_schema(&self) -> Value {
        json!({"type": "object", "properties": {}, "additionalProperties": false})
    }

    fn check_config(&self, config: &Value) -> Result<(), String> {
        match config.as_object() {
            Some(section) => match section.keys().next() {
                Some(key) => Err(format!("unknown key '{key}': this transport has none")),
                None => Ok(()),
            },
            None => Err("expected a table".to_owned()),
        }
    }

    fn init(
        &self,
        _config: Value,
        callbacks: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        self.lock().callbacks = Some(callbacks);
        let transport: Arc<dyn Transport> = Arc::new(self.clone());
        Box::pin(std::future::ready(Ok(transport)))
    }
}

impl Transport for Scripted {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            change_events: true,
            batches: true,
            replies: true,
            ordering_keys: true,
        }
    }

    fn options_schema(&self) -> Value {
        json!({"type": "object", "properties": {
            "note": {"type": "string", "description": "Kept and shown."},
            "secret": {"type": "string", "writeOnly": true, "description": "Kept and never shown."},
        }})
    }

    fn complete(&self, options: &mut SubscriptionOptions) {
        if let Some(made) = self.lock().makes_secret.clone() {
            let secret = options.other.entry("secret");
            secret.or_insert_with(|| made.into());
        }
    }

    fn rotate_secret(
        &self,
        options: &mut SubscriptionOptions,
        rotation: Rotation,
    ) -> Result<String, CodedError> {
        let until = rotation.old_until;
        let secret = rotation.secret.unwrap_or_else(|| format!("until {until}"));
        options
            .other
            .insert("secret".to_owned(), secret.clone().into());
        Ok(secret)
    }

    fn validate(&self, _options: &mut SubscriptionOptions) -> Result<(), CodedError> {
        self.lock().refuse_options.clone().map_or(Ok(()), Err)
    }

    fn deliver(&self, delivery: Delivery) -> HandOver {
        self.hand_over(Seen::Delivery(delivery))
    }

    fn deliver_batch(&self, batch: Batch) -> HandOver {
        self.hand_over(Seen::Batch(batch))
    }

    fn voided(
        &self,
        connection: &ConnectionId,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        reason: VoidReason,
    ) {
        self.saw(Seen::Voided(
            connection.clone(),
            subscription,
            delivery,
            reason,
        ));
    }

    fn change_event(&self, connection: &ConnectionId, change: &ChangeEvent) -> HandOver {
        let answer = self.lock().changes.pop_front().unwrap_or(HandOver::Ok);
        if answer == HandOver::Ok {
            self.saw(Seen::Change(connection.clone(), change.clone()));
        }
        answer
    }

    fn http_mounts(&self) -> Vec<HttpMount> {
        self.lock().mounts.clone()
    }

    fn status(&self) -> Option<Value> {
        Some(json!({"waiting": self.lock().seen.len()}))
    }

    /// What the option `address` makes of an event.
    fn address(
        &self,
        options: &SubscriptionOptions,
        event: &Event,
        data: &[Data],
    ) -> Option<Result<String, String>> {
        let text = options.other.get("address")?.as_str()?;
        let template = Template::parse(text, "address").ok()?;
        let filled = template.fill(event, data, |value, out| out.push_str(value));
        Some(match filled.is_empty() {
            true => Err("it has no address".to_owned()),
            false => Ok(filled),
        })
    }

    fn test_delivery(
        &self,
        subscription: Arc<Subscription>,
        event: Event,
        data: Option<Arc<[Data]>>,
    ) -> Option<BoxFuture<'static, Result<Exchange, CodedError>>> {
        let mut request = ExchangeSide::new(format!("{} {}", subscription.name, event.id()));
        if let Some(data) = data {
            let values = data.iter().map(|data| data.value.get().to_owned());
            request.headers = values.map(|value| ("value".to_owned(), value)).collect();
        }
        let mut body = Vec::new();
        event.write_delivery(subscription.reference(), &mut body);
        request.body = String::from_utf8_lossy(&body).into_owned();
        let mut exchange = Exchange::new(request);
        exchange.response = Some(ExchangeSide::new("ok"));
        exchange.outcome = "it would be acknowledged".to_owned();
        exchange.settled = true;
        Some(Box::pin(std::future::ready(Ok(exchange))))
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        self.saw(Seen::Shutdown);
        Box::pin(std::future::ready(()))
    }
}
