//! What does an operator see?

use photinus_contract::{ChangeFilter, SubscriptionFilter, Timestamp};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::connection::Connection;

/// One start of a connection, also one that failed or that waits for its subscription to be created. A connection can
/// have very many, so that they are kept small.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Started {
    pub(crate) start_time: Timestamp,
    pub(crate) ephemeral: bool,
    pub(crate) namespace: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) name: Box<str>,
    /// As the start gave it; the stored subscription may have another one. Absent where it asked for changes alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filter: Option<Box<RawValue>>,
    /// The changes that it asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change_events: Option<Box<ChangeFilter>>,
}

/// A filter as it is shown: a tenth of what it takes as one.
pub(crate) fn shown(filter: &SubscriptionFilter) -> Option<Box<RawValue>> {
    to_raw_value(filter).ok()
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
pub(crate) fn now() -> Timestamp {
    let elapsed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX))
}
