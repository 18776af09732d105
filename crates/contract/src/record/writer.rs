//! How is a record written into its one buffer?

use std::ops::Range;

use bytes::Bytes;

use super::RecordContent;
use super::text::{EventEnds, SECTIONS, Section, Text};
use crate::data::Validator;
use crate::event::EventType;
use crate::id::MessageId;
use crate::name::Namespace;
use crate::time::Timestamp;

/// Writes the texts of a record, in the order in which they stand in it: who sends what, all topics, an event for
/// each of them, the values. Nothing is moved if it knows from the start how many bytes there will be.
///
/// ```
/// # use photinus_contract::record::RecordWriter;
/// # use photinus_contract::{EventType, MessageId, Namespace, Timestamp};
/// let mut writer = RecordWriter::new(128);
/// writer.head("tag", "author", "", None);
/// writer.topics(&["a", "b"]);
/// for index in 0..2 {
///     writer.event(|json| json.extend_from_slice(format!(r#"{{"index":{index}"#).as_bytes()));
/// }
/// let id = MessageId::from_v7(uuid::Uuid::nil());
/// let kind = EventType::MessageConfirmed;
/// let record = writer.finish(id, Namespace::new("ns"), kind, Timestamp::from_nanos(1), 0..0);
/// assert_eq!(record.topic(1), "b");
/// assert_eq!(record.event_json(1), br#"{"index":1"#);
/// ```
#[derive(Debug)]
pub struct RecordWriter {
    bytes: Vec<u8>,
    ends: [usize; SECTIONS],
    /// How many sections have ended.
    ended: usize,
    /// Where the events end, if there is not just one.
    events: Option<Vec<EventEnds>>,
    events_written: usize,
    has_key: bool,
    values_written: usize,
    /// A letter for each value, once one is not `j`.
    validators: Vec<u8>,
}

impl RecordWriter {
    /// Begins a record that will take about so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ends: [0; SECTIONS],
            ended: 0,
            events: Some(Vec::new()),
            events_written: 0,
            has_key: false,
            values_written: 0,
            validators: Vec::new(),
        }
    }

    /// Writes what comes first: tag, author and group, each may be empty, and the publisher's key.
    pub fn head(&mut self, tag: &str, author: &str, group: &str, idempotency_key: Option<&str>) {
        self.has_key = idempotency_key.is_some();
        for (section, text) in [
            (Section::Tag, tag),
            (Section::Author, author),
            (Section::Group, group),
            (Section::Key, idempotency_key.unwrap_or_default()),
        ] {
            self.bytes.extend_from_slice(text.as_bytes());
            self.end(section);
        }
    }

    /// Writes the topics of all events that will follow. They have no comma.
    pub fn topics<T: AsRef<str>>(&mut self, topics: &[T]) {
        let start = self.bytes.len();
        let mut ends = match topics.len() {
            1 => None,
            several => Some(Vec::with_capacity(several)),
        };
        for (index, topic) in topics.iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            self.bytes.extend_from_slice(topic.as_ref().as_bytes());
            if let Some(ends) = &mut ends {
                let topic = place(self.bytes.len() - start);
                ends.push(EventEnds { topic, json: 0 });
            }
        }
        self.events = ends;
        self.end(Section::Topics);
    }

    /// Writes the next event: one line of compact JSON, up to its splice point. There is one for each topic.
    ///
    /// # Panics
    /// If there were as many as topics already, or the record is larger than 4 GiB.
    pub fn event(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.events_written > 0 {
            self.bytes.push(b'\n');
        }
        write(&mut self.bytes);
        let json = place(self.bytes.len() - self.ends[Section::Topics as usize]);
        if let Some(ends) = &mut self.events {
            ends[self.events_written].json = json;
        }
        self.events_written += 1;
    }

    /// All that was written, to fill in what was not known then. Its length stays.
    pub fn written(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// How many bytes were written.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes the next value, when all events are there: one line of compact JSON, or `None` if it is kept apart.
    ///
    /// # Panics
    /// If it has a line break: it would be read back as two values.
    pub fn value(&mut self, validator: Validator, json: Option<&[u8]>) {
        let json = json.unwrap_or_default();
        assert!(memchr::memchr(b'\n', json).is_none(), "a value is one line");
        if self.values_written == 0 {
            self.end(Section::Events);
        } else {
            self.bytes.push(b'\n');
        }
        self.bytes.extend_from_slice(json);
        if validator != Validator::Json || !self.validators.is_empty() {
            let plain = Validator::Json.letter() as u8;
            self.validators.resize(self.values_written, plain);
            self.validators.push(validator.letter() as u8);
        }
        self.values_written += 1;
    }

    /// The record. `message` is where the message's JSON stands within the JSON of the first event.
    ///
    /// # Panics
    /// If there are fewer events than topics, or the record is larger than 4 GiB.
    pub fn finish(
        self,
        id: MessageId,
        namespace: Namespace,
        kind: EventType,
        created: Timestamp,
        message: Range<usize>,
    ) -> RecordContent {
        let text = self.finish_text(message);
        RecordContent::with_text(id, namespace, kind, created, text)
    }

    pub(super) fn finish_text(mut self, message: Range<usize>) -> Text {
        let events = self.events.as_ref().map_or(1, Vec::len);
        assert_eq!(events, self.events_written, "an event for each topic");
        self.end(Section::Values);
        let validators = std::mem::take(&mut self.validators);
        self.bytes.extend_from_slice(&validators);
        self.end(Section::Validators);
        Text {
            bytes: Bytes::from(self.bytes),
            ends: self.ends.map(place),
            events: self.events.map(Into::into),
            message: place(message.start)..place(message.end),
            has_key: self.has_key,
            has_values: self.values_written > 0,
        }
    }

    /// Ends a section, and those before it that were left out.
    fn end(&mut self, section: Section) {
        let section = section as usize;
        if let Some(ends) = self.ends.get_mut(self.ended..=section) {
            ends.fill(self.bytes.len());
            self.ended = section + 1;
        }
    }
}

/// A place in the buffer.
fn place(bytes: usize) -> u32 {
    assert!(bytes <= u32::MAX as usize, "a record of more than 4 GiB");
    bytes as u32
}
