//! How is a record made or changed piece by piece?

use std::ops::Range;

use bytes::Bytes;

use super::RecordContent;
use super::text::Text;
use super::writer::RecordWriter;
use crate::data::RecordValue;

/// The texts of a record, each for itself: what [`RecordContent::edit`] changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordParts {
    /// The message's tag, or empty.
    pub tag: String,
    /// The message's author, or empty.
    pub author: String,
    /// The message's group in hex, or empty.
    pub group: String,
    /// The publisher's key against doing the same twice.
    pub idempotency_key: Option<String>,
    /// The events, in order.
    pub events: Vec<RecordEvent>,
    /// Where the message's JSON stands within the JSON of the first event.
    pub message: Range<usize>,
    /// The values published with it, in order.
    pub values: Vec<RecordValue>,
}

/// One event of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordEvent {
    /// The topic, one of the message's.
    pub topic: Box<str>,
    /// The event as it is delivered, enriched, up to its splice point. One line of compact JSON.
    pub json: Bytes,
}

impl RecordParts {
    pub(super) fn of(content: &RecordContent) -> Self {
        Self {
            tag: content.tag().to_owned(),
            author: content.author().to_owned(),
            group: content.group().to_owned(),
            idempotency_key: content.idempotency_key().map(str::to_owned),
            events: (0..content.events_len())
                .map(|index| RecordEvent {
                    topic: content.topic(index).into(),
                    json: Bytes::copy_from_slice(content.event_json(index)),
                })
                .collect(),
            message: content.text.message(),
            values: content
                .values()
                .map(|value| RecordValue {
                    validator: value.validator,
                    json: value.json.map(Bytes::copy_from_slice),
                })
                .collect(),
        }
    }

    pub(super) fn text(&self) -> Text {
        let mut writer = RecordWriter::new(0);
        let key = self.idempotency_key.as_deref();
        writer.head(&self.tag, &self.author, &self.group, key);
        let topics: Vec<_> = self.events.iter().map(|event| &event.topic).collect();
        writer.topics(&topics);
        for event in &self.events {
            writer.event(|json| json.extend_from_slice(&event.json));
        }
        for value in &self.values {
            writer.value(value.validator, value.json.as_deref());
        }
        writer.finish_text(self.message.clone())
    }
}
