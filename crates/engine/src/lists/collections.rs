//! What can be asked of events, messages, data and subscriptions?

use std::borrow::Cow;
use std::sync::Arc;

use photinus_contract::filter::Attribute;
use photinus_contract::{Event, Subscription};
use serde::Serialize;

use super::field::{Field, Kind, Value};
use super::message::ListedMessage;

/// Events. Live filters compare the same values.
pub static EVENTS: [Field<Event>; 8] = [
    Field {
        name: "id",
        kind: Kind::Id,
        value: |event| Value::Id(event.id().0),
    },
    Field {
        name: "type",
        kind: Kind::Text,
        value: |event| Value::text(event.attribute(Attribute::Type)),
    },
    Field {
        name: "reference",
        kind: Kind::Id,
        value: |event| Value::Id(event.reference()),
    },
    Field {
        name: "correlator",
        kind: Kind::Id,
        value: |event| Value::id(event.correlator()),
    },
    Field {
        name: "tx",
        kind: Kind::Id,
        value: |_| Value::Null,
    },
    Field {
        name: "topic",
        kind: Kind::Text,
        value: |event| Value::text(event.attribute(Attribute::Topic)),
    },
    Field {
        name: "sequence",
        kind: Kind::Integer,
        value: |event| Value::Integer(event.sequence().0),
    },
    Field {
        name: "created",
        kind: Kind::Time,
        value: |event| Value::Time(event.created()),
    },
];

/// Messages. What a hub without a chain never has is null or empty, as FireFly stores it.
pub static MESSAGES: [Field<ListedMessage>; 22] = [
    Field {
        name: "id",
        kind: Kind::Id,
        value: |message| Value::Id(message.content().id.0),
    },
    Field {
        name: "cid",
        kind: Kind::Id,
        value: |message| Value::id(message.content().correlator),
    },
    Field {
        name: "type",
        kind: Kind::Text,
        value: |message| Value::text(&message.shown().kind),
    },
    Field {
        name: "author",
        kind: Kind::Text,
        value: |message| Value::text(message.content().author()),
    },
    Field {
        name: "key",
        kind: Kind::Text,
        value: |message| Value::text(&message.shown().key),
    },
    Field {
        name: "topics",
        kind: Kind::Texts,
        value: |message| Value::texts(message.topics()),
    },
    Field {
        name: "tag",
        kind: Kind::Text,
        value: |message| Value::text(message.content().tag()),
    },
    Field {
        name: "group",
        kind: Kind::Hash,
        value: |message| match message.content().group() {
            "" => Value::Null,
            group => Value::text(group),
        },
    },
    Field {
        name: "created",
        kind: Kind::Time,
        value: |message| Value::time(message.shown().created),
    },
    Field {
        name: "datahash",
        kind: Kind::Hash,
        value: |message| Value::text(&message.shown().datahash),
    },
    Field {
        name: "idempotencykey",
        kind: Kind::Text,
        value: |message| {
            let key = message.content().idempotency_key();
            key.map_or(Value::Null, Value::text)
        },
    },
    Field {
        name: "hash",
        kind: Kind::Hash,
        value: |message| Value::text(&message.shown().hash),
    },
    Field {
        name: "pins",
        kind: Kind::Texts,
        value: |_| Value::text(""),
    },
    Field {
        name: "state",
        kind: Kind::Text,
        value: |message| Value::text(&message.shown().state),
    },
    Field {
        name: "confirmed",
        kind: Kind::Time,
        value: |message| Value::Time(message.content().created),
    },
    Field {
        name: "rejectreason",
        kind: Kind::Text,
        value: |_| Value::text(""),
    },
    Field {
        name: "sequence",
        kind: Kind::Integer,
        value: |message| Value::Integer(message.record().last.0),
    },
    Field {
        name: "txtype",
        kind: Kind::Text,
        value: |message| Value::text(&message.shown().txtype),
    },
    Field {
        name: "batch",
        kind: Kind::Id,
        value: |_| Value::Null,
    },
    Field {
        name: "txid",
        kind: Kind::Id,
        value: |_| Value::Null,
    },
    Field {
        name: "txparent.type",
        kind: Kind::Text,
        value: |_| Value::text(""),
    },
    Field {
        name: "txparent.id",
        kind: Kind::Id,
        value: |_| Value::Null,
    },
];

/// Subscriptions. Their secrets are masked here, too.
pub static SUBSCRIPTIONS: [Field<Arc<Subscription>>; 7] = [
    Field {
        name: "id",
        kind: Kind::Id,
        value: |subscription| Value::Id(subscription.id.0),
    },
    Field {
        name: "name",
        kind: Kind::Text,
        value: |subscription| Value::text(&subscription.name),
    },
    Field {
        name: "transport",
        kind: Kind::Text,
        value: |subscription| Value::text(&subscription.transport),
    },
    Field {
        name: "events",
        kind: Kind::Text,
        value: |subscription| Value::text(&subscription.filter.events),
    },
    Field {
        name: "filters",
        kind: Kind::Json,
        value: |subscription| json(&subscription.filter),
    },
    Field {
        name: "options",
        kind: Kind::Text,
        value: |subscription| json(&subscription.options),
    },
    Field {
        name: "created",
        kind: Kind::Time,
        value: |subscription| Value::Time(subscription.created),
    },
];

fn json(value: &impl Serialize) -> Value<'_> {
    let text = serde_json::to_string(value);
    text.map_or(Value::Null, |text| Value::Text(Cow::Owned(text)))
}
