//! How does an event become a message of AMQP, and what does an application's answer say?

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use photinus_contract::address::percent_encode;
use photinus_contract::content::{Ids, Value, metadata};
use photinus_contract::outbox::Outgoing;
use photinus_contract::words::Words;
use photinus_contract::{Data, DeliveryId, Event, SubscriptionId};

use crate::options::{ADDRESS_BYTES_MAX, Ack, Route};

/// Before the names of a CloudEvent's attributes among the headers, as in the binding for AMQP 1.0.
const CLOUD_EVENT_PREFIX: &str = "cloudEvents_";
const APP_ID: &str = "photinus";
/// The nine other properties, each a short text at most, and what is around them all.
const PROPERTIES_BYTES_FIXED: usize = 9 * (ADDRESS_BYTES_MAX + 1) + 64;
/// The lengths of a header's name and value, and its type.
const HEADER_BYTES_FIXED: usize = 6;
const NUMBER_BYTES: usize = 8;

/// A message to be published.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// How many bytes its properties take at most, with what is around them: they are one frame.
    pub(crate) fn properties_bytes(&self) -> usize {
        let headers = self.properties.headers().as_ref();
        let headers = headers.into_iter().flat_map(|headers| headers.inner());
        let each = headers.map(|(name, value)| {
            let value = text(value).map_or(NUMBER_BYTES, str::len);
            HEADER_BYTES_FIXED + name.as_str().len() + value
        });
        PROPERTIES_BYTES_FIXED + each.sum::<usize>()
    }
}

/// Where an event goes: exchange and routing key. The error says why there is no such place.
pub(crate) fn address(
    route: &Route,
    event: &Event,
    data: &[Data],
) -> Result<(ShortString, ShortString), String> {
    let exchange = route.exchange.fill(event, data, escape);
    let routing_key = route.routing_key.fill(event, data, escape);
    if exchange.is_empty() && routing_key.is_empty() {
        return Err("it has no address: exchange and routing key are empty".into());
    }
    let short = |name: &str, text: String| {
        ShortString::try_new(text)
            .map_err(|_| format!("its {name} has more than {ADDRESS_BYTES_MAX} bytes"))
    };
    Ok((
        short("exchange", exchange)?,
        short("routing key", routing_key)?,
    ))
}

/// The message for an event; `reply_to` is the queue for answers.
pub(crate) fn message(outgoing: &Outgoing<Route>, reply_to: &str) -> Result<Message, String> {
    let (route, item) = (&outgoing.route, &outgoing.item);
    let (subscription, event) = (&outgoing.subscription, &item.event);
    let data = item.data.as_deref().unwrap_or_default();
    let (exchange, routing_key) = address(route, event, data)?;
    let body = route
        .content
        .body(subscription, event, item.data.as_deref());
    let ids = Ids::of(event);
    let mut headers = route.headers.clone();
    for (name, value) in &body.attributes {
        put(&mut headers, &format!("{CLOUD_EVENT_PREFIX}{name}"), value);
    }
    for (name, value) in metadata(subscription, item, &ids) {
        match value {
            Value::Number(number) => {
                headers.insert(ShortString::from(name), AMQPValue::LongLongInt(number));
            }
            Value::Text(text) => put(&mut headers, name, text),
            _ => {}
        }
    }
    let mut properties = BasicProperties::default()
        .with_content_type(cut(&body.content_type))
        .with_headers(headers)
        .with_delivery_mode(route.delivery_mode)
        .with_message_id(cut(&ids.event))
        .with_timestamp(seconds(event.created().as_nanos()))
        .with_type(cut(event.kind().as_str()))
        .with_app_id(ShortString::from(APP_ID));
    if let Some(priority) = route.priority {
        properties = properties.with_priority(priority);
    }
    if let Some(expiration) = &route.expiration {
        properties = properties.with_expiration(expiration.clone());
    }
    match (route.ack, event.correlator()) {
        (Ack::Application, _) => {
            let correlation = correlation(subscription.id, item.id);
            properties = properties
                .with_reply_to(cut(reply_to))
                .with_correlation_id(cut(&correlation));
        }
        (Ack::Broker, Some(answered)) => {
            properties = properties.with_correlation_id(cut(&answered.to_string()));
        }
        (Ack::Broker, None) => {}
    }
    Ok(Message {
        exchange,
        routing_key,
        properties,
        body: body.bytes,
    })
}

/// What an answer has to name.
pub(crate) fn correlation(subscription: SubscriptionId, delivery: DeliveryId) -> String {
    format!("{subscription}/{delivery}")
}

/// What an answer names, if it is one of ours.
pub(crate) fn named(correlation: &str) -> Option<(SubscriptionId, DeliveryId)> {
    let (subscription, delivery) = correlation.split_once('/')?;
    let subscription = subscription.parse().ok()?;
    Some((SubscriptionId(subscription), delivery.parse().ok()?))
}

/// The words among the headers of an answer.
pub(crate) fn words(headers: &FieldTable) -> Words<'_> {
    let mut words = Words::default();
    for (name, value) in headers {
        if let Some(text) = text(value) {
            words.hear(name.as_str(), text);
        }
    }
    words
}

/// A header that is a text.
pub(crate) fn text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        AMQPValue::ByteArray(bytes) => std::str::from_utf8(bytes.as_slice()).ok(),
        _ => None,
    }
}

pub(crate) fn put(headers: &mut FieldTable, name: &str, value: &str) {
    headers.insert(cut(name), AMQPValue::LongString(value.into()));
}

/// A short text of AMQP: the beginning, if it is too long for one.
pub(crate) fn cut(text: &str) -> ShortString {
    let mut end = text.len().min(ADDRESS_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    ShortString::from(&text[..end])
}

/// What has a meaning in patterns of routing keys, what cannot be seen, and `%` itself, percent-encoded. A dot parts
/// words, in a value as well.
fn escape(value: &str, out: &mut String) {
    for letter in value.chars() {
        match letter {
            letter if letter.is_control() || matches!(letter, '*' | '#' | '%') => {
                percent_encode(letter, out);
            }
            _ => out.push(letter),
        }
    }
}

fn seconds(nanos: i64) -> u64 {
    u64::try_from(nanos / 1_000_000_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
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
            subscription: Arc::new(samples::subscription("amqp091", options)),
            route,
            item,
        }
    }

    #[test]
    fn an_address_is_filled_and_escaped() {
        let long = format!("\"{}\"", "x".repeat(300));
        let address = |options, value: &str| {
            let Outgoing { route, item, .. } = outgoing(options, "a.b", value);
            address(&route, &item.event, &item.data.unwrap())
        };
        let (exchange, key) = address(
            json!({"exchange": "e-{namespace}", "routingKey": "{type}.{topic}.{data.x}"}),
            r#"{"x":"a*b#c%d\n\u0085"}"#,
        )
        .unwrap();
        assert_eq!(exchange.as_str(), "e-ns");
        assert_eq!(key.as_str(), "message_confirmed.a.b.a%2Ab%23c%25d%0A%C2%85");
        for (options, value) in [
            (
                json!({"exchange": "e", "routingKey": "{data}"}),
                long.as_str(),
            ),
            (
                json!({"exchange": "{data.x}", "routingKey": "{data.x}"}),
                "5",
            ),
        ] {
            assert!(address(options, value).is_err());
        }
    }

    #[test]
    fn a_message_says_what_it_is() {
        let options = json!({"exchange": "e", "content": "cloudevents-binary", "priority": 7,
            "expiration": "2s", "headers": {"x": "y"}, "ack": "application"});
        let message = message(&outgoing(options, "t", "5"), "answers").unwrap();
        let properties = &message.properties;
        let is = |value: &Option<ShortString>, expected: &str| {
            assert_eq!(value.as_ref().map(ShortString::as_str), Some(expected));
        };
        is(properties.content_type(), "application/json");
        is(properties.expiration(), "2000");
        is(properties.reply_to(), "answers");
        is(
            properties.correlation_id(),
            "00000000-0000-0000-0000-000000000000/3-4",
        );
        is(properties.kind(), "message_confirmed");
        assert_eq!(properties.delivery_mode(), &Some(2));
        assert_eq!(properties.priority(), &Some(7));
        let headers = properties.headers().as_ref().unwrap().inner();
        let header = |name: &str| headers.get(name).and_then(text);
        assert_eq!(header("cloudEvents_type"), Some("tag"));
        assert_eq!(header("cloudEvents_specversion"), Some("1.0"));
        assert_eq!(header("photinus-topic"), Some("t"));
        assert_eq!(header("x"), Some("y"));
        let id = properties.message_id().as_ref().map(ShortString::as_str);
        assert_eq!(header("photinus-event"), id);
        assert_eq!(
            headers.get("photinus-attempt"),
            Some(&AMQPValue::LongLongInt(2))
        );
        assert_eq!(message.body, b"5");
    }

    #[test]
    fn an_answer_names_what_it_answers() {
        let (subscription, delivery) = (samples_id(), DeliveryId::new(1, 2));
        let text = correlation(subscription, delivery);
        assert_eq!(named(&text), Some((subscription, delivery)));
        for other in ["", "x", "x/1-2", "00000000-0000-0000-0000-000000000000/x"] {
            assert_eq!(named(other), None, "{other}");
        }
        assert_eq!(cut(&"ä".repeat(200)).as_str().len(), 254);
    }

    fn samples_id() -> SubscriptionId {
        samples::subscription("x", SubscriptionOptions::default()).id
    }
}
