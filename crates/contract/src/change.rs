//! What do observers of the database see?

use serde::Serialize;
use uuid::Uuid;

use crate::data::Hash;
use crate::id::Sequence;
use crate::name::Namespace;
use crate::time::Timestamp;

/// A change of a stored collection, as FireFly's change feed writes it. Lossy by design: what was dropped
/// is said by a change of kind [`ChangeKind::Dropped`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ChangeEvent {
    /// The collection, such as `events` or `subscriptions`; empty for `dropped`.
    pub collection: &'static str,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: ChangeKind,
    /// Where; absent for `dropped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// Which one, in collections with ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Which one, in collections with hashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// Where in the log, for new events and messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
    /// Since when changes were dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_since: Option<Timestamp>,
    /// How many changes were dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_count: Option<u64>,
}

impl ChangeEvent {
    /// A change in `namespace`.
    pub fn new(collection: &'static str, kind: ChangeKind, namespace: Namespace) -> Self {
        Self {
            collection,
            kind,
            namespace: Some(namespace),
            id: None,
            hash: None,
            sequence: None,
            dropped_since: None,
            dropped_count: None,
        }
    }
}

/// What happened to a stored object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// It is different.
    Updated,
    /// It is gone.
    Deleted,
    /// Changes were dropped because the listener was slow.
    Dropped,
}
