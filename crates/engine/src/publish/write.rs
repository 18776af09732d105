//! How is a message written as JSON?
//!
//! Key by key into one buffer, in FireFly's order: what is hashed is hashed where it stands, and nothing is written
//! twice.

use photinus_contract::data::Hash;
use photinus_contract::{DataRef, EventType, MessageId, MessageKind, write_json_text};
use uuid::Uuid;

use super::json::{escaped, sha256};

/// Where a time is to be filled in. As long as a time with all nine digits of its second.
pub(super) const TIME_PLACE: &[u8; 30] = b"0000-00-00T00:00:00.000000000Z";
/// What is between the two times at the end of an event: of the message's confirmation, and of the event.
pub(super) const BETWEEN_TIMES: &[u8] = br#""},"created":""#;
/// How far before the end of an event its time ends.
pub(super) const TIME_END: usize = 1;
/// The same of the time of the message's confirmation.
pub(super) const CONFIRMED_END: usize = TIME_END + TIME_PLACE.len() + BETWEEN_TIMES.len();
/// How far before the end of an event its message ends, of which there are two bytes between the times.
pub(super) const MESSAGE_END: usize = TIME_END + TIME_PLACE.len() + BETWEEN_TIMES.len() - 2;
/// About how many bytes an event has besides what is its publisher's.
pub(super) const EVENT_BYTES: usize = 800;
/// How many bytes a reference to a value has, with a comma.
pub(super) const REFERENCE_BYTES: usize = 120;

/// What a message says of itself and to whom it goes, checked.
pub(super) struct Said<'a> {
    pub(super) id: MessageId,
    pub(super) cid: Option<Uuid>,
    pub(super) kind: MessageKind,
    pub(super) txtype: &'a str,
    pub(super) author: &'a str,
    pub(super) key: &'a str,
    pub(super) created: &'a str,
    pub(super) namespace: &'a str,
    /// In hex, or empty.
    pub(super) group: &'a str,
    pub(super) topics: &'a [&'a str],
    pub(super) tag: &'a str,
    pub(super) idempotency_key: Option<&'a str>,
    /// The attributes of the CloudEvent that it was, as JSON.
    pub(super) cloud_event: Option<&'a str>,
}

impl Said<'_> {
    /// Writes the JSON of an event up to its message.
    pub(super) fn write_event_head(&self, index: usize, topic: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"id":""#);
        write_id(self.id.event(index).0, out);
        out.extend_from_slice(br#"","type":""#);
        out.extend_from_slice(EventType::MessageConfirmed.as_str().as_bytes());
        out.extend_from_slice(br#"","namespace":"#);
        write_json_text(self.namespace, out);
        out.extend_from_slice(br#","reference":""#);
        write_id(self.id.0, out);
        if let Some(cid) = self.cid {
            out.extend_from_slice(br#"","correlator":""#);
            write_id(cid, out);
        }
        out.extend_from_slice(br#"","topic":"#);
        write_json_text(topic, out);
        out.extend_from_slice(br#","message":"#);
    }

    /// Writes the message as it will be when it is confirmed, up to the end of the event that it stands in, with
    /// places for the times.
    pub(super) fn write_message(&self, references: &References, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"header":"#);
        let header = out.len();
        self.write_header(references, out);
        let hash = sha256(&escaped(&out[header..]));
        out.extend_from_slice(br#","localNamespace":"#);
        write_json_text(self.namespace, out);
        out.extend_from_slice(br#","hash":""#);
        out.extend_from_slice(&hash.digits());
        out.extend_from_slice(br#"","state":"confirmed","data":"#);
        out.extend_from_slice(&references.json);
        if let Some(key) = self.idempotency_key {
            out.extend_from_slice(br#","idempotencyKey":"#);
            write_json_text(key, out);
        }
        if let Some(attributes) = self.cloud_event {
            out.extend_from_slice(br#","cloudEvent":"#);
            out.extend_from_slice(attributes.as_bytes());
        }
        out.extend_from_slice(br#","confirmed":""#);
        out.extend_from_slice(TIME_PLACE);
        out.extend_from_slice(BETWEEN_TIMES);
        out.extend_from_slice(TIME_PLACE);
        out.push(b'"');
    }

    /// Writes the text that is hashed.
    fn write_header(&self, references: &References, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"id":""#);
        write_id(self.id.0, out);
        if let Some(cid) = self.cid {
            out.extend_from_slice(br#"","cid":""#);
            write_id(cid, out);
        }
        out.extend_from_slice(match self.kind {
            MessageKind::Private => br#"","type":"private""#.as_slice(),
            _ => br#"","type":"broadcast""#,
        });
        for (key, value) in [
            (r#","txtype":"#, self.txtype),
            (r#","author":"#, self.author),
            (r#","key":"#, self.key),
        ] {
            write_if_any(key, value, out);
        }
        out.extend_from_slice(br#","created":""#);
        out.extend_from_slice(self.created.as_bytes());
        out.extend_from_slice(br#"","namespace":"#);
        write_json_text(self.namespace, out);
        write_if_any(r#","group":"#, self.group, out);
        out.extend_from_slice(br#","topics":["#);
        for (index, topic) in self.topics.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_json_text(topic, out);
        }
        out.push(b']');
        write_if_any(r#","tag":"#, self.tag, out);
        out.extend_from_slice(br#","datahash":""#);
        out.extend_from_slice(&references.hash().digits());
        out.extend_from_slice(br#""}"#);
    }
}

/// The references of a message to its values, as JSON.
pub(super) struct References {
    json: Vec<u8>,
}

impl References {
    /// For so many.
    pub(super) fn new(count: usize) -> Self {
        let mut json = Vec::with_capacity(count * REFERENCE_BYTES + 2);
        json.push(b'[');
        Self { json }
    }

    pub(super) fn add(&mut self, reference: &DataRef) {
        let json = &mut self.json;
        if json.len() > 1 {
            json.push(b',');
        }
        json.extend_from_slice(br#"{"id":""#);
        write_id(reference.id.0, json);
        json.extend_from_slice(br#"","hash":""#);
        json.extend_from_slice(&reference.hash.digits());
        json.extend_from_slice(br#""}"#);
    }

    /// There are no more.
    pub(super) fn end(&mut self) {
        self.json.push(b']');
    }

    pub(super) fn bytes_len(&self) -> usize {
        self.json.len()
    }

    fn hash(&self) -> Hash {
        sha256(&self.json)
    }
}

fn write_id(id: Uuid, out: &mut Vec<u8>) {
    let mut text = Uuid::encode_buffer();
    out.extend_from_slice(id.hyphenated().encode_lower(&mut text).as_bytes());
}

fn write_if_any(key: &str, value: &str, out: &mut Vec<u8>) {
    if !value.is_empty() {
        out.extend_from_slice(key.as_bytes());
        write_json_text(value, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_serde_writes_them() {
        for text in [
            "",
            "a-b.c",
            "ä\u{2028}<",
            "\"",
            "a\\b",
            "\n\u{0}\u{7f}",
            "🦀",
        ] {
            let mut out = Vec::new();
            write_json_text(text, &mut out);
            assert_eq!(out, serde_json::to_vec(text).unwrap(), "{text:?}");
        }
    }

    #[test]
    fn data_and_header_hash_as_in_firefly() {
        let id = |text: &str| Uuid::parse_str(text).unwrap();
        let hash = "5aa762ae383fbb727af3c7a36d4940a5b8c40a989452d2304fc958ff3f354e7a";
        let mut references = References::new(1);
        references.add(&DataRef {
            id: photinus_contract::DataId(id("11111111-2222-4333-8444-555555555555")),
            hash: hash.parse().unwrap(),
        });
        references.end();
        assert_eq!(
            references.hash().to_string(),
            "5b06cc1adb1b835c947e4c0081b4891d7d110747ef10ca7cb5c50dd15c5eab9e"
        );
        let said = Said {
            id: MessageId(id("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")),
            cid: None,
            kind: MessageKind::Broadcast,
            txtype: "batch_pin",
            author: "did:firefly:org/org_0",
            key: "0xabc",
            created: "2026-01-02T03:04:05.6Z",
            namespace: "default",
            group: "",
            topics: &["t1"],
            tag: "tag1",
            idempotency_key: None,
            cloud_event: None,
        };
        let mut header = Vec::new();
        said.write_header(&references, &mut header);
        assert_eq!(
            sha256(&escaped(&header)).to_string(),
            "f2985209f4d98bc1a1f0ca7bad91094eaffb1aa4161ebb6846a4ab7868fe2a39"
        );
    }

    #[test]
    fn references_are_written_as_serde_writes_them() {
        let id = MessageId::from_v7(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000));
        for count in 0..3 {
            let refs: Vec<_> = (0..count)
                .map(|index| DataRef {
                    id: id.value(index),
                    hash: Hash([index as u8 | 0xA0; 32]),
                })
                .collect();
            let mut references = References::new(count);
            refs.iter().for_each(|reference| references.add(reference));
            references.end();
            assert_eq!(references.json, serde_json::to_vec(&refs).unwrap());
            assert!(references.bytes_len() <= count * REFERENCE_BYTES + 2);
        }
    }
}
