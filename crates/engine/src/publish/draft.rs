//! What is ready before the time of commit is known?
//!
//! The JSON of the message and of its events, up to the point where the time is still missing. Sealing adds it
//! and is a few copies of bytes, because it happens in the one task that commits.

use photinus_contract::data::RecordValue;
use photinus_contract::record::{RecordContent, RecordWriter};
use photinus_contract::{EventType, Message, MessageId, Namespace, Timestamp};
use serde_json::to_string;
use uuid::Uuid;

use crate::metrics::Origin;

/// A message that is checked and written, and waits for its commit.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    id: MessageId,
    namespace: Namespace,
    correlator: Option<Uuid>,
    tag: String,
    author: String,
    group: String,
    idempotency_key: Option<String>,
    topics: Vec<String>,
    /// The JSON of each event up to its message.
    heads: Vec<String>,
    /// The message's JSON without its end: the time of confirmation follows.
    message: String,
    values: Vec<RecordValue>,
    /// For those who count.
    pub(crate) origin: Origin,
}

impl Draft {
    /// `header` is the message's header as JSON.
    pub(crate) fn new(
        message: &Message,
        header: &str,
        values: Vec<RecordValue>,
    ) -> Result<Self, serde_json::Error> {
        let namespace = to_string(&message.local_namespace)?;
        let mut json = format!(
            r#"{{"header":{header},"localNamespace":{namespace},"hash":"{}","state":"confirmed","data":{}"#,
            message.hash,
            to_string(&message.data)?,
        );
        if let Some(key) = &message.idempotency_key {
            json.push_str(r#","idempotencyKey":"#);
            json.push_str(&to_string(key)?);
        }
        let header = &message.header;
        let mut heads = Vec::with_capacity(header.topics.len());
        for (index, topic) in header.topics.iter().enumerate() {
            let mut head = format!(
                r#"{{"id":"{}","type":"{}","namespace":{namespace},"reference":"{}""#,
                header.id.event(index),
                EventType::MessageConfirmed,
                header.id,
            );
            if let Some(cid) = header.cid {
                head.push_str(&format!(r#","correlator":"{cid}""#));
            }
            head.push_str(&format!(r#","topic":{},"message":"#, to_string(topic)?));
            heads.push(head);
        }
        Ok(Self {
            id: header.id,
            namespace: message.local_namespace.clone(),
            correlator: header.cid,
            tag: header.tag.clone(),
            author: header.author.clone(),
            group: header
                .group
                .map(|group| group.to_string())
                .unwrap_or_default(),
            idempotency_key: message.idempotency_key.clone(),
            topics: header.topics.clone(),
            heads,
            message: json,
            values,
            origin: Origin::now(header.kind),
        })
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        const FIXED: usize = 256;
        const TIMES: usize = 90;
        let events: usize = self
            .heads
            .iter()
            .zip(&self.topics)
            .map(|(head, topic)| topic.len() + head.len() + self.message.len() + TIMES)
            .sum();
        let values: usize = self
            .values
            .iter()
            .map(|value| value.json.as_ref().map_or(0, |json| json.len()) + 1)
            .sum();
        let key = self.idempotency_key.as_ref().map_or(0, String::len);
        FIXED + self.tag.len() + self.author.len() + self.group.len() + key + events + values
    }

    /// How many events it will be.
    pub(crate) fn events(&self) -> usize {
        self.topics.len()
    }

    /// The record's content, committed at `created`.
    pub(crate) fn seal(self, created: Timestamp) -> RecordContent {
        let confirmed = format!(r#","confirmed":"{created}"}}"#);
        let end = format!(r#","created":"{created}""#);
        let mut writer = RecordWriter::new(self.size());
        let key = self.idempotency_key.as_deref();
        writer.head(&self.tag, &self.author, &self.group, key);
        writer.topics(&self.topics);
        for head in &self.heads {
            writer.event(|json| {
                for part in [head, &self.message, &confirmed, &end] {
                    json.extend_from_slice(part.as_bytes());
                }
            });
        }
        for value in &self.values {
            writer.value(value.validator, value.json.as_deref());
        }
        let start = self.heads.first().map_or(0, String::len);
        let message = start..start + self.message.len() + confirmed.len();
        let kind = EventType::MessageConfirmed;
        let mut content = writer.finish(self.id, self.namespace, kind, created, message);
        content.correlator = self.correlator;
        content
    }
}

#[cfg(test)]
mod tests {
    use photinus_contract::data::Hash;
    use photinus_contract::{MessageHeader, MessageId, MessageKind, Namespace};

    use super::*;

    #[test]
    fn a_sealed_draft_is_the_event_as_it_is_delivered() {
        let id = MessageId::from_v7("01900000-0000-7000-8000-000000000000".parse().unwrap());
        let namespace = Namespace::new("default");
        let time = "2026-01-02T03:04:05Z".parse().unwrap();
        let mut header =
            MessageHeader::new(id, MessageKind::Broadcast, namespace, time, Hash([1; 32]));
        header.topics = vec!["a".to_owned(), "b".to_owned()];
        header.tag = "t".to_owned();
        header.cid = Some("01900000-0000-7000-8000-aaaaaaaaa000".parse().unwrap());
        let header_json = to_string(&header).unwrap();
        let message = Message::new(header, Hash([2; 32]), vec![], Some("k\"".to_owned()));
        let draft = Draft::new(&message, &header_json, vec![]).unwrap();
        let content = draft.seal("2026-01-02T03:04:06.5Z".parse().unwrap());

        for (index, topic) in ["a", "b"].into_iter().enumerate() {
            let mut json = content.event_json(index).to_vec();
            json.push(b'}');
            let event: serde_json::Value = serde_json::from_slice(&json).unwrap();
            assert_eq!(event["id"], id.event(index).to_string());
            assert_eq!(event["topic"], topic);
            assert_eq!(event["correlator"], "01900000-0000-7000-8000-aaaaaaaaa000");
            assert_eq!(event["created"], "2026-01-02T03:04:06.5Z");
            assert_eq!(event["message"]["confirmed"], "2026-01-02T03:04:06.5Z");
            assert_eq!(event["message"]["state"], "confirmed");
            assert_eq!(event["message"]["idempotencyKey"], "k\"");
        }
        let shown: Message = serde_json::from_slice(content.message_json()).unwrap();
        assert_eq!(shown.header.id, id);
        assert_eq!(content.data_refs(), message.data);
    }
}
