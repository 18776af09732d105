//! What may a client say?
//!
//! `start`, `ack` and `nack`, each one JSON object. Decoding borrows from the frame: an acknowledgement costs
//! one pass and no allocation.

use photinus_contract::object::{Object, null_as_default, object_or_default, object_or_none};
use photinus_contract::{ChangeFilter, CodedError, SubscriptionFilter, SubscriptionOptions};
use serde::Deserialize;
use uuid::Uuid;

use crate::plain;
use crate::text::Text;

/// A frame of a client.
#[derive(Debug)]
pub(crate) enum ClientFrame<'a> {
    Start(Box<Start>),
    Ack(Answer<'a>),
    Nack(Box<Nack<'a>>),
}

/// Attaches the connection to a subscription.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Start {
    pub(crate) autoack: Option<bool>,
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) namespace: String,
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) ephemeral: bool,
    #[serde(deserialize_with = "object_or_none")]
    pub(crate) filter: Option<SubscriptionFilter>,
    #[serde(deserialize_with = "object_or_default")]
    pub(crate) options: SubscriptionOptions,
    /// Ignored unless the start is ephemeral, as everything that FireFly does not know.
    #[serde(rename = "changeEvents", deserialize_with = "object_or_none")]
    pub(crate) change_events: Option<ChangeFilter>,
}

impl Start {
    /// The changes that it asks for.
    pub(crate) fn changes(&self) -> Option<&ChangeFilter> {
        self.change_events.as_ref().filter(|_| self.ephemeral)
    }

    /// Whether it asks for events. One that asks for changes does so only if it has a filter, too.
    pub(crate) fn wants_events(&self) -> bool {
        self.changes().is_none() || self.filter.is_some()
    }
}

/// Names what is answered. Everything may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answer<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    /// The event, or the batch.
    pub(crate) id: Option<Uuid>,
    #[serde(borrow, deserialize_with = "object_or_none")]
    pub(crate) subscription: Option<Reference<'a>>,
    /// The delivery, as the event showed it; empty if not named.
    #[serde(borrow)]
    pub(crate) delivery: Text<'a>,
}

impl<'a> Answer<'a> {
    pub(crate) fn new(
        kind: Text<'a>,
        id: Option<Uuid>,
        subscription: Option<Reference<'a>>,
        delivery: Text<'a>,
    ) -> Self {
        Self {
            kind,
            id,
            subscription,
            delivery,
        }
    }
}

/// How an answer names its subscription: by id, or by namespace and name; one of them suffices.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Reference<'a> {
    pub(crate) id: Option<Uuid>,
    #[serde(borrow)]
    pub(crate) namespace: Text<'a>,
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
}

/// Says what to do with what the application could not take.
#[derive(Debug, Default)]
pub(crate) struct Nack<'a> {
    pub(crate) answer: Answer<'a>,
    pub(crate) action: Text<'a>,
    pub(crate) delay: Text<'a>,
    pub(crate) reason: Text<'a>,
    pub(crate) events: Vec<EventAction<'a>>,
}

/// Of one event of a batch.
#[derive(Debug, Deserialize)]
pub(crate) struct EventAction<'a> {
    pub(crate) id: Uuid,
    #[serde(default, borrow)]
    pub(crate) action: Text<'a>,
    #[serde(default, borrow)]
    pub(crate) reason: Text<'a>,
}

/// What a nack has beyond an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NackFields<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    delay: Text<'a>,
    #[serde(borrow)]
    reason: Text<'a>,
    #[serde(borrow, deserialize_with = "null_as_default")]
    events: Vec<Object<EventAction<'a>>>,
}

/// Reads a frame. Errors are as they stand inside `FF10176`.
pub(crate) fn parse(frame: &[u8]) -> Result<ClientFrame<'_>, CodedError> {
    if let Some(answer) = plain::ack(frame) {
        return Ok(ClientFrame::Ack(answer));
    }
    // One pass over an answer that is not so plain, or is something else, finds its type as well.
    if let Ok(Some(answer)) = decode::<Answer<'_>>(frame) {
        if answer.kind.eq_ignore_ascii_case("ack") {
            return Ok(ClientFrame::Ack(answer));
        }
        if answer.kind.eq_ignore_ascii_case("nack") {
            let more: NackFields<'_> = required(frame)?;
            return Ok(ClientFrame::Nack(Box::new(Nack {
                answer,
                action: more.action,
                delay: more.delay,
                reason: more.reason,
                events: more
                    .events
                    .into_iter()
                    .filter_map(|event| event.0)
                    .collect(),
            })));
        }
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Kind<'a> {
        #[serde(rename = "type", borrow)]
        kind: Text<'a>,
    }
    let kind = required::<Kind<'_>>(frame)?.kind;
    if kind.eq_ignore_ascii_case("start") {
        return required(frame).map(|start| ClientFrame::Start(Box::new(start)));
    }
    if kind.eq_ignore_ascii_case("ack") || kind.eq_ignore_ascii_case("nack") {
        // It did not decode above; decode once more for the words that say why.
        required::<Answer<'_>>(frame)?;
    }
    Err(CodedError::bad_request(
        "FF10177",
        format!(
            "Unknown frame type '{}': expected start, ack or nack",
            kind.excerpt()
        ),
    ))
}

/// What an answer that is not plain says.
#[cfg(test)]
pub(crate) fn decode_answer(frame: &[u8]) -> Result<Option<Answer<'_>>, CodedError> {
    decode(frame)
}

fn decode<'a, T: Deserialize<'a>>(frame: &'a [u8]) -> Result<Option<T>, CodedError> {
    serde_json::from_slice::<Object<T>>(frame)
        .map(|object| object.0)
        .map_err(CodedError::undecodable)
}

fn required<'a, T: Deserialize<'a> + Default>(frame: &'a [u8]) -> Result<T, CodedError> {
    decode(frame).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01";

    fn error(frame: &str) -> String {
        parse(frame.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn an_ack_borrows_from_the_frame() {
        let frame = format!(
            r#"{{"type":"ACK","id":"{ID}","subscription":{{"id":null,"namespace":"ns","name":"a\"b"}},"delivery":"1-2","more":[1]}}"#
        );
        let ClientFrame::Ack(ack) = parse(frame.as_bytes()).unwrap() else {
            panic!("not an ack");
        };
        assert_eq!(ack.id, ID.parse().ok());
        let subscription = ack.subscription.unwrap();
        assert_eq!((subscription.id, &*subscription.name), (None, "a\"b"));
        assert_eq!(&*subscription.namespace, "ns");
        assert!(
            frame
                .as_bytes()
                .as_ptr_range()
                .contains(&subscription.namespace.as_ptr())
        );
        assert_eq!(&*ack.delivery, "1-2");
    }

    #[test]
    fn every_form_of_a_uuid_is_read() {
        for id in [
            ID.to_owned(),
            ID.to_uppercase(),
            format!("urn:uuid:{ID}"),
            format!("{{{ID}}}"),
            ID.replace('-', ""),
        ] {
            let frame = format!(r#"{{"type":"ack","id":"{id}"}}"#);
            let Ok(ClientFrame::Ack(ack)) = parse(frame.as_bytes()) else {
                panic!("{id}");
            };
            assert_eq!(ack.id, ID.parse().ok(), "{id}");
        }
    }

    #[test]
    fn a_start_may_carry_everything_or_nothing() {
        let ClientFrame::Start(start) = parse(br#"{"type":"start"}"#).unwrap() else {
            panic!("not a start");
        };
        assert_eq!((start.autoack, start.ephemeral), (None, false));
        let frame = br#"{"type":"Start","autoack":null,"namespace":null,"name":null,"ephemeral":null,"filter":null,"options":null,"id":5}"#;
        assert!(matches!(parse(frame), Ok(ClientFrame::Start(_))));
        let frame = br#"{"type":"start","ephemeral":true,"filter":{"message":{"tag":"t"}},"options":{"readAhead":3}}"#;
        let ClientFrame::Start(start) = parse(frame).unwrap() else {
            panic!("not a start");
        };
        assert_eq!(&*start.filter.unwrap().message.tag, "t");
        assert_eq!(start.options.read_ahead, Some(3));
    }

    #[test]
    fn a_start_asks_for_changes_for_events_or_for_both() {
        for (fields, changes, events) in [
            (r#""ephemeral":true"#, false, true),
            (r#""ephemeral":true,"changeEvents":null"#, false, true),
            (r#""ephemeral":true,"changeEvents":{}"#, true, false),
            (
                r#""ephemeral":true,"changeEvents":{"collections":null,"types":["created"]},"filter":null"#,
                true,
                false,
            ),
            (
                r#""ephemeral":true,"changeEvents":{},"filter":{}"#,
                true,
                true,
            ),
            (r#""name":"a","changeEvents":{}"#, false, true),
        ] {
            let frame = format!(r#"{{"type":"start",{fields}}}"#);
            let ClientFrame::Start(start) = parse(frame.as_bytes()).unwrap() else {
                panic!("not a start");
            };
            let asked = (start.changes().is_some(), start.wants_events());
            assert_eq!(asked, (changes, events), "{fields}");
        }
    }

    #[test]
    fn a_nack_names_events_of_a_batch() {
        let frame = format!(
            r#"{{"type":"nack","id":"{ID}","delay":"1s","reason":"r","events":[{{"id":"{ID}","action":"park"}}]}}"#
        );
        let ClientFrame::Nack(nack) = parse(frame.as_bytes()).unwrap() else {
            panic!("not a nack");
        };
        assert_eq!(
            (&*nack.action, &*nack.delay, &*nack.reason),
            ("", "1s", "r")
        );
        assert_eq!(&*nack.events[0].action, "park");
    }

    #[test]
    fn garbage_is_refused_with_the_words_of_the_decoder() {
        for frame in [
            "",
            " ",
            "x",
            "[]",
            r#"["ack"]"#,
            "5",
            "\"ack\"",
            "{} {}",
            r#"{"type":"ack"}x"#,
            r#"{"type":5}"#,
            r#"{"type":"ack","id":"zz"}"#,
            r#"{"type":"ack","id":""}"#,
            r#"{"type":"ack","id":7}"#,
            r#"{"type":"ack","subscription":[]}"#,
            r#"{"type":"ack","subscription":{"id":"x"}}"#,
            r#"{"type":"start","options":{"readAhead":-1}}"#,
            r#"{"type":"start","options":[]}"#,
            r#"{"type":"start","filter":[]}"#,
            r#"{"type":"start","filter":{"events":5}}"#,
            r#"{"type":"start","autoack":"yes"}"#,
            r#"{"type":"start","changeEvents":[]}"#,
            r#"{"type":"start","changeEvents":true}"#,
            r#"{"type":"start","changeEvents":{"collections":"events"}}"#,
            r#"{"type":"start","changeEvents":{"types":[5]}}"#,
            r#"{"type":"nack","events":[{"action":"park"}]}"#,
            r#"{"type":"nack","events":{}}"#,
            r#"{"type":"nack","delay":5}"#,
        ] {
            let error = parse(frame.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "", "{frame}: {error}");
            assert!(!error.to_string().is_empty(), "{frame}");
        }
        assert_eq!(parse(b"{\"type\":\"\xff\"}").unwrap_err().code(), "");
        let deep = "[".repeat(100_000);
        assert_eq!(parse(deep.as_bytes()).unwrap_err().code(), "");
    }

    #[test]
    fn an_unknown_type_has_its_own_code() {
        for frame in [
            "{}",
            "null",
            r#"{"type":"event_batch"}"#,
            r#"{"type":null}"#,
        ] {
            assert!(error(frame).starts_with("FF10177: "), "{frame}");
        }
        let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(500_000));
        assert!(error(&long).len() < 200);
    }
}
