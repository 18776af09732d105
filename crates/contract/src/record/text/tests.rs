//! Is every text of a record found again?

use bytes::Bytes;

use super::*;
use crate::data::RecordValue;
use crate::record::{RecordContent, RecordEvent};
use crate::{EventType, MessageId, Namespace, Timestamp};

fn id() -> MessageId {
    MessageId::from_v7(uuid::Uuid::from_u128(1 << 64))
}

fn record(topics: &[&str], values: &[(Validator, Option<&str>)]) -> RecordContent {
    let event = |topic: &&str| RecordEvent {
        topic: (*topic).into(),
        json: format!(r#"{{"topic":"{topic}","message":{{}}"#).into(),
    };
    let mut record = RecordContent::new(
        id(),
        Namespace::new("ns"),
        EventType::MessageConfirmed,
        Timestamp::from_nanos(1),
        topics.iter().map(event).collect(),
        0..3,
    );
    record.edit(|parts| {
        parts.tag = "tag".to_owned();
        parts.author = "ä".to_owned();
        parts.idempotency_key = topics.first().map(|first| (*first).to_owned());
        let value = |(validator, json): &(Validator, Option<&str>)| RecordValue {
            validator: *validator,
            json: json.map(|json| Bytes::from(json.to_owned())),
        };
        parts.values = values.iter().map(value).collect();
    });
    record
}

#[test]
fn every_text_is_found_again() {
    use Validator::{Definition, Json, None as Unchecked};
    let topics: [&[&str]; 4] = [&["a"], &["a", "b", "c"], &[""], &["a,b", ""]];
    let values: [&[(Validator, Option<&str>)]; 5] = [
        &[],
        &[(Json, Some("1"))],
        &[(Json, None)],
        &[(Json, Some("1")), (Unchecked, None), (Json, Some("[]"))],
        &[(Definition, Some("{}")), (Json, None)],
    ];
    for topics in topics {
        for values in values {
            let record = record(topics, values);
            assert_eq!((record.tag(), record.author()), ("tag", "ä"));
            assert_eq!(record.group(), "");
            assert_eq!(record.idempotency_key(), Some(topics[0]));
            assert_eq!(record.message_json(), br#"{"t"#);
            assert_eq!(record.events_len(), topics.len());
            for (index, topic) in topics.iter().enumerate() {
                let json = format!(r#"{{"topic":"{topic}","message":{{}}"#);
                assert_eq!(record.topic(index), *topic);
                assert_eq!(record.event_json(index), json.as_bytes());
            }
            assert_eq!(record.topic(topics.len()), "");
            assert_eq!(record.event_json(topics.len()), b"");
            let found: Vec<_> = record.values().collect();
            let expected = values.iter().map(|(validator, json)| Value {
                validator: *validator,
                json: json.map(str::as_bytes),
            });
            assert_eq!(found, expected.collect::<Vec<_>>());
            assert_eq!(record.values_len(), values.len());

            let mut same = record.clone();
            same.edit(|_| {});
            assert_eq!(same, record);
        }
    }
}
