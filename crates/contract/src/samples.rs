//! With what is a transport tried where no engine runs?
//!
//! With an event, its data and a subscription that are made here: for tests of a mapping, and for fuzzers.

use std::sync::Arc;

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::data::{Data, Hash, Validator};
use crate::event::{Event, EventType};
use crate::filter::SubscriptionFilter;
use crate::id::{DataId, MessageId, Sequence, SubscriptionId};
use crate::name::Namespace;
use crate::options::SubscriptionOptions;
use crate::record::{Record, RecordContent, RecordEvent};
use crate::subscription::Subscription;
use crate::time::Timestamp;

const MESSAGE: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0000;

/// The event of a message with this topic, this tag and one value, which is JSON (else null), at sequence 7 of the
/// namespace `ns`.
pub fn event(topic: &str, tag: &str, value: &str) -> (Event, Data) {
    event_of_message(topic, tag, value, "{}")
}

/// As [`event`], of a message whose own JSON is `message`.
pub fn event_of_message(topic: &str, tag: &str, value: &str, message: &str) -> (Event, Data) {
    let id = MessageId::from_v7(Uuid::from_u128(MESSAGE));
    let ns = Namespace::new("ns");
    let mut head = format!(r#"{{"id":"{}","topic":"#, id.event(0)).into_bytes();
    crate::write_json_text(topic, &mut head);
    head.extend_from_slice(br#","message":"#);
    let place = head.len()..head.len() + message.len();
    head.extend_from_slice(message.as_bytes());
    let event = RecordEvent {
        topic: topic.into(),
        json: head.into(),
    };
    let now = Timestamp::from_nanos(0);
    let kind = EventType::MessageConfirmed;
    let mut content = RecordContent::new(id, ns.clone(), kind, now, vec![event], place);
    content.edit(|parts| parts.tag = tag.to_owned());
    let record = Arc::new(Record::new(Sequence(7), content));
    let event = Event::new(record, 0);
    let value = RawValue::from_string(value.to_owned());
    let value = value.unwrap_or_else(|_| RawValue::NULL.to_owned());
    let data = Data::new(
        DataId(id.value(0).0),
        Validator::Json,
        ns,
        Hash([0; 32]),
        now,
        value,
    );
    // It has one, just made.
    (event.unwrap_or_else(|| unreachable!("one event")), data)
}

/// A subscription named `s` in the namespace `ns` with these options.
pub fn subscription(transport: &str, options: SubscriptionOptions) -> Subscription {
    Subscription::new(
        SubscriptionId(Uuid::nil()),
        Namespace::new("ns"),
        "s",
        transport,
        SubscriptionFilter::default(),
        options,
        Timestamp::from_nanos(0),
    )
}
