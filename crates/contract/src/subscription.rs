//! What is a subscription?

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::filter::SubscriptionFilter;
use crate::id::SubscriptionId;
use crate::name::Namespace;
use crate::options::SubscriptionOptions;
use crate::secrets::Secrets;
use crate::time::Timestamp;

/// A filter on the events of a namespace and the way in which one application wants them. A *durable*
/// subscription is stored, unique by (namespace, name), and goes on where it was; an *ephemeral* one lives
/// and dies with its connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Subscription {
    /// Given by the server.
    pub id: SubscriptionId,
    /// Where it listens.
    pub namespace: Namespace,
    /// Unique in the namespace; of an ephemeral subscription the same text as its id.
    pub name: Arc<str>,
    /// The name of the transport that delivers it.
    pub transport: Arc<str>,
    /// Which events it wants.
    pub filter: SubscriptionFilter,
    /// How it wants them.
    pub options: SubscriptionOptions,
    /// The secret ones among the options, which show [`MASK`](crate::secrets::MASK) in their place. Never
    /// written with the rest: a store keeps them apart.
    #[serde(skip)]
    pub secrets: Secrets,
    /// Whether it ends with its connection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed; null if never.
    pub updated: Option<Timestamp>,
}

impl Subscription {
    /// A durable subscription that was never changed.
    pub fn new(
        id: SubscriptionId,
        namespace: Namespace,
        name: impl Into<Arc<str>>,
        transport: impl Into<Arc<str>>,
        filter: SubscriptionFilter,
        options: SubscriptionOptions,
        created: Timestamp,
    ) -> Self {
        Self {
            id,
            namespace,
            name: name.into(),
            transport: transport.into(),
            filter,
            options,
            secrets: Secrets::default(),
            ephemeral: false,
            created,
            updated: None,
        }
    }

    /// The transport's own options with the secret ones among them, for the transport alone.
    pub fn revealed_options(&self) -> Map<String, Value> {
        let mut options = self.options.other.clone();
        self.secrets.put_into(&mut options);
        options
    }

    /// This subscription with these secrets in the place of their masks, for whoever is to see them.
    pub fn showing(&self, secrets: &Secrets) -> Self {
        let mut shown = self.clone();
        secrets.put_into(&mut shown.options.other);
        shown
    }

    /// What names this subscription in a delivery.
    pub fn reference(&self) -> SubscriptionRef<'_> {
        SubscriptionRef {
            id: self.id,
            namespace: self.namespace.as_str(),
            name: &self.name,
        }
    }
}

/// What names a subscription in a delivery: `{"id","namespace","name"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SubscriptionRef<'a> {
    /// Its id.
    pub id: SubscriptionId,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_written_as_firefly_writes_it() {
        let json = r#"{"id":"0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01","namespace":"default","name":"app1","transport":"websockets","filter":{"message":{},"transaction":{},"blockchainevent":{}},"options":{"firstEvent":"-1","withData":false},"created":"2026-01-02T03:04:05Z","updated":null}"#;
        let subscription: Subscription = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&subscription).unwrap(), json);
        assert_eq!(
            serde_json::to_string(&subscription.reference()).unwrap(),
            r#"{"id":"0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01","namespace":"default","name":"app1"}"#
        );
    }
}
