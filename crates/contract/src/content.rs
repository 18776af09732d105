//! What does a message of a broker hold, and what is said about it?
//!
//! The same whatever the broker is: only how a protocol writes it differs.

use std::borrow::Cow;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cloud_event;
use crate::data::Data;
use crate::delivery::BatchItem;
use crate::event::Event;
use crate::subscription::Subscription;

/// What the body of a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// The event as FireFly delivers it, with the values of its message in `data` unless the subscription does not
    /// want them.
    #[default]
    Firefly,
    /// The values of the message alone.
    Data,
    /// A CloudEvent as one JSON object.
    #[serde(rename = "cloudevents-structured")]
    CloudEventsStructured,
    /// A CloudEvent with its attributes beside the body.
    #[serde(rename = "cloudevents-binary")]
    CloudEventsBinary,
}

/// The body of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Body {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What they are.
    pub content_type: Cow<'static, str>,
    /// Whether they are text in UTF-8.
    pub is_text: bool,
    /// The attributes of a CloudEvent that stand beside its data, in order.
    pub attributes: Vec<(String, String)>,
}

impl Content {
    /// Whether the body is made of the values of the message, so that it is nothing without them.
    pub fn needs_data(self) -> bool {
        self != Self::Firefly
    }

    /// The body for one event, with the values that it was delivered with.
    pub fn body(self, subscription: &Subscription, event: &Event, data: Option<&[Data]>) -> Body {
        let values = data.unwrap_or_default();
        let mut body = Body {
            bytes: Vec::with_capacity(event.open_json().len() + 256),
            content_type: Cow::Borrowed(cloud_event::DATA),
            is_text: true,
            attributes: Vec::new(),
        };
        match self {
            Self::Firefly => write_firefly(subscription, event, data, &mut body.bytes),
            Self::Data => match bytes_of(values) {
                Some((content_type, bytes)) => {
                    body.bytes = bytes;
                    body.content_type = content_type.into();
                    body.is_text = false;
                }
                None => {
                    if !cloud_event::write_values(values, &mut body.bytes) {
                        body.bytes.extend_from_slice(b"null");
                    }
                }
            },
            Self::CloudEventsStructured => {
                body.content_type = Cow::Borrowed(cloud_event::STRUCTURED);
                cloud_event::write(event, values, &mut body.bytes);
            }
            Self::CloudEventsBinary => {
                cloud_event::write_data(event, values, &mut body.bytes);
                body.attributes = cloud_event::attributes(event).into_iter().collect();
            }
        }
        body
    }
}

/// The event as it is delivered, and its values behind it.
fn write_firefly(
    subscription: &Subscription,
    event: &Event,
    data: Option<&[Data]>,
    out: &mut Vec<u8>,
) {
    event.write_delivery(subscription.reference(), out);
    let wanted = subscription.options.with_data == Some(true);
    if let Some(data) = data.filter(|_| wanted) {
        out.pop();
        out.extend_from_slice(b",\"data\":[");
        for (index, value) in data.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            // A value is written as it was read, which does not fail.
            let _ = serde_json::to_writer(&mut *out, value);
        }
        out.extend_from_slice(b"]}");
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Base64<'a> {
    #[serde(borrow)]
    pub(crate) content_type: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) base64: Cow<'a, str>,
}

/// The bytes that came in as such, if that is what a message holds.
fn bytes_of(values: &[Data]) -> Option<(String, Vec<u8>)> {
    let [one] = values else {
        return None;
    };
    let json: &RawValue = &one.value;
    let value: Base64<'_> = serde_json::from_str(json.get()).ok()?;
    let bytes = data_encoding::BASE64.decode(value.base64.as_bytes()).ok()?;
    Some((value.content_type.into_owned(), bytes))
}

/// What is said about an event beside its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// A number.
    Number(i64),
}

/// The metadata of a message by name, in order: what is not there is left out.
pub fn metadata<'a>(
    subscription: &'a Subscription,
    item: &'a BatchItem,
    ids: &'a Ids,
) -> impl Iterator<Item = (&'static str, Value<'a>)> {
    let event = &item.event;
    let list = [
        (
            "photinus-namespace",
            Value::Text(event.namespace().as_str()),
        ),
        ("photinus-type", Value::Text(event.kind().as_str())),
        ("photinus-topic", Value::Text(event.topic())),
        ("photinus-tag", Value::Text(event.record().content.tag())),
        ("photinus-sequence", Value::Number(event.sequence().0)),
        ("photinus-event", Value::Text(&ids.event)),
        ("photinus-subscription", Value::Text(&subscription.name)),
        ("photinus-attempt", Value::Number(i64::from(item.attempt))),
        ("traceparent", Value::Text(&ids.traceparent)),
    ];
    list.into_iter()
        .filter(|(_, value)| *value != Value::Text(""))
}

/// What names an event to whoever gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ids {
    /// The id of the event, by which it is told from those that came before.
    pub event: String,
    /// The id of the message.
    pub message: String,
    /// As [W3C Trace Context](https://www.w3.org/TR/trace-context/) says: that of the CloudEvent that the event was, or
    /// one that follows from the ids, and is the same wherever the event goes.
    pub traceparent: String,
}

impl Ids {
    /// The ids of an event.
    pub fn of(event: &Event) -> Self {
        let given = cloud_event::published(event);
        let given = given.and_then(|attributes| match attributes.get("traceparent") {
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            _ => None,
        });
        Self {
            event: event.id().to_string(),
            message: event.reference().to_string(),
            traceparent: given.unwrap_or_else(|| traceparent(event)),
        }
    }
}

fn traceparent(event: &Event) -> String {
    let (message, event) = (event.reference().as_u128(), event.id().0.as_u128());
    // Neither part may be zero.
    let span = ((event >> 64) as u64 ^ event as u64).max(1);
    let mut text = String::with_capacity(55);
    // Writing to a String does not fail.
    let _ = write!(text, "00-{:032x}-{span:016x}-01", message.max(1));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::DeliveryId;
    use crate::options::SubscriptionOptions;
    use crate::samples;

    fn body(content: Content, with_data: bool, value: &str) -> Body {
        let (event, data) = samples::event("t", "tag", value);
        let options = SubscriptionOptions {
            with_data: Some(with_data),
            ..SubscriptionOptions::default()
        };
        let subscription = samples::subscription("x", options);
        content.body(&subscription, &event, Some(std::slice::from_ref(&data)))
    }

    fn text(body: &Body) -> &str {
        std::str::from_utf8(&body.bytes).unwrap()
    }

    #[test]
    fn a_body_is_what_its_content_says() {
        let plain = body(Content::Firefly, false, "5");
        let json: serde_json::Value = serde_json::from_slice(&plain.bytes).unwrap();
        assert_eq!(
            (&json["sequence"], &json["data"]),
            (&7.into(), &serde_json::Value::Null)
        );
        let whole = body(Content::Firefly, true, "5.00");
        assert!(text(&whole).starts_with(text(&plain).strip_suffix('}').unwrap()));
        assert!(
            text(&whole).ends_with(r#""value":5.00}]}"#),
            "{}",
            text(&whole)
        );

        let data = body(Content::Data, true, r#"{"a":1.0}"#);
        assert_eq!(
            (text(&data), &*data.content_type),
            (r#"{"a":1.0}"#, "application/json")
        );
        let nothing = body(Content::Data, true, "null");
        assert_eq!(
            text(&nothing),
            "null",
            "an empty one would take away what MQTT retains"
        );

        let whole = body(Content::CloudEventsStructured, true, "5");
        assert_eq!(whole.content_type, "application/cloudevents+json");
        let json: serde_json::Value = serde_json::from_slice(&whole.bytes).unwrap();
        assert_eq!((&json["data"], &json["type"]), (&5.into(), &"tag".into()));
        let parts = body(Content::CloudEventsBinary, true, "5");
        assert_eq!(
            (text(&parts), &*parts.content_type),
            ("5", "application/json")
        );
        assert!(parts.attributes.contains(&("subject".into(), "t".into())));
    }

    #[test]
    fn bytes_go_out_as_they_came_in() {
        let bytes = body(
            Content::Data,
            true,
            r#"{"contentType":"image/png","base64":"/wA="}"#,
        );
        assert_eq!(
            (&bytes.bytes[..], &*bytes.content_type),
            (&[0xFF, 0][..], "image/png")
        );
        assert!(!bytes.is_text);
        for value in [
            r#"{"contentType":"image/png","base64":"?"}"#,
            r#"{"contentType":"image/png","base64":"/wA=","more":1}"#,
            r#"{"base64":"/wA="}"#,
        ] {
            assert_eq!(text(&body(Content::Data, true, value)), value);
        }
    }

    #[test]
    fn metadata_is_the_same_at_each_attempt_but_the_attempt() {
        let (event, _) = samples::event("t", "", "5");
        let subscription = samples::subscription("x", SubscriptionOptions::default());
        let ids = Ids::of(&event);
        let item = BatchItem::new(DeliveryId::new(1, 1), 3, event);
        let list: Vec<_> = metadata(&subscription, &item, &ids).collect();
        let names: Vec<_> = list.iter().map(|(name, _)| *name).collect();
        assert!(!names.contains(&"photinus-tag"), "it has none: {names:?}");
        assert!(list.contains(&("photinus-attempt", Value::Number(3))));
        assert!(list.contains(&("photinus-sequence", Value::Number(7))));
        assert!(list.contains(&("photinus-event", Value::Text(&ids.event))));
        assert_eq!(ids.traceparent.len(), 55);
    }

    #[test]
    fn the_trace_of_a_cloud_event_goes_on() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let message = format!(r#"{{"cloudEvent":{{"id":"1","traceparent":"{trace}"}}}}"#);
        let (event, _) = samples::event_of_message("t", "", "5", &message);
        assert_eq!(Ids::of(&event).traceparent, trace);
    }
}
