//! Are times, durations, hashes, ids and names read for what they are?

use std::fmt::{Debug, Display};
use std::str::FromStr;

use photinus_contract::data::Hash;
use photinus_contract::name::{NAME_MAX, check_name, check_name_no_uuid};
use photinus_contract::{
    DataId, DeliveryId, DurationText, EventId, EventType, MessageId, SubscriptionId, Timestamp,
};
use photinus_engine::SeekTo;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{errors, in_time};

/// Every text that stands for one value.
pub fn scalars(input: &[u8]) {
    in_time(input, || {
        let text = String::from_utf8_lossy(input);
        time(&text);
        duration(&text);
        place(&text);
        name(&text);
        reread::<Hash>(&text);
        reread::<MessageId>(&text);
        reread::<DataId>(&text);
        reread::<SubscriptionId>(&text);
        if let Some(id) = reread::<EventId>(&text) {
            // The numbers within a message lead back to the same id.
            let message = MessageId::containing(id.0);
            if let Some(index) = id.index() {
                assert_eq!(message.event(index), id);
            }
            if let Some(index) = DataId(id.0).index() {
                assert_eq!(message.value(index).0, id.0);
            }
        }
        if let Ok(delivery) = text.parse::<DeliveryId>() {
            assert_eq!(delivery.to_string().parse(), Ok(delivery));
        }
        if let Some(kind) = EventType::from_name(&text) {
            assert_eq!(kind.as_str(), text);
        }
    });
}

fn time(text: &str) {
    match text.parse::<Timestamp>() {
        Err(error) => {
            errors::check(&error);
            assert_eq!(error.code(), "FF00136");
        }
        Ok(time) => {
            let written = time.to_string();
            assert_eq!(written.parse(), Ok(time), "{text:?} is written {written}");
            assert!(written.ends_with('Z'), "{written}");
            as_json(&time);
            // Times are stored as nanoseconds.
            assert_eq!(Timestamp::from_nanos(time.as_nanos()), time);
        }
    }
    // Whatever was stored can be shown.
    if let Some(nanos) = text.as_bytes().first_chunk::<8>() {
        let time = Timestamp::from_nanos(i64::from_le_bytes(*nanos));
        assert_eq!(time.to_string().parse(), Ok(time));
    }
}

fn duration(text: &str) {
    match text.parse::<DurationText>() {
        Err(error) => {
            errors::check(&error);
            assert_eq!(error.code(), "FF00137");
        }
        Ok(duration) => {
            assert_eq!(duration.as_str(), text);
            as_json(&duration);
            // The same in one unit. Durations in Go's notation are nanoseconds within 64 bits.
            if let Ok(nanos) = u64::try_from(duration.value().as_nanos()) {
                let same: DurationText = format!("{nanos}ns").parse().unwrap();
                assert_eq!(same.value(), duration.value(), "{text:?}");
            }
        }
    }
}

/// Where a subscription is to go: digits are a sequence, whatever else they could be.
fn place(text: &str) {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<SeekTo>() {
        Err(error) => {
            errors::check(&error);
            assert_eq!(error.code(), "PH00440");
        }
        Ok(SeekTo::After(sequence)) => {
            assert!(is_number && sequence.0 >= -1, "{text:?}");
            assert_eq!(sequence.to_string().parse(), Ok(SeekTo::After(sequence)));
        }
        Ok(SeekTo::Time(time)) => {
            assert!(!is_number, "{text:?}");
            assert_eq!(time.to_string().parse(), Ok(SeekTo::Time(time)));
        }
        Ok(SeekTo::Event(event)) => {
            assert!(!is_number, "{text:?}");
            assert_eq!(event.to_string().parse(), Ok(SeekTo::Event(event)));
        }
        Ok(SeekTo::Oldest) => assert_eq!(text, "oldest"),
        Ok(SeekTo::Newest) => assert_eq!(text, "newest"),
    }
}

fn name(text: &str) {
    for checked in [check_name(text, "name"), check_name_no_uuid(text, "name")] {
        match checked {
            Err(error) => {
                errors::check(&error);
                assert!(["FF00140", "FF00141"].contains(&error.code()));
            }
            Ok(()) => {
                assert!((1..=NAME_MAX).contains(&text.len()));
                // A name stands in paths, queries and JSON as it is.
                assert!(
                    text.bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
                );
            }
        }
    }
}

/// What is read is written in one form, and read from it again.
fn reread<T>(text: &str) -> Option<T>
where
    T: FromStr + Display + Debug + PartialEq + Serialize + DeserializeOwned,
{
    let value: T = text.parse().ok()?;
    let written = value.to_string();
    assert_eq!(written.parse().ok().as_ref(), Some(&value), "{text:?}");
    as_json(&value);
    Some(value)
}

fn as_json<T: Debug + PartialEq + Serialize + DeserializeOwned>(value: &T) {
    let json = serde_json::to_vec(value).unwrap();
    assert_eq!(&serde_json::from_slice::<T>(&json).unwrap(), value);
}
