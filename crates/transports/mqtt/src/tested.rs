//! What does a broker say to a test?

use std::sync::Arc;
use std::time::Duration;

use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{Packet, Property, UserProperty, v3_1_1, v5_0};
use photinus_contract::delivery::BatchItem;
use photinus_contract::outbox::Outgoing;
use photinus_contract::transport::{Exchange, ExchangeSide};
use photinus_contract::{CodedError, Data, DeliveryId, Event, Subscription};
use tokio::time::Instant;
use uuid::Uuid;

use crate::connect::{Client, Connected, connect};
use crate::hub::Hub;
use crate::mapping::{NO_SUBSCRIBERS, is_acknowledged, message, plain_message};
use crate::options::Route;

/// How much of a body is shown, in bytes.
const SHOWN_BYTES: usize = 64 << 10;
/// Says that a message is a test.
const TEST: &str = "photinus-test";
/// How long a broker has to acknowledge a test.
const TIME: Duration = Duration::from_secs(10);

/// Publishes one event over a session of its own, and shows what the broker says. An application is not asked.
pub(crate) async fn tested(
    hub: &Hub,
    subscription: Arc<Subscription>,
    route: Route,
    event: Event,
    data: Option<Arc<[Data]>>,
) -> Result<Exchange, CodedError> {
    let mut item = BatchItem::new(DeliveryId::new(0, 0), 1, event);
    item.data = data;
    let outgoing = Outgoing {
        subscription,
        route: Arc::new(route),
        item,
    };
    let not_sent =
        |reason| CodedError::bad_request("PH00448", format!("Nothing can be sent: {reason}"));
    let id = is_acknowledged(outgoing.route.qos).then_some(1);
    let shown = message(&outgoing, id, "none").map_err(not_sent)?;
    let mut exchange = Exchange::new(side(&shown));
    let begun = Instant::now();
    let said = tokio::time::timeout(TIME, publish(hub, &outgoing)).await;
    exchange.duration = begun.elapsed();
    let said = said.unwrap_or_else(|_| Err(format!("no acknowledgement within {TIME:?}")));
    exchange.settled = said.is_ok();
    match said {
        Ok(said) => {
            exchange.response = Some(ExchangeSide::new(said));
            exchange.outcome = "it would be acknowledged, by the broker".to_owned();
        }
        Err(reason) => exchange.outcome = format!("it would be tried again: {reason}"),
    }
    Ok(exchange)
}

async fn publish(hub: &Hub, outgoing: &Outgoing<Route>) -> Result<String, String> {
    // The one that publishes events would be ended by another of its name.
    let client = Client {
        id: format!("photinus-{}", &Uuid::new_v4().simple().to_string()[..12]),
        ..hub.client.clone()
    };
    let connected = connect(&hub.target, &client, 0).await?;
    let Connected { mut session, .. } = connected;
    session.answers_itself(true);
    let id = match is_acknowledged(outgoing.route.qos) {
        true => session.packet_id(),
        false => None,
    };
    let made = match session.version() {
        Version::V3_1_1 => unretained(plain_message(outgoing, id)?)?,
        _ => as_test(message(outgoing, id, "none")?)?,
    };
    session.send(made).map_err(|error| error.to_string())?;
    let end = session.end();
    loop {
        session.turn().await?;
        while let Some(packet) = session.take() {
            let code = match &packet {
                Packet::V5_0Puback(ack) => ack.reason_code().map_or(0, |code| code as u8),
                Packet::V5_0Pubcomp(ack) if session.has_no_subscribers(ack.packet_id()) => {
                    NO_SUBSCRIBERS
                }
                Packet::V5_0Pubcomp(ack) => ack.reason_code().map_or(0, |code| code as u8),
                Packet::V5_0Pubrec(ack) => match ack.reason_code().map_or(0, |code| code as u8) {
                    code if code >= 0x80 => code,
                    _ => continue,
                },
                Packet::V3_1_1Puback(_) | Packet::V3_1_1Pubcomp(_) => 0,
                _ => continue,
            };
            session.say_goodbye();
            return match code {
                0x80.. => Err(format!("reason code 0x{code:02X}")),
                NO_SUBSCRIBERS => Ok("no matching subscribers".to_owned()),
                _ => Ok("success".to_owned()),
            };
        }
        if id.is_none() && session.written() >= end {
            return Ok("written: QoS 0 has no acknowledgement".to_owned());
        }
    }
}

/// A test is not what is kept.
fn unretained(made: Packet) -> Result<Packet, String> {
    let Packet::V3_1_1Publish(made) = made else {
        return Ok(made);
    };
    let again = || {
        let mut test = v3_1_1::Publish::builder()
            .topic_name(made.topic_name())?
            .qos(made.qos())
            .payload(made.payload().as_slice().to_vec());
        if let Some(id) = made.packet_id() {
            test = test.packet_id(id);
        }
        test.build()
    };
    again().map(Into::into).map_err(|error| error.to_string())
}

fn as_test(made: Packet) -> Result<Packet, String> {
    let Packet::V5_0Publish(made) = made else {
        return Ok(made);
    };
    let again = || {
        let mut properties = made.props().clone();
        properties.push(UserProperty::new(TEST, "true")?.into());
        let mut test = v5_0::Publish::builder()
            .topic_name(made.topic_name())?
            .qos(made.qos())
            // A test is not what is kept.
            .retain(false)
            .props(properties)
            .payload(made.payload().as_slice().to_vec());
        if let Some(id) = made.packet_id() {
            test = test.packet_id(id);
        }
        test.build()
    };
    again().map(Into::into).map_err(|error| error.to_string())
}

fn side(made: &Packet) -> ExchangeSide {
    let Packet::V5_0Publish(made) = made else {
        return ExchangeSide::default();
    };
    let mut side = ExchangeSide::new(format!(
        "PUBLISH topic '{}' QoS {}",
        made.topic_name(),
        made.qos() as u8
    ));
    for property in made.props() {
        let (name, value) = match property {
            Property::UserProperty(pair) => (pair.key().to_owned(), pair.val().to_owned()),
            Property::ContentType(kind) => ("content-type".to_owned(), kind.val().to_owned()),
            Property::MessageExpiryInterval(seconds) => {
                ("message-expiry".to_owned(), seconds.val().to_string())
            }
            _ => continue,
        };
        side.headers.push((name, value));
    }
    let body = made.payload().as_slice();
    side.body = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]).into_owned();
    side
}
