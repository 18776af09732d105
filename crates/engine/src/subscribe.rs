//! How are subscriptions checked, created, changed and deleted?

mod change;
mod check;
mod rotate;

use std::sync::Arc;

use photinus_contract::name::{NAME_PATTERN, check_name_no_uuid};
use photinus_contract::object::{null_as_default, object_or_default};
use photinus_contract::store::{CreateSubscriptionError, Start};
use photinus_contract::{
    ChangeEvent, ChangeFilter, ChangeKind, CodedError, ConnectionId, Namespace, Secrets, Sequence,
    Subscription, SubscriptionFilter, SubscriptionId, SubscriptionOptions, Timestamp,
};
use photinus_dispatch::{Filter, SETTLED_SPAN_MAX};
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use self::check::{Durability, Passed, checked, start};
pub use self::rotate::Rotated;
use crate::changes::ConnectionChanges;
use crate::core::Core;
use crate::metrics::SubscriptionMetrics;
use crate::publish::unavailable;
use crate::shard::Spec;
use crate::transports::RunningTransport;

/// The transport of a subscription that names none.
const DEFAULT_TRANSPORT: &str = "websockets";
/// Reserved for listeners within the server.
pub(crate) const SYSTEM_TRANSPORT: &str = "system";

const _: () = assert!(
    u16::MAX as usize <= SETTLED_SPAN_MAX,
    "a full window can be parked"
);

/// A subscription as a client sends it. Unknown keys are ignored.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct SubscriptionInput {
    /// Unique in the namespace.
    #[serde(deserialize_with = "null_as_default")]
    #[schemars(required, extend("pattern" = NAME_PATTERN))]
    pub name: String,
    /// The transport that delivers it; `websockets` if empty.
    #[serde(deserialize_with = "null_as_default")]
    pub transport: String,
    /// Which events it wants.
    #[serde(deserialize_with = "object_or_default")]
    pub filter: SubscriptionFilter,
    /// How it wants them.
    #[serde(deserialize_with = "object_or_default")]
    pub options: SubscriptionOptions,
    /// Given by the server; only its form is checked.
    pub id: Option<Uuid>,
    /// Given by the server; only its form is checked.
    pub created: Option<Timestamp>,
    /// Given by the server; only its form is checked.
    pub updated: Option<Timestamp>,
}

/// A subscription that passed all checks but those that the store makes.
pub(crate) struct Checked {
    pub(crate) transport: Arc<RunningTransport>,
    filter: Filter,
    pub(crate) options: SubscriptionOptions,
    secrets: Secrets,
    /// To be shown once.
    made: Secrets,
}

impl Core {
    /// Creates a subscription, or refuses it with the code of what is wrong.
    pub(crate) async fn create_subscription(
        &self,
        namespace: &str,
        input: SubscriptionInput,
    ) -> Result<Arc<Subscription>, CodedError> {
        let namespace = self.namespaces.get(namespace)?.info.name.clone();
        let checked = self.check(&input, None)?;
        let _one_at_a_time = self.admin.lock().await;
        if self.registry.by_name(&namespace, &input.name).is_some() {
            return Err(exists(&namespace, &input.name));
        }
        self.create(namespace, input, checked).await
    }

    /// Creates a subscription, or changes the one of that name.
    pub(crate) async fn put_subscription(
        &self,
        namespace: &str,
        input: SubscriptionInput,
    ) -> Result<Arc<Subscription>, CodedError> {
        let namespace = self.namespaces.get(namespace)?.info.name.clone();
        let _one_at_a_time = self.admin.lock().await;
        let stored = self.registry.by_name(&namespace, &input.name);
        let checked = self.check(&input, stored.as_deref())?;
        match stored {
            None => self.create(namespace, input, checked).await,
            Some(stored) => self.change(&stored, input, checked).await,
        }
    }

    pub(crate) async fn delete_subscription(
        &self,
        namespace: &str,
        id: SubscriptionId,
    ) -> Result<(), CodedError> {
        self.namespaces.get(namespace)?;
        let missing = || CodedError::not_found("FF10109", format!("Subscription '{id}' not found"));
        let _one_at_a_time = self.admin.lock().await;
        let stored = self
            .registry
            .by_id(id)
            .filter(|stored| stored.namespace.as_str() == namespace)
            .ok_or_else(missing)?;
        // The dispatcher may already have ended; either way it is gone.
        let _ = self.registry.suspend(id).await;
        match self.store.delete_subscription(id).await {
            Ok(deleted) => {
                self.registry.forget(id);
                if !deleted {
                    return Err(missing());
                }
                self.tell(ChangeKind::Deleted, &stored);
                Ok(())
            }
            Err(error) => {
                self.registry.resume(id);
                Err(unavailable(error))
            }
        }
    }

    /// Starts a subscription that ends with its connection.
    pub(crate) fn subscribe_ephemeral(
        &self,
        transport: &'static str,
        connection: &ConnectionId,
        namespace: &str,
        filter: SubscriptionFilter,
        mut options: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError> {
        let namespace = self.namespaces.get(namespace)?;
        let transport = self
            .transports
            .get(transport)
            .ok_or_else(|| unknown(transport))?;
        let ephemeral = Durability::Ephemeral;
        let passed = checked(&transport, &filter, &mut options, ephemeral, &self.filters)?;
        let head = namespace.tail.head();
        let offset = match start(options.first_event.as_deref())? {
            Start::Oldest => Sequence::OLDEST,
            Start::After(sequence) => sequence,
            _ => head,
        };
        let id = SubscriptionId(self.clock.new_id());
        let name: Arc<str> = id.to_string().into();
        let mut subscription = Subscription::new(
            id,
            namespace.info.name.clone(),
            name,
            transport.shared_name(),
            filter,
            options,
            self.clock.now(),
        );
        subscription.secrets = passed.secrets;
        subscription.ephemeral = true;
        let subscription = Arc::new(subscription);
        let lane = namespace.metrics.lane(transport.name());
        let spec = Spec {
            metrics: Arc::new(SubscriptionMetrics::ephemeral(lane)),
            subscription: subscription.clone(),
            filter: passed.filter,
            namespace,
            transport: transport.clone(),
        };
        self.registry
            .attach_ephemeral(transport.name(), connection, spec, offset)?;
        Ok(subscription)
    }

    /// Tells a connection of the changes of a namespace, until it is closed.
    pub(crate) fn tell_changes(
        &self,
        transport: &'static str,
        connection: &ConnectionId,
        namespace: &str,
        filter: ChangeFilter,
    ) -> Result<(), CodedError> {
        let namespace = self.namespaces.get(namespace)?.info.name.clone();
        filter.check()?;
        let running = self.transports.get(transport);
        let running = running.ok_or_else(|| unknown(transport))?;
        if !running.capabilities().change_events {
            return Err(CodedError::bad_request(
                "PH00462",
                format!("Transport '{transport}' does not tell of changes"),
            ));
        }
        let begin = |down| {
            let connection = connection.clone();
            ConnectionChanges::begin(&self.changes, running, connection, down, &self.tasks)
        };
        self.registry
            .tell_changes(transport, connection, namespace, filter, begin)
    }

    fn tell(&self, kind: ChangeKind, subscription: &Subscription) {
        self.changes.changed(|| {
            ChangeEvent::new("subscriptions", kind, subscription.namespace.clone())
                .with_id(subscription.id.0)
        });
    }

    /// The checks of a durable subscription, in FireFly's order. Secrets of the stored one are kept where the
    /// input leaves them out.
    fn check(
        &self,
        input: &SubscriptionInput,
        stored: Option<&Subscription>,
    ) -> Result<Checked, CodedError> {
        check_name_no_uuid(&input.name, "name")?;
        self.check_shape(input, stored)
    }

    /// The same for one that has no name yet.
    pub(crate) fn check_shape(
        &self,
        input: &SubscriptionInput,
        stored: Option<&Subscription>,
    ) -> Result<Checked, CodedError> {
        let name = match input.transport.as_str() {
            "" => DEFAULT_TRANSPORT,
            SYSTEM_TRANSPORT => {
                return Err(CodedError::bad_request(
                    "FF10266",
                    "The 'system' transport is reserved for listeners within the server",
                ));
            }
            given => given,
        };
        let transport = self.transports.get(name).ok_or_else(|| unknown(name))?;
        let mut options = input.options.clone();
        // Another transport has no business with them.
        let durable = Durability::Durable(stored.filter(|stored| *stored.transport == *name));
        let filter = &input.filter;
        let passed = checked(&transport, filter, &mut options, durable, &self.filters)?;
        let Passed {
            filter,
            secrets,
            made,
        } = passed;
        Ok(Checked {
            transport,
            filter,
            options,
            secrets,
            made,
        })
    }

    async fn create(
        &self,
        namespace: Namespace,
        input: SubscriptionInput,
        checked: Checked,
    ) -> Result<Arc<Subscription>, CodedError> {
        let start = start(checked.options.first_event.as_deref())?;
        let mut subscription = Subscription::new(
            SubscriptionId(self.clock.new_id()),
            namespace.clone(),
            input.name.as_str(),
            checked.transport.shared_name(),
            input.filter,
            checked.options,
            self.clock.now(),
        );
        subscription.secrets = checked.secrets;
        let created = self.store.create_subscription(subscription, start).await;
        let subscription = Arc::new(created.map_err(|error| match error {
            CreateSubscriptionError::Exists => exists(&namespace, &input.name),
            CreateSubscriptionError::Store(error) => unavailable(error),
            other => CodedError::internal(other.to_string()),
        })?);
        self.registry.put(subscription.clone(), checked.filter);
        self.tell(ChangeKind::Created, &subscription);
        self.learn_position(subscription.id).await;
        Ok(shown_once(subscription, &checked.made))
    }
}

/// What its maker is shown: secrets that were made just now among the rest.
fn shown_once(subscription: Arc<Subscription>, made: &Secrets) -> Arc<Subscription> {
    match made.is_empty() {
        true => subscription,
        false => Arc::new(subscription.showing(made)),
    }
}

fn unknown(transport: &str) -> CodedError {
    CodedError::bad_request("FF10172", format!("Unknown transport '{transport}'"))
}

fn exists(namespace: &Namespace, name: &str) -> CodedError {
    CodedError::new(
        "FF10193",
        409,
        format!("A subscription with name '{namespace}:{name}' already exists"),
    )
}
