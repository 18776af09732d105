//! What is ready before the time of commit is known?
//!
//! The JSON of the message and of its events, up to the point where the time is still missing. Sealing adds it
//! and is a few copies of bytes, because it happens in the one task that commits.

use bytes::Bytes;
use photinus_contract::data::RecordValue;
use photinus_contract::record::{RecordContent, RecordEvent};
use photinus_contract::{EventType, Message, Timestamp};
use serde_json::to_string;

use crate::metrics::Origin;

/// A message that is checked and written, and waits for its commit.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    content: RecordContent,
    /// The message's JSON without its end: the time of confirmation follows.
    message: String,
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
        let mut events = Vec::with_capacity(header.topics.len());
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
            events.push(RecordEvent {
                topic: topic.as_str().into(),
                json: head.into(),
            });
        }
        let mut content = RecordContent::new(
            header.id,
            message.local_namespace.clone(),
            EventType::MessageConfirmed,
            Timestamp::from_nanos(0),
            events,
            0..0,
        );
        content.correlator = header.cid;
        content.tag = header.tag.as_str().into();
        content.author = header.author.as_str().into();
        content.group = header
            .group
            .map(|group| group.to_string())
            .unwrap_or_default()
            .into();
        content.values = values;
        content.idempotency_key = message.idempotency_key.as_deref().map(Into::into);
        Ok(Self {
            content,
            message: json,
            origin: Origin::now(header.kind),
        })
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        self.content.size() + self.message.len() * self.content.events.len()
    }

    /// How many events it will be.
    pub(crate) fn events(&self) -> usize {
        self.content.events.len()
    }

    /// The record's content, committed at `created`.
    pub(crate) fn seal(self, created: Timestamp) -> RecordContent {
        let Self {
            mut content,
            message,
            ..
        } = self;
        let confirmed = format!(r#","confirmed":"{created}"}}"#);
        let end = format!(r#","created":"{created}""#);
        for (index, event) in content.events.iter_mut().enumerate() {
            let head = std::mem::take(&mut event.json);
            let message_end = head.len() + message.len() + confirmed.len();
            if index == 0 {
                content.message = head.len()..message_end;
            }
            let mut json = Vec::with_capacity(message_end + end.len());
            json.extend_from_slice(&head);
            json.extend_from_slice(message.as_bytes());
            json.extend_from_slice(confirmed.as_bytes());
            json.extend_from_slice(end.as_bytes());
            event.json = Bytes::from(json);
        }
        content.created = created;
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
            let mut json = content.events[index].json.to_vec();
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
