//! What do observers of the database see?

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::data::Hash;
use crate::error::CodedError;
use crate::id::Sequence;
use crate::name::Namespace;
use crate::object::null_as_default;
use crate::time::Timestamp;

/// The collections that FireFly tells changes of. Here only changes of `messages`, `events`, `data`,
/// `subscriptions` and `groups` occur; the others may be asked for.
pub const COLLECTIONS: [&str; 22] = [
    "messages",
    "events",
    "data",
    "subscriptions",
    "groups",
    "batches",
    "blockchainevents",
    "contractapis",
    "contractlisteners",
    "datatypes",
    "ffi",
    "ffierrors",
    "ffievents",
    "ffimethods",
    "identities",
    "operations",
    "pins",
    "tokenapprovals",
    "tokenpools",
    "tokentransfers",
    "transactions",
    "verifiers",
];

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

    /// So many changes were dropped, the first of them at this time.
    pub fn dropped(since: Timestamp, count: u64) -> Self {
        Self {
            collection: "",
            kind: ChangeKind::Dropped,
            namespace: None,
            id: None,
            hash: None,
            sequence: None,
            dropped_since: Some(since),
            dropped_count: Some(count),
        }
    }

    /// With the id of what changed.
    pub fn with_id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }

    /// With the hash of what changed.
    pub fn with_hash(mut self, hash: Hash) -> Self {
        self.hash = Some(hash);
        self
    }

    /// With the place in the log of what was created.
    pub fn with_sequence(mut self, sequence: Sequence) -> Self {
        self.sequence = Some(sequence);
        self
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

impl ChangeKind {
    /// All kinds, in a fixed order.
    pub const ALL: [ChangeKind; 4] = [
        ChangeKind::Created,
        ChangeKind::Updated,
        ChangeKind::Deleted,
        ChangeKind::Dropped,
    ];

    /// The kind as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Created => "created",
            ChangeKind::Updated => "updated",
            ChangeKind::Deleted => "deleted",
            ChangeKind::Dropped => "dropped",
        }
    }
}

/// Which changes a connection wants to be told. What was dropped is told whatever it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ChangeFilter {
    /// Names of [`COLLECTIONS`], as they are written there; all if empty.
    #[serde(deserialize_with = "null_as_default")]
    pub collections: Vec<String>,
    /// What happened: `created`, `updated`, `deleted`; all if empty.
    #[serde(deserialize_with = "null_as_default")]
    pub types: Vec<String>,
}

impl ChangeFilter {
    /// Changes of these collections and kinds; an empty list is all of them.
    pub fn new(collections: Vec<String>, types: Vec<String>) -> Self {
        Self { collections, types }
    }

    /// Refuses a name that nothing has, and more names than there are, with `PH00461`: a list is kept as long as
    /// its listener, and looked at for each change.
    pub fn check(&self) -> Result<(), CodedError> {
        let kinds = ChangeKind::ALL.map(ChangeKind::as_str);
        for (list, what, given, known) in [
            (
                "collections",
                "collection",
                &self.collections,
                &COLLECTIONS[..],
            ),
            ("types", "type", &self.types, &kinds[..]),
        ] {
            if given.len() > known.len() {
                return Err(CodedError::bad_request(
                    "PH00461",
                    format!(
                        "changeEvents.{list}: {} names, and there are only {}; an empty list is all",
                        given.len(),
                        known.len()
                    ),
                ));
            }
            let unknown = given.iter().find(|name| !known.contains(&name.as_str()));
            if let Some(unknown) = unknown {
                let unknown: String = unknown.chars().take(64).collect();
                return Err(CodedError::bad_request(
                    "PH00461",
                    format!(
                        "changeEvents.{list}: there is no {what} '{unknown}'; known: {}",
                        known.join(", ")
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Whether it asks for this change.
    pub fn matches(&self, change: &ChangeEvent) -> bool {
        change.kind == ChangeKind::Dropped || self.asks(change.collection, change.kind)
    }

    /// Whether it asks for changes of this kind of this collection.
    pub fn asks(&self, collection: &str, kind: ChangeKind) -> bool {
        let any_or =
            |list: &[String], name: &str| list.is_empty() || list.iter().any(|it| it == name);
        any_or(&self.collections, collection) && any_or(&self.types, kind.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(json: &str) -> ChangeFilter {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn changes_are_written_as_firefly_writes_them() {
        let id = Uuid::from_u128(0x0d4e_4d6e_5f3b_4d0a_8a8a_6f4f_5b0f_7b01);
        let created = ChangeEvent::new("events", ChangeKind::Created, Namespace::new("default"));
        assert_eq!(
            serde_json::to_string(&created.with_id(id).with_sequence(Sequence(42))).unwrap(),
            r#"{"collection":"events","type":"created","namespace":"default","id":"0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01","sequence":42}"#
        );
        let dropped = ChangeEvent::dropped(Timestamp::from_nanos(1_000_000_000), 7);
        assert_eq!(
            serde_json::to_string(&dropped).unwrap(),
            r#"{"collection":"","type":"dropped","droppedSince":"1970-01-01T00:00:01Z","droppedCount":7}"#
        );
        for kind in ChangeKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn an_empty_list_is_all_and_what_was_dropped_is_told_to_all() {
        let change = |collection, kind| ChangeEvent::new(collection, kind, Namespace::new("ns"));
        let created = change("events", ChangeKind::Created);
        let deleted = change("subscriptions", ChangeKind::Deleted);
        let dropped = ChangeEvent::dropped(Timestamp::from_nanos(0), 1);
        for (json, expected) in [
            ("{}", [true, true]),
            (r#"{"collections":null,"types":[]}"#, [true, true]),
            (r#"{"collections":["events"]}"#, [true, false]),
            (r#"{"types":["deleted","updated"]}"#, [false, true]),
            (
                r#"{"collections":["events"],"types":["deleted"]}"#,
                [false, false],
            ),
            (r#"{"collections":["Events"]}"#, [false, false]),
        ] {
            let filter = filter(json);
            assert_eq!(
                [filter.matches(&created), filter.matches(&deleted)],
                expected,
                "{json}"
            );
            assert!(filter.matches(&dropped), "{json}");
        }
    }

    #[test]
    fn a_name_that_nothing_has_is_refused() {
        for (json, words) in [
            (
                r#"{"collections":["events","Events"]}"#,
                "no collection 'Events'",
            ),
            (r#"{"types":["changed"]}"#, "no type 'changed'"),
        ] {
            let error = filter(json).check().unwrap_err().to_string();
            assert!(error.starts_with("PH00461: changeEvents."), "{error}");
            assert!(error.contains(words), "{error}");
        }
        let many = vec!["events".to_owned(); COLLECTIONS.len() + 1];
        let error = ChangeFilter::new(many, Vec::new()).check().unwrap_err();
        assert!(error.to_string().contains("23 names"), "{error}");
        let all = COLLECTIONS.map(str::to_owned).to_vec();
        ChangeFilter::new(all, vec!["dropped".to_owned()])
            .check()
            .unwrap();
    }
}
