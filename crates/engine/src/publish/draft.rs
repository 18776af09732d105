//! What is ready before the time of commit is known?
//!
//! The whole record, with places for that time. Sealing fills them in: it is done in the one task that commits.

use std::ops::Range;
use std::sync::Arc;

use photinus_contract::record::{Enclosure, RecordContent, RecordEvent, RecordWriter};
use photinus_contract::{CodedError, Datatype, EventType, MessageId, Namespace, Timestamp};
use uuid::Uuid;

use super::NewValue;
use super::write::{
    BETWEEN_TIMES, CONFIRMED_END, EVENT_BYTES, MESSAGE_END, References, Said, TIME_END, TIME_PLACE,
};
use crate::metrics::Origin;

/// The topic of events about definitions.
const DEFINITION_TOPIC: &str = "ff_definition";

/// A message that is checked and written, and waits for its commit.
#[derive(Debug)]
pub(crate) struct Draft {
    id: MessageId,
    kind: EventType,
    correlator: Option<Uuid>,
    writer: RecordWriter,
    /// Where each event ends in what was written: the first, and the others.
    event_ends: (usize, Vec<usize>),
    /// Where the message stands in the first event.
    message: Range<usize>,
    /// The publisher's key against doing the same twice, for the error that names it.
    pub(crate) key: Option<Box<str>>,
    /// What is stored with it.
    pub(super) enclosed: Option<Box<Enclosure>>,
    /// For those who count.
    pub(crate) origin: Origin,
}

/// When a group is committed, as it is written in each of its records.
#[derive(Clone, Debug)]
pub(crate) struct CommitTime {
    time: Timestamp,
    text: String,
}

impl CommitTime {
    pub(crate) fn new(time: Timestamp) -> Self {
        let text = time.to_string();
        Self { time, text }
    }

    pub(crate) fn time(&self) -> Timestamp {
        self.time
    }
}

impl Draft {
    /// The draft of what a message says, with these values.
    pub(super) fn new(
        said: &Said<'_>,
        references: &References,
        values: &[NewValue<'_>],
        origin: Origin,
    ) -> Self {
        let texts = said.author.len() + said.key.len() + said.tag.len();
        let kept = said.cloud_event.map_or(0, str::len);
        let names = 4 * (said.namespace.len() + said.topics.iter().map(|t| t.len()).sum::<usize>());
        let event = EVENT_BYTES + references.bytes_len() + 2 * texts + names + kept;
        let values_len: usize = values.iter().map(|value| value.json.len() + 2).sum();
        let mut writer = RecordWriter::new(event * said.topics.len() + values_len);
        writer.head(said.tag, said.author, said.group, said.idempotency_key);
        writer.topics(said.topics);
        let mut event_ends = (0, Vec::new());
        let (mut message, mut message_start) = (0..0, 0);
        for (index, topic) in said.topics.iter().enumerate() {
            writer.event(|json| {
                let start = json.len();
                said.write_event_head(index, topic, json);
                if index == 0 {
                    message_start = json.len() - start;
                    message = json.len()..json.len();
                    said.write_message(references, json);
                    message.end = json.len();
                    event_ends.0 = json.len();
                } else {
                    json.extend_from_within(message.clone());
                    event_ends.1.push(json.len());
                }
            });
        }
        for value in values {
            writer.value(value.validator, Some(&value.json));
        }
        Self {
            id: said.id,
            kind: EventType::MessageConfirmed,
            correlator: said.cid,
            writer,
            event_ends,
            message: message_start..message_start + message.len() - MESSAGE_END,
            key: said.idempotency_key.map(Into::into),
            enclosed: None,
            origin,
        }
    }

    /// The draft of the event that announces a datatype. There is no message in it.
    pub(crate) fn of_datatype(datatype: &Datatype, origin: Origin) -> Result<Self, CodedError> {
        let Datatype { id, namespace, .. } = datatype;
        let (validator, name, version) = (datatype.validator, &datatype.name, &datatype.version);
        let validator = serde_json::to_string(&validator).map_err(super::internal)?;
        let (hash, value) = (datatype.hash, &datatype.value);
        let mut writer = RecordWriter::new(EVENT_BYTES + value.get().len());
        writer.head("", "", "", None);
        writer.topics(&[DEFINITION_TOPIC]);
        let mut event_end = 0;
        // Names need no escapes. The time is the last key of the datatype, so that it stands where that of a message
        // stands, and is filled in with it.
        let head = format!(
            r#"{{"id":"{}","type":"{}","namespace":"{namespace}","reference":"{id}","topic":"{DEFINITION_TOPIC}","datatype":{{"id":"{id}","validator":{validator},"namespace":"{namespace}","name":"{name}","version":"{version}","hash":"{hash}","value":{value},"created":""#,
            id.event(0),
            EventType::DatatypeConfirmed,
        );
        writer.event(|json| {
            for part in [
                head.as_bytes(),
                TIME_PLACE,
                BETWEEN_TIMES,
                TIME_PLACE,
                b"\"",
            ] {
                json.extend_from_slice(part);
            }
            event_end = json.len();
        });
        Ok(Self {
            id: *id,
            kind: EventType::DatatypeConfirmed,
            correlator: None,
            writer,
            event_ends: (event_end, Vec::new()),
            message: 0..0,
            key: None,
            enclosed: Some(Box::new(crate::datatypes::enclosed(datatype))),
            origin,
        })
    }

    /// What is stored with the record, which is committed at this time.
    pub(crate) fn take_enclosed(&mut self, commit: &CommitTime) -> Option<Arc<Enclosure>> {
        let mut enclosed = self.enclosed.take()?;
        let datatype = enclosed.datatype.take();
        enclosed.datatype = datatype.map(|datatype| datatype.committed(commit.time));
        Some(Arc::from(enclosed))
    }

    /// The id of its message.
    pub(crate) fn id(&self) -> MessageId {
        self.id
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        const FIXED: usize = 256;
        let enclosed = self.enclosed.as_ref().map_or(0, |enclosed| enclosed.size());
        FIXED + self.writer.bytes_len() + enclosed
    }

    /// The record's content, committed at some time in the log of a namespace.
    pub(crate) fn seal(mut self, namespace: Namespace, commit: &CommitTime) -> RecordContent {
        let CommitTime { time, text } = commit;
        // Nine times of ten; else the last digit of the time is a zero, and left out.
        let fits = text.len() == TIME_PLACE.len();
        if fits {
            let (first, others) = &self.event_ends;
            let written = self.writer.written();
            for event_end in [first].into_iter().chain(others) {
                for end in [event_end - CONFIRMED_END, event_end - TIME_END] {
                    written[end - TIME_PLACE.len()..end].copy_from_slice(text.as_bytes());
                }
            }
        }
        let mut content = self
            .writer
            .finish(self.id, namespace, self.kind, *time, self.message);
        content.correlator = self.correlator;
        if !fits {
            write_shorter(&mut content, text);
        }
        content
    }
}

/// Writes the time of commit where it is shorter than its places.
fn write_shorter(content: &mut RecordContent, time: &str) {
    content.edit(|parts| {
        for RecordEvent { json, .. } in &mut parts.events {
            let before = json.len() - CONFIRMED_END - TIME_PLACE.len();
            let mut shorter = Vec::with_capacity(json.len());
            shorter.extend_from_slice(&json[..before]);
            shorter.extend_from_slice(time.as_bytes());
            shorter.extend_from_slice(BETWEEN_TIMES);
            shorter.extend_from_slice(time.as_bytes());
            shorter.push(b'"');
            *json = shorter.into();
        }
        if !parts.message.is_empty() {
            parts.message.end = parts.message.end + time.len() - TIME_PLACE.len();
        }
    });
}

/// The JSON of a message that is stored, as it is shown to whoever does not wait for its confirmation.
pub fn as_ready(message: &[u8]) -> Vec<u8> {
    ready(message).unwrap_or_else(|| message.to_vec())
}

fn ready(message: &[u8]) -> Option<Vec<u8>> {
    const CONFIRMED: &[u8] = br#""state":"confirmed""#;
    const READY: &[u8] = br#""state":"ready""#;
    // A quotation mark within a text has a backslash before it, and the time at the end has none.
    let state = memchr::memmem::find(message, CONFIRMED)?;
    let end = memchr::memmem::rfind(message, br#","confirmed":""#)?;
    let mut ready = Vec::with_capacity(message.len());
    ready.extend_from_slice(&message[..state]);
    ready.extend_from_slice(READY);
    ready.extend_from_slice(message.get(state + CONFIRMED.len()..end)?);
    ready.push(b'}');
    Some(ready)
}

#[cfg(test)]
mod tests {
    use photinus_contract::data::{Hash, Validator};
    use photinus_contract::message::MessageState;
    use photinus_contract::{DataRef, Message, MessageKind};
    use serde_json::value::RawValue;
    use tokio::time::Instant;

    use super::super::json::sha256;
    use super::*;

    const ID: &str = "01900000-0000-7000-8000-000000000000";
    const CID: &str = "01900000-0000-7000-8000-aaaaaaaaa000";

    fn draft(topics: &[&str], references: &[DataRef], key: Option<&str>) -> Draft {
        let said = Said {
            id: ID.parse().unwrap(),
            cid: Some(CID.parse().unwrap()),
            kind: MessageKind::Broadcast,
            txtype: "batch_pin",
            author: "a \"state\":\"confirmed\" \u{2028}",
            key: "",
            created: "2026-01-02T03:04:05Z",
            namespace: "default",
            group: "",
            topics,
            tag: "t",
            idempotency_key: key,
            cloud_event: Some(r#"{"id":"\"confirmed\""}"#).filter(|_| key.is_some()),
        };
        let mut list = References::new(references.len());
        references.iter().for_each(|reference| list.add(reference));
        list.end();
        let values = [NewValue {
            validator: Validator::None,
            json: b"{}".as_slice().into(),
        }];
        Draft::new(
            &said,
            &list,
            &values,
            Origin::new(MessageKind::Broadcast, Instant::now()),
        )
    }

    #[test]
    fn a_sealed_draft_is_the_event_as_it_is_delivered() {
        let id: MessageId = ID.parse().unwrap();
        let reference = DataRef {
            id: id.value(0),
            hash: Hash([7; 32]),
        };
        for time in ["2026-01-02T03:04:06.5Z", "2026-01-02T03:04:06.123456789Z"] {
            let draft = draft(&["a", "b"], &[reference], Some("k\""));
            let commit = CommitTime::new(time.parse().unwrap());
            let content = draft.seal(Namespace::new("default"), &commit);
            assert_eq!((content.created, content.events_len()), (commit.time(), 2));
            assert_eq!((content.tag(), content.group()), ("t", ""));
            assert_eq!(content.idempotency_key(), Some("k\""));
            let value = content.values().next().unwrap();
            assert_eq!(
                (value.validator, value.json),
                (Validator::None, Some(&b"{}"[..]))
            );
            for (index, topic) in ["a", "b"].into_iter().enumerate() {
                assert_eq!(content.topic(index), topic);
                let mut json = content.event_json(index).to_vec();
                json.push(b'}');
                let event: serde_json::Value = serde_json::from_slice(&json).unwrap();
                assert_eq!(event["id"], id.event(index).to_string());
                assert_eq!(event["reference"], ID);
                assert_eq!(event["topic"], topic);
                assert_eq!(event["correlator"], CID);
                assert_eq!(event["created"], time);
                assert_eq!(event["message"]["confirmed"], time);
                assert_eq!(event["message"]["state"], "confirmed");
                assert_eq!(event["message"]["idempotencyKey"], "k\"");
            }
            assert_eq!(content.data_refs(), [reference]);
        }
    }

    #[test]
    fn a_datatype_is_announced_at_the_time_of_its_commit() {
        let id: MessageId = ID.parse().unwrap();
        let schema = r#"{"description":"\"created\":\"","type":"string"}"#;
        for time in ["2026-01-02T03:04:06Z", "2026-01-02T03:04:06.123456789Z"] {
            let schema = RawValue::from_string(schema.to_owned()).unwrap();
            let namespace = Namespace::new("default");
            let (name, version) = ("widget".to_owned(), "1.0".to_owned());
            let hash = sha256(b"");
            let datatype = Datatype::new(id, namespace, name, version, hash, schema);
            let origin = Origin::new(MessageKind::Broadcast, Instant::now());
            let mut draft = Draft::of_datatype(&datatype, origin).unwrap();
            let commit = CommitTime::new(time.parse().unwrap());
            let enclosed = draft.take_enclosed(&commit).unwrap();
            let content = draft.seal(Namespace::new("default"), &commit);
            assert_eq!(content.kind, EventType::DatatypeConfirmed);
            assert_eq!(
                (content.topic(0), content.events_len()),
                ("ff_definition", 1)
            );
            assert!(content.message_json().is_empty() && content.data_refs().is_empty());
            let mut json = content.event_json(0).to_vec();
            json.push(b'}');
            let event: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let announced = serde_json::to_value(enclosed.datatype.as_ref().unwrap()).unwrap();
            assert_eq!(event["datatype"], announced);
            assert_eq!(announced["created"], time);
            assert_eq!(event["created"], time);
            assert_eq!(event["reference"], ID);
            assert_eq!(event["id"], id.event(0).to_string());
        }
    }

    #[test]
    fn a_message_is_written_and_hashed_as_the_contract_says() {
        let commit = CommitTime::new("2026-01-02T03:04:06.5Z".parse().unwrap());
        let content = draft(&["a", "b"], &[], None).seal(Namespace::new("default"), &commit);
        let message: Message = serde_json::from_slice(content.message_json()).unwrap();
        assert_eq!(message.header.id.to_string(), ID);
        assert_eq!(message.header.topics, ["a", "b"]);
        let header = serde_json::to_string(&message.header).unwrap();
        let start = format!(r#"{{"header":{header},"localNamespace""#);
        let shown = std::str::from_utf8(content.message_json()).unwrap();
        assert!(shown.starts_with(&start), "{shown}");
        let hashed = header.replace('\u{2028}', "\\u2028");
        assert_eq!(message.hash, sha256(hashed.as_bytes()));
        assert_eq!(message.header.datahash, sha256(b"[]"));
    }

    #[test]
    fn a_message_is_shown_as_it_was_before_it_was_confirmed() {
        for key in [None, Some("\"confirmed\":\"")] {
            let commit = CommitTime::new("2026-01-02T03:04:06.5Z".parse().unwrap());
            let content = draft(&["a"], &[], key).seal(Namespace::new("default"), &commit);
            let mut expected: Message = serde_json::from_slice(content.message_json()).unwrap();
            expected.state = MessageState::Ready;
            expected.confirmed = None;
            let ready = as_ready(content.message_json());
            assert_eq!(ready, serde_json::to_vec(&expected).unwrap());
        }
    }
}
