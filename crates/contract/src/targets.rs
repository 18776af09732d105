//! Which targets does a transport have that connects out, and what goes to which?
//!
//! Each is named in the configuration, has a connection of its own from the start, and serves the subscriptions whose
//! option `target` names it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::delivery::{DeliveryId, HandOver};
use crate::error::CodedError;
use crate::id::{ConnectionId, SubscriptionId};
use crate::outbox::Outboxes;
use crate::own::invalid;
use crate::run::Run;
use crate::standing::Standing;
use crate::subscription::Subscription;
use crate::transport::Callbacks;

/// The option that names a target.
const OPTION: &str = "target";

/// What a transport keeps of a target.
pub trait Target: Send + Sync + 'static {
    /// Where a subscription leads.
    type Route: Send + Sync + 'static;

    /// What is on its way to it.
    fn outboxes(&self) -> &Outboxes<Self::Route>;

    /// How it is.
    fn standing(&self) -> &Standing;
}

/// All targets of a transport, by name.
pub struct Targets<T> {
    transport: &'static str,
    by_name: BTreeMap<String, Arc<T>>,
}

impl<T: Target> Targets<T> {
    /// None yet, of the transport of this name.
    pub fn new(transport: &'static str) -> Self {
        Self {
            transport,
            by_name: BTreeMap::new(),
        }
    }

    /// One more. Its connection is registered, and waits: a target that cannot be reached is no error.
    pub fn add(
        &mut self,
        name: &str,
        callbacks: &dyn Callbacks,
        make: impl FnOnce(ConnectionId) -> T,
    ) -> Result<Arc<T>, String> {
        let connection = ConnectionId::new(format!("{}/{name}", self.transport));
        let target = Arc::new(make(connection.clone()));
        let of = name.to_owned();
        let matcher = move |subscription: &Subscription| leads_to(subscription, &of);
        callbacks
            .register_connection(&connection, Arc::new(matcher))
            .map_err(|error| error.to_string())?;
        target.outboxes().lost("not connected yet");
        self.by_name.insert(name.to_owned(), target.clone());
        Ok(target)
    }

    /// The one of this name; `PH00447` if there is none.
    pub fn named(&self, name: &str) -> Result<&Arc<T>, CodedError> {
        self.by_name.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
            let known = match &names[..] {
                [] => format!(
                    "the server's configuration has no [transports.{}.targets.NAME]",
                    self.transport
                ),
                names => format!("expected one of: {}", names.join(", ")),
            };
            invalid(OPTION, &known)
        })
    }

    /// Has the schema of a transport's options say which targets there are.
    pub fn tell(&self, schema: &mut Value) {
        if !self.by_name.is_empty() {
            schema["properties"][OPTION]["enum"] = self.by_name.keys().cloned().collect();
        }
    }

    /// Takes what the engine hands over, see [`Outboxes::hand_over`].
    pub fn hand_over(
        &self,
        run: &mut Run,
        route: impl FnOnce(&Subscription) -> Result<T::Route, CodedError>,
    ) -> HandOver {
        match self.of(run.connection()) {
            Some(target) => target.outboxes().hand_over(run, route),
            None => HandOver::Closed,
        }
    }

    /// See [`Outboxes::void`].
    pub fn void(
        &self,
        connection: &ConnectionId,
        subscription: SubscriptionId,
        delivery: DeliveryId,
    ) {
        if let Some(target) = self.of(connection) {
            target.outboxes().void(subscription, delivery);
        }
    }

    /// What an operator sees of them.
    pub fn shown(&self) -> Value {
        let targets = self.by_name.iter().map(|(name, target)| {
            let (deliveries, subscriptions) = target.outboxes().load();
            let mut shown = json!(target.standing().shown());
            shown["underWay"] = deliveries.into();
            shown["subscriptions"] = subscriptions.into();
            (name.clone(), shown)
        });
        Value::Object(targets.collect())
    }

    /// Nothing is taken any more.
    pub fn close(&self) {
        for target in self.by_name.values() {
            target.outboxes().close();
        }
    }

    fn of(&self, connection: &ConnectionId) -> Option<&Arc<T>> {
        let name = connection.as_str().strip_prefix(self.transport)?;
        self.by_name.get(name.strip_prefix('/')?)
    }
}

fn leads_to(subscription: &Subscription, target: &str) -> bool {
    let named = subscription.options.other.get(OPTION);
    named.and_then(Value::as_str) == Some(target)
}
