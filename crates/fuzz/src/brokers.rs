//! Where can options, data, answers and brokers lead the transports to brokers?

use photinus_contract::{CodedError, SubscriptionOptions, intake};
use photinus_transport_amqp091::fuzzing as amqp091;
use photinus_transport_mqtt::fuzzing as mqtt;

use crate::errors::check;
use crate::in_time;

/// As AMQP has it.
const SHORT_BYTES_MAX: usize = 255;
/// As MQTT has it.
const TOPIC_BYTES_MAX: usize = 65_535;

/// The options of a subscription, the topic of an event, the value of its message, and what an application answers: a
/// correlation, and headers with a colon; a line each.
pub fn amqp(input: &[u8]) {
    in_time(input, || {
        let text = String::from_utf8_lossy(input);
        let mut lines = text.lines();
        let mut line = || lines.next().unwrap_or_default();
        let (options, topic, value, correlation) = (line(), line(), line(), line());
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, value.as_bytes()))
            .collect();
        assert!(!amqp091::answer(correlation, &headers).is_empty());
        taken(value.as_bytes(), topic);
        let Some(made) = understood(options, |options| amqp091::message(options, topic, value))
        else {
            return;
        };
        if let Ok((exchange, key, body)) = made {
            assert!(exchange.len().max(key.len()) <= SHORT_BYTES_MAX);
            assert!(!exchange.is_empty() || !key.is_empty());
            assert!(!exchange.contains(char::is_control) && !key.contains(char::is_control));
            assert!(!body.is_empty());
        }
    });
}

/// The same for MQTT; what is behind the third line is what a broker says.
pub fn mqtt(input: &[u8]) {
    in_time(input, || {
        let mut lines = input.splitn(4, |byte| *byte == b'\n');
        let mut line = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let (options, topic, value) = (line(), line(), line());
        let said = lines.next().unwrap_or_default();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().unwrap();
        for is_old in [false, true] {
            assert!(!runtime.block_on(mqtt::session(said, is_old)).is_empty());
        }
        let made = understood(&options, |options| mqtt::message(options, &topic, &value));
        let Some(Ok((topic, packets))) = made else {
            return;
        };
        assert!((1..=TOPIC_BYTES_MAX).contains(&topic.len()));
        assert!(!topic.contains(['+', '#', '\0']));
        for (packet, is_old) in packets.into_iter().zip([false, true]) {
            // A broker could have said it: it is read, and nothing is wrong with it.
            let welcome: &[u8] = match is_old {
                true => &[0x20, 2, 0, 0],
                false => &[0x20, 3, 0, 0, 0],
            };
            let heard = runtime.block_on(mqtt::session(&[welcome, &packet].concat(), is_old));
            assert!(!heard.contains("not MQTT"), "{heard}");
        }
    });
}

/// What these options make of an event; nothing if they are refused.
fn understood<T>(
    options: &str,
    message: impl FnOnce(SubscriptionOptions) -> Result<T, CodedError>,
) -> Option<T> {
    let options = serde_json::from_str::<SubscriptionOptions>(options).ok()?;
    message(options).inspect_err(check).ok()
}

/// What arrives from a broker is always a value, and its address a name or nothing.
fn taken(body: &[u8], address: &str) {
    for kind in [None, Some("text/plain"), Some("image/png")] {
        let value = intake::value(body, kind);
        assert!(serde_json::from_str::<serde_json::Value>(value.get()).is_ok());
    }
    let name = intake::name(address);
    let is_name = photinus_contract::name::check_name(&name, "topic").is_ok();
    assert!(name.is_empty() || is_name, "{name}");
}
