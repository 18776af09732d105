//! Does a list show what its query asks for?

use std::cmp::Reverse;
use std::sync::Arc;

use photinus_api::fuzzing::events_asked;
use photinus_contract::record::{RecordContent, RecordEvent};
use photinus_contract::{Event, EventType, MessageId, Namespace, Record, Sequence, Timestamp};
use uuid::Uuid;

use crate::{errors, in_time};

/// The part of the address after the `?`.
pub fn lists(input: &[u8]) {
    in_time(input, || {
        let text = String::from_utf8_lossy(input);
        let asked = match events_asked(&text) {
            Ok(asked) => asked,
            Err(error) => {
                errors::check(&error);
                assert_eq!(error.status(), 400, "{error}");
                return;
            }
        };
        let rows: Vec<Event> = (1..=40).rev().map(event).collect();
        let listed = asked.select(rows.clone());
        let matching = rows.iter().filter(|row| asked.matches(row)).count();
        assert_eq!(listed.total, asked.count.then_some(matching));
        let left = matching.saturating_sub(asked.skip);
        assert_eq!(listed.items.len(), left.min(asked.limit));
        assert!(listed.items.iter().all(|row| asked.matches(row)));
        let sequences = || listed.items.iter().map(Event::sequence);
        let mut once: Vec<_> = sequences().collect();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), listed.items.len(), "a row is there twice");
        let fields = ["id", "type", "reference", "correlator", "tx", "topic"];
        let sorts = text.to_ascii_lowercase().contains("sort");
        if !sorts && !fields.iter().any(|field| asked.asks_for(field)) {
            assert!(
                sequences().map(Reverse).is_sorted(),
                "the newest come first"
            );
        }
    });
}

fn event(number: u32) -> Event {
    let id = MessageId::from_v7(Uuid::from_u128(u128::from(number) << 80));
    let event = RecordEvent {
        topic: ["a", "b", "ä", "%"][number as usize % 4].into(),
        json: "{".into(),
    };
    let mut content = RecordContent::new(
        id,
        Namespace::new("default"),
        EventType::MessageConfirmed,
        Timestamp::from_nanos(i64::from(number / 3) * 1_000_000_000),
        vec![event],
        0..0,
    );
    content.correlator = number.is_multiple_of(2).then_some(id.0);
    Event::new(
        Arc::new(Record::new(Sequence(i64::from(number)), content)),
        0,
    )
    .unwrap()
}
