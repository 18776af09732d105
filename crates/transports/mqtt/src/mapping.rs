//! How does an event become a message of MQTT, and what does an application's answer say?

use mqtt_protocol_core::mqtt::packet::{
    ContentType, CorrelationData, MessageExpiryInterval, Packet, PayloadFormat,
    PayloadFormatIndicator, Property, Qos, ResponseTopic, UserProperty, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use photinus_contract::address::percent_encode;
use photinus_contract::content::{Ids, Value, metadata};
use photinus_contract::outbox::Outgoing;
use photinus_contract::words::Words;
use photinus_contract::{Data, DeliveryId, Event, SubscriptionId};

use crate::options::{Ack, Route, TOPIC_BYTES_MAX};

/// Longest text of MQTT, in bytes.
const TEXT_BYTES_MAX: usize = 65_535;

/// The reason code of a message that nobody has subscribed to.
pub(crate) const NO_SUBSCRIBERS: u8 = 0x10;

/// Where an event goes. The error says why there is no such place.
pub(crate) fn topic(route: &Route, event: &Event, data: &[Data]) -> Result<String, String> {
    let topic = route.topic.fill(event, data, escape);
    match topic.len() {
        0 => Err("it has no address: its topic is empty".into()),
        1..=TOPIC_BYTES_MAX => Ok(topic),
        _ => Err(format!("its topic has more than {TOPIC_BYTES_MAX} bytes")),
    }
}

/// The message for an event in MQTT 5, with this number; answers are to go to `answers`.
pub(crate) fn message(
    outgoing: &Outgoing<Route>,
    id: Option<u16>,
    answers: &str,
) -> Result<Packet, String> {
    let (route, item) = (&outgoing.route, &outgoing.item);
    let (subscription, event) = (&outgoing.subscription, &item.event);
    let topic = topic(route, event, item.data.as_deref().unwrap_or_default())?;
    let body = route
        .content
        .body(subscription, event, item.data.as_deref());
    let ids = Ids::of(event);
    let made = || -> Result<Packet, MqttError> {
        let mut properties: Vec<Property> = Vec::with_capacity(16);
        let format = match body.is_text {
            true => PayloadFormat::String,
            false => PayloadFormat::Binary,
        };
        properties.push(PayloadFormatIndicator::new(format)?.into());
        properties.push(ContentType::new(cut(&body.content_type))?.into());
        if let Some(expiry) = route.expiry {
            properties.push(MessageExpiryInterval::new(expiry)?.into());
        }
        if route.ack == Ack::Application {
            let correlation = correlation(subscription.id, item.id);
            properties.push(ResponseTopic::new(answers)?.into());
            properties.push(CorrelationData::new(correlation.into_bytes())?.into());
        } else if let Some(answered) = event.correlator() {
            let answered = answered.to_string();
            properties.push(CorrelationData::new(answered.into_bytes())?.into());
        }
        let mut say = |name: &str, value: &str| {
            properties.push(UserProperty::new(cut(name), cut(value))?.into());
            Ok::<_, MqttError>(())
        };
        for (name, value) in &body.attributes {
            say(name, value)?;
        }
        for (name, value) in metadata(subscription, item, &ids) {
            match value {
                Value::Text(text) => say(name, text)?,
                Value::Number(number) => say(name, &number.to_string())?,
                _ => {}
            }
        }
        for (name, value) in &route.user_properties {
            say(name, value)?;
        }
        let mut message = v5_0::Publish::builder()
            .topic_name(topic.as_str())?
            .qos(route.qos)
            .retain(route.retain)
            .props(properties)
            .payload(body.bytes);
        if let Some(id) = id {
            message = message.packet_id(id);
        }
        Ok(message.build()?.into())
    };
    made().map_err(|error| format!("no message can be made of it: {error}"))
}

/// The message for an event in MQTT 3.1.1, which says nothing beside its body.
pub(crate) fn plain_message(outgoing: &Outgoing<Route>, id: Option<u16>) -> Result<Packet, String> {
    let (route, item) = (&outgoing.route, &outgoing.item);
    let data = item.data.as_deref();
    let topic = topic(route, &item.event, data.unwrap_or_default())?;
    let body = plain_content(route).body(&outgoing.subscription, &item.event, data);
    let made = || -> Result<Packet, MqttError> {
        let mut message = v3_1_1::Publish::builder()
            .topic_name(topic.as_str())?
            .qos(route.qos)
            .retain(route.retain)
            .payload(body.bytes);
        if let Some(id) = id {
            message = message.packet_id(id);
        }
        Ok(message.build()?.into())
    };
    made().map_err(|error| format!("no message can be made of it: {error}"))
}

/// A CloudEvent's attributes have no place beside the body in MQTT 3.1.1: there it is structured, as its binding says.
fn plain_content(route: &Route) -> photinus_contract::content::Content {
    use photinus_contract::content::Content;
    match route.content {
        Content::CloudEventsBinary => Content::CloudEventsStructured,
        content => content,
    }
}

/// Whether a quality of service has acknowledgements, and with them numbers.
pub(crate) fn is_acknowledged(qos: Qos) -> bool {
    qos != Qos::AtMostOnce
}

/// What an answer has to name.
pub(crate) fn correlation(subscription: SubscriptionId, delivery: DeliveryId) -> String {
    format!("{subscription}/{delivery}")
}

/// What an answer names, if it is one of ours.
pub(crate) fn named(correlation: &[u8]) -> Option<(SubscriptionId, DeliveryId)> {
    let text = std::str::from_utf8(correlation).ok()?;
    let (subscription, delivery) = text.split_once('/')?;
    Some((
        SubscriptionId(subscription.parse().ok()?),
        delivery.parse().ok()?,
    ))
}

/// The words among the user properties of an answer.
pub(crate) fn words(properties: &[Property]) -> Words<'_> {
    let mut words = Words::default();
    for property in properties {
        if let Property::UserProperty(pair) = property {
            words.hear(pair.key(), pair.val());
        }
    }
    words
}

/// The value of a user property.
pub(crate) fn user_property<'a>(properties: &'a [Property], name: &str) -> Option<&'a str> {
    properties.iter().find_map(|property| match property {
        Property::UserProperty(pair) if pair.key().eq_ignore_ascii_case(name) => Some(pair.val()),
        _ => None,
    })
}

/// A reason code with what the broker says about it.
pub(crate) fn reason_of(code: &str, properties: &[Property]) -> String {
    let said = properties.iter().find_map(|property| match property {
        Property::ReasonString(said) => Some(said.val()),
        _ => None,
    });
    match said {
        Some(said) => format!("{code}: {said}"),
        None => code.to_owned(),
    }
}

/// Whether a text of MQTT should not have this: a broker may end the connection over it (MQTT 5, 1.5.4).
pub(crate) fn is_unfit(letter: char) -> bool {
    let code = u32::from(letter);
    letter.is_control() || (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

/// A text of MQTT: the beginning, if it is too long for one, and without what none should have.
pub(crate) fn cut(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace(is_unfit, "\u{FFFD}")
}

/// What parts levels, what only filters have, what cannot be seen, and `%` itself, percent-encoded; so is a `$` at the
/// beginning, which would make a topic of the broker's own.
fn escape(value: &str, out: &mut String) {
    for letter in value.chars() {
        match letter {
            letter if is_unfit(letter) || matches!(letter, '/' | '+' | '#' | '%') => {
                percent_encode(letter, out);
            }
            '$' if out.is_empty() => out.push_str("%24"),
            _ => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use mqtt_protocol_core::mqtt::packet::GenericPacketTrait;
    use photinus_contract::delivery::BatchItem;
    use photinus_contract::{SubscriptionOptions, samples};
    use serde_json::{Value as Json, json};

    fn outgoing(options: Json, topic: &str, value: &str) -> Outgoing<Route> {
        let mut options: SubscriptionOptions = serde_json::from_value(options).unwrap();
        options.with_data.get_or_insert(true);
        let route = Arc::new(Route::read(&options).unwrap());
        let (event, data) = samples::event(topic, "tag", value);
        let mut item = BatchItem::new(DeliveryId::new(3, 4), 2, event);
        item.data = Some([data].into());
        Outgoing {
            subscription: Arc::new(samples::subscription("mqtt", options)),
            route,
            item,
        }
    }

    #[test]
    fn a_topic_is_filled_and_escaped() {
        let topic = |template: &str, value: &str| {
            let Outgoing { route, item, .. } = outgoing(json!({"topic": template}), "a.b", value);
            topic(&route, &item.event, &item.data.unwrap())
        };
        for (template, value, expected) in [
            (
                "{namespace}/{type}/{topic}",
                "5",
                "ns/message_confirmed/a.b",
            ),
            ("x/{data.v}", r#"{"v":"a/b+c#d%$"}"#, "x/a%2Fb%2Bc%23d%25$"),
            ("{data.v}", r#"{"v":"$SYS"}"#, "%24SYS"),
            ("{data.v}", r#"{"v":"a\u0000\u0085"}"#, "a%00%C2%85"),
            (
                "{data.v}",
                "{\"v\":\"a\u{FFFF}\u{FDD0}\"}",
                "a%EF%BF%BF%EF%B7%90",
            ),
            ("a//{data.x}", "5", "a//"),
        ] {
            assert_eq!(
                topic(template, value).as_deref(),
                Ok(expected),
                "{template}"
            );
        }
        let long = format!("\"{}\"", "x".repeat(70_000));
        for value in ["{}", &long] {
            assert!(topic("{data}", value).is_err());
        }
    }

    #[test]
    fn a_message_says_what_it_is() {
        let options = json!({"topic": "t", "content": "cloudevents-binary", "retain": true,
            "messageExpiry": "90s", "userProperties": {"x": "y"}, "ack": "application"});
        let made = message(&outgoing(options, "a", "5"), Some(9), "answers/1").unwrap();
        let Packet::V5_0Publish(made) = made else {
            panic!("a message");
        };
        let has = |name: &str| user_property(made.props(), name).map(str::to_owned);
        assert_eq!(has("type").as_deref(), Some("tag"));
        assert_eq!(has("specversion").as_deref(), Some("1.0"));
        assert_eq!(has("photinus-attempt").as_deref(), Some("2"));
        assert_eq!(has("photinus-topic").as_deref(), Some("a"));
        assert_eq!(has("x").as_deref(), Some("y"));
        assert_eq!((made.retain(), made.packet_id()), (true, Some(9)));
        let found = |wanted: &dyn Fn(&Property) -> bool| made.props().iter().any(wanted);
        assert!(found(
            &|p| matches!(p, Property::ResponseTopic(t) if t.val() == "answers/1")
        ));
        assert!(found(
            &|p| matches!(p, Property::MessageExpiryInterval(t) if t.val() == 90)
        ));
        assert!(found(&|p| matches!(p, Property::CorrelationData(data)
            if named(data.val()) == Some((samples_id(), DeliveryId::new(3, 4))))));
        assert_eq!(made.payload().as_slice(), b"5");
    }

    #[test]
    fn an_older_message_holds_all_that_it_says() {
        let options = json!({"topic": "t", "content": "cloudevents-binary", "qos": 0});
        let made = plain_message(&outgoing(options, "a", "5"), None).unwrap();
        assert!(made.size() > 10);
        let Packet::V3_1_1Publish(made) = made else {
            panic!("a message");
        };
        let json: Json = serde_json::from_slice(made.payload().as_slice()).unwrap();
        assert_eq!((&json["type"], &json["data"]), (&json!("tag"), &json!(5)));
    }

    #[test]
    fn an_answer_names_what_it_answers() {
        for other in [&b""[..], b"x", b"x/1-2", b"\xff/1-2"] {
            assert_eq!(named(other), None);
        }
        assert_eq!(cut("a\0b"), "a\u{FFFD}b");
        assert_eq!(cut(&"ä".repeat(40_000)).len(), 65_534);
    }

    fn samples_id() -> SubscriptionId {
        samples::subscription("x", SubscriptionOptions::default()).id
    }
}
