//! What is in a frame of the server?

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// An event, as far as it has to be understood.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) sequence: i64,
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) topic: String,
    #[serde(default)]
    pub(crate) created: String,
    #[serde(default)]
    pub(crate) message: Option<Message>,
    #[serde(default)]
    subscription: Value,
    /// This hand-over and no other; FireFly has none.
    #[serde(default)]
    delivery: Option<String>,
    #[serde(default)]
    pub(crate) attempt: Option<u64>,
    /// The event as it came.
    #[serde(skip)]
    pub(crate) json: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Message {
    #[serde(default)]
    pub(crate) header: Header,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Header {
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) tag: String,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Frame {
    Event(Box<Event>),
    /// Several events that are answered together.
    Batch {
        id: String,
        subscription: Value,
        events: Vec<Event>,
    },
    /// The server does not understand us.
    Error(String),
    /// Nothing that is delivered.
    Other,
}

/// Understands a frame.
pub(crate) fn frame(text: &str) -> Result<Frame, String> {
    #[derive(Deserialize)]
    struct Outside<'a> {
        #[serde(default, rename = "type")]
        kind: String,
        #[serde(default)]
        id: Option<String>,
        #[serde(default)]
        subscription: Value,
        #[serde(default)]
        error: String,
        #[serde(default, borrow)]
        events: Vec<&'a RawValue>,
    }
    let not_understood =
        |error: serde_json::Error| format!("a frame of the server is not understood: {error}");
    let outside: Outside<'_> = serde_json::from_str(text).map_err(not_understood)?;
    match (outside.kind.as_str(), outside.id) {
        ("protocol_error", _) => Ok(Frame::Error(outside.error)),
        ("event_batch", Some(id)) => Ok(Frame::Batch {
            id,
            subscription: outside.subscription,
            events: outside
                .events
                .into_iter()
                .map(|event| self::event(event.get()))
                .collect::<Result<_, _>>()
                .map_err(not_understood)?,
        }),
        ("change_notification", _) | (_, None) => Ok(Frame::Other),
        _ => Ok(Frame::Event(Box::new(event(text).map_err(not_understood)?))),
    }
}

fn event(text: &str) -> Result<Event, serde_json::Error> {
    let mut event: Event = serde_json::from_str(text)?;
    event.json = text.trim().replace(['\n', '\r'], " ");
    Ok(event)
}

impl Event {
    /// The id of its message, if it is about one.
    pub(crate) fn message_id(&self) -> Option<&str> {
        let message = self.message.as_ref()?;
        Some(message.header.id.as_str()).filter(|id| !id.is_empty())
    }

    /// The frame that acknowledges it.
    pub(crate) fn ack(&self) -> Value {
        self.answer(json!({"type": "ack", "id": self.id}))
    }

    /// The frame that has it delivered again.
    pub(crate) fn retry(&self, reason: &str) -> Value {
        self.answer(json!({"type": "nack", "id": self.id, "action": "retry", "reason": reason}))
    }

    fn answer(&self, mut frame: Value) -> Value {
        frame["subscription"] = self.subscription.clone();
        if let Some(delivery) = &self.delivery {
            frame["delivery"] = delivery.as_str().into();
        }
        frame
    }

    /// The event as it came, with the values of its message at the end.
    pub(crate) fn with_values(&self, values: &str) -> String {
        match self.json.strip_suffix('}') {
            Some(json) => format!("{json},\"values\":{values}}}"),
            None => self.json.clone(),
        }
    }
}

/// The frame that acknowledges a batch.
pub(crate) fn ack_batch(id: &str, subscription: &Value) -> Value {
    json!({"type": "ack", "id": id, "subscription": subscription})
}

/// The frame that acknowledges the events of a batch before one, and has the rest delivered again.
pub(crate) fn retry_from(
    id: &str,
    subscription: &Value,
    events: &[Event],
    failed: usize,
    reason: &str,
) -> Value {
    let again: Vec<Value> = events[failed..]
        .iter()
        .map(|event| json!({"id": event.id, "action": "retry", "reason": reason}))
        .collect();
    json!({"type": "nack", "id": id, "subscription": subscription, "events": again})
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"id":"e1","sequence":7,"type":"message_confirmed","topic":"t","created":"2026-11-22T10:44:38Z",
"message":{"header":{"id":"m1","tag":"g"}},"subscription":{"id":"s","name":"n"},"delivery":"2-1","attempt":1}"#;

    #[test]
    fn an_event_is_answered_by_its_hand_over() {
        let Ok(Frame::Event(event)) = frame(EVENT) else {
            panic!()
        };
        assert_eq!(event.message_id(), Some("m1"));
        assert!(!event.json.contains('\n'));
        assert_eq!(
            event.ack(),
            json!({"type": "ack", "id": "e1", "subscription": {"id": "s", "name": "n"}, "delivery": "2-1"})
        );
        assert_eq!(event.retry("x")["action"], "retry");
        let with_values: Value = serde_json::from_str(&event.with_values("[1]")).unwrap();
        assert_eq!(with_values["values"], json!([1]));
        assert_eq!(with_values["sequence"], 7);
    }

    #[test]
    fn a_batch_is_answered_as_one_or_from_an_event_on() {
        let text = format!(
            r#"{{"type":"event_batch","id":"b","subscription":{{"id":"s"}},"events":[{EVENT},{EVENT}]}}"#
        );
        let Ok(Frame::Batch {
            id,
            subscription,
            events,
        }) = frame(&text)
        else {
            panic!()
        };
        assert_eq!(events.len(), 2);
        assert_eq!(
            ack_batch(&id, &subscription),
            json!({"type": "ack", "id": "b", "subscription": {"id": "s"}})
        );
        let nack = retry_from(&id, &subscription, &events, 1, "x");
        assert_eq!(
            nack["events"],
            json!([{"id": "e1", "action": "retry", "reason": "x"}])
        );
    }

    #[test]
    fn errors_and_what_is_unknown_are_told_apart() {
        assert!(
            matches!(frame(r#"{"type":"protocol_error","error":"FF1"}"#), Ok(Frame::Error(text)) if text == "FF1")
        );
        assert!(matches!(
            frame(r#"{"type":"change_notification","changeEvent":{}}"#),
            Ok(Frame::Other)
        ));
        assert!(matches!(frame("{}"), Ok(Frame::Other)));
        assert!(frame("x").is_err());
    }
}
