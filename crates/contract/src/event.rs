//! What is delivered?

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::delivery::DeliveryId;
use crate::filter::Attribute;
use crate::id::{EventId, Sequence};
use crate::name::Namespace;
use crate::record::Record;
use crate::splice;
use crate::subscription::SubscriptionRef;
use crate::time::Timestamp;

/// What happened.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventType {
    /// A message is in the log.
    MessageConfirmed,
    /// A message was refused.
    MessageRejected,
    /// A datatype can be used.
    DatatypeConfirmed,
}

impl EventType {
    /// All types, in a fixed order.
    pub const ALL: [EventType; 3] = [
        EventType::MessageConfirmed,
        EventType::MessageRejected,
        EventType::DatatypeConfirmed,
    ];

    /// The type as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::MessageConfirmed => "message_confirmed",
            EventType::MessageRejected => "message_rejected",
            EventType::DatatypeConfirmed => "datatype_confirmed",
        }
    }

    /// The type that is written so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An event of the log: one topic of one message. A view of its [`Record`], cheap to clone.
#[derive(Clone)]
pub struct Event {
    record: Arc<Record>,
    index: u32,
}

impl Event {
    /// The event at `index` of `record`, if there is one.
    pub fn new(record: Arc<Record>, index: usize) -> Option<Self> {
        (index < record.content.events_len()).then_some(Self {
            record,
            index: index as u32,
        })
    }

    /// All events of `record`, in order.
    pub fn all(record: &Arc<Record>) -> impl Iterator<Item = Event> + '_ {
        (0..record.content.events_len()).map(|index| Event {
            record: record.clone(),
            index: index as u32,
        })
    }

    /// The record that holds it.
    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Its id, the same on every delivery; what receivers deduplicate by.
    pub fn id(&self) -> EventId {
        self.record.content.id.event(self.index as usize)
    }

    /// Its place in the log.
    pub fn sequence(&self) -> Sequence {
        Sequence(self.record.first().0 + i64::from(self.index))
    }

    /// What happened.
    pub fn kind(&self) -> EventType {
        self.record.content.kind
    }

    /// Whose log it is in.
    pub fn namespace(&self) -> &Namespace {
        &self.record.content.namespace
    }

    /// What it is about: the id of the message.
    pub fn reference(&self) -> Uuid {
        self.record.content.id.0
    }

    /// The id of the message that its message answers.
    pub fn correlator(&self) -> Option<Uuid> {
        self.record.content.correlator
    }

    /// Its topic.
    pub fn topic(&self) -> &str {
        self.record.content.topic(self.index as usize)
    }

    /// When it was committed.
    pub fn created(&self) -> Timestamp {
        self.record.content.created
    }

    /// The value that a filter's test compares; empty where the event has no such thing.
    pub fn attribute(&self, attribute: Attribute) -> &str {
        let content = &self.record.content;
        match attribute {
            Attribute::Type => content.kind.as_str(),
            Attribute::Topic => self.topic(),
            Attribute::Tag => content.tag(),
            Attribute::Author => content.author(),
            Attribute::Group => content.group(),
            Attribute::TransactionType
            | Attribute::BlockchainName
            | Attribute::BlockchainListener => "",
        }
    }

    /// Its JSON up to the splice point: an object that is still open.
    pub fn open_json(&self) -> &[u8] {
        self.record.content.event_json(self.index as usize)
    }

    /// About how many bytes it keeps in memory: its own JSON, and its share of what its record holds besides.
    pub fn size(&self) -> usize {
        let content = &self.record.content;
        self.open_json().len() + content.values_bytes() / content.events_len() + 256
    }

    /// Appends the event as a list shows it: enriched, with `sequence`, without a subscription.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.open_json());
        // Writing to a Vec does not fail.
        let _ = write!(out, ",\"sequence\":{}}}", self.sequence());
    }

    /// Appends the event as it is delivered to `subscription`: stored bytes and one suffix. The bytes are
    /// the same on every attempt; transports whose receivers hash the body use this one.
    pub fn write_delivery(&self, subscription: SubscriptionRef<'_>, out: &mut Vec<u8>) {
        self.write_open_delivery(subscription, out);
        out.push(b'}');
    }

    /// As [`write_delivery`](Self::write_delivery), with `delivery` and `attempt` after `subscription`, for
    /// transports whose clients answer by them.
    pub fn write_tracked_delivery(
        &self,
        subscription: SubscriptionRef<'_>,
        delivery: DeliveryId,
        attempt: u32,
        out: &mut Vec<u8>,
    ) {
        self.write_open_delivery(subscription, out);
        splice::write_attempt(delivery, attempt, out);
        out.push(b'}');
    }

    fn write_open_delivery(&self, subscription: SubscriptionRef<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.open_json());
        splice::write_place(self.sequence(), subscription, out);
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({} {})", self.sequence(), self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{MessageId, SubscriptionId};
    use crate::record::{RecordContent, RecordEvent};

    fn record() -> Arc<Record> {
        let id = MessageId::from_v7(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000));
        let event = |index: usize, topic: &str| RecordEvent {
            topic: topic.into(),
            json: format!(r#"{{"id":"{}","topic":"{topic}""#, id.event(index)).into(),
        };
        Arc::new(Record::new(
            Sequence(8),
            RecordContent::new(
                id,
                Namespace::new("ns"),
                EventType::MessageConfirmed,
                Timestamp::from_nanos(1),
                vec![event(0, "a"), event(1, "b")],
                0..0,
            ),
        ))
    }

    #[test]
    fn the_events_of_a_record_have_the_sequences_up_to_its_last() {
        let events: Vec<_> = Event::all(&record()).collect();
        assert_eq!(
            events.iter().map(|e| e.sequence().0).collect::<Vec<_>>(),
            [7, 8]
        );
        assert_eq!(
            events.iter().map(Event::topic).collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert!(Event::new(record(), 2).is_none());
    }

    #[test]
    fn a_delivery_is_the_stored_text_and_a_suffix() {
        let event = Event::new(record(), 1).unwrap();
        let subscription = SubscriptionId(Uuid::nil());
        let subscription = SubscriptionRef {
            id: subscription,
            namespace: "ns",
            name: "a\"b",
        };
        let mut out = Vec::new();
        event.write_tracked_delivery(subscription, DeliveryId::new(3, 4), 2, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"id":"01900000-0000-7000-8000-000000000002","topic":"b","sequence":8,"subscription":{"id":"00000000-0000-0000-0000-000000000000","namespace":"ns","name":"a\"b"},"delivery":"3-4","attempt":2}"#
        );
        let mut out = Vec::new();
        event.write_json(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"id":"01900000-0000-7000-8000-000000000002","topic":"b","sequence":8}"#
        );
    }

    #[test]
    fn types_are_written_as_they_are_named() {
        for kind in EventType::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(EventType::from_name(kind.as_str()), Some(kind));
        }
    }
}
