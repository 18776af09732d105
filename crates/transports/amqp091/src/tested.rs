//! What does a broker say to a test?

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, ShortString};
use photinus_contract::delivery::BatchItem;
use photinus_contract::outbox::Outgoing;
use photinus_contract::transport::{Exchange, ExchangeSide};
use photinus_contract::{CodedError, Data, DeliveryId, Event, Subscription};
use tokio::time::Instant;

use crate::connect::{connect, explained};
use crate::hub::Hub;
use crate::mapping::{Message, message, put, text};
use crate::options::Route;

/// How much of a body is shown, in bytes.
const SHOWN_BYTES: usize = 64 << 10;
/// Says that a message is a test.
const TEST: &str = "photinus-test";
/// How long a broker has to confirm a test.
const TIME: Duration = Duration::from_secs(10);

/// Publishes one event over a connection of its own, and shows what the broker says. An application is not asked.
pub(crate) async fn tested(
    hub: &Hub,
    subscription: Arc<Subscription>,
    route: Route,
    event: Event,
    data: Option<Arc<[Data]>>,
) -> Result<Exchange, CodedError> {
    let is_mandatory = route.is_mandatory;
    let mut item = BatchItem::new(DeliveryId::new(0, 0), 1, event);
    item.data = data;
    let outgoing = Outgoing {
        subscription,
        route: Arc::new(route),
        item,
    };
    let made = message(&outgoing, "");
    let mut made = made.map_err(|reason| {
        CodedError::bad_request("PH00448", format!("Nothing can be sent: {reason}"))
    })?;
    let mut headers = made.properties.headers().clone().unwrap_or_default();
    put(&mut headers, TEST, "true");
    made.properties = made.properties.with_headers(headers);
    let mut exchange = Exchange::new(side(&made));
    let begun = Instant::now();
    let said = tokio::time::timeout(TIME, publish(hub, made, is_mandatory)).await;
    exchange.duration = begun.elapsed();
    let said = said.unwrap_or_else(|_| Err(format!("no confirm within {TIME:?}")));
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

async fn publish(hub: &Hub, made: Message, mandatory: bool) -> Result<String, String> {
    let connected = connect(&hub.target, &hub.name, 0).await?;
    let said = async {
        let channel = connected.connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let options = BasicPublishOptions {
            mandatory,
            ..BasicPublishOptions::default()
        };
        let Message {
            exchange,
            routing_key,
            properties,
            body,
        } = made;
        let published = channel.basic_publish(exchange, routing_key, options, &body, properties);
        published.await?.await
    };
    let confirmation = said
        .await
        .map_err(|error: lapin::Error| explained(&error))?;
    connected.close().await;
    let is_ack = confirmation.is_ack();
    match confirmation.take_message() {
        Some(returned) => Err(format!(
            "the broker returned it: {} {}",
            returned.reply_code, returned.reply_text
        )),
        None if is_ack => Ok("basic.ack".to_owned()),
        None => Err("basic.nack".to_owned()),
    }
}

fn side(made: &Message) -> ExchangeSide {
    let line = format!(
        "basic.publish exchange '{}' routing key '{}'",
        made.exchange, made.routing_key
    );
    let mut side = ExchangeSide::new(line);
    let properties = &made.properties;
    let named = [
        ("content-type", properties.content_type()),
        ("message-id", properties.message_id()),
        ("correlation-id", properties.correlation_id()),
        ("type", properties.kind()),
        ("expiration", properties.expiration()),
    ];
    let named = named.into_iter().filter_map(|(name, value)| {
        let value = value.as_ref().map(ShortString::as_str)?;
        Some((name.to_owned(), value.to_owned()))
    });
    side.headers.extend(named);
    let headers = properties.headers().as_ref();
    for (name, value) in headers.into_iter().flat_map(|headers| headers.inner()) {
        let value = match value {
            AMQPValue::LongLongInt(number) => number.to_string(),
            other => text(other).unwrap_or_default().to_owned(),
        };
        side.headers.push((name.to_string(), value));
    }
    let body = &made.body[..made.body.len().min(SHOWN_BYTES)];
    side.body = String::from_utf8_lossy(body).into_owned();
    side
}
