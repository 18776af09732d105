//! What can be asked of events, messages, data, groups, subscriptions and what they parked?

use std::borrow::Cow;
use std::sync::Arc;

use photinus_contract::filter::Attribute;
use photinus_contract::store::Group;
use photinus_contract::{Data, Datatype, Event, Subscription};
use serde::{Deserialize, Serialize};

use super::field::{Field, Kind, Value};
use super::message::ListedMessage;
use crate::parked::ParkedEvent;

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

/// Data. What it has not is empty, as FireFly stores it; only the hash of a file and a value can be null.
pub static DATA: [Field<Data>; 13] = [
    Field {
        name: "id",
        kind: Kind::Id,
        value: |data| Value::Id(data.id.0),
    },
    Field {
        name: "validator",
        kind: Kind::Text,
        value: |data| Value::text(data.validator.as_str()),
    },
    Field {
        name: "datatype.name",
        kind: Kind::Text,
        value: |data| Value::text(data.datatype.as_ref().map_or("", |of| &of.name)),
    },
    Field {
        name: "datatype.version",
        kind: Kind::Text,
        value: |data| Value::text(data.datatype.as_ref().map_or("", |of| &of.version)),
    },
    Field {
        name: "hash",
        kind: Kind::Hash,
        value: |data| Value::Hash(data.hash),
    },
    Field {
        name: "blob.hash",
        kind: Kind::Hash,
        value: |data| {
            let blob = data.blob.as_ref();
            blob.map_or(Value::Null, |blob| Value::Hash(blob.hash))
        },
    },
    Field {
        name: "blob.public",
        kind: Kind::Text,
        value: |_| Value::text(""),
    },
    Field {
        name: "blob.name",
        kind: Kind::Text,
        value: |data| Value::text(data.blob.as_ref().map_or("", |blob| &blob.name)),
    },
    Field {
        name: "blob.path",
        kind: Kind::Text,
        value: |data| {
            let path = data.blob.as_ref().and_then(|blob| blob.path.as_deref());
            Value::text(path.unwrap_or_default())
        },
    },
    Field {
        name: "blob.size",
        kind: Kind::Integer,
        value: |data| {
            let size = data.blob.as_ref().map_or(0, |blob| blob.size);
            Value::Integer(i64::try_from(size).unwrap_or(i64::MAX))
        },
    },
    Field {
        name: "created",
        kind: Kind::Time,
        value: |data| Value::Time(data.created),
    },
    Field {
        name: "value",
        kind: Kind::Json,
        value: |data| match data.value.get() {
            "null" => Value::Null,
            value => Value::text(value),
        },
    },
    Field {
        name: "public",
        kind: Kind::Text,
        value: |_| Value::text(""),
    },
];

/// Datatypes. No message brings one.
pub static DATATYPES: [Field<Datatype>; 6] = [
    Field {
        name: "id",
        kind: Kind::Id,
        value: |datatype| Value::Id(datatype.id.0),
    },
    Field {
        name: "message",
        kind: Kind::Id,
        value: |_| Value::Null,
    },
    Field {
        name: "validator",
        kind: Kind::Text,
        value: |_| Value::text("json"),
    },
    Field {
        name: "name",
        kind: Kind::Text,
        value: |datatype| Value::text(&datatype.name),
    },
    Field {
        name: "version",
        kind: Kind::Text,
        value: |datatype| Value::text(&datatype.version),
    },
    Field {
        name: "created",
        kind: Kind::Time,
        value: |datatype| Value::Time(datatype.created),
    },
];

/// Parked events of a subscription.
pub static PARKED: [Field<ParkedEvent>; 7] = [
    Field {
        name: "event",
        kind: Kind::Id,
        value: |parked| Value::Id(parked.event.0),
    },
    Field {
        name: "sequence",
        kind: Kind::Integer,
        value: |parked| Value::Integer(parked.sequence.0),
    },
    Field {
        name: "attempts",
        kind: Kind::Integer,
        value: |parked| Value::Integer(parked.attempts.into()),
    },
    Field {
        name: "reason",
        kind: Kind::Text,
        value: |parked| Value::text(&parked.reason),
    },
    Field {
        name: "error",
        kind: Kind::Text,
        value: |parked| Value::text(parked.error.as_deref().unwrap_or_default()),
    },
    Field {
        name: "created",
        kind: Kind::Time,
        value: |parked| Value::Time(parked.created),
    },
    Field {
        name: "replaying",
        kind: Kind::Flag,
        value: |parked| Value::Integer(parked.replaying.into()),
    },
];

/// Groups of private messages. Their description is their name.
pub static GROUPS: [Field<Group>; 5] = [
    Field {
        name: "hash",
        kind: Kind::Hash,
        value: |group| Value::Hash(group.hash),
    },
    Field {
        name: "message",
        kind: Kind::Id,
        value: |_| Value::Null,
    },
    Field {
        name: "description",
        kind: Kind::Text,
        value: |group| {
            #[derive(Deserialize)]
            struct Named {
                name: String,
            }
            let named = serde_json::from_str::<Named>(group.definition.get());
            named.map_or(Value::Null, |named| Value::Text(Cow::Owned(named.name)))
        },
    },
    Field {
        name: "ledger",
        kind: Kind::Id,
        value: |_| Value::Null,
    },
    Field {
        name: "created",
        kind: Kind::Time,
        value: |group| Value::Time(group.created),
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
