//! What is one entry of the log?

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use uuid::Uuid;

use crate::data::{DataRef, RecordValue};
use crate::event::EventType;
use crate::id::{MessageId, Sequence, SubscriptionId};
use crate::name::Namespace;
use crate::time::Timestamp;

/// What a record says: a message, all its events, and the values published with it. One record is the unit
/// of atomicity: all of it is stored, with its unique keys, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordContent {
    /// The id of the message; the ids of its events and values follow from it.
    pub id: MessageId,
    /// The namespace whose log it is in.
    pub namespace: Namespace,
    /// The type of all its events.
    pub kind: EventType,
    /// When it was committed. Never decreases along a namespace's log.
    pub created: Timestamp,
    /// What it answers: the `cid` of the message.
    pub correlator: Option<Uuid>,
    /// The message's tag, or empty.
    pub tag: Box<str>,
    /// The message's author, or empty.
    pub author: Box<str>,
    /// The message's group in hex, or empty.
    pub group: Box<str>,
    /// Its events, in order. At least one.
    pub events: Vec<RecordEvent>,
    /// Where the message's JSON stands within the JSON of the first event.
    pub message: Range<usize>,
    /// The values published with it, in order. References to older values are only in the message.
    pub values: Vec<RecordValue>,
    /// The publisher's key against doing the same twice, unique in the namespace.
    pub idempotency_key: Option<Box<str>>,
}

/// One event of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordEvent {
    /// The topic, one of the message's.
    pub topic: Box<str>,
    /// The event as it is delivered, enriched, up to its splice point: the object is still open, and
    /// `sequence` and what names the delivery are to follow. One line of compact JSON.
    pub json: Bytes,
}

impl RecordContent {
    /// A record without optional parts.
    pub fn new(
        id: MessageId,
        namespace: Namespace,
        kind: EventType,
        created: Timestamp,
        events: Vec<RecordEvent>,
        message: Range<usize>,
    ) -> Self {
        Self {
            id,
            namespace,
            kind,
            created,
            correlator: None,
            tag: "".into(),
            author: "".into(),
            group: "".into(),
            events,
            message,
            values: Vec::new(),
            idempotency_key: None,
        }
    }

    /// The JSON of the message.
    pub fn message_json(&self) -> &[u8] {
        self.events
            .first()
            .and_then(|event| event.json.get(self.message.clone()))
            .unwrap_or_default()
    }

    /// The references of the message to its values, in order.
    pub fn data_refs(&self) -> Vec<DataRef> {
        #[derive(Deserialize)]
        struct OnlyData {
            data: Vec<DataRef>,
        }
        serde_json::from_slice::<OnlyData>(self.message_json())
            .map(|message| message.data)
            .unwrap_or_default()
    }

    /// About how much memory this takes, in bytes. Bounds of windows and caches count this.
    pub fn size(&self) -> usize {
        const FIXED: usize = 256;
        let events: usize = self.events.iter().map(|event| event.json.len() + 64).sum();
        let values: usize = self
            .values
            .iter()
            .map(|value| value.json.as_ref().map_or(0, Bytes::len) + 40)
            .sum();
        FIXED + events + values + self.tag.len() + self.author.len() + self.group.len()
    }
}

/// A record on its way into the log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewRecord {
    /// What it says.
    pub content: RecordContent,
    /// Set if it is a reply: stored under this key, once.
    pub reply: Option<ReplyKey>,
}

impl NewRecord {
    /// A record that is no reply.
    pub fn new(content: RecordContent) -> Self {
        Self {
            content,
            reply: None,
        }
    }
}

/// The key under which a reply is appended: one for each event and seek generation of a subscription, so
/// that a second answer to the same event publishes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyKey {
    /// The subscription whose event was answered.
    pub subscription: SubscriptionId,
    /// Raised by every seek.
    pub generation: u64,
    /// The event that was answered.
    pub event: Sequence,
    /// The epoch of the owner that answers; `None` for an ephemeral subscription, which has no owner.
    pub epoch: Option<u64>,
}

/// A record that is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The sequence of its last event; its events have the sequences just below, without gaps.
    pub last: Sequence,
    /// What it says.
    pub content: RecordContent,
}

impl Record {
    /// A record whose last event has the sequence `last`.
    pub fn new(last: Sequence, content: RecordContent) -> Self {
        debug_assert!(!content.events.is_empty());
        Self { last, content }
    }

    /// The sequence of its first event.
    pub fn first(&self) -> Sequence {
        Sequence(self.last.0 + 1 - self.content.events.len() as i64)
    }
}
