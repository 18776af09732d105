//! What does an operator see?

use std::sync::Arc;

use photinus_contract::{ChangeFilter, Subscription, SubscriptionFilter, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::connection::Connection;
use crate::frames::Start;

/// One start of a connection, also one that failed or that waits for its subscription to be created. A connection can
/// have very many, so that they are kept small.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    at: Timestamp,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// An ephemeral subscription, which is there anyway and says what the start asked for.
    Subscription(Arc<Subscription>),
    /// What the start asked for.
    Asked(Box<Asked>),
}

#[derive(Clone, Debug)]
struct Asked {
    ephemeral: bool,
    namespace: Box<str>,
    name: Box<str>,
    /// A tenth of what it takes as a filter.
    filter: Option<Box<RawValue>>,
    changes: Option<ChangeFilter>,
}

/// A start as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a, F> {
    start_time: Timestamp,
    ephemeral: bool,
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    /// As the start gave it; the stored subscription may have another one. Absent where it asked for changes alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<F>,
    /// The changes that it asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    change_events: Option<&'a ChangeFilter>,
}

impl Started {
    /// A start that came to this.
    pub(crate) fn now(start: &Start, subscription: Option<Arc<Subscription>>) -> Self {
        let says_all = start.name.is_empty() && start.changes().is_none();
        let what = match subscription.filter(|_| says_all) {
            Some(subscription) => What::Subscription(subscription),
            None => What::Asked(Box::new(Asked::new(start))),
        };
        Self { at: now(), what }
    }
}

impl Asked {
    fn new(start: &Start) -> Self {
        let filter = match &start.filter {
            _ if !start.wants_events() => None,
            Some(filter) => to_raw_value(filter).ok(),
            None => to_raw_value(&SubscriptionFilter::default()).ok(),
        };
        Self {
            ephemeral: start.ephemeral,
            namespace: start.namespace.as_str().into(),
            name: start.name.as_str().into(),
            filter,
            changes: start.changes().cloned(),
        }
    }
}

impl Serialize for Started {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.what {
            What::Subscription(subscription) => Shown {
                start_time: self.at,
                ephemeral: true,
                namespace: subscription.namespace.as_str(),
                name: "",
                filter: Some(&subscription.filter),
                change_events: None,
            }
            .serialize(serializer),
            What::Asked(asked) => Shown {
                start_time: self.at,
                ephemeral: asked.ephemeral,
                namespace: &asked.namespace,
                name: &asked.name,
                filter: asked.filter.as_ref(),
                change_events: asked.changes.as_ref(),
            }
            .serialize(serializer),
        }
    }
}

/// The body of `GET /api/v1/websockets`.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) enabled: bool,
    pub(crate) connections: Vec<ConnectionStatus>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionStatus {
    id: String,
    remote_address: String,
    user_agent: String,
    subscriptions: Vec<Started>,
}

impl From<&Connection> for ConnectionStatus {
    fn from(connection: &Connection) -> Self {
        Self {
            id: connection.id.to_string(),
            remote_address: connection.remote_address.clone(),
            user_agent: connection.user_agent.clone(),
            subscriptions: connection.lock().starts.clone(),
        }
    }
}

/// The time of a start, which is shown and decides nothing.
#[expect(
    clippy::disallowed_methods,
    reason = "the engine's clock is not in the contract, and this time is only shown"
)]
fn now() -> Timestamp {
    let elapsed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX))
}
