//! What is one entry of the log?

mod packed;
mod parts;
mod text;
mod writer;

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use uuid::Uuid;

pub use self::packed::PackedError;
pub use self::parts::{RecordEvent, RecordParts};
use self::text::Text;
pub use self::text::Value;
pub use self::writer::RecordWriter;
use crate::data::{Data, DataRef};
use crate::datatype::Datatype;
use crate::event::EventType;
use crate::id::{DataId, MessageId, Sequence, SubscriptionId};
use crate::name::Namespace;
use crate::time::Timestamp;

/// What a record says: a message, all its events, and the values published with it. One record is the unit
/// of atomicity: all of it is stored, with its unique keys, or nothing.
///
/// All its texts stand in one buffer, because a record is made anew each time it is read. A [`RecordWriter`]
/// writes them, a store keeps them [packed](Self::pack), and [`edit`](Self::edit) changes them.
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
    text: Text,
}

impl RecordContent {
    /// A record with these events and without optional parts. `message` is where the message's JSON stands
    /// within the JSON of the first event.
    pub fn new(
        id: MessageId,
        namespace: Namespace,
        kind: EventType,
        created: Timestamp,
        events: Vec<RecordEvent>,
        message: Range<usize>,
    ) -> Self {
        let parts = RecordParts {
            events,
            message,
            ..RecordParts::default()
        };
        Self::with_text(id, namespace, kind, created, parts.text())
    }

    fn with_text(
        id: MessageId,
        namespace: Namespace,
        kind: EventType,
        created: Timestamp,
        text: Text,
    ) -> Self {
        Self {
            id,
            namespace,
            kind,
            created,
            correlator: None,
            text,
        }
    }

    /// The message's tag, or empty.
    pub fn tag(&self) -> &str {
        self.text.tag()
    }

    /// The message's author, or empty.
    pub fn author(&self) -> &str {
        self.text.author()
    }

    /// The message's group in hex, or empty.
    pub fn group(&self) -> &str {
        self.text.group()
    }

    /// The publisher's key against doing the same twice, unique in the namespace.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.text.key()
    }

    /// How many events it has. At least one, if it is in a log.
    pub fn events_len(&self) -> usize {
        self.text.events_len()
    }

    /// The topic of the event at `index`, one of the message's; empty if there is no such event.
    pub fn topic(&self, index: usize) -> &str {
        self.text.topic(index)
    }

    /// The event at `index` as it is delivered, enriched, up to its splice point: the object is still open, and
    /// `sequence` and what names the delivery are to follow. One line of compact JSON; empty if there is no
    /// such event.
    pub fn event_json(&self, index: usize) -> &[u8] {
        self.text.event_json(index)
    }

    /// The JSON of the message.
    pub fn message_json(&self) -> &[u8] {
        let message = self.text.message();
        self.event_json(0).get(message).unwrap_or_default()
    }

    /// How many values were published with it. They are counted: not for free.
    pub fn values_len(&self) -> usize {
        self.text.values().count()
    }

    /// The values published with it, in order. References to older values are only in the message.
    pub fn values(&self) -> impl Iterator<Item = Value<'_>> {
        self.text.values()
    }

    /// Bytes of the values that stand in it.
    pub fn values_bytes(&self) -> usize {
        self.text.values_bytes()
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

    /// Changes its texts. Everything is copied: for what is done now and then.
    pub fn edit(&mut self, change: impl FnOnce(&mut RecordParts)) {
        let mut parts = RecordParts::of(self);
        change(&mut parts);
        self.text = parts.text();
    }

    /// About how much memory this takes, in bytes. Bounds of windows and caches count this.
    pub fn size(&self) -> usize {
        const FIXED: usize = 256;
        FIXED + self.text.bytes_len()
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
    /// What is stored with it, if there is anything.
    pub enclosed: Option<Arc<Enclosure>>,
}

/// What is stored in the same step as a record, or not at all, in places of its own. Most records have nothing of it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Enclosure {
    /// Data that the message brings and refers to, and for which a record has no place: what says of which datatype it
    /// is. It is [stored data](crate::store::StoredData) from then on, and has no blob.
    pub data: Vec<Data>,
    /// The datatype that the event announces: one for its name and version.
    pub datatype: Option<Datatype>,
    /// The values that the message refers to and did not bring as values of its record, by which it
    /// [is found](crate::store::Log::records_of_value).
    pub references: Vec<DataId>,
}

impl Enclosure {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty() && self.datatype.is_none() && self.references.is_empty()
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        let data = self.data.iter().map(|data| data.value.get().len() + 256);
        let datatype = self
            .datatype
            .iter()
            .map(|datatype| datatype.value.get().len());
        data.chain(datatype).sum::<usize>() + self.references.len() * 32
    }
}

impl NewRecord {
    /// A record that is no reply.
    pub fn new(content: RecordContent) -> Self {
        Self {
            content,
            reply: None,
            enclosed: None,
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
        debug_assert!(content.events_len() > 0);
        Self { last, content }
    }

    /// The sequence of its first event.
    pub fn first(&self) -> Sequence {
        Sequence(self.last.0 + 1 - self.content.events_len() as i64)
    }
}
