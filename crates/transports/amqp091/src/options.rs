//! Which options does a subscription have, and what do they mean?

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable, ShortString};
use photinus_contract::address::Template;
use photinus_contract::content::Content;
use photinus_contract::object::null_as_default;
use photinus_contract::own::{self, duration, invalid};
use photinus_contract::{CodedError, SubscriptionOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest exchange or routing key, in bytes, as AMQP has it.
pub(crate) const ADDRESS_BYTES_MAX: usize = 255;
/// Most headers that options may name, and most bytes that they have all together.
const HEADERS_MAX: usize = 100;
const HEADERS_BYTES_MAX: usize = 64 << 10;
/// How long an application has to answer where the subscription does not say.
const ACK_TIMEOUT_DEFAULT: &str = "60s";
/// What the routing key is where the subscription does not say.
const ROUTING_KEY_DEFAULT: &str = "{topic}";

/// Whose word it is that an event was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ack {
    /// The broker's: it has the message.
    #[default]
    Broker,
    /// The application's: it answers to `reply-to` with the correlation id of the message.
    Application,
}

/// The options of a subscription.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Options {
    /// The broker: NAME of a `[transports.amqp091.targets.NAME]` in the server's configuration.
    #[serde(deserialize_with = "null_as_default")]
    #[schemars(required)]
    pub(crate) target: String,
    /// The exchange, which has to be there; empty is the default exchange, whose routing keys are queues. With places
    /// such as `{namespace}`, `{type}`, `{topic}`, `{tag}`, `{author}` and `{data.some.path}`.
    #[serde(deserialize_with = "null_as_default")]
    #[schemars(length(max = 255))]
    pub(crate) exchange: String,
    /// The routing key, with the same places; `{topic}` if absent.
    #[schemars(length(min = 1, max = 255))]
    pub(crate) routing_key: Option<String>,
    /// What a message holds.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) content: Content,
    /// Whose word it is that an event was received.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) ack: Ack,
    /// Whether a message that no queue gets is a failure, and not delivered to nobody; it is if absent.
    pub(crate) mandatory: Option<bool>,
    /// Whether the broker keeps a message over a restart; it does if absent.
    pub(crate) persistent: Option<bool>,
    /// The priority of a message.
    pub(crate) priority: Option<u8>,
    /// How long the broker keeps a message that nobody takes.
    #[schemars(extend("format" = "go-duration"))]
    pub(crate) expiration: Option<String>,
    /// Headers of each message.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) headers: BTreeMap<String, String>,
    /// Whether it is asked first if the exchange is there.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) check_exchange: bool,
}

/// Where a subscription leads, and how.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) target: String,
    pub(crate) exchange: Template,
    pub(crate) routing_key: Template,
    pub(crate) content: Content,
    pub(crate) ack: Ack,
    pub(crate) is_mandatory: bool,
    /// 2 is kept over a restart.
    pub(crate) delivery_mode: u8,
    pub(crate) priority: Option<u8>,
    pub(crate) expiration: Option<ShortString>,
    pub(crate) headers: FieldTable,
    pub(crate) checks_exchange: bool,
}

impl Route {
    /// Understands the options of a subscription.
    pub(crate) fn read(options: &SubscriptionOptions) -> Result<Self, CodedError> {
        let own: Options = own::options(&options.other, |key| invalid(key, expected(key)))?;
        let exchange = Template::parse(&own.exchange, "exchange")?;
        let key = own.routing_key.as_deref().unwrap_or(ROUTING_KEY_DEFAULT);
        let routing_key = Template::parse(key, "routingKey")?;
        for (option, text, template) in [
            ("exchange", own.exchange.as_str(), &exchange),
            ("routingKey", key, &routing_key),
        ] {
            // How many bytes an address has is known when its places are filled.
            if text.chars().count() > ADDRESS_BYTES_MAX {
                let text = format!("at most {ADDRESS_BYTES_MAX} characters are allowed");
                return Err(invalid(option, &text));
            }
            if template.texts().any(|text| text.contains(char::is_control)) {
                return Err(invalid(option, "control characters are not allowed"));
            }
        }
        if routing_key.fixed() == Some("") {
            let text = "is empty: expected a routing key, or with an empty 'exchange' a queue";
            return Err(invalid("routingKey", text));
        }
        if own.content.needs_data() && options.with_data == Some(false) {
            let text = "is false, and this 'content' is made of the data";
            return Err(invalid("withData", text));
        }
        let expiration = duration(own.expiration.as_deref(), "expiration")?;
        let expiration = expiration.map(|given| milliseconds(given.value()));
        Ok(Self {
            target: own.target,
            exchange,
            routing_key,
            content: own.content,
            ack: own.ack,
            is_mandatory: own.mandatory != Some(false),
            delivery_mode: if own.persistent == Some(false) { 1 } else { 2 },
            priority: own.priority,
            expiration: expiration.transpose()?,
            headers: headers(own.headers)?,
            checks_exchange: own.check_exchange,
        })
    }
}

/// Fills in what a subscription leaves out.
pub(crate) fn fill_in(route: &Route, options: &mut SubscriptionOptions) {
    options.with_data.get_or_insert(true);
    if route.ack == Ack::Application {
        let timeout = options.ack_timeout.take().filter(|text| !text.is_empty());
        options.ack_timeout = Some(timeout.unwrap_or_else(|| ACK_TIMEOUT_DEFAULT.to_owned()));
    }
}

fn milliseconds(expiration: Duration) -> Result<ShortString, CodedError> {
    let milliseconds = expiration.as_millis();
    match milliseconds > u128::from(u32::MAX) {
        true => Err(invalid("expiration", "at most 1193h is allowed")),
        false => Ok(ShortString::from(milliseconds.to_string())),
    }
}

fn headers(given: BTreeMap<String, String>) -> Result<FieldTable, CodedError> {
    if given.len() > HEADERS_MAX {
        let text = format!("at most {HEADERS_MAX} are sent");
        return Err(invalid("headers", &text));
    }
    let sizes = given.iter().map(|(name, value)| name.len() + value.len());
    if sizes.sum::<usize>() > HEADERS_BYTES_MAX {
        let text = format!("they have more than {HEADERS_BYTES_MAX} bytes");
        return Err(invalid("headers", &text));
    }
    let mut headers = FieldTable::default();
    for (name, value) in given {
        let key = ShortString::try_new(name.as_str());
        let key = key.ok().filter(|_| !name.is_empty());
        let key = key.ok_or_else(|| invalid("headers", "a name has 1 to 255 bytes"))?;
        if name.starts_with("photinus-") {
            let text = format!("'{}' is set by the server", name.escape_debug());
            return Err(invalid("headers", &text));
        }
        headers.insert(key, AMQPValue::LongString(value.into()));
    }
    Ok(headers)
}

fn expected(key: &str) -> &'static str {
    match key {
        "mandatory" | "persistent" | "checkExchange" => "expected true or false",
        "priority" => "expected a number from 0 to 255",
        "headers" => "expected an object whose values are texts",
        "ack" => "expected 'broker' or 'application'",
        "content" => "expected 'firefly', 'data', 'cloudevents-structured' or 'cloudevents-binary'",
        _ => "expected a text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn options(own: Value) -> SubscriptionOptions {
        serde_json::from_value(own).unwrap()
    }

    #[test]
    fn the_defaults_lose_nothing() {
        let mut options = options(json!({"target": "main", "exchange": "events"}));
        let route = Route::read(&options).unwrap();
        fill_in(&route, &mut options);
        assert_eq!((route.is_mandatory, route.delivery_mode), (true, 2));
        assert_eq!(route.routing_key, Template::parse("{topic}", "").unwrap());
        assert_eq!((options.with_data, options.ack_timeout), (Some(true), None));
    }

    #[test]
    fn an_application_has_a_minute_to_answer() {
        for (given, expected) in [
            (json!({"ack": "application"}), "60s"),
            (json!({"ack": "application", "ackTimeout": ""}), "60s"),
            (json!({"ack": "application", "ackTimeout": "5s"}), "5s"),
        ] {
            let mut options = options(given);
            let route = Route::read(&options).unwrap();
            fill_in(&route, &mut options);
            assert_eq!(options.ack_timeout.as_deref(), Some(expected));
        }
    }

    #[test]
    fn an_error_names_the_option() {
        let long = "x".repeat(256);
        for (given, option) in [
            (json!({"target": 5}), "target"),
            (json!({"exchange": "{x}"}), "exchange"),
            (json!({"exchange": long}), "exchange"),
            (json!({"exchange": "a\u{0}"}), "exchange"),
            (json!({"routingKey": "{"}), "routingKey"),
            (json!({"routingKey": ""}), "routingKey"),
            (json!({"content": "xml"}), "content"),
            (json!({"content": "data", "withData": false}), "withData"),
            (json!({"ack": true}), "ack"),
            (json!({"mandatory": "yes"}), "mandatory"),
            (json!({"priority": 256}), "priority"),
            (json!({"expiration": "9999h"}), "expiration"),
            (json!({"expiration": "soon"}), "expiration"),
            (json!({"headers": {"photinus-event": "x"}}), "headers"),
            (json!({"headers": {"a": 5}}), "headers"),
            (json!({"headers": {"a": "x".repeat(70_000)}}), "headers"),
            (json!({"headers": {"": "x"}}), "headers"),
        ] {
            let error = Route::read(&options(given.clone()))
                .unwrap_err()
                .to_string();
            assert!(error.contains(&format!("'{option}'")), "{given}: {error}");
        }
    }
}
