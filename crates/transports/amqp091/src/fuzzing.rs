//! What does a fuzzer read that a client or an application sends?
//!
//! Not for use: the readers of options and of answers, and what an event becomes, which are private.

use std::sync::Arc;

use lapin::types::{AMQPValue, FieldTable};
use photinus_contract::delivery::BatchItem;
use photinus_contract::outbox::Outgoing;
use photinus_contract::{CodedError, DeliveryId, SubscriptionOptions, samples};

use crate::options::{Route, fill_in};
use crate::{clock, mapping};

/// The exchange and the routing key of a message, and its body.
pub type Made = Result<(String, String, Vec<u8>), String>;

/// What these options make of an event with this topic and value.
pub fn message(
    mut options: SubscriptionOptions,
    topic: &str,
    value: &str,
) -> Result<Made, CodedError> {
    let route = Route::read(&options)?;
    fill_in(&route, &mut options);
    let (event, data) = samples::event(topic, "tag", value);
    let mut item = BatchItem::new(DeliveryId::new(1, 2), 3, event);
    item.data = Some([data].into());
    let outgoing = Outgoing {
        subscription: Arc::new(samples::subscription("amqp091", options)),
        route: Arc::new(route),
        item,
    };
    let made = mapping::message(&outgoing, "answers");
    Ok(made.map(|made| {
        let (exchange, key) = (made.exchange.to_string(), made.routing_key.to_string());
        (exchange, key, made.body)
    }))
}

/// What an answer with this correlation and these headers would settle, in words.
pub fn answer(correlation: &str, headers: &[(&str, &[u8])]) -> String {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(mapping::cut(name), AMQPValue::LongString((*value).into()));
    }
    let outcome = mapping::words(&table).nack(clock::now());
    format!("{:?} {:?}", mapping::named(correlation), outcome)
}
