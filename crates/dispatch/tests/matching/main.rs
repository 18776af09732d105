//! What does it cost to find all subscriptions that an event matches, and are they the right ones?

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap is a failed test, and says where"
)]

mod agreement;
mod cost;
mod memory;

use std::sync::Arc;

use photinus_contract::record::{RecordContent, RecordEvent};
use photinus_contract::{Event, EventType, MessageId, Namespace, Record, Sequence, Timestamp};
use photinus_dispatch::{Filter, Patterns};
use serde_json::{Value, json};

/// An event with these attributes.
fn event(topic: &str, tag: &str, author: &str) -> Event {
    let id = MessageId::from_v7("01900000-0000-7000-8000-000000000000".parse().unwrap());
    let event = RecordEvent {
        topic: topic.into(),
        json: "{".into(),
    };
    let mut content = RecordContent::new(
        id,
        Namespace::new("ns"),
        EventType::MessageConfirmed,
        Timestamp::from_nanos(0),
        vec![event],
        0..0,
    );
    content.edit(|parts| {
        parts.tag = tag.into();
        parts.author = author.into();
    });
    Event::new(Arc::new(Record::new(Sequence(1), content)), 0).unwrap()
}

fn compiled(patterns: &Patterns, filter: Value) -> Filter {
    let filter = serde_json::from_value(filter).unwrap();
    patterns.compile(&filter).unwrap()
}

/// A filter on a tag.
fn on_tag(patterns: &Patterns, pattern: &str) -> Filter {
    compiled(patterns, json!({"message": {"tag": pattern}}))
}
