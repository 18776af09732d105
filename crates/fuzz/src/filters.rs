//! Does a filter mean what its pattern says?

use std::sync::Arc;

use photinus_contract::record::{RecordContent, RecordEvent};
use photinus_contract::{
    Event, EventType, MessageId, Namespace, Record, Sequence, SubscriptionFilter, Timestamp,
};
use photinus_dispatch::{Filter, PATTERN_BYTES_MAX};
use regex::Regex;
use uuid::Uuid;

use crate::{errors, in_time};

/// Most memory of a filter with one pattern, in bytes.
const FILTER_BYTES_MAX: usize = 2 << 20;

/// The input is a pattern, a zero byte, and the text in which it is searched.
pub fn filters(input: &[u8]) {
    in_time(input, || {
        let text = String::from_utf8_lossy(input);
        let (pattern, value) = text.split_once('\0').unwrap_or((&text, ""));
        let mut wanted = SubscriptionFilter::default();
        wanted.topic = pattern.into();
        let filter = match Filter::new(&wanted) {
            Ok(filter) => filter,
            Err(error) => {
                errors::check(&error);
                assert_eq!(error.code(), "FF10171");
                if reads_alike(pattern) && pattern.len() <= 64 {
                    let theirs = Regex::new(pattern);
                    assert!(theirs.is_err(), "{pattern:?} is refused: {error}");
                }
                return;
            }
        };
        assert!(pattern.len() <= PATTERN_BYTES_MAX);
        let memory = filter.memory();
        assert!(memory <= FILTER_BYTES_MAX, "{memory} bytes");

        let event = event(value);
        let verdict = filter.matches(&event);
        assert_eq!(verdict, filter.matches(&event));
        if reads_alike(pattern)
            && let Ok(theirs) = Regex::new(pattern)
        {
            assert_eq!(
                verdict,
                theirs.is_match(value),
                "{pattern:?} on {value:?} (regex says the other)"
            );
        }
    });
}

/// Whether a pattern means the same in Go and to the crate `regex`. Classes and most escapes do not.
fn reads_alike(pattern: &str) -> bool {
    if pattern.contains(['[', '{', '}']) || pattern.contains("(?") {
        return false;
    }
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character == '\\'
            && !characters
                .next()
                .is_some_and(|next| ".+*?()|^$ntrAz".contains(next))
        {
            return false;
        }
    }
    true
}

fn event(value: &str) -> Event {
    let id = MessageId::from_v7(Uuid::from_u128(1 << 80));
    let event = RecordEvent {
        topic: value.into(),
        json: "{".into(),
    };
    let content = RecordContent::new(
        id,
        Namespace::new("default"),
        EventType::MessageConfirmed,
        Timestamp::from_nanos(0),
        vec![event],
        0..0,
    );
    Event::new(Arc::new(Record::new(Sequence(1), content)), 0).unwrap()
}
